"""The results file: a torn end costs one call, another comparison or a second run is refused, and a kill
loses nothing.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from quantlab.lab.journal import open_journal, read_records
from tests.posix import posix_only

HEAD = {"key": "k1", "plan": {"models": ["m"]}}


def written(path, count=3):
    with open_journal(path, HEAD) as journal:
        for number in range(count):
            journal.append({"n": number, "text": "ü\n\u2028\udce9"})
    return path.read_bytes()


def numbers(path):
    with open_journal(path, HEAD) as journal:
        return [record["n"] for record in journal.records], journal.torn


def test_records_come_back_whole_with_odd_letters(tmp_path):
    written(tmp_path / "a.jsonl")
    head, records = read_records(tmp_path / "a.jsonl")
    assert head["plan"] == HEAD["plan"] and [r["n"] for r in records] == [0, 1, 2]
    assert records[0]["text"] == "ü\n\u2028\udce9"


def test_cut_at_any_byte_no_whole_record_is_lost_and_no_half_one_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda number: None)       # 600 of them; what is read does not need one
    path = tmp_path / "a.jsonl"
    whole = written(path)
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        there = max(whole[:end].count(b"\n") - 1, 0)
        assert numbers(path) == (list(range(there)), end > 0 and whole[end - 1] != 10)
        with open_journal(path, HEAD) as journal:
            journal.append({"n": there})
        assert numbers(path) == (list(range(there + 1)), False)


def test_another_comparison_and_another_file_are_refused_and_stay_as_they_are(tmp_path):
    path = tmp_path / "a.jsonl"
    written(path)
    for content, words in ((path.read_bytes(), "another comparison"), (b"my diary", "not a results file"),
                           (b"my diary\n", "damaged, or not"), (b'{"format": 1}\n', "not a results file"),
                           (path.read_bytes().replace(b'"n": 1', b'"n: 1'), "line 3: damaged")):
        path.write_bytes(content)
        head = {**HEAD, "key": "k2"} if words == "another comparison" else HEAD
        with pytest.raises(ValueError, match=words), open_journal(path, head):
            pass
        assert path.read_bytes() == content
    with pytest.raises(ValueError, match="cannot be opened"), open_journal(tmp_path / "no" / "a.jsonl", HEAD):
        pass
    with pytest.raises(ValueError, match="cannot be read"):
        read_records(tmp_path / "none.jsonl")


def test_two_runs_on_one_file_are_refused_and_the_lock_goes_with_the_run(tmp_path):
    path = tmp_path / "a.jsonl"
    with open_journal(path, HEAD) as first:
        first.append({"n": 0})
        with pytest.raises(ValueError, match="another run is writing"), open_journal(path, HEAD):
            pass
        assert [r["n"] for r in read_records(path)[1]] == [0]         # looking on is allowed
    assert numbers(path) == ([0], False)


WRITER = """
import sys
from pathlib import Path
from quantlab.lab.journal import open_journal
with open_journal(Path(sys.argv[1]), {"key": "k1", "plan": {}}) as journal:
    for number in range(len(journal.records), 10**6):
        journal.append({"n": number, "text": "x" * 5000})
        print(number, flush=True)
"""


@posix_only
def test_kill_9_at_any_moment_loses_nothing_that_was_reported(tmp_path):
    path = tmp_path / "a.jsonl"
    for turn in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE,
                              text=True) as run:
            run.stdout.readline()
            time.sleep(0.05 + 0.07 * turn)
            os.kill(run.pid, signal.SIGKILL)
            reported = run.stdout.read().split()
        there, _ = numbers(path)
        assert there == list(range(len(there))) and len(there) > int(reported[-1])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_said_in_words(tmp_path):
    words = r"could not take a result.*all before it is kept"
    with pytest.raises(OSError, match=words), open_journal(tmp_path / "a.jsonl", HEAD) as journal:
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, journal._file.fileno())
        os.close(full)
        journal.append({"n": 1})
