"""The models room reads the same store as the server: both must tell the same tensors."""

import pytest

from quantlab.lab.server import Server
from quantlab.models.source import open_model

pytestmark = pytest.mark.server
NAME = "smollm:135m-instruct-q4_K_M"


def test_the_store_s_file_has_the_tensors_that_show_tells(live, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(live.store))
    told = Server().show(NAME, verbose=True)["tensors"]
    with open_model(NAME) as model:
        assert model.file is not None and model.ftype == "Q4_K_M"
        read = model.tensors
    assert len(read) == len(told) == 272
    assert {(row.name, row.type, tuple(row.shape)) for row in read.itertuples()} == \
        {(tensor["name"], tensor["type"], tuple(tensor["shape"])) for tensor in told}


def test_without_the_store_the_server_s_table_is_used_and_says_so(live, monkeypatch, tmp_path):
    monkeypatch.setenv("OLLAMA_MODELS", str(live.store))
    with open_model(NAME) as model:
        read = model.tensors
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    with open_model(NAME) as model:
        assert model.file is None and model.why
        assert list(model.tensors.name) == list(read.name) and model.tensors.nbytes.sum() == read.nbytes.sum()
        with pytest.raises(ValueError, match="not at hand"):
            model.tensor(read.name[0])


def test_a_name_that_nobody_has_is_one_sentence(live, tmp_path, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    with pytest.raises(ValueError, match="no model"):
        open_model("nothing:1b")
