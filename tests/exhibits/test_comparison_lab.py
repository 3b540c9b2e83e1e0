"""The comparison explorer and the ballot without a server: the recorded run, its words, its escapes."""

import re
from xml.etree import ElementTree

import pytest

import quantlab as ql
from quantlab.canvas.answers import answers_html, ballot_html, live_html
from quantlab.exhibits.verdict import draw_verdict
from quantlab.lab.overview import overview
from quantlab.lab.side_by_side import answers, short_names
from quantlab.lab.verdict import Metric
from quantlab.stage.base import html_table
from quantlab.stage.touchable import png


@pytest.fixture
def here(tmp_path, monkeypatch, nobody):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_server_both_recorded_comparisons_are_shown_with_machine_and_date(here):
    lab = ql.explore_comparison()
    assert not lab.live and "You see a recorded comparison" in lab.status.value
    assert not lab.buttons["run"].disabled
    assert lab.finding == "q8_0 and q4_K_M are good enough; q2_K is worse"
    assert re.search(r"Recorded on \d{4}-\d\d-\d\d with Ollama 0\.\d+", lab.picture.svg)
    lab.controls["which"].value = "smollm2"
    assert lab.finding == "q8_0 is good enough; q2_K is worse; cannot tell about q4_K_M"
    seen = set()
    said = lab.pieces["said"]
    for _, number in lab.controls["prompt"].options:
        lab.controls["prompt"].value = number
        seen.add(said.value)
    assert len(seen) == 12 and "<ins" in said.value and "first differs at word" in said.value
    lab.buttons["run"].click()
    assert "No Ollama answers" in lab.status.value
    lab.buttons["report"].click()
    lab.thread.join(20)
    assert (here / "recorded-smollm2.html").stat().st_size > 10_000


def test_a_recorded_comparison_is_judged_anew_but_asks_nobody(here):
    made = ql.RecordedComparison("smollm2", margin=2)
    assert set(made.summary()["answer"].dropna()) == {"good enough"}, "all are within two nats"
    assert len(made.table()) == 96 and made.missing == 0
    for call in (made.run, made.diverge):
        with pytest.raises(ValueError, match="recorded elsewhere"):
            call()
    with pytest.raises(ValueError, match="there are tiny, smollm2"):
        ql.RecordedComparison("big")


def test_the_ballot_shows_no_name_before_the_end_and_takes_keys(here):
    lab = ql.explore_votes()
    pairs, votes = len(lab.ballot.pairs), ["ArrowLeft", "ArrowRight", "ArrowDown"]
    assert pairs > 8
    for number in range(pairs):
        assert "q2_K" not in lab.view.value + lab.finding and "fp16" not in lab.view.value + lab.finding
        lab.touched({"key": votes[number % 3]})
        assert len(lab.ballot.votes) == number + 1
    assert "fp16 won" in lab.finding and "q2_K" in lab.finding and lab.buttons["left"].disabled
    lab.touched({"key": "ArrowLeft"})
    assert len(lab.ballot.votes) == pairs, "after the reveal nothing is blind, so nothing counts"
    assert "fp16 won" in ql.explore_votes().finding, "the votes are in the file"


EVIL = ["<script>alert(1)</script>", "</text></svg><img src=x onerror=alert(1)>", "\x1b[31mred\x00",
        "日本語" * 200, "\ud800lone", "<ins onclick=alert(1)>", "'\" onload='x"]


@pytest.mark.parametrize("evil", EVIL)
def test_what_a_model_says_is_only_ever_text(evil):
    from quantlab.lab.side_by_side import word_diff

    cards = [{"name": evil, "note": evil, "flags": [evil], "marked": word_diff("plain words", evil)}]
    for html in (answers_html(evil, cards), live_html(evil, evil), ballot_html(evil, evil, evil, evil)):
        assert not re.search(r"<(script|img|ins on|/text|/svg)", html)
        assert not re.search(r"<[a-z]+ [^>]*on(click|load|error)=", html)
    row = {"name": evil, "quantization": evil, "bytes": 1, "harm": (0.1, 0.05, 0.2), "answer": "worse",
           "verdict": evil, "speed": 1.0, "times_as_fast": (1.0, 0.9, 1.1), "remarks": [evil],
           "reference": False}
    picture = draw_verdict([row], Metric("metric", "unit", 0.05), evil)
    ElementTree.fromstring(picture.svg)
    assert "<script" not in picture.svg + html_table(picture.table) and png(picture)[:4] == b"\x89PNG"


@pytest.mark.parametrize("harm", [None, (0.1, None, None), (-0.3, -0.5, 0.1), (0.0, 0.0, 0.0),
                                  (40.0, 3.0, 90.0)])
def test_every_kind_of_harm_has_a_picture_inside_its_frame(harm):
    row = {"name": "q", "quantization": "Q", "bytes": 0, "harm": harm, "answer": "cannot tell", "verdict": "",
           "speed": 0.0, "times_as_fast": None, "remarks": [], "reference": False}
    picture = draw_verdict([row], Metric("metric", "unit", 0.1))
    xs = [float(x) for x in re.findall(r' (?:cx|x1|x2|x)="([-\d.]+)"', picture.svg)]
    assert min(xs) >= 0 and max(xs) <= picture.width and picture.finding == "Cannot tell about q"


def test_a_model_that_was_not_asked_yet_has_no_numbers(here):
    made = ql.RecordedComparison("tiny")
    made._recorded = [record for record in made.records if record["kind"] == "session"
                      or record.get("model") == 0]
    picture = draw_verdict(overview(made), Metric("metric", "unit", 0.1))
    assert "nan" not in picture.svg and picture.svg.count("not measured") == 4 and "MB" in picture.svg


def test_names_are_as_short_as_they_can_be():
    assert short_names(["a:135m-it-q8_0", "a:135m-it-fp16"]) == {"a:135m-it-q8_0": "q8_0",
                                                                 "a:135m-it-fp16": "fp16"}
    assert short_names(["a:1b", "a:1b-q8_0"]) == {"a:1b": "1b", "a:1b-q8_0": "1b-q8_0"}
    assert short_names(["a:1b", "b:1b"]) == {"a:1b": "a:1b",
                                             "b:1b": "b:1b"} and short_names(["a:x"]) == {"a:x": "x"}


def test_the_recorded_numbers_are_the_summarys():
    made = ql.RecordedComparison("tiny")
    rows, table = overview(made), made.summary()
    assert [row["verdict"] for row in rows] == list(table["verdict"]) and rows[3]["harm"][1] > 0.05
    assert next(card["note"] for card in answers(made, 0)) == "the reference"
