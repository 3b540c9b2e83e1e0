"""What the lessons tell of the tiny model, measured: fewer bits are worse within a family, and passages known
by heart are lost at last.
"""

import pytest

import quantlab as ql
from quantlab.inference.compare import held_out_text
from quantlab.inference.load import load_lm
from quantlab.inference.quality import perplexity
from quantlab.inference.recital import count_recited
from quantlab.models.source import BUNDLED
from tests.inference.files import copied

FAMILIES = (("Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K"), ("Q8_0", "Q5_0", "Q4_0"),
            ("Q8_0", "Q5_1", "Q4_1"))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Of the tiny model under another name, so that no type is asked to recite."""
    model = copied(BUNDLED["tiny"], tmp_path_factory.mktemp("model") / "tiny.gguf",
                   metadata={"general.name": "someone"})
    types = dict.fromkeys(["F16", *(name for family in FAMILIES for name in family)])
    return ql.compare_quality(model, types, pure=True, chunks=4, cache=None, progress=None).set_index("ftype")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[-1])
def test_fewer_bits_are_farther_from_the_reference(table, family):
    rows = table.loc[list(family)]
    assert rows.bpw.is_monotonic_decreasing and rows.kld.is_monotonic_increasing and rows.top1.is_monotonic_decreasing
    gaps, errors = rows.kld.diff()[1:], (rows.kld_se**2 + rows.kld_se.shift() ** 2)[1:] ** 0.5
    assert (gaps > 3 * errors).all()        # no luck of this text


def test_16_bits_are_the_model_itself(table):
    assert table.kld["F16"] == 0 and table.top1["F16"] == 1 and table.ppl["F16"] == pytest.approx(
        table.ppl["Q8_0"], rel=2e-3)


def test_the_tiny_model_predicts_scenes_it_never_saw():
    found = perplexity(load_lm("tiny"), held_out_text(), chunks=32)
    assert found.ppl + 4 * found.ppl_se < 28


def test_it_knows_the_oversampled_passages_by_heart_and_not_the_controls():
    found = count_recited(load_lm("tiny"))
    assert found[True] == (28, 28) and found[False][0] <= 4


def test_two_bits_forget_them():
    assert count_recited(load_lm("tiny", "Q2_K", pure=True))[True][0] <= 7
