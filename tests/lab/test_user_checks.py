"""A user's own rule for what is right: a pattern, JSON, a number, a function."""

import pytest

from quantlab.lab.checks import Check, as_check, by_function, has, is_json, passed, says_number


@pytest.mark.parametrize("check, answer, expected, right", [
    (has("da vinci|leonardo"), "It was LEONARDO.", "", True), (has("^No"), "Yes. No", "", False),
    (has(), "It is 3.14 (about)", "3.14 (", True), (has(), "", "", True),
    (is_json(), '{"a": 1}', "", True), (is_json(), "Sure:\n```json\n[1]\n```\n", "", True),
    (is_json(), "7", "", False),
    (is_json("a"), '{"b": 1}', "", False), (is_json("a"), "[1]", "", False),
    (is_json(), "[" * 100_000, "", False),
    (is_json(), "", "", False),
    (says_number(56), "7 × 8 = 56.", "", True), (says_number(), "It is 1,234.50 euros", "1234.5", True),
    (says_number(), "twelve", "12", False),
    (says_number(), "12", "", False), (says_number(-3e-4), "x = -3.0e-4", "", True),
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
    rows = [{"model": "m", "prompt_number": n, "text": text, "error": error}
            for n, text, error in ((0, "yes", ""), (0, "no", ""), (1, "yes", ""), (2, "yes", ""),
                                   (2, "yes", ""), (2, "no", ""), (3, "", "failed"))]
    assert passed(rows, has("yes"), {}) == {"m": {0: False, 1: True, 2: True}}
