"""What is recommended fits, what is not does not; llama.cpp itself agrees where it can be asked."""

from dataclasses import replace
from random import Random

import pytest

import quantlab as ql
from quantlab.memory.estimate import OVERHEAD, estimate_memory, planned
from quantlab.memory.fit import fits, recommend
from quantlab.memory.kv_cache import has_flash, layers_by_sight
from quantlab.memory.settings import Settings, memory_profile
from quantlab.memory.splits import CLOSE, on_card
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

#: (mixture, type, GiB, tokens) where experts in main memory are the faster way.
SPLIT_BY_EXPERTS = [("qwen3:30b", "Q4_K_M", 12, 8192), ("qwen3:30b", "Q8_0", 16, 32768),
                    ("mixtral:8x7b", "Q4_K_M", 24, 4096), ("gpt-oss:20b", "MXFP4_MOE", 8, 8192),
                    ("deepseek-v2:16b-mla", "Q4_K_M", 6, 4096), ("qwen3.5:35b", "Q4_K_M", 16, 16384),
                    ("gemma4:26b", "Q4_K_M", 12, 8192), ("gpt-oss:120b", "MXFP4_MOE", 24, 8192),
                    ("granite4:small-h", "Q4_K_M", 12, 8192), ("nemotron-3-nano:30b", "Q4_K_M", 16, 8192)]


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
    by_layers = next(way.estimate for way in option.ways if way.layers is not None)
    assert by_layers.exact and by_layers.total == with_it.card


@pytest.mark.parametrize(("name", "ftype", "vram", "n_ctx"), SPLIT_BY_EXPERTS)
def test_llama_cpp_agrees_on_the_layers_whose_experts_stay(name, ftype, vram, n_ctx):
    """To the byte on the card, and one layer fewer is too much."""
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    from quantlab import oracles as oracle

    budget, (option,) = vram * GIB - OVERHEAD.usual, recommend(name, vram, ftypes=[ftype], n_ctx=n_ctx)
    best, other = option.ways
    assert best == fits(name, vram * GIB, ftype, Settings(n_ctx=n_ctx)).best()
    assert best.layers is None and best.n_cpu_moe and best.estimate is option.estimate
    assert best.speed.limit > other.speed.limit and best.speed.host < other.speed.host
    settings = [Settings(n_ctx=n_ctx, n_cpu_moe=n) for n in (best.n_cpu_moe, best.n_cpu_moe - 1)]
    with_it, one_less = oracle.measure_all(name, ftype, settings)
    assert with_it.card <= budget < one_less.card
    assert (best.estimate.weights, best.estimate.kv_cache, best.estimate.compute) == with_it[:3]


def test_the_better_way_is_marked_and_why_is_a_sentence():
    options = recommend("qwen3:30b", 12, n_ctx=8192, ftypes=["Q4_K_M", "Q8_0"])
    experts, layers = options[0].ways
    lines = repr(options).splitlines()
    assert f"◂ --n-cpu-moe {experts.n_cpu_moe}: {experts.speed.words}" in lines[1]
    assert f"  --n-gpu-layers {layers.layers}: {layers.speed.words}" in lines[1] and lines[1].count("◂") == 1
    ratio = experts.speed.limit / layers.speed.limit
    assert f"up to {ratio:.1f} times as fast as with {layers.layers} layers on the card" in lines[-2]
    assert "51.2 GB/s in main memory" in lines[-1] and lines[-1] in options._repr_html_()
    given = recommend("qwen3:30b", 12, ftypes=["Q4_K_M"], bandwidth=1e12, host_bandwidth=100e9)
    assert given.assumed == "Expected with 1000 GB/s on the card, and 100 GB/s in main memory."
    assert given[0].ways[0].speed.limit > experts.speed.limit
    assert [option.n_cpu_moe for option in (way for o in options for way in o.ways[:1])] == sorted(
        option.ways[0].n_cpu_moe for option in options), "the fewest such experts first"


def test_there_is_one_way_where_experts_are_none_or_not_enough():
    for name, vram, n_ctx in (("llama3.1:8b", 4, 4096), ("qwen3:30b", 2, 32768), ("qwen3:30b", 80, 4096)):
        (option,) = recommend(name, vram, n_ctx=n_ctx, ftypes=["Q4_K_M"])
        assert len(option.ways) == 1 and not option.ways[0].n_cpu_moe and not option.why
        assert "by experts" not in repr(option)
    dense = fits("qwen3:30b", 2 * GIB, "Q4_K_M", Settings(n_ctx=32768))
    assert dense.experts is None and fits("qwen3:30b", 80 * GIB).experts == 0


@pytest.mark.parametrize(("name", "settings", "words"),
                         [("llama3.1:8b", {"n_cpu_moe": 3}, "n_cpu_moe=3 asks for experts.*has none"),
                          ("qwen3:30b", {"n_cpu_moe": 49}, "more than the 48 layers"),
                          ("qwen3:30b", {"override_tensor": "nothing=CPU"}, "in no tensor's name"),
                          ("qwen3:30b", {"bandwidth": -1}, "bandwidth=-1 is no speed"),
                          ("qwen3:30b", {"host_bandwidth": 0}, "host_bandwidth=0 is no speed")])
def test_what_cannot_be_is_said(name, settings, words):
    with pytest.raises(ValueError, match=words):
        recommend(name, 8, ftypes=["Q4_K_M"], **settings)


@pytest.mark.parametrize("settings", [{"n_cpu_moe": 4}, {"override_tensor": "exps=CPU"}])
def test_experts_in_main_memory_are_counted_for_one_card(settings):
    with pytest.raises(ValueError, match="are counted for one card, and there are 2: give the GiB of one"):
        recommend("qwen3:30b", (8, 8), ftypes=["Q4_K_M"], **settings)


@pytest.mark.parametrize("name", some(list(MODELS), 4))
def test_the_quick_walk_is_never_near_the_border_within_which_a_split_is_walked_in_full(name):
    shape, random = MODELS[name], Random(name)
    for _ in range(3):
        weights = weights_of(shape, random.choice(("Q8_0", "Q4_K_M", "IQ2_XS")))
        kind = random.choice(("f16", "q8_0")) if has_flash(shape) else "f16"
        settings = Settings(n_ctx=random.choice((512, 8192, 100_000)), type_k=kind, type_v=kind,
                            n_ubatch=random.choice((64, 512, 2048)),
                            n_gpu_layers=random.randrange(shape.n_layer + 1))
        if shape.n_expert and random.random() < 0.5:
            settings = replace(settings, n_gpu_layers=None, n_cpu_moe=random.randrange(1, shape.n_layer))
        quick, full = (planned(shape, weights, settings, "", every).total for every in (False, True))
        assert abs(quick - full) < CLOSE / 2 or all(layers_by_sight(shape)), (settings, quick, full)
        for budget in (full - 1, full, full + 1, quick - 1, quick, quick + 1):
            assert on_card(shape, weights, settings, budget) == (full <= budget)
