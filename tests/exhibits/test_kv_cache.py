"""The KV cache with handles: its bars are what llama.cpp allocates, for every model and in every type, and
what is hollow is what a model of 2017 would keep.
"""

import itertools
import re

import pytest
from PIL import ImageFont

import quantlab as ql
from quantlab.exhibits.kv_cache import ALONE, PRESETS, draw_caches, trick
from quantlab.memory.advice import CONTEXTS
from quantlab.memory.kv_cache import KV_TYPES, kv_cache_bytes, plain_bytes
from quantlab.memory.settings import Settings
from quantlab.models.catalog import MODELS
from quantlab.stage.touchable import _fonts
from tests.thinned import some

GIB = 2**30


def test_each_trick_is_told_with_what_it_saves():
    words = ql.plot_kv_cache().picture.table
    assert [row[1] for row in words[1:5]] == ["all 32 heads", "8 of 32 heads", "4 of 8 heads, 5 of 34 layers",
                                              "576 numbers for all heads"]
    assert words[1][2] == words[1][3] == "16.00" and words[2][2:4] == ("4.00", "16.00")
    with pytest.raises(ValueError, match=r"nearest are.*llama3\.1:8b"):
        ql.plot_kv_cache(("llama3:8b",))


@pytest.mark.parametrize(("model", "said"), [
    ("lfm2:8b", "8 of 32 heads, 6 of 24 layers"), ("nemotron-3-nano:30b", "2 of 32 heads, 6 of 29 layers"),
    ("qwen3-next:80b", "2 of 16 heads, 12 of 48 layers"), ("gemma3n:e2b", "2 of 8 heads, 4 of 30 layers")])
def test_layers_with_a_state_a_window_or_a_shared_cache_do_not_keep_the_whole_text(model, said):
    """Those with feed-forward alone (Nemotron) would keep nothing in any model."""
    assert trick(MODELS[model]) == said


def test_without_its_trick_every_head_keeps_a_row_in_the_type_of_the_cache():
    old = MODELS["deepseek-v2:16b"]
    assert plain_bytes(old, 1) == 2 * 27 * 16 * (128 + 64 + 128)
    assert plain_bytes(MODELS["llama2:7b"], 4096) == kv_cache_bytes("llama2:7b", 4096)
    gemma = MODELS["gemma4:26b"]                        # windows have heads of 256 columns, the rest of 512
    assert plain_bytes(gemma, 1000) == 1000 * 2 * 2 * 16 * (25 * 256 + 5 * 512)
    for k, v in itertools.product(KV_TYPES, repeat=2):
        assert plain_bytes(MODELS["llama2:7b"], 4096, k, v) == kv_cache_bytes("llama2:7b", 4096, type_k=k,
                                                                             type_v=v)


@pytest.mark.parametrize("model", some(MODELS, 12))
def test_a_bar_is_what_llama_cpp_allocates_and_never_more_than_without_the_trick(model):
    stage = ql.explore_kv_cache(model, "llama2:7b", vram_gb=8)
    for n_ctx, kind in itertools.product(some(CONTEXTS, 4), KV_TYPES):
        stage.set(n_ctx=n_ctx, type_k=kind, type_v=kind)
        try:
            Settings(n_ctx=n_ctx, type_k=kind, type_v=kind)
            expected = ql.estimate_memory(model, n_ctx=n_ctx, type_k=kind, type_v=kind).kv_cache
        except ValueError as error:
            assert str(error) in stage.finding and model in stage.finding
            continue
        assert stage.picture.numbers["kv_cache"] == expected / GIB
        row = dict(zip(stage.picture.table[0], stage.picture.table[1], strict=True))
        assert row["GiB"] == f"{expected / GIB:.2f}"
        assert row["of the card"] == f"{expected / GIB / 8:.0%}".replace("%", " %")


def test_conversations_have_a_cache_each():
    stage = ql.explore_kv_cache("llama3.1:8b", n_ctx=16384, n_parallel=5, vram_gb=8)
    assert stage.finding == "5 × 16,384 tokens take 10.00 GiB in llama3.1:8b"
    one = ql.estimate_memory("gemma3:4b", n_ctx=5 * 8192, n_parallel=5).kv_cache / GIB
    assert stage.at(model="gemma3:4b", n_ctx=8192).picture.numbers["kv_cache"] == one


def test_a_finding_names_the_larger_first_and_one_model_once():
    stage = ql.explore_kv_cache("gemma3:4b", "llama3.1:8b", vram_gb=8)
    assert stage.finding == "32,768 tokens take 4.00 GiB in llama3.1:8b, 0.79 GiB in gemma3:4b"
    assert stage.at(beside="gemma3:4b").finding == "32,768 tokens take 0.79 GiB in gemma3:4b"
    assert stage.at(beside=ALONE).finding == "32,768 tokens take 0.79 GiB in gemma3:4b"
    assert "ratio" not in stage.picture.numbers
    stage.set(model="mistral:7b", beside="llama3.1:8b")
    assert stage.finding.endswith("in mistral:7b and in llama3.1:8b")


def test_a_context_beyond_the_training_is_said_and_a_cache_beyond_the_card_is_hatched():
    stage = ql.explore_kv_cache("llama2:7b", vram_gb=16, n_ctx=4096)
    assert "trained" not in stage.picture.svg and 'width="0.0"' in stage.picture.svg
    stage.set(n_ctx=65536)
    assert "llama2:7b was trained for 4,096 tokens" in stage.picture.svg
    assert re.search(r'width="[1-9][^"]*"[^>]*fill="url\(#over\)"', stage.picture.svg)
    assert stage.picture.table[-1][:2] == ("note", "llama2:7b was trained for 4,096 tokens")


def test_every_preset_draws_and_what_cannot_be_is_said_with_the_models_name():
    stage = ql.explore_kv_cache(vram_gb=8)
    for words in PRESETS:
        stage.buttons[words].click()
        assert "tokens take" in stage.finding, words
    stage.set(model="deepseek-v2:16b-mla", type_k="q8_0", type_v="f16")
    assert stage.finding.startswith("deepseek-v2:16b-mla: type_k='q8_0' and type_v='f16' cannot be")


def test_handles_off_their_sliders_are_said():
    stage = ql.explore_kv_cache(n_ctx=10**6, n_parallel=9, vram_gb=8)
    assert (stage.values()["n_ctx"], stage.values()["n_parallel"]) == (CONTEXTS[-1], 8)
    assert "1e+06 tokens" in stage.exhibit.note and "9 conversations" in stage.exhibit.note


def test_the_words_stay_in_the_picture():
    """The longest: two models with two tricks each, in a cache of two types, in the picture's font."""
    shapes = {name: MODELS[name] for name in ("gemma3:27b-it-qat", "nemotron-3-nano:30b")}
    svg = draw_caches(shapes, Settings(n_ctx=2**21, n_parallel=8, type_k="q8_0"), 8).svg
    font = ImageFont.truetype(_fonts()[0], 100)
    placed = re.findall(r'<text x="([\d.]+)" y="[\d.]+" font-size="([\d.]+)"[^>]*>([^<]*)', svg)
    for x, size, words in placed:
        assert float(x) + float(size) / 100 * font.getlength(words) <= 760, words
