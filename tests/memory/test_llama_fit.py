"""What `--fit` would choose, against llama.cpp's own function on a virtual card: the same layers, and the
same tensors in main memory.
"""

import random

import pytest

from quantlab.memory.estimate import OVERHEAD
from quantlab.memory.fit import fits
from quantlab.memory.llama_fit import MARGIN, llama_cpp_fit
from quantlab.memory.overrides import in_main_memory
from quantlab.memory.settings import Settings
from quantlab.memory.weights import weights_of
from quantlab.models.catalog import MODELS
from tests.thinned import some

GIB = 2**30
#: Models of every kind: dense, with windows, with states, mixtures with and without shared experts.
NAMES = ["llama3.1:8b", "gemma3:12b", "qwen3:30b", "gpt-oss:20b", "deepseek-v2:16b-mla", "granite4:tiny-h"]


def cases(name: str) -> list[tuple[int, Settings]]:
    """Cards on which the model is whole or in part, drawn by chance."""
    choose = random.Random(name)
    whole = fits(name, 0).estimate.total
    return [(int(whole * choose.uniform(0.15, 1.1)) + MARGIN + OVERHEAD.usual,
             Settings(n_ctx=choose.choice((2048, 8192, 32768)), n_ubatch=choose.choice((512, 512, 2048))))
            for _ in some(range(2), 2)]


@pytest.mark.parametrize("name", NAMES)
def test_llama_cpp_chooses_the_same(name):
    oracle = pytest.importorskip("quantlab.oracles.planner")
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    shape, weights = MODELS[name], weights_of(name)
    for card, settings in cases(name):
        (theirs,) = oracle.fitted(name, None, [settings], vram=card - OVERHEAD.usual, margin=MARGIN)
        ours = llama_cpp_fit(fits(name, card, None, settings)).way.estimate.settings
        assert ours.n_gpu_layers == theirs.n_gpu_layers, (card, settings)
        kept, theirs_kept = (in_main_memory(shape, weights, one) for one in (ours, theirs))
        assert kept == theirs_kept, (card, settings)


def test_the_words_say_what_lies_where():
    mixture, dense, small = (llama_cpp_fit(fits(name, GIB * card, None, Settings(n_ctx=8192)))
                             for name, card in (("qwen3:30b", 12), ("llama3.1:8b", 5), ("llama3.1:8b", 24)))
    assert mixture.words == f"49 layers on the card, {mixture.deal.n_part} without their experts"
    assert dense.words == f"{dense.deal.n_layer} layers on the card" and small.words == "all on the card"
    assert small.deal is None and small.way.layers is None
    free = 12 * GIB - OVERHEAD.usual - mixture.way.estimate.total
    assert MARGIN <= free < MARGIN + GIB // 2, "as much as fits, and no more"
