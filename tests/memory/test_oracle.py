"""The oracle gives the measured table again, agrees with the estimate where nobody looked before, and fails
in words.
"""

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

import quantlab as ql
from quantlab import oracles
from quantlab.memory.alike import shared_alike
from quantlab.memory.compute import compute_bytes, split_compute_bytes
from quantlab.memory.kv_cache import cache_bytes
from quantlab.memory.settings import Settings
from quantlab.memory.several_cards import bytes_on_cards
from quantlab.memory.weights import weights_of
from quantlab.models.architecture import Architecture
from quantlab.models.catalog import MODELS
from quantlab.models.families import FAMILIES
from quantlab.oracles import planner as oracle
from tests.memory import hybrid_files, recurrent_files
from tests.memory.own_shapes import SHAPES, some_settings
from tests.memory.test_placement import cases
from tests.models.test_store import DIGEST, LIBRARY, layer, put
from tests.thinned import one_of_each, some

pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")


@pytest.mark.parametrize("name", one_of_each(sorted({row["model"] for row in cases()}),
                                             lambda name: MODELS[name].arch))
def test_the_committed_table_is_measured_again(name):
    shape = MODELS[name].unnamed                    # as llama-quantize writes it
    rows = random.Random(name).sample([row for row in cases() if row["model"] == name], 4)
    for row, found in zip(rows, oracle.measure_all(shape, "Q4_K_M", [row["settings"] for row in rows]),
                          strict=True):
        assert found[:3] == (row["weights_gpu_bytes"], row["kv_gpu_bytes"], row["compute_gpu_bytes"])
        assert found.host == row["weights_host_bytes"] + row["compute_host_bytes"]


@pytest.mark.parametrize("name", one_of_each(SHAPES, lambda name: (SHAPES[name].arch, SHAPES[name].full_kv)))
def test_other_shapes_in_other_settings_are_exact(name):
    shape, choose = SHAPES[name], random.Random(name)
    ftype = choose.choice(("Q2_K", "Q3_K_M", "Q4_0", "Q5_K_M", "Q6_K", "Q8_0", "F16"))
    settings = some([some_settings(choose, shape) for _ in range(6)], 3)
    for one, found in zip(settings, oracle.measure_all(shape, ftype, settings), strict=True):
        weights = weights_of(shape, ftype)
        compute = compute_bytes(shape, one, shared_alike(shape, weights))
        assert (weights.placed().card, cache_bytes(shape, one), compute) == found[:3], (ftype, one)


@pytest.mark.parametrize("name", ["llama3.1:8b", "gemma3:4b", "gpt-oss:20b", "deepseek-v2:16b-mla",
                                  "mixtral:8x7b"])
def test_layers_leave_the_card_one_after_the_other(name):
    shape = MODELS[name].unnamed                    # as llama-quantize writes it
    weights = weights_of(shape)
    settings = [Settings(n_gpu_layers=0), Settings(n_gpu_layers=1, n_ctx=65536),
                Settings(n_gpu_layers=2, flash_attention=False, n_ctx=32768)]
    settings += [Settings(n_gpu_layers=n, n_ctx=65536, n_parallel=2, **cache)
                 for n in (shape.n_layer // 2, shape.n_layer)
                 for cache in ({}, {"type_k": "q8_0", "type_v": "q4_0" if shape.arch != "deepseek2"
                                    else "q8_0", "n_ubatch": 256})]
    for one, found in zip(settings, oracle.measure_all(shape, None, settings), strict=True):
        beside = sum(sizes["compute"] for where, sizes in found.buffers.items() if where != "CUDA0")
        assert split_compute_bytes(shape, weights, one) == (found.compute, beside), one
        card, host = weights.placed(one.n_gpu_layers)
        first = shape.n_layer - weights.n_blocks_on_card(one.n_gpu_layers)
        assert (card, cache_bytes(shape, one, first)) == (found.weights, found.kv_cache)
        assert host == sum(sizes["weights"] for where, sizes in found.buffers.items() if where != "CUDA0")


@pytest.mark.parametrize("flash_attention", [True, False])
@pytest.mark.parametrize("name", ["deepseek-v2:16b", "deepseek-v2:16b-mla", "deepseek-v2-236b-2024",
                                  "deepseek-even-heads"])
def test_both_makes_of_deepseek_are_exact_wherever_the_layers_lie(name, flash_attention):
    shape = (MODELS | SHAPES)[name]
    wide = {} if shape.is_latent else {"type_k": "q8_0"}
    settings = [Settings(n_ctx=n_ctx, n_gpu_layers=n, flash_attention=flash_attention, **how)
                for n in (None, 0, 1, 2, shape.n_layer // 2, shape.n_layer)
                for n_ctx, how in ((4096, {"n_ubatch": 256}), (32768, {"n_outputs": 512}),
                                   (16384, {"n_parallel": 2, "n_outputs": 512}),
                                   (8192, {"n_parallel": 2, **wide}),
                                   (8192, {"type_k": "f32", "type_v": "f32", "n_ubatch": 100}))]
    settings = some(settings, 4, len(name) + flash_attention)
    for one, found in zip(settings, oracle.measure_all(shape, None, settings), strict=True):
        ours = ql.estimate_memory(shape, **one.as_dict())
        assert (ours.weights, ours.kv_cache, ours.compute) == found[:3], one


def test_flash_attention_on_the_virtual_card_is_what_cuda_has():
    shape = MODELS["deepseek-v2:16b"]
    on, off = (oracle.measure(shape, n_ctx=4096, flash_attention=flash) for flash in (True, False))
    assert on.compute != off.compute and on.kv_cache == off.kv_cache     # asked for, not to be had
    with pytest.raises(ValueError, match=r"type_v='q8_0' needs flash attention.*192.*128"):
        ql.estimate_memory(shape, type_v="q8_0")
    with pytest.raises(oracle.OracleError, match=r"different K .* and V"):
        oracle.measure("deepseek-v2:16b-mla", type_k="q8_0")
    with pytest.raises(ValueError, match="one vector"):
        ql.estimate_memory("deepseek-v2:16b-mla", type_k="q8_0")


@pytest.mark.parametrize("n_lora_q", [0, 1536])
@pytest.mark.parametrize("full_kv", [False, True])
def test_the_make_of_a_deepseek_file_is_read_from_its_tensors(tmp_path, full_kv, n_lora_q):
    shape = replace(SHAPES["deepseek-v2-236b"], n_layer=3, q_lora_rank=n_lora_q, full_kv=full_kv)
    if not n_lora_q:                                            # llama.cpp tells the lite models by 27 layers
        shape = replace(MODELS["deepseek-v2:16b"], full_kv=full_kv)
    path = oracle.write_hollow(tmp_path / "a.gguf", shape, ql.recipe("Q4_0", shape))
    with ql.open_model(path) as model:
        assert model.architecture == shape
        ours, found = ql.estimate_memory(model, n_ctx=8192), oracle.measure(model, n_ctx=8192)
        assert ours.exact and (ours.weights, ours.kv_cache, ours.compute) == found[:3]


@pytest.mark.parametrize("name", ["qwen3:0.6b", "gemma3:1b", "mixtral:8x7b"])
def test_few_tokens_at_a_time_are_computed_where_the_weights_lie(name):
    shape = MODELS[name]
    settings = [Settings(n_gpu_layers=n, n_ubatch=n_ubatch) for n in (0, 14) for n_ubatch in (1, 16, 31)]
    settings = some(settings, 2, len(name))
    for one, found in zip(settings, oracle.measure_all(shape, None, settings), strict=True):
        assert split_compute_bytes(shape, weights_of(shape), one)[0] == found.compute, one


@pytest.mark.parametrize(("name", "vram"), [("llama3.1:8b", (24, 12)), ("gemma3:12b", (24, 24, 8)),
                                            ("gpt-oss:20b", (16, 24)), ("deepseek-v2:16b", (8, 24)),
                                            ("deepseek-v2:16b-mla", (8, 24)),
                                            ("phi4:14b", (16, 16))])
def test_several_cards_are_exact_one_by_one(name, vram):
    cards = [gib * 2**30 for gib in vram]
    settings = [Settings(n_ctx=8192), Settings(n_ctx=32768, n_parallel=2, flash_attention=False,
                                               n_outputs=512)]
    for one, found in zip(settings, oracle.measure_all(name, None, settings, vram=cards), strict=True):
        truth = [sum(found.buffers[f"CUDA{i}"].values()) for i in range(len(cards))]
        assert bytes_on_cards(MODELS[name], weights_of(MODELS[name]), one, cards) == truth, one


def test_a_file_is_read_by_its_header(tmp_path):
    path = oracle.write_hollow(tmp_path / "smol.gguf", SHAPES["smollm2-135m"],
                               ql.recipe("Q8_0", SHAPES["smollm2-135m"]))
    with ql.open_model(path) as model:
        assert replace(model.architecture, rope_dim=0) == SHAPES["smollm2-135m"]
        assert oracle.measure(model).weights == weights_of(model).placed().card


def test_what_llama_cpp_refuses_is_said_in_its_words(tmp_path):
    odd = Architecture(arch="llama", n_layer=2, n_embd=160, n_head=2, n_head_kv=2, head_dim=80, n_ff=320,
                       n_vocab=100)
    with pytest.raises(oracle.OracleError, match="80"):
        oracle.measure(odd, "F16", type_k="q8_0")


def test_a_crash_over_there_is_a_sentence_here(monkeypatch):
    monkeypatch.setattr(oracle.sys, "executable", "/bin/false")
    with pytest.raises(oracle.OracleError, match="stopped with code 1"):
        oracle.measure("qwen3:0.6b")


@pytest.mark.parametrize(("table", "name", "words"),
                         [("DEFAULTS", "n_batch", "n_batch=2048 instead of 1"),
                          ("MODEL_DEFAULTS", "split_mode", "split_mode=1 instead of 7")])
def test_another_llama_cpp_is_refused(monkeypatch, table, name, words):
    from quantlab.oracles import llama_library

    monkeypatch.setitem(getattr(llama_library, table), name, 1 if table == "DEFAULTS" else 7)
    with pytest.raises(llama_library.LayoutError, match=words):
        llama_library.Library([])


def test_another_version_is_refused(monkeypatch):
    from quantlab.oracles import llama_library

    monkeypatch.setattr(llama_library, "PINNED", "2020.1.1")
    with pytest.raises(llama_library.LayoutError, match="those of 2020"):
        llama_library.Library([])


@pytest.mark.parametrize("arch", ["mamba", "jamba"])
def test_states_of_recurrent_and_hybrid_files_are_exact(tmp_path, arch):
    tensors, path = recurrent_files.write(tmp_path / "model.gguf", arch), tmp_path / "model.gguf"
    with ql.open_model(path) as model:
        settings = [Settings(n_ctx=2048, n_parallel=n) for n in (1, 2, 4)]
        for n, found in zip((1, 2, 4), oracle.measure_all(model, None, settings), strict=True):
            assert found.weights == tensors                         # the word vectors are the output, too
            assert found.kv_cache == recurrent_files.kept_bytes(arch, 2048, n)
        with pytest.raises(ValueError, match=r"asks llama\.cpp itself"):
            ql.estimate_memory(model)


# `make bench-memory` has four more
@pytest.mark.parametrize("arch", ["falcon-h1", "qwen3next", "lfm2", "gemma3n"])
def test_what_other_architectures_keep_is_what_a_count_by_hand_says(tmp_path, arch):
    tensors = hybrid_files.write(tmp_path / "model.gguf", arch)
    settings = [Settings(n_ctx=n_ctx, n_parallel=n) for n_ctx, n in ((2048, 1), (8192, 4))]
    with ql.open_model(tmp_path / "model.gguf") as model:
        for one, found in zip(settings, oracle.measure_all(model, None, settings), strict=True):
            assert found[:2] == (tensors, hybrid_files.kept_bytes(arch, one.n_ctx, one.n_parallel)), one
            if arch in FAMILIES:
                ours = ql.estimate_memory(model, **one.as_dict())
                assert (ours.weights, ours.kv_cache, ours.compute) == found[:3], one
        if arch not in FAMILIES:
            with pytest.raises(ValueError, match=r"asks llama\.cpp itself"):
                ql.estimate_memory(model)


def test_a_pulled_model_is_measured_by_its_name(tmp_path, monkeypatch):
    root = put(tmp_path, f"{LIBRARY}/lfm2/tiny", [layer()], blob=None)
    tensors = hybrid_files.write(root / "blobs" / DIGEST.replace(":", "-"), "lfm2")
    monkeypatch.setenv("OLLAMA_MODELS", str(root))
    with ql.open_model("lfm2:tiny") as model:
        assert oracle.measure(model, n_ctx=4096)[:2] == (tensors, hybrid_files.kept_bytes("lfm2", 4096, 1))


def test_the_room_has_one_name_and_is_off_the_learners_way():
    assert oracles.measure is oracle.measure and oracles.measure_all is oracle.measure_all
    assert issubclass(oracles.OracleError, RuntimeError)
    with pytest.raises(AttributeError, match="nothing"):
        _ = oracles.nothing
    room = Path(oracles.__file__).parents[1]
    assert [path for path in room.rglob("*.py") if "oracles" not in path.parts
            and re.search(r"^\s*(from|import) .*oracles", path.read_text(), re.MULTILINE)] == []
