"""Files of Ollama's library from before 0.30 are counted as what Ollama's llama.cpp makes of them; where it
makes something that is not counted here, a sentence says so.
"""

from dataclasses import replace

import pytest

from quantlab.inference.graph import read_graph
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.settings import Settings
from quantlab.models.architecture import Architecture
from quantlab.models.ollama_blobs import llama_cpp_metadata, llama_cpp_name
from quantlab.models.recipes import recipe
from quantlab.models.source import open_model
from tests.memory import own_shapes
from tests.memory.ollama_blobs import BLOBS, ENCODER, SHAPES, gpt_oss_names, pair
from tests.memory.rewritten import plans, rewritten

oracle = pytest.importorskip("quantlab.oracles.planner")
pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")


#: The others do not load without a translation.
LOADED_ANYWAY = {"gemma3 of other keys", "mistral3 of other keys", "gemma4"}


@pytest.mark.parametrize("name", BLOBS)
def test_a_blob_is_counted_as_the_file_that_llama_cpp_is_shown(name, tmp_path):
    blob, plain = pair(name, tmp_path)
    for settings in ({"n_ctx": 2048}, {"n_ctx": 8192, "flash_attention": False}):
        theirs, truth = plans([blob, plain], Settings(**settings))
        found = estimate_memory(blob, **settings)
        with open_model(blob) as model:
            sees = sum(info.nbytes for info in model.file.infos.values()
                       if info.name.startswith(("v.", "mm.", "a.")))
            assert model.sees == bool(sees) and found.exact != model.sees
        assert isinstance(theirs, str) or name in LOADED_ANYWAY, "llama.cpp alone refuses it"
        assert (found.weights - sees, found.kv_cache, found.compute) == truth


@pytest.mark.parametrize(("spelled", "said"), [
    ("qwen25vl", "qwen2vl"), ("qwen3vl", "qwen3vl"), ("qwen3vlmoe", "qwen3vlmoe"), ("olmo3", "olmo2"),
    ("deepseekocr", "deepseek2-ocr"), ("laguna", "laguna")])
def test_the_others_that_ollama_translates_are_not_counted_and_it_is_said(spelled, said, tmp_path):
    _, plain = pair("gemma3 of other keys", tmp_path)
    blob = rewritten(plain, tmp_path / "other.gguf", {}, spelled=spelled, add=ENCODER)
    with pytest.raises(ValueError, match=f"unknown architecture '{said}': its numbers would be a guess"):
        estimate_memory(blob)


def fused_apart(shape: Architecture) -> dict:
    """For `rewritten`: tensors that llama.cpp has as one, each a tensor of its own."""
    whole, part = ("ffn_gate_up_exps", "ffn_gate_exps") if shape.n_expert else ("ffn_up.", "ffn_gate.")
    halves = [(t.name.replace(whole, part), t.shape, "F16") for t in shape.tensors() if whole in t.name]
    return {"add": halves, "names": lambda name: name.replace("ffn_gate_up_exps", "ffn_up_exps")}


@pytest.mark.parametrize(("shape", "spelled", "said"), [
    (replace(SHAPES["gemma4"], n_expert=4, n_expert_used=2, n_ff_exp=32), None,
     r"has no tensor blk\.0\.ffn_gate_up_exps\.weight"),
    (Architecture(arch="glm4", n_layer=2, n_embd=64, n_head=4, n_head_kv=2, head_dim=16, n_ff=96, n_vocab=40),
     "glmocr", r"a tensor 'blk\.0\.ffn_gate\.weight' of shape .*, which is no part of the glm4")])
def test_two_tensors_that_become_one_are_not_counted_and_it_is_said(shape, spelled, said, tmp_path):
    plain = oracle.write_hollow(tmp_path / "plain.gguf", shape, recipe("F16", shape))
    assert estimate_memory(plain).exact
    blob = rewritten(plain, tmp_path / "blob.gguf", {}, spelled=spelled, **fused_apart(shape))
    with pytest.raises(ValueError, match=said):
        estimate_memory(blob)


def test_a_table_of_word_vectors_that_would_be_shortened_is_not_counted_and_it_is_said(tmp_path):
    table = "per_layer_token_embd.weight"
    shape = replace(own_shapes.SHAPES["gemma3n-e4b"], n_vocab=64, n_layer=22, n_layer_kv_shared=2,
                    n_embd_per_layer=16)
    plain = oracle.write_hollow(tmp_path / "plain.gguf", shape, recipe("F16", shape))
    width = shape.n_layer * shape.n_embd_per_layer
    blob = rewritten(plain, tmp_path / "blob.gguf", {}, add=[(table, (width, 60), "F16")],
                     names=lambda name: "all of them" if name == table else name)
    with pytest.raises(ValueError, match=r"per_layer_token_embd.weight of .* has the shape .*, 60\)"):
        estimate_memory(blob)


def test_one_tensor_under_both_names_is_refused(tmp_path):
    _, plain = pair("lfm2", tmp_path)
    both = rewritten(plain, tmp_path / "both.gguf", {}, add=[("output_norm.weight", (64,), "F32")])
    with pytest.raises(ValueError, match=r"two tensors that would both be 'token_embd_norm\.weight'"):
        estimate_memory(both)


@pytest.mark.parametrize("arch", ["mistral3", "qwen35", "qwen35moe", "qwen3next", "lfm2", "gemma3", "llama4"])
def test_what_llama_cpp_s_own_converter_wrote_stays_as_it_is(arch, tmp_path):
    shape = SHAPES[arch]
    plain = oracle.write_hollow(tmp_path / "plain.gguf", shape, recipe("F16", shape))
    with open_model(plain) as model:
        shapes = {name: one for name, (_, one) in model.types.items()}
        marked = arch == "qwen35moe" and "qwen35moe.feed_forward_length" in model.metadata
        assert marked or llama_cpp_metadata(model.metadata, shapes) is model.metadata
        assert all(llama_cpp_name(name, arch) == name for name in shapes)


@pytest.mark.parametrize(("names", "ahead", "layers"), [
    (["blk.3.attn_norm.weight", "mtp.layers.0.attn_norm.weight", "mtp.layers.1.attn_norm.weight"], 2, 6),
    (["blk.3.attn_norm.weight", "mtp.fc.weight"], 1, 5),
    (["blk.4.nextn.eh_proj.weight", "mtp.fc.weight"], None, 4), (["mtp.fc.weight"], None, 4),
    (["blk.3.attn_norm.weight"], None, 4)])
def test_heads_that_guess_ahead_are_layers_to_llama_cpp(names, ahead, layers):
    """By hand from apply_qwen35_mtp_fixes."""
    said = {"general.architecture": "qwen35", "qwen35.block_count": 4, "qwen35.image_token_id": 7,
            "qwen35.attention.head_count_kv": [0, 0, 0, 0]}
    found = llama_cpp_metadata(said, dict.fromkeys(names, (64,)))
    assert (found.get("qwen35.nextn_predict_layers"), found["qwen35.block_count"]) == (ahead, layers)
    assert found["qwen35.attention.head_count_kv"] == 2, "what is taken where no layer has any"


def test_the_scales_of_gemma_4_s_experts_have_another_name():
    assert llama_cpp_name("blk.1.ffn_gate_inp.per_expert_scale", "gemma4") == "blk.1.ffn_down_exps.scale"
    assert llama_cpp_name("blk.1.ffn_gate_inp.scale", "gemma4") == "blk.1.ffn_gate_inp.scale"


STRETCHED = {"rope.scaling.factor": (6, 32.0), "rope.scaling.original_context_length": (4, 512)}


@pytest.mark.parametrize(("name", "more", "in_llama_cpp"), [
    ("mistral3 of other keys", {}, {
        "rope.scaling.type": (8, "yarn"), "rope.scaling.factor": (6, 16.0),
        "rope.scaling.yarn_beta_fast": (6, 24.0), "rope.scaling.yarn_beta_slow": (6, 2.0),
        "rope.scaling.yarn_log_multiplier": (6, 0.5), "tokenizer.ggml.pre": (8, "tekken")}),
    ("gptoss", STRETCHED, STRETCHED | {"rope.scaling.type": (8, "yarn"),
                                       "tokenizer.ggml.pre": (8, "gpt-4o")}),
    ("gemma3 of other keys",
     {"rope.freq_base": None, "rope.global.freq_base": (6, 5e5), "rope.local.freq_base": (6, 2e4)},
     {"rope.freq_base": (6, 5e5), "rope.freq_base_swa": (6, 2e4),
      "attention.layer_norm_rms_epsilon": (6, 1e-6)}),
    ("gemma3 that sees", {"rope.freq_base": None, "context_length": (4, 131072)},
     {"rope.freq_base": (6, 1e6), "rope.freq_base_swa": (6, 1e4), "rope.scaling.type": (8, "linear"),
      "rope.scaling.factor": (6, 8.0), "context_length": (4, 131072)})])
def test_a_blob_runs_as_the_file_that_llama_cpp_is_shown(name, more, in_llama_cpp, tmp_path):
    """Numbers that no size depends on: how positions turn, and where a text is cut."""
    graphs, cuts, (blob, plain) = [], [], pair(name, tmp_path)
    for file, changes in ((blob, more), (plain, in_llama_cpp)):
        with open_model(file) as model:
            spelled = model.metadata["general.architecture"]
        own = {key if key.startswith("tokenizer") else f"{spelled}.{key}": one
               for key, one in changes.items()}
        with open_model(rewritten(file, tmp_path / f"{file.stem}-2.gguf", own)) as model:
            shapes = {one: shape for one, (_, shape) in model.types.items()}
            found = llama_cpp_metadata(model.metadata, shapes)
            graphs.append(read_graph(file.name, found, shapes))
            cuts.append(found.get("tokenizer.ggml.pre"))
    mine, theirs = graphs
    assert cuts[0] == cuts[1]
    for rope, other in ((mine.global_rope, theirs.global_rope), (mine.local_rope, theirs.local_rope)):
        assert (rope is None) == (other is None)
        if rope is not None:
            assert rope.speeds.tolist() == other.speeds.tolist() and rope.magnitude == other.magnitude
    assert mine.temperature_scale == theirs.temperature_scale


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
