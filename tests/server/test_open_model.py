"""open_model on the real server's store, and on the real server's word when the store is out of reach."""

import gguf
import numpy as np
import pytest

from quantlab.exhibits.file import explore_file
from quantlab.exhibits.model_map import explore_model_map
from quantlab.lab.open import my_models
from quantlab.models.source import open_model
from quantlab.models.store import pulled_models

pytestmark = pytest.mark.server
NAME = "smollm:135m-instruct-q4_K_M"


@pytest.fixture
def with_store(live, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(live.store))
    return live


@pytest.fixture
def without_store(live, monkeypatch, tmp_path):
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return live


def test_pulled_models_are_those_that_ollama_lists(with_store):
    listed = {line.split()[0] for line in with_store.cli("list").splitlines()[1:]}
    assert {stored.name for stored in pulled_models([with_store.store])} == listed


def test_a_real_pulled_model_opens_with_its_weights(with_store):
    with open_model(NAME) as model:
        oracle = gguf.GGUFReader(model.file.path)
        assert model.ftype == "Q4_K_M"
        assert len(oracle.tensors) == len(model.tensors) == 272
        first = next(tensor for tensor in oracle.tensors if tensor.name == "blk.0.attn_v.weight")
        np.testing.assert_array_equal(model.tensor(first.name),
                                      gguf.dequantize(first.data, first.tensor_type))


def test_every_key_and_every_place_of_a_real_model_is_what_gguf_reads(with_store):
    with open_model(NAME) as model:
        oracle = gguf.GGUFReader(model.file.path)
        theirs = {key: field.contents() for key, field in oracle.fields.items()
                  if not key.startswith("GGUF.")}
        ours = {key: list(value.decode()) if hasattr(value, "decode") else value
                for key, value in model.metadata.items()}
        assert ours == theirs and len(ours["tokenizer.ggml.tokens"]) == 49152
        assert [(info.name, info.qtype, info.offset, info.nbytes)
                for info in model.file.infos.values()] == [(tensor.name, tensor.tensor_type.name,
                                                            tensor.data_offset, tensor.n_bytes)
                                                           for tensor in oracle.tensors]


def test_the_server_tells_the_same_table_as_the_file(live, monkeypatch, tmp_path):
    monkeypatch.setenv("OLLAMA_MODELS", str(live.store))
    with open_model(NAME) as model:
        from_file, architecture, nbytes = model.tensors, model.architecture, model.nbytes
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    told = open_model(NAME)
    assert told.file is None and told.architecture == architecture and told.nbytes == nbytes
    same, its = (table.sort_values("name", ignore_index=True) for table in (told.tensors, from_file))
    assert same.equals(its)
    with pytest.raises(ValueError, match="are not at hand"):
        told.tensor("output_norm.weight")


def test_a_model_that_nobody_has_says_both(without_store):
    with pytest.raises(ValueError, match=r"no Ollama store .* not found"):
        open_model("nosuchmodel:1b")


def test_the_reference_profile_asks_no_server(without_store, monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    with pytest.raises(ValueError, match="no Ollama store"):
        open_model(NAME)


def test_my_models_are_found_by_store_and_by_server_and_can_be_looked_at(with_store, monkeypatch, tmp_path):
    mine = my_models()
    assert NAME in mine and mine.sizes[mine.first] == min(mine.sizes.values())
    explorer = explore_file(mine.first)
    assert explorer.finding.startswith("“GGUF”, version 3")
    explorer.set(part="blk.0.attn_q.weight")
    assert "blk.0.attn_q.weight" in explorer.finding
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list(my_models()) == list(mine)
    assert "Only the tensor table" in explore_file(mine.first).finding
    assert "× Q5_0" in explore_model_map(NAME).finding


def test_without_store_and_server_the_list_is_empty_and_says_so(nobody, monkeypatch, tmp_path):
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    mine = my_models()
    assert list(mine) == [] and mine.first == "sample" and "No Ollama answers" in mine.note
    assert explore_file(mine.first).finding.startswith("“GGUF”")
