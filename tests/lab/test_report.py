"""The report is one file that asks nobody for anything, and what a model said stays text; ten thousand calls
are read in moments.
"""

import json
import re
import time

import pytest

from quantlab.lab.analysis import first_difference
from quantlab.lab.comparison import Comparison
from quantlab.lab.report import word_diff
from tests.lab.test_comparison import GOOD, Pretend, run

EVIL = '<script>document.title="run"</script><img src=x onerror=alert(1)>&amp; "quoted" </pre></body>'


def test_the_report_has_every_number_and_no_word_of_a_model_as_html(tmp_path):
    evil = (200, json.dumps({**GOOD, "response": EVIL}).encode() + b"\n")
    made = run(Pretend(odd={EVIL: evil, "two": (500, b'{"error": "<b>died</b>"}')}), tmp_path, [EVIL, "two"])
    page = made.report(tmp_path / "report.html").read_text()
    assert "<script" not in page and "<img" not in page and "<b>died" not in page and "&lt;script&gt;" in page
    assert not re.search(r"src=|href=|@import|url\(",
                         re.sub(r"&lt;.*?&gt;", "", page)) and "default-src 'none'" in page
    for words in ("m:a", "digest of m:b", "temperature 0, seed 1", "Ollama 0.0", "margin 0.05",
                  "too few for an interval", "nothing was replayed"):
        assert words in page
    assert "All 8 calls" in page and "1 calls failed" not in page and "2 calls failed" in page


def test_a_word_diff_names_the_first_word_that_differs():
    assert word_diff("a b <c>", "a b <c>") == "a b &lt;c&gt;" and first_difference("a b", "a  b") is None
    assert word_diff("the red cow", "the blue cow") == "the <del>red</del><ins>blue</ins> cow"
    assert word_diff("a", "a b") == "a<ins> b</ins>" and first_difference("the red cow", "the blue cow") == 2
    assert first_difference("a", "a b") == 2 and first_difference("", "x") == 1
    start, long, other = time.monotonic(), "moo " * 5000, "moo " * 4999 + "cow "
    assert first_difference(long, other) == 5000 and word_diff(long, other).endswith("cow ")
    assert time.monotonic() - start < 20


def test_ten_thousand_calls_are_read_and_judged_in_moments(tmp_path):
    made = Comparison([f"prompt {i}" for i in range(100)], [f"m:{i}" for i in range(10)], rounds=10,
                      file=tmp_path / "a.jsonl", check="moo")
    lines = [{"format": "quantlab comparison 1", "key": made.plan.key, "plan": made.plan.as_dict()}]
    answer = {**GOOD, "response": "moo " * 60 + "end", "first_seconds": 0.2, "wall_seconds": 1.2}
    lines += [{"kind": "call", "key": call.key, "round": call.round, "model": call.model,
               "prompt": call.prompt, "at": "", "since_start": 0.0,
               "answer": {**answer, "eval_duration": 10**9 + call.prompt}, "memory": {}}
              for call in made.plan.calls()]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    start = time.process_time()
    assert len(made.table()) == 10_000 and made.missing == 0 and len(made.summary()) == 10
    print(f"{time.process_time() - start:.2f} s of processor time")
    assert time.process_time() - start < 6


@pytest.mark.parametrize("place", ["no/such/folder/report.html", "."])
def test_a_report_that_cannot_be_written_says_why(tmp_path, place):
    made = run(Pretend(), tmp_path, ["one"], ["m:a"], rounds=1)
    with pytest.raises((ValueError, OSError)):
        made.report(tmp_path / place)
