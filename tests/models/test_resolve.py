"""A model is a model: one way in for whatever it is given as, and one refusal."""

import os
import subprocess
import sys

import pytest

import quantlab as ql
from quantlab import profile
from quantlab.models.catalog import MODELS
from quantlab.models.resolve import open_weights, shape_of
from quantlab.models.source import BUNDLED, Model, open_model
from tests.models.gguf_builder import GOOD
from tests.models.test_source import ANSWER
from tests.models.test_store import LIBRARY, layer, put

LLAMA = MODELS["llama3.1:8b"]
#: What takes a model and needs its shapes only.
TAKERS = {
    "recipe": lambda model: ql.recipe("Q8_0", model), "tensor_list": ql.tensor_list,
    "types_by_role": lambda model: ql.types_by_role(model, "Q8_0"),
    "explain_recipe": lambda model: ql.explain_recipe("Q8_0", model),
    "estimate_memory": lambda model: ql.estimate_memory(model, n_ctx=256),
    "recommend": lambda model: ql.recommend(model, 8, n_ctx=256, ftypes=["Q8_0"]),
    "expected_speed": lambda model: ql.expected_speed(model, "Q8_0", 1e11, n_ctx=256),
    "kv_cache_bytes": lambda model: ql.kv_cache_bytes(model, 256), "weight_bytes": ql.weight_bytes}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with two pulled models: one of its own name, and one that the catalog has, too."""
    root = put(tmp_path, f"{LIBRARY}/llama3.1/8b", [layer()])
    put(root, f"{LIBRARY}/mine/1b", [layer()])
    monkeypatch.setenv("OLLAMA_MODELS", str(root))


@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
@pytest.mark.parametrize("given", ["llama3.1:8b", "llama-3.1-8b", "tiny", BUNDLED["tiny"],
                                   str(BUNDLED["tiny"]), LLAMA], ids=str)
def test_every_function_takes_every_kind_of_model(taker, given):
    assert taker(given) is not None


@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
def test_an_open_model_and_its_name_give_the_same(taker):
    with open_model("tiny") as model:
        one, other = taker(model), taker("tiny")
        assert one.equals(other) if hasattr(one, "equals") else one == other


@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
def test_every_function_refuses_in_one_sentence(taker):
    with pytest.raises(ValueError, match=r"^no model 'lama3\.1:8b' here: .*; the nearest are llama3\.1:8b, .*"
                                         r"; a model is a name of MODELS .* or an open model$"):
        taker("lama3.1:8b")
    with pytest.raises(ValueError, match=r"^3 is no model: a model is a name of MODELS"):
        taker(3)


def test_the_nearest_names_are_pulled_ones_too(store, monkeypatch):
    monkeypatch.delenv("QUANTLAB_PROFILE", raising=False)
    monkeypatch.setattr(profile, "ask_server", None)
    with pytest.raises(ValueError, match=r"the nearest are mine:1b,"):
        shape_of("minne:1b")


def test_a_name_of_the_catalog_means_its_shape_and_the_file_where_bytes_matter(store):
    assert shape_of("llama3.1:8b") is LLAMA
    for spelled in ("llama-3.1-8b", "Llama-3.1-8B", "LLAMA3.1:8b"):
        assert shape_of(spelled) is LLAMA and isinstance(shape_of(spelled, file_first=True), Model)
    assert shape_of("qwen3:8b", file_first=True) is MODELS["qwen3:8b"]
    with open_weights("llama-3.1-8b") as model:
        assert model.tensor("norm").shape == (4,)
    assert shape_of("mine:1b").name == "mine:1b"


def test_weights_that_are_not_here_are_refused_with_the_way_to_get_them():
    with pytest.raises(ValueError, match=r"qwen3:8b only the shape is known.*`ollama pull qwen3:8b`"), \
            open_weights("qwen3:8b"):
        pass
    with pytest.raises(ValueError, match="only the shape of a llama model"), open_weights(LLAMA):
        pass
    with pytest.raises(ValueError, match="weights of far are not at hand: asleep"), \
            open_weights(Model("far", {}, {}, why="asleep")):
        pass


def test_a_given_model_stays_open_and_a_named_one_is_closed(tmp_path):
    path = tmp_path / "good.gguf"
    path.write_bytes(GOOD)
    with open_model(path) as mine:
        with open_weights(mine) as same:
            assert same is mine
        assert mine.tensor("norm").shape == (4,)
    with open_weights(path) as model:
        pass
    with pytest.raises(ValueError, match="closed"):
        model.tensor("norm")


def test_a_broken_file_is_not_hidden_behind_the_catalog(tmp_path, monkeypatch):
    root = put(tmp_path, f"{LIBRARY}/llama3.1/8b", [layer()])
    monkeypatch.setenv("OLLAMA_MODELS", str(root))
    for blob in (root / "blobs").iterdir():
        blob.write_bytes(b"GGUX" + GOOD[4:])
    with pytest.raises(ValueError, match="not a GGUF file"):
        shape_of("llama3.1:8b", file_first=True)


def test_where_no_store_can_be_read_the_server_tells_the_shape(tmp_path, monkeypatch):
    monkeypatch.delenv("QUANTLAB_PROFILE", raising=False)
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    monkeypatch.setattr(profile, "ask_server", lambda name: ANSWER)
    assert ql.weight_bytes("far:8b") == 32 * 144 + 1024
    with pytest.raises(ValueError, match=r"weights of far:8b are not at hand: (no Ollama|.*among)"), \
            open_weights("far:8b"):
        pass


def test_the_memory_rooms_bring_no_numpy_and_no_client():
    code = ("import sys, quantlab as ql; ql.kv_cache_bytes, ql.estimate_memory, ql.recommend; "
            "ql.expected_speed, ql.recipe, ql.MODELS, ql.GPUS; from quantlab.memory import machine, rule; "
            "print({'numpy', 'pandas', 'httpx', 'ollama'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("first", [
    "from quantlab.models.source import open_model",
    "from quantlab.models.resolve import shape_of as open_model",
    "import quantlab.formats.table; from quantlab.models.source import open_model",
    "from quantlab.memory.weights import weight_bytes as open_model",
    "import quantlab.lab.open; from quantlab.models.source import open_model",
    "from quantlab import open_model"])
def test_a_server_is_asked_whichever_room_was_imported_first(first, tmp_path):
    code = f"{first}\ntry: open_model('far:8b')\nexcept ValueError as error: print(error)"
    # nobody listens at the discard port
    known = {"QUANTLAB_PROFILE": "live", "OLLAMA_MODELS": str(tmp_path), "OLLAMA_HOST": "127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env=os.environ | known)
    assert "127.0.0.1:9" in done.stdout
