"""The llama of lesson 00: it is gone only where one shade is left; blocks limit what a hot pixel ruins."""

import pytest

from quantlab.exhibits.llama import BLOCK, SCOPES, explore_llama

WHOLE, BLOCKS = SCOPES


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_llama_is_gone_exactly_where_one_shade_is_left(bits):
    shown = explore_llama()
    for hot in (1, 2, 3, 5, 10, 20, 50, 100):
        shown.set(bits=bits, hot=hot, scale=WHOLE)
        assert ("the llama is gone" in shown.finding) == (shown.picture.numbers["shades"] == 1)


@pytest.mark.parametrize("bits", range(2, 9))
def test_a_hot_pixel_ruins_at_most_the_others_of_its_block(bits):
    shown = explore_llama()
    for hot in (2, 5, 20, 50, 100):
        shown.set(bits=bits, hot=hot, scale=BLOCKS)
        assert 0 < shown.picture.numbers["ruined"] <= BLOCK - 1
    assert shown.picture.numbers["ruined"] == BLOCK - 1, "the hottest ruins all of them"


def test_without_a_hot_pixel_none_is_ruined():
    shown = explore_llama()
    for scale in SCOPES:
        shown.set(scale=scale)
        assert shown.picture.numbers["ruined"] == 0
        assert ("pixels the hot one ruins", "0") in shown.picture.table
