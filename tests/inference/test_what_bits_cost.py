"""What the lessons tell of the tiny model, measured: fewer bits are worse within a family, and passages known by heart are lost at last."""

import pytest

import quantlab as ql
from quantlab.inference.load import load_lm
from quantlab.inference.recital import recital, score
from quantlab.inference.workbench import HELD_OUT

FAMILIES = (("Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K"), ("Q8_0", "Q5_0", "Q4_0"), ("Q8_0", "Q5_1", "Q4_1"))


@pytest.fixture(scope="module")
def table():
    types = dict.fromkeys(["F16", *(name for family in FAMILIES for name in family)])
    return ql.compare_quality("tiny", types, pure=True, chunks=8, cache=None, progress=None).set_index("ftype")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[-1])
def test_fewer_bits_are_farther_from_the_reference(table, family):
    rows = table.loc[list(family)]
    assert rows.bpw.is_monotonic_decreasing and rows.kld.is_monotonic_increasing and rows.top1.is_monotonic_decreasing
    gaps, errors = rows.kld.diff()[1:], (rows.kld_se**2 + rows.kld_se.shift() ** 2)[1:] ** 0.5
    assert (gaps > 3 * errors).all()        # no luck of this text


def test_16_bits_are_the_model_itself(table):
    assert table.kld["F16"] == 0 and table.top1["F16"] == 1 and table.ppl["F16"] == pytest.approx(table.ppl["Q8_0"], rel=2e-3)


def test_the_tiny_model_predicts_scenes_it_never_saw():
    assert ql.perplexity(load_lm("tiny"), HELD_OUT.read_text(encoding="utf-8")).ppl < 28


def test_it_knows_the_oversampled_passages_by_heart_and_not_the_controls():
    table = recital(load_lm("tiny"))
    assert score(table) == "28/28" and table[~table.by_heart].recited.sum() <= 4


def test_two_bits_forget_them():
    table = recital(load_lm("tiny", "Q2_K", pure=True))
    assert table[table.by_heart].recited.sum() <= 7
