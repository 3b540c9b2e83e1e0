"""Blind votes: sides by a written coin, each vote on the disk at once, an exact interval, and no names before
the end.
"""

import json

import pytest
from scipy.stats import beta

from quantlab.lab.plan import make_plan
from quantlab.lab.prompts import read_prompts
from quantlab.lab.votes import LEFT, RIGHT, TIE, Ballot

NAMES = ("m:a", "m:b")


def ballot(path, n=20, same=2, **more):
    plan = make_plan(read_prompts([f"prompt {i}" for i in range(n)]), NAMES)
    rows = [{"prompt_number": i, "model": name, "prompt": f"prompt {i}", "error": "", "text": "same"
             if i < same else f"{i} by {name}"} for i in range(n) for name in NAMES]
    return Ballot(plan, rows, *NAMES, path / "votes.jsonl", **more)


def for_first(pair):
    return LEFT if pair.sides[0] == NAMES[0] else RIGHT


def test_sides_are_drawn_by_a_seeded_coin_and_equal_answers_are_not_asked(tmp_path):
    made = ballot(tmp_path)
    assert len(made.pairs) == 18 and made.same == 2
    assert {pair.sides for pair in made.pairs} == {NAMES,
                                                   NAMES[::-1]} and made.pairs == ballot(tmp_path).pairs
    assert [pair.sides for pair in made.pairs] != [pair.sides for pair in ballot(tmp_path, seed=2).pairs]
    assert all(pair.left.endswith(pair.sides[0]) and pair.right.endswith(pair.sides[1])
               for pair in made.pairs)


def test_each_vote_is_on_the_disk_and_the_next_session_goes_on_there(tmp_path):
    made = ballot(tmp_path)
    for pair in made.pairs[:3]:
        made.vote(pair, for_first(pair))
        line = json.loads((tmp_path / "votes.jsonl").read_text().splitlines()[-1])
        assert (line["prompt"], line["left"], line["right"]) == (pair.number, *pair.sides)
    again = ballot(tmp_path)
    assert again.open_pairs == again.pairs[3:] and again.tally().won == 3
    with pytest.raises(ValueError, match="vote already"):
        again.vote(again.pairs[0], TIE)
    with pytest.raises(ValueError, match="no vote 'up' here; there are left, tie, right"):
        again.vote(again.pairs[3], "up")
    with pytest.raises(ValueError, match="holds other votes"):
        _ = ballot(tmp_path, seed=2).votes
    with (tmp_path / "votes.jsonl").open("a") as file:
        file.write('{"kind": "vo')                         # torn by a stop: costs that vote alone
    assert len(ballot(tmp_path).votes) == 3


def test_the_share_has_an_exact_interval_and_says_what_it_cannot_tell(tmp_path):
    made = ballot(tmp_path)
    assert made.tally().words.startswith("No vote decided")
    for number, pair in enumerate(made.pairs):
        made.vote(pair, TIE if number < 4 else for_first(pair))
        if number == 10:
            assert "under 8 decided votes" in made.tally().words
    found = made.tally()
    assert (found.won, found.lost, found.ties, found.same, found.share) == (14, 0, 4, 2, 1.0)
    assert found.low == pytest.approx(beta.ppf(0.025, 14, 1)) and found.high == 1.0     # Clopper and Pearson
    assert "m:a is preferred" in found.words


def test_a_split_vote_is_no_preference(tmp_path):
    made = ballot(tmp_path)
    for number, pair in enumerate(made.pairs):
        made.vote(pair, for_first(pair) if number % 3 else {LEFT: RIGHT, RIGHT: LEFT}[for_first(pair)])
    assert "12 of 18" in made.tally().words and "one half lies within" in made.tally().words


def test_models_that_cannot_be_judged_are_sentences(tmp_path):
    plan = make_plan(read_prompts("one"), NAMES)
    for pair, words in ((("m:a", "m:c"), "no compared model 'm:c' here"),
                        (("m:a", "m:a"), "against itself")):
        with pytest.raises(ValueError, match=words):
            Ballot(plan, [], *pair, tmp_path / "x")
