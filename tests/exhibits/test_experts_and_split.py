"""Lesson 19: the way of a token is that of the routers, and what lies where is what the memory rooms count.
"""

import pytest

import quantlab as ql
from quantlab.exhibits.experts import PROMPT, explore_experts, recorded_habits
from quantlab.exhibits.split import explore_split, mixtures, places
from quantlab.inference.experts import routes
from quantlab.memory.fit import fits
from quantlab.memory.overrides import in_main_memory, is_expert, placed_with
from quantlab.memory.settings import Settings
from quantlab.memory.weights import weights_of
from quantlab.models.catalog import MODELS
from quantlab.words import GIB, gib
from tests.thinned import some

CARDS = (8, 12, 24)


def test_the_numbers_are_those_of_the_routers():
    explorer, lm = explore_experts(), ql.load_lm("tiny-moe")
    tokens = lm.tokenizer.encode(PROMPT)
    found = routes(lm, tokens)
    for layer in range(lm.graph.n_layer):
        explorer.set(layer=layer, place=4)
        first, second = found.chosen[layer, 3]
        said = f"wakes experts {first} and {second} of layer {layer}; {first} counts"
        assert said in explorer.finding
        assert explorer.gauges()["busy"] == len(set(found.chosen[layer].reshape(-1).tolist()))
    assert len(explorer.picture.table) == 1 + len(tokens)
    assert explorer.view.value.count("asleep") == lm.graph.n_layer * 6


def test_a_new_text_begins_at_its_end_and_keys_lead_along_it_and_through_the_layers():
    explorer = explore_experts()
    explorer.controls["prompt"].value = "Now is the winter of our"
    assert explorer.controls["place"].value == explorer.controls["place"].max
    for key, place, layer in (("Home", 1, 0), ("ArrowRight", 2, 0), ("ArrowDown", 2, 1), ("ArrowUp", 2, 0),
                              ("ArrowUp", 2, 0), ("PageUp", 2, 1)):
        explorer.touched({"key": key})
        assert (explorer.controls["place"].value, explorer.controls["layer"].value) == (place, layer), key
    explorer.touched({"cell": 3})
    assert explorer.controls["place"].value == 4


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "日本 🦙 é", " ", "\n\n", "x", "<|endoftext|>",
                                  "a\x00b", "word " * 60])
def test_any_text_is_drawn_as_text_at_every_token(text):
    explorer = explore_experts(prompt=text)
    explorer.buttons["As table"].value = True
    assert "<script" not in explorer.view.value + explorer.words.value
    for place in range(1, explorer.controls["place"].max + 1, 7):
        explorer.set(place=place)
        assert 'id="' in explorer.view.value and "counts" in explorer.finding


def test_what_cannot_be_shown_is_said():
    explorer = explore_experts()
    explorer.controls["prompt"].value = ""
    assert explorer.finding.startswith("The text is empty")
    explorer.controls["prompt"].value = "O Romeo"
    assert "wakes experts" in explorer.finding
    for call, words in ((lambda: explore_experts("tiny"), "tiny has no experts"),
                        (lambda: explore_experts(layer=5), "layer=5 .* tiny-moe has the layers 0 to 4")):
        with pytest.raises(ValueError, match=words):
            call()
    assert "needs a language model" in explore_experts("sample").finding


def test_each_expert_has_its_recorded_habit():
    assert len(recorded_habits()) == 5 * 8, "run tools/record_experts.py: it is of another tiny-moe.gguf"
    explorer, last = explore_experts(habits=True), ql.load_lm("tiny-moe").graph.n_layer - 1
    explorer.set(layer=last)
    expert = explorer.finding.split("experts ")[1].split(" ")[0]
    assert f"Expert {expert} of layer {last} is woken by" in explorer.view.value
    explorer.set(habits=False)
    assert "is woken by" not in explorer.view.value


# ---- what lies where

@pytest.mark.parametrize("vram", CARDS)
@pytest.mark.parametrize("model", ["gpt-oss:20b", "qwen3:30b", "mixtral:8x7b"])
def test_the_table_is_what_the_memory_rooms_count(model, vram):
    explorer, shape = explore_split(model, vram), MODELS[model]
    ftype = shape.only_type or "Q4_K_M"
    fit, rows = fits(shape, vram * GIB, ftype, Settings(n_ctx=8192)), explorer.picture.table[1:]
    bandwidth, host = fit.bandwidths(0, 50e9)
    ways = fit.ways(bandwidth, host)
    assert [row[0] for row in rows] == [way.words for way in ways]
    for row, way in zip(rows, ways, strict=True):
        assert row[1] == gib(way.estimate.total) and row[5] == way.speed.words
        placed = {} if way.layers is None else {"n_gpu_layers": way.layers}
        found = ql.expected_speed(model, ftype, bandwidth, host_bandwidth=host, n_ctx=8192,
                                  n_cpu_moe=way.n_cpu_moe, **placed)
        assert float(row[4]) == pytest.approx(found.limit, rel=0.006)


@pytest.mark.parametrize(("model", "vram"), [("qwen3:30b", 12), ("gpt-oss:20b", 8), ("mixtral:8x7b", 24)])
def test_the_columns_hold_the_bytes_that_are_counted(model, vram):
    """What is drawn as lying in main memory are the bytes there, but for the word vectors."""
    shape = MODELS[model]
    ftype = shape.only_type or "Q4_K_M"
    weights = weights_of(shape, ftype)
    for way in fits(shape, vram * GIB, ftype, Settings(n_ctx=8192)).ways():
        drawn = 0
        for place, layer in zip(places(way, shape.n_layer), weights.layers, strict=True):
            drawn += sum(nbytes for name, nbytes in layer
                         if not (place.experts if is_expert(name) else place.layer))
        settings = way.estimate.settings
        there = placed_with(weights, settings, in_main_memory(shape, weights, settings)).host
        assert drawn == pytest.approx(there - weights.words.host, rel=0.002) and 0 < drawn < weights.nbytes


def test_every_mixture_of_the_catalog_is_drawn_on_every_card():
    explorer = explore_split()
    assert set(mixtures(MODELS)) == {name for name, shape in MODELS.items() if shape.n_expert}
    for name, vram in some([(name, vram) for name in mixtures(MODELS) for vram in (1, *CARDS, 256)], 9):
        explorer.set(model=name, vram=vram)
        told = explorer.gauges()
        assert told["fits"] == explorer.finding.startswith("All of it fits") and told["low"] > 0


def test_what_cannot_be_split_so_is_refused_in_words():
    for call, words in ((lambda: explore_split("llama3.1:8b"), "llama3.1:8b has no experts: it can be split"),
                        (lambda: explore_split("llama9:7b"), "llama9:7b"),
                        (lambda: explore_split(ftype="Q4_KM"), "no ftype 'Q4_KM'"),
                        (lambda: explore_split(n_ctx="8k"), "n_ctx='8k' is not a number"),
                        (lambda: explore_split(vram_gb=float("nan")), "vram_gb=nan")):
        with pytest.raises(ValueError, match=words):
            call()
