"""The recital: what is recorded is what the model recites, the slider counts it rightly, and a learner's own
words are continued.
"""

import json
import re

import numpy as np
import pytest

import quantlab as ql
from quantlab.exhibits.recital import (
    OWN,
    OWN_TOKENS,
    RECORD,
    explore_recital,
    n_recited,
    parted,
    recite,
    recorded_recitals,
    title_of,
)
from quantlab.inference.in_types import TRAINED, TYPES, model_in_types
from quantlab.inference.recital import RECITED, read_passages
from quantlab.models.digests import sha256
from quantlab.models.source import BUNDLED

CLOSE = 0.02            # logits: nearer than this, another processor's sums may choose the other token


@pytest.fixture(scope="module")
def stock():
    return model_in_types("tiny")


def test_the_record_belongs_to_the_shipped_model(stock):
    assert list(recorded_recitals(stock)) == list(stock.stops) == [*TYPES, *TRAINED], (
        "run `python -m tools.record_tiny`: the record is of another tiny.gguf")
    assert json.loads(RECORD.read_text())["model_sha256"] == [stock.digest, sha256(BUNDLED["tiny-qat"])]


@pytest.mark.parametrize("qtype", [*TYPES, *TRAINED])
def test_what_is_recorded_is_recited(stock, qtype):
    """Word for word; where the two part, the model must have been undecided."""
    lm, passages = stock.at(qtype), read_passages()
    some = [0, 1, *range(2, len(passages), 8)]
    for i, now in zip(some, recite(lm, [passages[i] for i in some]), strict=True):
        was = recorded_recitals(stock)[qtype][i]
        if now != was:
            start = lm.tokenizer.encode(now.opening)
            said, before = (lm.tokenizer.encode(now.opening + line.wrote)[len(start):] for line in (now, was))
            at = next(k for k, pair in enumerate(zip(said, before, strict=False)) if pair[0] != pair[1])
            best = np.sort(lm.logits([*start, *said[:at]])[-1])
            assert best[-1] - best[-2] < CLOSE, (now, was)


def test_the_title_counts_the_ticks_at_every_stop(stock):
    explorer = explore_recital()
    heights, seen = set(), set()
    for qtype in TYPES:
        explorer.set(qtype=qtype)
        rows = recorded_recitals(stock)[qtype]
        n, of = n_recited(rows), sum(row.by_heart for row in rows)
        assert explorer.finding.startswith(f"At {qtype} it ")
        assert (f"all {of}" if n == of else f"{n or 'none'} of {of}") in explorer.finding
        assert explorer.view.value.count(">✓<") == n + n_recited(rows, by_heart=False)
        assert f"{ql.FORMATS[qtype].bpw:.3g} bits per weight" in explorer.view.value
        heights.add(explorer.picture.height)
        seen.add(explorer.finding)
    assert len(heights) == 1 and len(seen) == len(TYPES)


def test_behind_the_types_stands_another_model_in_the_bytes_of_q2_k(stock):
    """Page Down leads there from Q2_K; whoever gives another file has no such stop."""
    explorer = explore_recital(qtype="Q2_K")
    assert explorer.finding.startswith("At Q2_K it knows none of 28")
    plain = re.search(r"([\d.]+ bits per weight, [\d.]+ MB)", explorer.view.value)[1]
    explorer.touched({"key": "PageDown"})
    assert explorer.finding.startswith("Trained for Q2_K, it knows 27 of 28")
    assert f"Another model in the same {plain}" in explorer.view.value
    explorer.controls["own"].value = "My kingdom for"
    said = "".join(ql.load_lm("tiny-qat").generate("My kingdom for", OWN_TOKENS))
    assert explorer.picture.table[1][5].removesuffix("…") == said
    with pytest.raises(ValueError, match="no type 'trained Q2_K' here"):
        explore_recital(str(BUNDLED["tiny-qat"]), qtype="trained Q2_K")


def test_every_passage_can_be_chosen_by_menu_tile_and_key(stock):
    explorer, passages = explore_recital(qtype="Q2_K"), read_passages()
    for i, passage in enumerate(passages):
        explorer.touched({"cell": i})
        assert explorer.controls["passage"].value == i
        assert f'>{passage["opening"].split()[0]}' in explorer.view.value
        assert ("never learned" in explorer.finding) == (not passage["by_heart"])
    for key, at in (("Home", 0), ("ArrowRight", 1), ("ArrowDown", 29), ("ArrowUp", 1), ("ArrowLeft", 0),
                    ("ArrowLeft", 0), ("End", 41), ("ArrowRight", 41)):
        explorer.touched({"key": key})
        assert explorer.controls["passage"].value == at
    explorer.touched({"key": "PageUp"})
    assert explorer.controls["qtype"].value == "Q3_K"
    assert len(explorer.picture.table) == 1 + len(passages)


@pytest.mark.parametrize(("wrote", "should", "good", "rest", "missed"),
                         [(", that is the quest. O", ", that is the question:", ", that is the ", "quest. O",
                           "question:"), (" the same", " the same", " the same", "", ""),
                          ("\nx y", " x z", "\nx ", "y", "z"), ("", " a", "", "", "a"),
                          (" a b", " a", " a ", "b", "")])
def test_two_texts_part_at_the_first_other_word(wrote, should, good, rest, missed):
    mine, theirs = parted("To be", wrote, should)
    assert (mine.good, mine.rest, theirs.rest) == (good, rest, missed)
    assert mine.whole == "To be" + wrote and theirs.whole == "To be" + should


def test_own_words_are_continued_as_generate_does(stock):
    explorer = explore_recital(qtype="Q4_K")
    assert explorer.controls["seed"].disabled
    explorer.controls["own"].value = "My kingdom for"
    assert explorer.controls["passage"].value == OWN and not explorer.controls["seed"].disabled
    greedy = explorer.picture.table[1]
    for qtype, column in (("Q4_K", 5), ("F16", 6)):
        said = "".join(stock.at(qtype).generate("My kingdom for", OWN_TOKENS))
        assert greedy[column].removesuffix("…") == said
    explorer.set(temperature=1.2, seed=3)
    drawn = explorer.picture.table[1]
    assert drawn[5] != greedy[5] and "seed 3" in explorer.view.value
    explorer.set(seed=4)
    assert explorer.picture.table[1][5] != drawn[5]
    explorer.set(seed=3)
    assert explorer.picture.table[1] == drawn
    explorer.set(qtype="F16")
    assert explorer.finding.startswith("F16 goes on with")


@pytest.mark.parametrize("own", ["<script>alert(1)</script>", "日本 é\x00", "<|endoftext|>"])
def test_any_text_can_be_an_opening_and_is_only_text(own):
    explorer = explore_recital()
    explorer.controls["own"].value = own
    explorer.buttons["As table"].value = True
    assert "<script" not in explorer.view.value + explorer.words.value and "</text>" in explorer.view.value


def test_too_long_an_opening_is_a_sentence_and_the_next_move_recovers():
    explorer = explore_recital()
    explorer.controls["own"].value = "word " * 400
    assert re.search(r"longer than the \d+ that tiny was trained with", explorer.finding)
    explorer.set(passage=0)
    assert explorer.finding.startswith("At F16")


def test_the_button_recites_here_and_says_how_it_went():
    explorer = explore_recital(qtype="Q4_0")
    assert "Recorded" in explorer.view.value
    before = explorer.finding
    explorer.buttons["Recite it here"].click()
    assert "Recited on this computer" in explorer.view.value and explorer.finding == before
    assert re.search(r"in [\d.]+ seconds. 4\d of 42 are the very words", explorer.status.value)


def test_another_file_recites_by_itself(tmp_path):
    ql.quantize_model("tiny", tmp_path / "own.gguf", "Q8_0")
    explorer = explore_recital(str(tmp_path / "own.gguf"), qtype="Q8_0")
    assert explorer.recorded == {} and "Recited on this computer" in explorer.view.value
    assert "read again and again" in explorer.view.value
    assert explorer.lm.own == "Q8_0" and explorer.finding.startswith("At Q8_0 it knows")


def test_what_cannot_be_is_said():
    assert "needs a language model" in explore_recital("sample").finding
    assert "needs a language model" in explore_recital("/no/such/file.gguf").finding
    with pytest.raises(ValueError, match=r"no type 'Q9_K' here; the nearest are .*; there are F16"):
        explore_recital(qtype="Q9_K")
    with pytest.raises(ValueError, match="no passage begins with 'Luke'"):
        explore_recital(passage="Luke")



def test_titles():
    assert [title_of(work) for work in ("hamlet", "lear", "as_you_like_it", "richard_iii", "henry_v",
                                        "romeo_and_juliet")] == ["Hamlet", "King Lear", "As You Like It",
                                                                 "Richard III", "Henry V", "Romeo and Juliet"]
    assert RECITED == 32
