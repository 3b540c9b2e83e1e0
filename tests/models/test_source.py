"""open_model: a path, a pulled name, the sample, and a server's word where no file can be read."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from quantlab import profile
from quantlab.memory.kv_cache import kv_cache_bytes
from quantlab.models.architecture import Architecture
from quantlab.models.catalog import MODELS
from quantlab.models.source import BUNDLED, from_show, open_model
from quantlab.models.store import StoreError
from tests.models.gguf_builder import GOOD, build, info, pair, string, u32
from tests.models.test_store import LIBRARY, layer, put

#: As Ollama 0.17.4 answers /api/show with verbose, cut to two tensors.
ANSWER = {"model_info": {"general.architecture": "llama", "general.file_type": 15, "llama.block_count": 1,
                         "llama.embedding_length": 256, "llama.attention.head_count": 4,
                         "llama.vocab_size": 32, "llama.feed_forward_length": 512,
                         "tokenizer.ggml.tokens": ["<a>", "b"]},
          "tensors": [{"name": "token_embd.weight", "type": "Q4_K", "shape": [256, 32]},
                      {"name": "output_norm.weight", "type": "F32", "shape": [256]}]}


def test_the_sample_opens_and_decodes_as_gguf_does():
    oracle = gguf.GGUFReader(BUNDLED["sample"])
    with open_model("sample") as model:
        assert list(model.tensors.name) == [tensor.name for tensor in oracle.tensors]
        assert model.nbytes == sum(tensor.n_bytes for tensor in oracle.tensors)
        for tensor in oracle.tensors:
            truth = gguf.dequantize(tensor.data, tensor.tensor_type)
            np.testing.assert_array_equal(model.tensor(tensor.name), truth)


def test_a_path_opens_as_str_and_as_path(tmp_path):
    path = tmp_path / "good.gguf"
    path.write_bytes(GOOD)
    for given in (path, str(path)):
        with open_model(given) as model:
            assert (model.ftype, model.nbytes, len(model.tensors)) == ("Q4_0", 52, 2)
            assert model.bpw == pytest.approx(8 * 52 / 68)
            assert model.tensors.layer.tolist()[0] == 0 and model.tensors.role.tolist() == ["attn_q", "norm"]


@pytest.fixture
def ask(monkeypatch):
    """Say what the server answers, as `quantlab` does for the real one."""
    monkeypatch.delenv("QUANTLAB_PROFILE", raising=False)
    return lambda answer: monkeypatch.setattr(profile, "ask_server", answer)


def test_a_pulled_name_opens_from_the_store(tmp_path, monkeypatch, ask):
    monkeypatch.setenv("OLLAMA_MODELS", str(put(tmp_path, f"{LIBRARY}/tiny/1b", [layer()])))
    ask(lambda name: pytest.fail("no server is needed"))
    with open_model("tiny:1b") as model:
        assert model.name == "tiny:1b" and model.tensor("norm").shape == (4,)


def test_without_a_readable_store_the_servers_table_is_taken(tmp_path, monkeypatch, ask):
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = []
    ask(lambda name: asked.append(name) or ANSWER)
    model = open_model("llama3.2")
    assert asked == ["llama3.2"]
    assert model.nbytes == 32 * 144 + 1024 and model.ftype == "Q4_K_M"
    assert model.architecture.n_vocab == 32 and model.architecture.tied_embeddings
    with pytest.raises(ValueError, match="are not at hand: no Ollama store"):
        model.tensor("token_embd.weight")
    assert "No weights" in model._repr_html_()


def test_both_failures_are_told(tmp_path, monkeypatch, ask):
    monkeypatch.setenv("OLLAMA_MODELS", str(put(tmp_path, f"{LIBRARY}/tiny/1b", [layer()])))

    def down(name):
        raise ValueError("No Ollama answers.")

    ask(down)
    with pytest.raises(StoreError, match=r"is not among the models in .* No Ollama answers"):
        open_model("llama9")
    ask(None)
    with pytest.raises(StoreError, match="no model 'llama9' here"):
        open_model("llama9")


def test_the_reference_profile_asks_no_server(tmp_path, monkeypatch, ask):
    ask(lambda name: pytest.fail("must not be asked"))
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    with pytest.raises(StoreError, match="no model 'llama9' here"):
        open_model("llama9")


def test_a_bad_name_is_refused_before_anybody_is_asked(ask):
    ask(lambda name: pytest.fail("must not be asked"))
    with pytest.raises(ValueError, match="no Ollama name"):
        open_model("../../no/such")
    with pytest.raises(ValueError, match="there is no file"):
        open_model("not/here/at/all.gguf")
    with pytest.raises(ValueError, match="no Ollama name"):
        open_model("x" * 5000)


@pytest.mark.parametrize(("answer", "words"), [({}, "no tensors"), ({"tensors": []}, "no tensors"),
                                               ({"tensors": "x"}, "no tensors"),
                                               ({"tensors": [1]}, "tensor like"),
                                               ({"tensors": [{"name": "t", "type": "F32", "shape": ["x"]}]},
                                                "tensor like"),
                                               ({"tensors": [{"name": "t", "type": "F32", "shape": None}]},
                                                "tensor like"),
                                               ({"tensors": [{"name": "t", "type": "F32", "shape": [-1]}]},
                                                "shape"),])
def test_a_servers_odd_answer_is_refused_in_words(answer, words):
    with pytest.raises(ValueError, match=words):
        from_show(answer, "odd")


def test_a_type_nobody_knows_leaves_a_gap_not_a_crash():
    answer = {"tensors": [{"name": "t", "type": "unknown", "shape": [32]}]}
    model = from_show(answer)
    assert model.tensors.nbytes.isna().all()
    assert "size unknown" in repr(model) and model.ftype == "unknown"


def test_what_a_file_says_is_escaped():
    answer = {**ANSWER, "model_info": {"general.architecture": "<script>alert(1)</script>"}}
    assert "<script>" not in from_show(answer, "<b>")._repr_html_()


@pytest.mark.parametrize("name", ["llama2:7b", "llama3.1:8b", "smollm2:135m"])
def test_an_architecture_survives_the_way_through_a_file(name, tmp_path):
    """gguf's writer puts the numbers under GGUF's keys; we read the same architecture back."""
    truth = MODELS[name]
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", truth.arch)
    for method, number in (("block_count", truth.n_layer), ("embedding_length", truth.n_embd),
                           ("vocab_size", truth.n_vocab), ("feed_forward_length", truth.n_ff),
                           ("head_count", truth.n_head), ("head_count_kv", truth.n_head_kv),
                           ("key_length", truth.head_dim), ("context_length", truth.n_ctx_train)):
        getattr(writer, f"add_{method}")(number)
    for tensor in truth.tensors():
        if tensor.layer is None:        # decide about tied embeddings and rope_freqs
            writer.add_tensor(tensor.name, np.zeros(1, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with open_model(tmp_path / "a.gguf") as model:
        assert model.architecture == truth


def test_deepseeks_compressed_heads_are_understood():
    info = {"general.architecture": "deepseek2", "deepseek2.block_count": 27,
            "deepseek2.embedding_length": 2048,
            "deepseek2.attention.head_count": 16, "deepseek2.attention.head_count_kv": 1,
            "deepseek2.vocab_size": 102400,
            "deepseek2.attention.key_length": 576, "deepseek2.attention.value_length": 512,
            "deepseek2.attention.key_length_mla": 192, "deepseek2.attention.value_length_mla": 128,
            "deepseek2.attention.kv_lora_rank": 512, "deepseek2.rope.dimension_count": 64,
            "deepseek2.feed_forward_length": 10944, "deepseek2.expert_count": 64,
            "deepseek2.expert_used_count": 6,
            "deepseek2.expert_feed_forward_length": 1408, "deepseek2.expert_shared_count": 2,
            "deepseek2.leading_dense_block_count": 1}
    tensors = [{"name": name, "type": "F16", "shape": [4]} for name in ("token_embd.weight", "output.weight")]
    found = from_show({"model_info": info, "tensors": tensors}).architecture
    assert found.n_params == 15_706_484_224 and found.is_latent


@pytest.mark.parametrize(("tensors", "mla", "full_kv"), [
    (["attn_kv_b"], False, True), (["attn_k_b", "attn_v_b"], True, False),
    ([], False, True), ([], True, False),
    (["attn_kv_b", "attn_k_b", "attn_v_b"], True, False),
    (["attn_kv_b", "attn_k_b", "attn_v_b"], False, True)])
def test_the_tensors_say_what_a_deepseek_file_keeps(tensors, mla, full_kv):
    shape = MODELS["deepseek-v2:16b"]
    info = {"general.architecture": "deepseek2", "deepseek2.attention.kv_lora_rank": 512,
            "deepseek2.attention.key_length": 192, "deepseek2.attention.value_length": 128,
            "deepseek2.attention.head_count": 16, "deepseek2.embedding_length": 2048,
            "deepseek2.block_count": 27, "deepseek2.rope.dimension_count": 64}
    info |= {"deepseek2.vocab_size": 102400, "deepseek2.attention.q_lora_rank": 0}
    if mla:
        info |= {f"deepseek2.attention.{name}_length_mla": n for name, n in (("key", 192), ("value", 128))}
    names = ["token_embd.weight", *(f"blk.0.{part}.weight" for part in tensors)]
    found = from_show({"model_info": info, "tensors": [{"name": name, "type": "F16", "shape": [4]}
                                                       for name in names]}).architecture
    assert found.full_kv == full_kv and (found.head_dim, found.v_head_dim) == (shape.head_dim, 128)


def test_a_key_of_latent_attention_changes_no_other_family():
    info = {"general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": 64,
            "llama.attention.head_count": 4, "llama.vocab_size": 10, "llama.attention.kv_lora_rank": 8}
    tensors = [{"name": "token_embd.weight", "type": "F16", "shape": [64, 10]}]
    found = from_show({"model_info": info, "tensors": tensors}).architecture
    assert not found.kv_lora_rank and kv_cache_bytes(found, 256) == 2 * 2 * 64 * 2 * 256


@pytest.mark.parametrize(("pairs", "words"), [([], "unknown architecture: .* general.architecture"),
                                              ([pair("general.architecture", 8, string("mamba")),
                                                pair("mamba.block_count", 4, u32(2))],
                                               "unknown architecture 'mamba'.* a guess"),
                                              ([pair("general.architecture", 8, string("llama"))],
                                               "llama.block_count"),
                                              ([pair("general.architecture", 8, string("llama")),
                                                pair("llama.block_count", 8, string("x"))], "'x'"),])
def test_an_unknown_architecture_is_refused_in_words(pairs, words, tmp_path):
    path = tmp_path / "odd.gguf"
    path.write_bytes(build(pairs, [info("t")]))
    with open_model(path) as model, pytest.raises(ValueError, match=words):
        _ = model.architecture


def test_ollamas_first_mxfp4_is_put_in_ggmls_order(tmp_path):
    """The blocks of gpt-oss as Ollama shipped them first (type 4): its own load-time loop, written out, is
    the oracle.
    """
    rng = np.random.default_rng(3)
    stored = rng.integers(0, 256, (4, 17), dtype=np.uint8)
    stored[:, 0] = 127
    path = tmp_path / "oss.gguf"
    path.write_bytes(build([pair("general.architecture", 8, string("gptoss"))], [info("t", (64, 2), 4)],
                           stored.tobytes()))
    ordered = stored.copy()
    for block in range(4):
        for i in range(1, 9):
            a, b = int(stored[block, i]), int(stored[block, i + 8])
            ordered[block, 2 * i - 1] = (a & 0x0F) | (b << 4) & 0xFF
            ordered[block, 2 * i] = (a >> 4) | (b & 0xF0)
    with open_model(path) as model:
        truth = gguf.dequantize(ordered, gguf.GGMLQuantizationType.MXFP4).reshape(2, 64)
        np.testing.assert_array_equal(model.tensor("t"), truth)
    path.write_bytes(build([pair("general.architecture", 8, string("llama")), pair("n", 4, u32(1))],
                           [info("t", (64, 2), 4)], stored.tobytes()))
    with pytest.raises(ValueError, match="Q4_2"):
        open_model(path)


@pytest.mark.parametrize("given", [None, 3, b"sample", ["sample"], "a\0b", Path("a\0b.gguf"), ""])
def test_what_is_no_name_is_said_in_words(given):
    with pytest.raises(ValueError,
                       match=r"is no Ollama name|cannot be the name of a model|is no model: "):
        open_model(given)


def test_what_is_no_tensor_name_and_no_truth_value_is_said_in_words():
    with open_model("sample") as model:
        for name in (None, 3, ["blk.0.attn_q.weight"]):
            with pytest.raises(ValueError, match="has no tensor"):
                model.tensor(name)
    numbers = dict(n_layer=1, n_embd=1, n_head=1, n_head_kv=1, head_dim=1, n_ff=1, n_vocab=1)
    for wrong, words in (({"arch": []}, r"architecture \[\] is not known"),
                         ({"tied_embeddings": "no"}, "True or False is needed"),
                         ({"n_layer": "4"}, "n_layer='4' cannot be")):
        with pytest.raises(ValueError, match=words):
            Architecture(**{"arch": "llama"} | numbers | wrong)
