"""What is recommended fits, what is not does not; llama.cpp itself agrees where it can be asked."""


import pytest

import quantlab as ql
from quantlab.memory.estimate import OVERHEAD, estimate_memory
from quantlab.memory.fit import fits, recommend
from quantlab.memory.settings import Settings, memory_profile
from quantlab.memory.weights import weights_of
from quantlab.models.catalog import MODELS
from tests.thinned import some

GIB = 2**30
FTYPES = ("Q2_K", "Q4_K_M", "Q6_K", "Q8_0", "F16")
#: (model, GiB) where not every layer fits.
PAIRS = [("llama3.1:8b", 4), ("llama3.1:8b", 3), ("llama3.1:70b", 24), ("llama3.1:70b", 40), ("llama2:7b", 4),
         ("mistral:7b", 4), ("mixtral:8x7b", 12), ("mixtral:8x7b", 24), ("qwen2.5:7b", 4), ("qwen3:8b", 4),
         ("qwen3:14b", 8), ("qwen3:32b", 16), ("qwen3:32b", 12), ("qwen3:30b", 12), ("gemma3:12b", 6),
         ("gemma3:27b", 12), ("gemma2:9b", 6), ("phi4:14b", 8), ("gpt-oss:20b", 12), ("deepseek-v2:16b", 8)]


def test_those_that_fit_come_first_with_most_bits_first():
    options = ql.recommend("qwen3:14b", 12, n_ctx=8192, ftypes=FTYPES)
    assert [option.ftype for option in options] == ["Q4_K_M", "Q2_K", "Q6_K", "Q8_0", "F16"]
    assert [option.fits for option in options] == [True, True, False, False, False]
    assert options[0].headroom == 12 * GIB - options[0].estimate.needed
    layers = [option.n_gpu_layers for option in options[2:]]
    assert options[0].n_gpu_layers == 41 and layers == sorted(layers, reverse=True)


@pytest.mark.parametrize("name", ["llama3.1:8b", "gemma3:4b", "deepseek-v2:16b"])
def test_the_longest_context_is_the_last_that_fits(name):
    card = weights_of(name).placed().card + 2 * GIB
    longest = fits(name, card).longest_context
    assert 0 < longest < MODELS[name].n_ctx_train
    needed, more = (estimate_memory(name, n_ctx=n).needed for n in (longest, longest + 256))
    assert needed <= card < more


def test_a_fit_is_whole_split_or_none():
    found = [fits("llama3.1:8b", card * GIB) for card in (8, 4, 0)]
    assert [fit.kind for fit in found] == ["fits", "splits", "no"]
    assert [fit.layers for fit in found][::2] == [33, 0] and 0 < found[1].layers < 33
    assert found[0].room == 8 * GIB - estimate_memory("llama3.1:8b").needed and found[2].room < 0
    with ql.open_model("tiny") as tiny:
        assert fits(tiny, GIB).estimate.ftype == "F16" and fits("tiny", GIB).kind == "fits"


def test_no_context_fits_where_the_weights_do_not():
    (option,) = recommend("llama3.1:70b", 8, ftypes=["F16"])
    assert option.longest_context == 0 and option.headroom < 0


def test_two_cards_hold_more_than_one_but_pay_twice():
    one, two = (recommend("llama3.1:70b", cards, ftypes=["Q4_K_M"])[0] for cards in (24, (24, 24)))
    assert not one.fits and two.fits and two.headroom < one.headroom + 24 * GIB - OVERHEAD.usual


def test_quality_is_joined_in():
    options = recommend("qwen3:0.6b", 8, ftypes=FTYPES, quality={"Q4_K_M": 0.03})
    assert {option.ftype: option.quality for option in options} == dict.fromkeys(FTYPES) | {"Q4_K_M": 0.03}


def test_a_table_has_the_quality_beside_the_bytes():
    table = recommend("qwen3:14b", 12, ftypes=FTYPES, quality={"Q4_K_M": 0.03}).table().set_index("ftype")
    assert table.quality["Q4_K_M"] == 0.03 and table.fits["Q4_K_M"] and not table.fits["F16"]
    assert table.headroom_gib["F16"] < 0 < table.layers_on_card["F16"] < 41


def test_a_profile_and_a_projector_are_counted():
    settings = memory_profile("llama-server", "gemma3:4b", n_ctx=8192).as_dict()
    with ql.open_model("sample") as eyes:
        plain, seeing = (recommend("gemma3:4b", 8, ftypes=["Q4_K_M"], projector=p, **settings)[0]
                         for p in (None, eyes))
        assert plain.headroom - seeing.headroom == eyes.nbytes and plain.estimate.settings.n_parallel == 4


def test_every_type_of_llama_quantize_is_ranked():
    assert len(recommend("llama3.2:3b", 8)) == 30


@pytest.mark.parametrize(("vram", "words"),
                         [(0, "vram_gib=0"), (-8, "vram_gib=-8"), (float("nan"), "vram_gib=nan"),
                          (1e9, "no amount"), ([], "empty"), ([8, "x"], "'x'"), (True, "True")])
def test_impossible_cards_are_named(vram, words):
    with pytest.raises(ValueError, match=words):
        recommend("llama3.1:8b", vram, ftypes=["Q4_K_M"])


@pytest.mark.parametrize(("name", "vram"), some(PAIRS, 4, 1))
def test_llama_cpp_agrees_on_the_number_of_layers(name, vram):
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    from quantlab import oracles as oracle

    budget, option = vram * GIB - OVERHEAD.usual, recommend(name, vram, ftypes=["Q4_K_M"])[0]
    settings = [Settings(n_gpu_layers=n) for n in (option.n_gpu_layers, option.n_gpu_layers + 1)]
    with_it, one_more = oracle.measure_all(name, "Q4_K_M", settings)
    assert with_it.card <= budget < one_more.card
    assert option.estimate.exact and option.estimate.total == with_it.card
