"""The report is one file that asks nobody for anything, and what a model said stays text; ten thousand calls
are read in moments.
"""

import json
import re
import time
from html import escape

import pytest

from quantlab.lab.analysis import first_difference
from quantlab.lab.checks import has
from quantlab.lab.comparison import Comparison
from quantlab.lab.overview import answer_words, prompt_lines, tag_lines
from quantlab.lab.report import trade_chart
from quantlab.lab.server import Server
from quantlab.lab.side_by_side import word_diff
from tests.lab.stand_in import stand_in
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
    assert page.index("There is no verdict yet.") < page.index("<h2>"), "the answer stands first"
    assert "<h1>2 prompts, 2 models, 2 rounds</h1>" in page


def judged(tmp_path, tries, models=("m:a", "m:b"), prompts=8, sizes=None, **more):
    """A finished comparison whose models answer as `tries` says: {model: which prompts they get right}."""
    asked = [{"prompt": f"{i}", "expected": "moo"} for i in range(prompts)]
    pretend = Pretend()

    def answer(path, body):
        status, content = pretend(path, body)
        if path == "/api/tags":
            found = json.loads(content)
            for model in found["models"]:
                model["size"] = (sizes or {}).get(model["model"], 10**9)
            return status, json.dumps(found).encode()
        if path == "/api/generate" and body.get("prompt", "").isdigit():
            right = int(body["prompt"]) in tries[body["model"]]
            return 200, json.dumps({**GOOD, "response": "moo" if right else "woof"}).encode() + b"\n"
        return status, content

    with stand_in(answer) as url:
        return Comparison(asked, list(models), rounds=1, file=tmp_path / "run.jsonl", check=has(),
                          server=Server(url, timeout=5), **more).run()


EVERY = range(40)


@pytest.mark.parametrize("tries, more, words", [
    ({"m:a": EVERY, "m:b": EVERY}, {"prompts": 40, "margin": 0.2, "sizes": {"m:a": 4 * 10**9}},
     "The smallest that is good enough is m:b (1 GB, 25 % of the reference's bytes)."),
    ({"m:a": EVERY, "m:b": ()}, {"prompts": 40}, "None is good enough: stay with m:a. Worse: m:b."),
    ({"m:a": EVERY, "m:b": EVERY}, {"prompts": 12}, "No model is shown to be good enough yet. Open: m:b; "),
    ({"m:a": EVERY}, {"models": ["m:a"]}, "One model was asked: there is nothing to hold it against."),
])
def test_the_report_opens_with_what_a_reader_wants_to_know(tmp_path, tries, more, words):
    made = judged(tmp_path, tries, **more)
    page = made.report(tmp_path / "report.html").read_text()
    assert answer_words(made).startswith(words)
    assert f'</h1><p class="lead">{escape(answer_words(made))}' in page


def test_the_report_says_of_each_prompt_what_was_expected_and_who_passed(tmp_path):
    made = judged(tmp_path, {"m:a": {0, 1}, "m:b": {0}}, prompts=3)
    page = made.report(tmp_path / "report.html").read_text()
    assert "expected: moo; right if it has what is expected" in page
    assert prompt_lines(made)[1:] == [
        ("1: 0", "", "moo", "has what is expected", "passed", "passed"),
        ("2: 1", "", "moo", "has what is expected", "passed", "not passed"),
        ("3: 2", "", "moo", "has what is expected", "not passed", "not passed")]
    assert "66.7 % of 3 prompts" in page and "<h2>What passed</h2>" in page and "0.667" not in page


def test_the_reference_lies_at_no_loss_whatever_it_passed(tmp_path):
    made = judged(tmp_path, {"m:a": {0}, "m:b": {0, 1, 2}}, prompts=11)
    picture = trade_chart(made.plan, made.metric, made.judged())
    lost = {row[0]: row[2] for row in picture.table[1:]}
    assert lost == {"m:a": "0 %", "m:b": "−18.2 %"}, "the reference passed 1 of 11, and is not 0.909"
    assert "pass rate lost, of all prompts, against the reference" in picture.table[0][2]


@pytest.mark.parametrize("tags, words", [(None, ("4 of 4", "2 of 4")), ("odd", ("2 of 2", "1 of 2"))])
def test_what_passed_is_told_by_tag(tmp_path, tags, words):
    asked = [{"prompt": f"p{i}", "check": "has: moo", "tags": ["odd" if i % 2 else "even", "all"]}
             for i in range(4)]
    half = (200, json.dumps({**GOOD, "response": "woof"}).encode() + b"\n")
    with stand_in(Pretend(odd={"p0": [None, half], "p1": [None, half]})) as url:
        made = Comparison(asked, ["m:a", "m:b"], rounds=1, file=tmp_path / "a.jsonl", tags=tags,
                          server=Server(url, timeout=5)).run()
    lines = {line[0]: line[1:] for line in tag_lines(made)[1:]}
    assert lines["all"] == words and set(lines) == ({"all", "odd"} if tags else {"all", "odd", "even"})
    with pytest.raises(ValueError, match="no tag of a prompt 'odds' here; the nearest is odd"):
        Comparison(asked, ["m:a"], tags=["odds"])
    with pytest.raises(ValueError, match="no prompt has a tag"):
        Comparison(["a"], ["m:a"], tags="odd")


UNSEEN = "a\x1b[31mb\x00c\u202ed\u200fe\u2066f\x7f"


def test_characters_that_nobody_sees_are_boxes_in_report_and_csv(tmp_path):
    odd = {"one": (200, json.dumps({**GOOD, "response": UNSEEN}).encode() + b"\n"),
           "two": (500, json.dumps({"error": UNSEEN}).encode()),
           UNSEEN: (200, json.dumps({**GOOD, "response": "=1+1"}).encode() + b"\n")}
    asked = ["one", "two", {"prompt": UNSEEN, "expected": UNSEEN, "tags": [UNSEEN], "check": "has"}]
    made = run(Pretend(odd=odd), tmp_path, asked, rounds=1)
    page = made.report(tmp_path / "report.html").read_text()
    sheet = made.csv(tmp_path / "a.csv").read_text()
    for text in (page, sheet):
        assert not set("\x1b\x00\u202e\u200f\u2066\x7f") & set(text) and text.count("a▯[31mb▯c▯d▯e▯f▯") >= 4
    assert "'=1+1" in sheet, "a spreadsheet takes no answer for a formula"


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
