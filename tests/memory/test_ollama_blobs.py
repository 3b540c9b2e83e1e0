"""Files of Ollama's library from before 0.30 are counted as what Ollama's llama.cpp makes of them; where it
makes something that is not counted here, a sentence says so.
"""

import pytest

from quantlab.memory.estimate import estimate_memory
from quantlab.memory.settings import Settings
from quantlab.models.source import open_model
from tests.memory.ollama_blobs import BLOBS, ENCODER, gpt_oss_names, pair
from tests.memory.rewritten import plans, rewritten

pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")


@pytest.mark.parametrize("name", BLOBS)
def test_a_blob_is_counted_as_the_file_that_llama_cpp_is_shown(name, tmp_path):
    blob, plain = pair(name, tmp_path)
    for settings in ({"n_ctx": 2048}, {"n_ctx": 8192, "flash_attention": False}):
        theirs, truth = plans([blob, plain], Settings(**settings))
        found = estimate_memory(blob, **settings)
        with open_model(blob) as model:
            sees = sum(info.nbytes for info in model.file.infos.values()
                       if info.name.startswith(("v.", "mm.")))
            assert model.sees == bool(sees) and found.exact != model.sees
        assert isinstance(theirs, str) or name == "gemma3 of other keys", "llama.cpp alone refuses it"
        assert (found.weights - sees, found.kv_cache, found.compute) == truth


@pytest.mark.parametrize(("spelled", "said"), [
    ("mistral3", "mistral3"), ("qwen35", "qwen35"), ("qwen35moe", "qwen35moe"), ("qwen25vl", "qwen2vl"),
    ("qwen3vl", "qwen3vl"), ("olmo3", "olmo2"), ("glmocr", "glm4"), ("deepseekocr", "deepseek2-ocr"),
    ("llama4", "llama4"), ("gemma4", "gemma4"), ("gemma3n", "gemma3n"), ("lfm2", "lfm2"),
    ("nemotron_h_moe", "nemotron_h_moe"), ("qwen3next", "qwen3next"), ("laguna", "laguna")])
def test_the_others_that_ollama_translates_are_not_counted_and_it_is_said(spelled, said, tmp_path):
    _, plain = pair("gemma3 of other keys", tmp_path)
    blob = rewritten(plain, tmp_path / "other.gguf", {}, spelled=spelled, add=ENCODER)
    with pytest.raises(ValueError, match=f"unknown architecture '{said}': its numbers would be a guess"):
        estimate_memory(blob)


def test_what_is_missing_from_a_blob_is_not_made_up(tmp_path):
    blob, plain = pair("gptoss", tmp_path)
    lost = rewritten(blob, tmp_path / "lost.gguf", {"gptoss.attention.sliding_window": None})
    with pytest.raises(ValueError, match=r"does not say gpt-oss\.attention\.sliding_window"):
        estimate_memory(lost)
    wrong = rewritten(blob, tmp_path / "wrong.gguf", {"gptoss.context_length": (10, 2048)})
    with pytest.raises(ValueError, match=r"gpt-oss\.context_length of .* UINT64; llama\.cpp reads UINT32"):
        estimate_memory(wrong)
    other = rewritten(plain, tmp_path / "other.gguf", {}, names=gpt_oss_names)
    with pytest.raises(ValueError, match=r"has no tensor blk\.0\.attn_output"):
        estimate_memory(other)
