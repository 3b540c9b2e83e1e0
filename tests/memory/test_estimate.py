"""The estimate adds up, names what it stands for, and refuses in words."""

import hashlib
import json
import math

import pytest

import quantlab as ql
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.weights import weights_of
from quantlab.models.architecture import Architecture
from quantlab.models.catalog import MODELS
from quantlab.models.source import BUNDLED
from tests.memory.test_placement import cases
from tests.posix import posix_only

GIB = 2**30


def test_all_608_cases_through_the_front_door():
    for row in cases():
        shape = MODELS[row["model"]].unnamed           # measured as llama-quantize writes it
        made = ql.estimate_memory(shape, row["ftype"], **row["settings"].as_dict())
        assert (made.weights, made.kv_cache, made.compute) == (row["weights_gpu_bytes"], row["kv_gpu_bytes"],
                                                               row["compute_gpu_bytes"])
        assert made.total == made.weights + made.kv_cache + made.compute and made.exact
        assert made.needed - made.total == made.overhead.usual
        assert made.overhead.low < made.overhead.usual < made.overhead.high


def test_nothing_on_the_card_needs_only_what_is_lent():
    made = estimate_memory("llama3.1:8b", n_gpu_layers=0)
    assert made.weights == made.kv_cache == 0 < made.compute and made.exact
    few = estimate_memory("llama3.1:8b", n_gpu_layers=0, n_ubatch=16)
    assert few.exact and not few.notes and few.compute < made.compute
    assert made.host == weights_of(MODELS["llama3.1:8b"]).nbytes + 4096 * 32 * 2 * 1024 * 2


def test_one_engine_counts_them_all():
    """Since 0.30 Ollama runs every GGUF file with llama.cpp's own server."""
    for name in ("llama3.1:8b", "qwen3:8b", "qwen3:30b", "gemma3:4b"):
        found = estimate_memory(name)
        assert "engine" not in " ".join(found.notes) and "llama.cpp" in found.engine


def test_long_texts_borrow_the_card_for_the_cache_of_layers_in_main_memory():
    """Keys and values of one layer go there and back: 2 x 65,536 tokens x 1,024 numbers x 2 bytes."""
    short, long = (estimate_memory("llama3.1:8b", n_ctx=n, n_gpu_layers=16) for n in (4096, 65536))
    assert long.exact and long.compute - short.compute > 2 * 65536 * 1024 * 2


@pytest.mark.parametrize(("arguments", "words"), [({"model": "llama3.1:9b"}, "nearest are llama3.1:8b"),
                                                  ({"ftype": "Q4_K_X"}, "nearest are"),
                                                  ({"n_ctx": 10**12}, "n_ctx=1000000000000"),
                                                  ({"n_ctx": math.nan}, "n_ctx=nan"),
                                                  ({"type_k": "q5_k"}, "type_k='q5_k'"),
                                                  ({"n_gpu_layers": -1}, "n_gpu_layers=-1")])
def test_what_cannot_be_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        estimate_memory(**{"model": "llama3.1:8b"} | arguments)


def test_experts_without_counts_and_odd_heads_are_refused():
    shape = {"n_layer": 2, "n_embd": 160, "n_head": 2, "n_head_kv": 2, "head_dim": 80, "n_ff": 320,
             "n_vocab": 100}
    with pytest.raises(ValueError, match="n_expert_used"):
        estimate_memory(Architecture(arch="qwen3moe", **shape))
    with pytest.raises(ValueError, match="kv_lora_rank"):
        estimate_memory(Architecture(arch="deepseek2", **shape))
    with pytest.raises(ValueError, match="heads of 80"):
        estimate_memory(Architecture(arch="llama", **shape), "F16", type_k="q8_0")


def test_a_projector_is_counted_with_its_weights():
    with ql.open_model("sample") as eyes:
        plain, seeing = estimate_memory("gemma3:4b"), estimate_memory("gemma3:4b", projector=eyes)
        assert seeing.weights - plain.weights == eyes.nbytes and "buffers" in seeing.notes[-1]


@posix_only
def test_a_pulled_models_projector_is_counted_unasked(tmp_path, monkeypatch):
    tiny, eyes = BUNDLED["tiny"], BUNDLED["sample"]
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    layers = []
    for kind, path in (("model", tiny), ("projector", eyes)):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        (blobs / f"sha256-{digest}").symlink_to(path)
        layers.append({"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}",
                       "size": path.stat().st_size})
    manifest = tmp_path / "manifests" / "registry.ollama.ai" / "library" / "seeing" / "tiny"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    with ql.open_model("seeing:tiny") as pulled, ql.open_model("tiny") as plain, ql.open_model(
        "sample") as picture:
        seeing, alone = estimate_memory(pulled, n_ctx=256), estimate_memory(plain, n_ctx=256)
        assert seeing.weights - alone.weights == picture.nbytes and not seeing.exact
