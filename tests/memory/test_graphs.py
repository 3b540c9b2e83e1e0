"""The graphs of the families that came after the measured table, against llama.cpp's planner: weights, cache
with states, compute buffer, on one card, split and on several; and files of them, read back.
"""

import random
from dataclasses import replace

import pytest

import quantlab as ql
from quantlab.memory import compute
from quantlab.memory.fit import bytes_on_cards
from quantlab.memory.settings import Settings
from quantlab.memory.weights import weights_of
from quantlab.models.catalog import MODELS
from quantlab.models.recipes import recipe
from tests.memory.own_shapes import MEASURED, SHAPES, some_settings
from tests.thinned import one_of_each, some

oracle = pytest.importorskip("quantlab.oracles.planner")
pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")

NEW = {name: shape for name, shape in (MODELS | SHAPES).items() if shape.arch not in MEASURED}
EACH = one_of_each(NEW, lambda name: (NEW[name].arch, bool(NEW[name].n_expert)))


@pytest.mark.parametrize("name", EACH)
def test_every_new_family_is_exact_wherever_its_layers_lie(name):
    shape, choose = NEW[name], random.Random(name)
    places = (None, 0, 1, shape.n_layer // 2, shape.n_layer)
    settings = [replace(some_settings(choose, shape), n_gpu_layers=n)
                for n in some(places, 2, EACH.index(name))]
    settings = [replace(one, n_ctx=min(one.n_ctx, 32768)) for one in settings]
    for one, found in zip(settings, oracle.measure_all(shape, None, settings), strict=True):
        ours = ql.estimate_memory(shape, **one.as_dict())
        assert (ours.weights, ours.kv_cache, ours.compute) == found[:3], one


@pytest.mark.parametrize("name", EACH)
def test_a_file_of_a_new_family_is_read_back(name, tmp_path):
    shape = NEW[name]
    path = oracle.write_hollow(tmp_path / "a.gguf", shape, recipe("Q4_K_M", shape))
    with ql.open_model(path) as model:
        read, meant = (replace(a, n_ff_exp=a.n_ff_exp or a.n_ff * bool(a.n_expert), rope_dim=0)
                       for a in (model.architecture, shape))        # Granite's experts are n_ff wide, unsaid
        assert read == meant
        ours, found = ql.estimate_memory(model, n_ctx=8192), oracle.measure(model, n_ctx=8192)
        assert ours.exact and (ours.weights, ours.kv_cache, ours.compute) == found[:3]


@pytest.mark.parametrize("name", ["qwen3.5:9b", "granite4:micro-h", "gemma4:26b", "lfm2:8b"])
def test_new_families_on_two_cards_are_exact(name):
    cards, one = [8 * 2**30, 16 * 2**30], Settings(n_ctx=8192)
    found = oracle.measure_all(name, None, [one], vram=cards)[0]
    truth = [sum(found.buffers[f"CUDA{i}"].values()) for i in range(len(cards))]
    assert bytes_on_cards(MODELS[name], weights_of(name), one, cards) == truth


@pytest.mark.parametrize("name", EACH)
def test_the_layers_that_are_left_out_add_nothing(name, monkeypatch):
    shape, choose = NEW[name], random.Random(name)
    settings = [some_settings(choose, shape) for _ in range(4)]
    ours = [compute.compute_bytes(shape, one) for one in settings]
    monkeypatch.setattr(compute, "layers_to_walk", lambda kinds: tuple(range(len(kinds))))
    assert ours == [compute.compute_bytes.__wrapped__(shape, one) for one in settings]
