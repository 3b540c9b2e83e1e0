"""Lesson 14's exercise: times add up, speeds do not."""

import pytest

import quantlab as ql


def test_the_times_are_added():
    assert ql.check_split_speed(1 / (6 / 400 + 2 / 50)).voice == "correct" and ql.check_split_speed(
        18.2).voice == "correct"
    assert ql.check_split_speed(...).voice == "not started"


@pytest.mark.parametrize("answer", [50, 6.25, 39.0625, 0.055, 66.667, 25])
def test_each_usual_mistake_has_its_hint(answer):
    assert ql.check_split_speed(answer).voice == "almost"
