"""A real Ollama answers for every spelling that quantlab takes for a name, and for none that it refuses."""

import pytest

from quantlab.lab.compare import compare_quantizations
from quantlab.lab.custom import add_tiny_models, create_custom_model, remove_tiny_models
from quantlab.lab.server import LabError, Server
from quantlab.lab.speed import measure_speed
from quantlab.models.source import BUNDLED, open_model
from quantlab.models.store import find_model

pytestmark = pytest.mark.server

LISTED = "quantlab-tiny:q8_0"
SPELLINGS = ("Quantlab-TINY:Q8_0", "library/quantlab-tiny:q8_0",
             "registry.ollama.ai/library/quantlab-tiny:q8_0",
             "https://registry.ollama.ai/Library/quantlab-tiny:Q8_0")
OPTIONS = {"num_thread": 1, "num_predict": 2, "num_ctx": 256}


@pytest.fixture
def tiny(ollama, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", ollama.url.removeprefix("http://").replace("127.0.0.1", "0.0.0.0"))
    monkeypatch.setenv("OLLAMA_MODELS", str(ollama.store))
    monkeypatch.setenv("QUANTLAB_REGISTRY", "http://127.0.0.1:9")
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    server = Server()
    add_tiny_models(["Q8_0"], server=server)
    yield server
    remove_tiny_models(server=server)


@pytest.mark.statement("names")
def test_show_answers_for_every_spelling_and_the_file_is_one(tiny):
    file = find_model(LISTED).blob
    listed = next(model for model in tiny.models() if model["name"] == LISTED)
    for name in SPELLINGS:
        assert tiny.show(name)["details"]["family"] == "llama"
        assert tiny.installed([name]) == {name: listed} and find_model(name).blob == file
        with open_model(name) as model:
            assert model.ftype == "Q8_0"


def test_a_speed_has_its_sizes_and_a_comparison_one_answer_under_every_spelling(tiny):
    row, = measure_speed([SPELLINGS[0]], rounds=1, options=OPTIONS, server=tiny)
    assert row["size"] > 4e6 and row["context_length"] == 256
    assert LISTED in [model["name"] for model in tiny.ps()]
    rows = compare_quantizations("To be", "quantlab-tiny", ["q8_0", *SPELLINGS], options=OPTIONS, server=tiny)
    assert len({row["text"] for row in rows}) == 1 and {row["model"] for row in rows} == {LISTED}


def test_a_name_without_latest_has_its_sizes_and_leaves_the_memory_to_the_next(tiny):
    create_custom_model("Bare", f"FROM {BUNDLED['tiny']}", server=tiny)
    try:
        rows = measure_speed(["bare", SPELLINGS[0]], rounds=2, options=OPTIONS, server=tiny)
        loaded = [model["name"] for model in tiny.ps()]
        assert rows[0]["size"] > rows[1]["size"] > 4e6 and LISTED in loaded and "Bare:latest" not in loaded
    finally:
        tiny.delete("bare")


@pytest.mark.parametrize("name", ["quantlab-tiny@sha256:ab", "a/b/c/quantlab-tiny:q8_0", "tiny:q8_0 x"])
def test_what_is_no_name_is_none_to_the_server_either(tiny, name):
    with pytest.raises(LabError):
        tiny.show(name)
    assert tiny.installed([name]) == {}
