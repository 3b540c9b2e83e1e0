"""Any mix of types: its bytes are the recipe's, its KLD is that of a model loaded in that mix, and
comparisons are paired.
"""

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.chunks import HELD_OUT
from quantlab.inference.load import load_lm
from quantlab.inference.mixes import BUDGETS, MixBench, fitting, gap
from quantlab.inference.quality import Reference
from quantlab.models.plan import plan


@pytest.fixture(scope="module")
def bench():
    return MixBench("tiny", HELD_OUT.read_text(encoding="utf-8"), chunks=1)


@pytest.mark.parametrize("ftype", BUDGETS)
def test_the_bytes_of_a_mix_are_those_that_the_writer_plans(bench, ftype):
    with ql.open_model("tiny") as model:
        planned = plan(model, ftype, None, "llama.cpp", True).jobs
        assert bench.nbytes(bench.mix(ftype)) == sum(job.nbytes for job in planned)


def test_all_matrices_alike_take_what_the_writer_plans(bench):
    with ql.open_model("tiny") as model:
        planned = plan(model, "Q3_K", None, "llama.cpp", True, pure=True).jobs
        assert bench.nbytes(bench.alike("Q3_K")) == sum(job.nbytes for job in planned)
        assert bench.nbytes({}) == model.nbytes


def test_a_mix_measures_as_a_model_that_was_loaded_in_it(bench):
    text = HELD_OUT.read_text(encoding="utf-8")
    reference = Reference(load_lm("tiny"), text, chunks=1)
    for types, lm in ((bench.mix("Q3_K_M"), load_lm("tiny", "Q3_K_M")),
                      (bench.alike("Q4_K"), load_lm("tiny", "Q4_K", pure=True))):
        found, expected = bench.measure(types).kld, reference.divergence(lm).kld
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
    assert bench.measure(dict.fromkeys(bench.matrices, "F16")).mean_kld == 0


def test_every_matrix_has_one_role_and_norms_have_none(bench):
    names = [name for names in bench.roles.values() for name in names]
    assert sorted(names) == sorted(bench.matrices) and len(names) == 36
    assert not any("norm" in name for name in names)


def test_elsewhere_is_the_next_text_and_shares_what_was_rounded(bench):
    other = bench.elsewhere()
    assert other.reference.chunks.shape == bench.reference.chunks.shape
    assert not np.array_equal(other.reference.chunks, bench.reference.chunks)
    assert other._rounded is bench._rounded
    with pytest.raises(ValueError, match=r"no chunks|there are none"):
        _ = MixBench("tiny", " ".join(["To be, or not to be."] * 60),
                     chunks=1).elsewhere().elsewhere().elsewhere().elsewhere().reference


def test_a_gap_is_a_tie_when_it_is_small_for_its_scatter():
    rng = np.random.default_rng(0)
    luck = rng.gamma(1, 0.01, 1000)                     # what both texts share
    assert not gap(luck * 1.2, luck).is_tie and gap(luck * 1.2, luck).mean > 0
    assert gap(luck + rng.normal(0, 0.01, 1000), luck).is_tie
    assert gap(luck, luck).is_tie


def test_rows_that_do_not_fit_take_what_llama_cpp_takes():
    taken = [fitting(name, (576, 9)) for name in ("Q2_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0")]
    assert taken == ["Q4_0", "Q5_0", "Q5_1", "Q8_0", "Q8_0"]
    assert fitting("Q4_K", (256, 9)) == "Q4_K" and fitting("Q4_K", (100, 9)) == "F16"


def test_bad_input_is_said_in_words(bench):
    with pytest.raises(ValueError, match="Q4_K_L"):
        bench.mix("Q4_K_L")
    with pytest.raises(ValueError, match="empty"):
        MixBench("tiny", "")
    with pytest.raises(ValueError, match="fewer than one chunk"):
        MixBench("tiny", "To be, or not to be")
