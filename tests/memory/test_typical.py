"""A size without a name: the shape that is assumed has that size, and equals the published model where it is
one.
"""

import pytest

from quantlab.exhibits.cards import PARAMS
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.rule import STEPS, nearest_step, typical_shape, typical_words
from quantlab.models.catalog import MODELS


@pytest.mark.parametrize("params_b", [*PARAMS, 0.135, 500])
def test_the_parameters_come_out(params_b):
    shape = typical_shape(params_b)
    assert shape.n_params / 1e9 == pytest.approx(params_b, rel=0.06 if params_b < 0.3 else 0.02)
    assert estimate_memory(shape, "Q4_K_M").exact and str(shape.n_layer) in typical_words(params_b)


@pytest.mark.parametrize("name", ["llama3.2:3b", "llama3.1:8b", "llama3.1:70b"])
def test_a_published_size_gives_the_published_proportions(name):
    shape, real = typical_shape(MODELS[name].n_params / 1e9), MODELS[name]
    for field in ("n_layer", "n_embd", "n_head", "n_head_kv", "head_dim", "n_vocab", "tied_embeddings"):
        assert getattr(shape, field) == getattr(real, field), field
    assert shape.n_ff == pytest.approx(real.n_ff, abs=256)


def test_the_sizes_of_the_table_are_those_of_their_shapes():
    for step in STEPS:
        assert nearest_step(step.params_b) is step
        assert typical_shape(step.params_b).n_params / 1e9 == pytest.approx(step.params_b, rel=0.02)


@pytest.mark.parametrize("wrong", [0, -7, float("nan"), float("inf"), 1000, "7", True, None])
def test_what_is_no_size_is_named(wrong):
    with pytest.raises(ValueError, match="params_b="):
        typical_shape(wrong)
