"""`ql.Comparison` on the real server: preflight, a whole run, kill -9 in the middle of one, replayed answers, and its own cost."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import quantlab as ql
from quantlab.lab.measure import CUT, TRUNCATED

pytestmark = pytest.mark.server

QUANTS = ["135m-instruct-q8_0", "135m-instruct-q4_K_M"]
OPTIONS = {"num_thread": 1, "num_ctx": 512, "num_predict": 4}
PROMPTS = ["Who painted the Mona Lisa?", "Name a colour.", "What do bees make?"]


def comparison(path, prompts=PROMPTS, models=QUANTS, **more):
    return ql.Comparison(prompts, models, base="smollm", file=path, options={**OPTIONS, **more.pop("options", {})}, **more)


def test_preflight_names_what_is_there_what_is_not_and_who_are_twins(live, tmp_path):
    found = comparison(tmp_path / "a", models=[*QUANTS, f"smollm2:{QUANTS[0]}", "no-such:1b"]).preflight(registry="http://127.0.0.1:9")
    assert found.version.count(".") == 2 and [row["state"] for row in found.rows][:3] == ["installed"] * 3
    assert not found.ok and found.stops[0].startswith("no-such:1b") and found.to_pull == []
    assert any("same file" in note for note in found.notes) and "Stop: no-such" in repr(found)
    assert comparison(tmp_path / "a").preflight().ok


def test_a_run_measures_what_the_server_counts(live, tmp_path):
    made = comparison(tmp_path / "a.jsonl").run()
    rows = made.table()
    assert made.stopped == "" and len(rows) == 12 and set(rows["error"]) == {""} and (rows["text"].str.len() > 0).all()
    assert (rows["tokens_per_second"] > 0.1).all() and (rows["first_seconds"] < rows["wall_seconds"]).all()
    assert (rows["overhead_seconds"] >= 0).all()
    assert all(CUT in flags for flags in rows["flags"]) and set(rows["quantization"]) == {"Q8_0", "Q4_K_M"}
    assert rows.groupby(["model", "prompt_number"])["text"].nunique().max() == 1, "temperature 0 repeats itself"
    assert len(made.summary()) == 2 and "n = 3" in str(made.summary()["speed_ratio"][1])


def test_a_prompt_that_does_not_fit_is_flagged_and_never_cut_in_silence(live, tmp_path):
    rows = comparison(tmp_path / "a.jsonl", ["word " * 20_000], QUANTS[:1], rounds=1).run().rows()
    assert rows[0]["flags"] == [TRUNCATED] and "exceeds the context" in rows[0]["error"]


RUN = """
import sys
from tests.server.test_comparison_lab_live import comparison
comparison(sys.argv[1]).run(on_progress=lambda now: print(now.done, flush=True))
"""


def test_killed_at_five_moments_and_resumed_no_call_is_lost_or_repeated(live, tmp_path):
    path, before = tmp_path / "a.jsonl", []
    for turn in range(5):
        with subprocess.Popen([sys.executable, "-c", RUN, str(path)], stdout=subprocess.PIPE, text=True) as run:
            for _ in range(2 if turn % 2 else 1):
                run.stdout.readline()
            time.sleep(0.13 * turn)
            os.kill(run.pid, signal.SIGKILL)
        keys = _keys(path)
        assert keys[: len(before)] == before
        before = keys
    comparison(path).run()
    keys = _keys(path)
    assert keys[: len(before)] == before and sorted(keys) == sorted(call.key for call in comparison(path).plan.calls())


def test_replayed_to_itself_the_reference_diverges_by_almost_nothing_and_a_quant_by_more(live, tmp_path):
    made = comparison(tmp_path / "a.jsonl", rounds=1)
    found = made.diverge(places=2)
    again, quant = found["again"], found[f"smollm:{QUANTS[1]}"]
    assert sum(again.kl.values()) < 1e-3 < sum(quant.kl.values()) and again.places == 6 and again.coverage > 0.5
    count = len(made.records)
    made.diverge(places=2)
    assert len(made.records) == count, "a second call asks nothing"


def _keys(path):
    lines = path.read_text().splitlines() if path.exists() else []
    return [record["key"] for line in lines if (record := _parsed(line)).get("kind") == "call"]


def _parsed(line):
    try:
        return json.loads(line)
    except ValueError:          # torn by the kill
        return {}
