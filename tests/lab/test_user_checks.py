"""A user's own rule for what is right: a pattern, JSON, a number, a function."""

import json
import math
import re

import pytest

from quantlab.lab.checks import (
    Check,
    as_check,
    by_function,
    has,
    is_json,
    named_check,
    passed,
    says_number,
    trial,
)


@pytest.mark.parametrize("check, answer, expected, right", [
    (has("da vinci|leonardo"), "It was LEONARDO.", "", True), (has("^No"), "Yes. No", "", False),
    (has(), "It is 3.14 (about)", "3.14 (", True), (has(), "", "", None), (has(), "moo", " ", None),
    (is_json(), '{"a": 1}', "", True), (is_json(), "Sure:\n```json\n[1]\n```\n", "", True),
    (is_json(), "7", "", False),
    (is_json("a"), '{"b": 1}', "", False), (is_json("a"), "[1]", "", False),
    (is_json(), "[" * 100_000, "", False),
    (is_json(), "", "", False),
    (says_number(56), "7 × 8 = 56.", "", True), (says_number(), "It is 1,234.50 euros", "1234.5", True),
    (says_number(), "twelve", "12", False),
    (says_number(), "12", "", None), (says_number(), "12", "a dozen", None),
    (says_number(-3e-4), "x = -3.0e-4", "", True),
    (by_function(str.isupper), "YES", "", True),
])
def test_each_kind_of_check(check, answer, expected, right):
    assert check.passes(answer, expected) is right


def test_what_a_check_can_be_made_of():
    assert (
        as_check("a+").passes("caat", "")
        and as_check(len).passes("x", "")
        and isinstance(as_check(has()), Check)
    )
    assert as_check(len).name == "len"
    for bad, words in (("(", "cannot be read"), (7, "function of the answer")):
        with pytest.raises(ValueError, match=words):
            as_check(bad)


def test_a_prompt_passes_when_more_than_half_of_its_rounds_do():
    rows = [{"model": "m", "prompt_number": n, "passed": said, "error": error}
            for n, said, error in ((0, True, ""), (0, False, ""), (1, True, ""), (2, True, ""), (2, True, ""),
                                   (2, False, ""), (3, None, "failed"), (4, None, ""))]
    assert passed(rows) == {"m": {0: False, 1: True, 2: True}}, "not judged is neither passed nor failed"


@pytest.mark.parametrize("words, answer, expected, right", [
    ("has", "It is Rome.", "rome", True), ("has: ro+me", "It is Roome.", "", True), ("HAS", "x", "", None),
    ("number", "6 × 7 = 42", "42", True), ("number: 42", "41", "", False), ("json", "[1]", "", True),
    ("json: a, b", '{"a": 1, "b": 2}', "", True), ("json: a b", '{"a": 1}', "", False),
])
def test_a_file_of_prompts_names_checks(words, answer, expected, right):
    assert named_check(words).passes(answer, expected) is right and named_check("") is None


@pytest.mark.parametrize("words, said", [
    ("hasx", "no check 'hasx' here; the nearest is has"), ("has: (", "cannot be read"),
    ("number: many", "'many' is none"), (":", "there are has, number, json")])
def test_a_check_that_nobody_knows_is_refused(words, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        named_check(words)


def two(answer, expected):
    return True


@pytest.mark.parametrize("function", [two, lambda: True, lambda answer, *, must: True, Check])
def test_a_function_that_does_not_take_just_the_answer_is_refused(function):
    with pytest.raises(ValueError, match="function of one argument"):
        as_check(function)


@pytest.mark.parametrize("function, said", [
    (lambda answer: answer.split()[0] == "Yes,", "IndexError (list index out of range) for the answer ''"),
    (lambda answer: json.loads(answer)["x"], "raised JSONDecodeError"),
    (lambda answer: {"Yes, it is 42.": 1, "": 0}[answer], """KeyError ('{"answer": 42}')"""),
    (math.sqrt, "the check sqrt raised TypeError")])
def test_a_check_that_raises_is_found_before_anything_is_asked(function, said):
    assert said in trial(as_check(function), [""])
    assert trial(as_check(len), ["", "x"]) == trial(has(), [""]) == ""
