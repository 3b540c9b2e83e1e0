"""One model under every spelling that Ollama takes: found where it is installed, asked once, freed again."""

import json

import pytest

from quantlab.lab.compare import compare_quantizations
from quantlab.lab.comparison import Comparison
from quantlab.lab.custom import TINY_MARK, add_tiny_models, create_custom_model, remove_tiny_models
from quantlab.lab.modelfile import ModelfileError
from quantlab.lab.names import own_name
from quantlab.lab.plan import make_plan
from quantlab.lab.prompts import Prompt
from quantlab.lab.server import LabError, Server
from quantlab.lab.settings_script import fitted_name
from quantlab.lab.speed import measure_speed
from quantlab.models.catalog import MODELS, catalog_name
from quantlab.models.resolve import shape_of
from quantlab.models.store import name_key, parse_name
from tests.lab.stand_in import stand_in
from tests.lab.test_comparison import GOOD

HERE = ("llama3.2:latest", "me/Mine:8B", "hf.co/User/Repo-GGUF:Q4_K_M", "localhost:5000/ns/m:t")
SPELLINGS = {
    "llama3.2": ("llama3.2", "LLAMA3.2", "library/llama3.2", "registry.ollama.ai/library/llama3.2:latest",
                 "https://registry.ollama.ai/library/llama3.2", "llama3.2:local", "llama3.2:Latest"),
    "hf": ("hf.co/User/Repo-GGUF:Q4_K_M", "hf.co/user/repo-gguf:q4_k_m", "HF.CO/User/Repo-GGUF:Q4_K_M",
           "https://hf.co/User/Repo-GGUF:Q4_K_M"),
    "port": ("localhost:5000/ns/m:t", "http://localhost:5000/ns/M:T"),
    "space": ("me/mine:8b", "ME/Mine:8b:local")}
EVERY = [spelling for spellings in SPELLINGS.values() for spelling in spellings]


class ByKey:
    """An Ollama that looks names up as the real one does, and lists them as they are stored.  cloud: a model
    that it shows without listing it.
    """

    def __init__(self, names=HERE, cloud=""):
        self.names, self.resident, self.asked, self.made, self.gone = list(names), [], [], [], []
        self.cloud = cloud

    def __call__(self, path, body):
        if path == "/api/version":
            return 200, b'{"version": "0.0"}'
        if path == "/api/ps":
            return self.listing([{"model": name, "name": name, "size": 5, "size_vram": 4,
                                  "context_length": 512} for name in self.resident])
        if path == "/api/tags":
            return self.listing([{"model": name, "name": name, "size": 7, "digest": name,
                                  "details": {"quantization_level": "Q8_0"}} for name in self.names])
        own = next((name for name in self.names if name_key(name) == name_key(body["model"])), None)
        if path == "/api/create":
            self.made.append(body)
            return 200, b'{"status": "success"}\n'
        if path == "/api/delete":
            self.gone.append(body["model"])
            return 200, b""
        if path == "/api/show" and own is None and name_key(body["model"]) == self.cloud:
            return 200, json.dumps({"details": {"family": "gptoss", "quantization_level": "MXFP4"}}).encode()
        if own is None:
            return 404, b'{"error": "model not found"}'
        if path == "/api/show":
            return 200, json.dumps({"details": {}, "model_info": {"general.description": TINY_MARK}}).encode()
        self.asked.append(body)
        self.resident = [name for name in self.resident if name != own]
        if body.get("keep_alive") != 0:
            self.resident.append(own)
        return 200, json.dumps({**GOOD, "response": "moo"}).encode() + b"\n"

    @staticmethod
    def listing(models):
        return 200, json.dumps({"models": models}).encode()


@pytest.mark.parametrize("name", EVERY)
def test_a_model_is_installed_under_every_spelling(name):
    with stand_in(ByKey()) as url:
        assert Server(url).installed([name, "none:1b"])[name]["size"] == 7
        found = Comparison(["one"], [name], server=Server(url)).preflight("http://127.0.0.1:9")
    assert found.ok and found.rows[0]["state"] == "installed" and found.rows[0]["bytes"] == 7


@pytest.mark.parametrize("name", EVERY)
def test_a_speed_has_its_sizes_under_every_spelling(name):
    with stand_in(ByKey()) as url:
        row, = measure_speed([name], rounds=2, server=Server(url))
    assert (row["model"], row["size"], row["size_vram"], row["context_length"]) == (name, 5, 4, 512)


def test_the_model_before_is_unloaded_under_every_spelling():
    pretend = ByKey()
    with stand_in(pretend) as url:
        rows = measure_speed(["LLAMA3.2", "ME/mine:8b", "hf.co/user/repo-gguf:q4_k_m"], server=Server(url))
    assert len(pretend.resident) == 1 and [row["size"] for row in rows] == [5, 5, 5]


def test_what_the_server_shows_without_listing_it_is_installed_and_what_it_does_not_is_not():
    with stand_in(ByKey(cloud="gpt-oss:120b-cloud")) as url:
        found = Server(url).installed(["gpt-oss:120b:cloud", "gpt-oss:120b", "no name", "m@sha256:ab"])
    assert found == {"gpt-oss:120b:cloud": {
        "name": "gpt-oss:120b:cloud", "size": 0, "digest": "", "family": "gptoss", "parameter_size": "",
        "quantization_level": "MXFP4"}}


def test_a_comparison_records_the_file_of_each_spelling(tmp_path):
    with stand_in(ByKey()) as url:
        made = Comparison(["one"], ["LLAMA3.2", "hf.co/user/repo-gguf:q4_k_m"], rounds=1, server=Server(url),
                          file=tmp_path / "run.jsonl").run()
    as_ps_says = ["CPU split", "context 512 instead of 2048"]
    assert [(row["model"], row["bytes"], row["digest"], row["flags"]) for row in made.rows()] == [
        ("LLAMA3.2:latest", 7, "llama3.2:latest", as_ps_says),
        ("hf.co/user/repo-gguf:q4_k_m", 7, "hf.co/User/Repo-GGUF:Q4_K_M", as_ps_says)]


def test_two_spellings_are_one_model_in_a_plan():
    with pytest.raises(ValueError, match="named twice"):
        make_plan([Prompt("a")], ["llama3.2", "library/Llama3.2:latest"])
    made = make_plan([Prompt("a")], ["m:a", "hf.co/U/r:Q8_0"], reference="HF.co/u/r:q8_0")
    assert made.models == ("hf.co/U/r:Q8_0", "m:a")
    for bad in ("m@sha256:abc", "a/b/c/d", "m:"):
        with pytest.raises(ValueError, match="no Ollama name"):
            make_plan([Prompt("a")], [bad])


def test_the_lesson_s_function_asks_one_model_once_and_makes_a_row_of_what_is_no_name():
    pretend = ByKey()
    with stand_in(pretend) as url:
        rows = compare_quantizations(
            "hi", "llama3.2", ["", "LLAMA3.2:latest", "a b", "hf.co/User/Repo-GGUF:Q4_K_M",
                               "https://registry.ollama.ai/library/llama3.2"], server=Server(url))
        assert "no Ollama name" in compare_quantizations("hi", "m", ["a@b"], server=Server(url))[0]["error"]
    assert [row.get("response") for row in rows] == ["moo", "moo", None, "moo", "moo"]
    assert "no Ollama name" in rows[2]["error"] and rows[0]["model"] == "llama3.2:latest"
    assert sum(body["prompt"] == "hi" for body in pretend.asked) == 2


@pytest.mark.parametrize("base", EVERY)
def test_an_installed_base_is_not_downloaded_again_under_any_spelling(base):
    pretend = ByKey()
    with stand_in(pretend) as url:
        create_custom_model("mine", f"FROM {base}", server=Server(url), confirm=pytest.fail)
    assert len(pretend.made) == 1


def test_names_that_ollama_would_refuse_are_refused_before():
    for bad in ("a/b/c/d", "-x", "x@y", "two words", "läma", "m" * 81):
        with pytest.raises(ValueError, match="name"):
            create_custom_model(bad, "FROM llama3.2", server=Server("127.0.0.1:9"))
    with pytest.raises(ModelfileError, match=r"FROM llama3\.2@sha256:ab: .* takes no digest"):
        create_custom_model("x", "FROM llama3.2@sha256:ab", server=Server("127.0.0.1:9"))
    with stand_in(ByKey()) as url, pytest.raises(LabError, match=r"FROM none:1b: none:1b is not installed"):
        create_custom_model("x", "FROM none:1b", server=Server(url))


def test_the_tiny_models_are_found_under_the_case_they_were_made_in():
    pretend = ByKey((*HERE, "Quantlab-Tiny:Q8_0"))
    with stand_in(pretend) as url:
        add_tiny_models(["Q8_0"], server=Server(url))
        assert pretend.made == []
        assert remove_tiny_models(server=Server(url)) == ["Quantlab-Tiny:Q8_0"] == pretend.gone


@pytest.mark.parametrize("name", ["llama3.1:8b", "LLAMA3.1:8B", "library/llama3.1:8b", "llama3.1:8b:local",
                                  "registry.ollama.ai/library/llama3.1:8b", "llama-3.1-8b"])
def test_a_name_of_the_catalog_is_known_under_every_spelling(name):
    assert catalog_name(name) == "llama3.1:8b" and shape_of(name) is MODELS["llama3.1:8b"]


@pytest.mark.parametrize("name", ["me/llama3.1:8b", "hf.co/library/llama3.1:8b", "llama3.1", "llama3.1:8b@x"])
def test_another_model_is_not_taken_for_one_of_the_catalog(name):
    assert catalog_name(name) is None


@pytest.mark.parametrize(("source", "name"), [
    ("llama3.1:8b", "llama3.1-8b"), ("hf.co/me/m:F16", "m-F16"), ("läma x.gguf", "l-ma-x"), ("-x-.gguf", "x"),
    ("this llama model", "this-llama-model"), ("模型.gguf", "model"), ("m" * 200, "m" * 64)])
def test_what_is_made_of_a_model_gets_a_name_that_ollama_takes(source, name):
    assert own_name(source) == name
    assert parse_name(f"my-{own_name(source)}-q4_k_m") and parse_name(fitted_name(source))
