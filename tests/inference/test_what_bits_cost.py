"""What the lessons tell of the tiny model: fewer bits are worse within a family, and passages known by heart
are lost at last. The table is the recorded one; test_recorded.py measures some of its rows again.
"""

import pandas as pd
import pytest

from quantlab.inference.chunks import held_out_text
from quantlab.inference.compare import recorded_table
from quantlab.inference.load import load_lm
from quantlab.inference.quality import perplexity
from quantlab.inference.recital import count_recited

FAMILIES = (("Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K"), ("Q8_0", "Q5_0", "Q4_0"),
            ("Q8_0", "Q5_1", "Q4_1"))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[-1])
def test_fewer_bits_are_farther_from_the_reference(family):
    table = pd.DataFrame(row for row in recorded_table("quality")["rows"] if row["pure"]).set_index("ftype")
    rows = table.loc[list(family)]
    assert rows.bpw.is_monotonic_decreasing and rows.kld.is_monotonic_increasing
    assert rows.top1.is_monotonic_decreasing
    gaps, errors = rows.kld.diff()[1:], (rows.kld_se**2 + rows.kld_se.shift() ** 2)[1:] ** 0.5
    assert (gaps > 3 * errors).all()        # no luck of this text


def test_the_tiny_model_predicts_scenes_it_never_saw():
    found = perplexity(load_lm("tiny"), held_out_text(), chunks=16)
    assert found.ppl + 4 * found.ppl_se < 28


def test_it_knows_the_oversampled_passages_by_heart_and_not_the_controls():
    found = count_recited(load_lm("tiny"))
    assert found[True] == (28, 28) and found[False][0] <= 4


def test_two_bits_forget_them():
    assert count_recited(load_lm("tiny", "Q2_K", pure=True))[True][0] <= 7
