"""What Ollama and llama.cpp do unasked: the numbers of Ollama's source, and llama.cpp's own defaults, read
from the library.
"""

from pathlib import Path

import pytest

import quantlab as ql
from quantlab.memory.settings import memory_profile, ollama_batch, ollama_context


@pytest.mark.parametrize(("vram_gib", "tokens"), [(0, 4096), (8, 4096), (22.99, 4096), (23, 32768),
                                                  (24, 32768), (46.9, 32768), (47, 262144), (192, 262144)])
def test_ollama_chooses_the_context_by_the_memory_of_all_cards(vram_gib, tokens):
    assert ollama_context(vram_gib) == memory_profile("ollama", vram_gib=vram_gib).n_ctx == tokens


def test_ollama_never_takes_more_than_the_model_was_trained_for():
    assert memory_profile("ollama", "qwen3:8b", vram_gib=48).n_ctx == 40960
    # of each conversation
    assert memory_profile("ollama", "smollm2:135m", n_ctx=100_000, n_parallel=2).n_ctx == 2 * 8192


def test_ollama_runs_one_conversation_with_one_row_of_output():
    settings = memory_profile("ollama", "llama3.1:8b", vram_gib=24)
    assert (settings.n_parallel, settings.n_ubatch, settings.n_rows, settings.type_k, settings.unified) == (
        1,
        1024,
        1,
        "f16",
        False,
    )
    assert memory_profile("ollama", n_ctx=300).n_ubatch == 300


@pytest.mark.parametrize(("n_ctx", "predicted", "available", "batch"), [
    (1, 0, 0, 512), (4096, 0, 0, 512), (4097, 0, 0, 1024), (32768, 0, 0, 1024), (32769, 0, 0, 2048),
    (131072, 8.0, 14, 2048), (131072, 9.0, 14, 1024),        # under 60 % of what is free, or not
    (131072, 8.0, 11, 1024), (32768, 8.3, 11, 512),          # under 75 %
    (32768, 8.06, 11, 512), (32768, 8.04, 11, 1024),         # 768 MiB and it: 80 %
    (131072, 5.9, 10, 2048), (131072, 6.01, 10, 1024), (40000, 1.0, 3, 1024), (4096, 99.0, 100, 512)])
def test_ollama_computes_as_many_tokens_at_a_time_as_there_is_room_for(n_ctx, predicted, available, batch):
    """Figures around each limit of server/sched.go (0.34.2), in GiB."""
    assert ollama_batch(n_ctx, int(predicted * 2**30), available * 2**30) == batch


def test_without_flash_attention_a_cuda_card_computes_few_tokens_at_a_time():
    batches = [ollama_batch(n_ctx, flash_attention=False, cuda_card=gib * 2**30)
               for n_ctx, gib in ((131072, 14), (131072, 8), (4096, 6), (4097, 6))]
    assert batches == [512, 256, 512, 256]
    assert ollama_batch(131072, flash_attention=False) == 2048, "no such card"


def test_some_architectures_run_one_conversation_whatever_is_asked():
    hybrid = ql.open_model("sample")
    hybrid.metadata = {"general.architecture": "qwen35", "qwen35.context_length": 262144}
    assert memory_profile("ollama", hybrid, n_parallel=4).n_parallel == 1
    hybrid.close()


def test_llama_cpp_takes_the_trained_context_and_the_server_four_slots_in_one_pool():
    alone, server = memory_profile("llama.cpp", "qwen3:8b"), memory_profile("llama-server", "qwen3:8b")
    assert (alone.n_ctx, alone.n_parallel, alone.unified) == (40960, 1, False)
    assert (server.n_ctx, server.n_parallel, server.unified) == (40960, 4, True)
    assert not memory_profile("llama-server", "qwen3:8b", n_parallel=2).unified


def test_these_are_llama_cpps_own_defaults():
    xllamacpp = pytest.importorskip("xllamacpp",
                                    reason="llama.cpp is not installed: pip install 'quantlab[oracles]'")
    own, ours = xllamacpp.CommonParams(), memory_profile("llama.cpp", n_ctx=512)
    assert (own.n_ctx, own.n_ubatch, own.n_parallel, own.kv_unified) == (
        0,
        ours.n_ubatch,
        ours.n_parallel,
        ours.unified,
    )
    library = next(Path(xllamacpp.__file__).parent.glob("xllamacpp*.so")).read_bytes()
    assert b"using n_parallel = 4 and kv_unified = true" in library


def test_lm_studio_takes_what_its_documentation_shows():
    """github:lmstudio-ai/docs, April 2026: 1_developer/2_rest/list.md, parallel-requests.md."""
    settings = memory_profile("lm-studio", "qwen3:8b", vram_gib=24)
    assert (settings.n_ctx, settings.n_ubatch, settings.n_parallel, settings.unified) == (4096, 512, 4, True)
    assert settings.flash_attention and settings.n_gpu_layers is None and settings.type_k == "f16"
    assert memory_profile("lm-studio").n_ctx == 4096
    asked = memory_profile("lm-studio", "smollm2:135m", n_ctx=100_000, n_parallel=1)
    assert (asked.n_ctx, asked.n_parallel) == (8192, 1), "never more than it was trained for"


def test_a_profile_goes_into_the_estimate():
    asked = memory_profile("ollama", "qwen3:8b", vram_gib=24)
    assert ql.estimate_memory("qwen3:8b", **asked.as_dict()).kv_cache == 32768 * 36 * 2 * 1024 * 2


@pytest.mark.parametrize(("arguments", "words"),
                         [({"program": "vllm"}, "no profile 'vllm': .*known here; .* ollama, .*lm-studio"),
                          ({"program": "LM Studio"}, "the nearest is lm-studio"),
                          ({"program": "koboldcpp"}, "not known here"),
                          ({"program": "ollama", "vram_gib": float("nan")}, "vram_gib=nan"),
                          ({"program": "ollama", "vram_gib": -1}, "vram_gib=-1"),
                          ({"program": "ollama", "n_ctx": 0}, "n_ctx=0"),
                          ({"program": "ollama", "n_parallel": 0}, "n_parallel=0"),
                          ({"program": "llama-server"}, "trained for"),
                          ({"program": "ollama", "model": "minimax-m2:230b"}, "no model 'minimax-m2:230b'")])
def test_what_cannot_be_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        memory_profile(**arguments)
