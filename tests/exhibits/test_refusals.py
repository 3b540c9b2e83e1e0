"""A model that cannot be opened: explorers that show a file say so in the picture's place, all in the same
way; those that need a shape only raise, with the nearest names. A new explorer of a model has to be one of
both.
"""

import html
import inspect
import re
from pathlib import Path

import pytest

import quantlab as ql
from quantlab.stage.base import Stage

#: Explorers that show or run a file, and the call that their refusal ends with.
OF_A_FILE = {name: f"{name}()" for name in (
    "explore_bit_budget", "explore_experts", "explore_file", "explore_model_map", "explore_next_token",
    "explore_quality", "explore_recital", "explore_sensitivity")}
#: Explorers that count with a shape.
OF_A_SHAPE = {"explore_choice", "explore_fit", "explore_kv_cache", "explore_memory", "explore_speed",
              "explore_split", "explore_types"}
#: It says in a line what would be written, beside a recorded run.
IN_A_LINE = {"explore_quantize"}
#: It shows models that were measured beforehand, by their names in the record.
OF_A_RECORD = {"explore_methods"}
#: What nobody has, and what is said of it.
NONE = {"no-such-model:9b": "no-such-model:9b", "hf.co/nobody/Nothing-GGUF:Q4_K_M": "hf.co/nobody",
        "/no/such/file.gguf": "file.gguf", "quanted llama": "quanted llama", "": "",
        Path("gone.gguf"): "gone.gguf", 7: "7", b"tiny": "tiny"}


def of_models() -> set[str]:
    """The public explorers that take a model."""
    every = {name: inspect.signature(getattr(ql, name)).parameters for name in ql.__all__
             if name.startswith("explore_")}
    return {name for name, parameters in every.items() if {"model", "source"} & {*parameters}}


def words_of(stage: Stage) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.unescape(stage.picture.svg)).split())


@pytest.fixture(params=["reference", "no store", "an empty store"])
def machine(request, tmp_path, monkeypatch):
    """Where a name is looked for: nowhere, in a folder that is not there, or in one without a model."""
    if request.param != "reference":
        monkeypatch.setenv("QUANTLAB_PROFILE", "live")
        monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")            # nobody listens
        monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "store"))
    if request.param == "an empty store":
        (tmp_path / "store" / "manifests").mkdir(parents=True)


def test_every_explorer_of_a_model_is_of_a_known_kind():
    assert of_models() == {*OF_A_FILE, *OF_A_SHAPE, *IN_A_LINE, *OF_A_RECORD}


@pytest.mark.parametrize("name", sorted(OF_A_FILE))
def test_what_cannot_be_opened_is_said_in_the_pictures_place_with_a_call_that_works(name, machine):
    for model, said in NONE.items():
        stage = getattr(ql, name)(model)
        words = words_of(stage)
        assert said in words and OF_A_FILE[name] in words and not stage.controls, (model, words)
        assert stage.call.startswith(f"ql.{name}(")


@pytest.mark.parametrize("name", sorted(OF_A_FILE))
@pytest.mark.parametrize("content", [b"", b"GGUF", b"PK\3\4 a zip", b"GGUF\3\0\0\0" + b"\xff" * 16])
def test_a_broken_file_is_said_in_the_pictures_place(name, content, tmp_path):
    file = tmp_path / "broken.gguf"
    file.write_bytes(content)
    for path in (file, tmp_path):
        stage = getattr(ql, name)(path)
        assert path.name in words_of(stage) and OF_A_FILE[name] in words_of(stage) and not stage.controls


@pytest.mark.parametrize("name", sorted(OF_A_SHAPE))
def test_a_shape_that_is_not_known_is_an_error_with_names_that_are(name, machine):
    for model in ("no-such-model:9b", "/no/such/file.gguf"):
        with pytest.raises(ValueError, match=re.escape(model.rsplit("/", 1)[-1])):
            getattr(ql, name)(**{"model": model})


def test_what_has_to_be_pulled_is_said_where_bytes_are_needed(machine):
    for name in sorted(set(OF_A_FILE) - {"explore_model_map"}):             # which draws the known shape
        for model in ("llama3.1:8b", "QWEN3:30b"):
            assert f"`ollama pull {model.lower()}`" in words_of(getattr(ql, name)(model)), name


def test_a_new_file_that_cannot_be_is_said_beside_the_recorded_run(machine):
    for model, said in NONE.items():
        if model:
            line = ql.explore_quantize(model).planned()
            assert said in line or (isinstance(model, int | bytes) and line), (model, line)
