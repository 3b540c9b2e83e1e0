"""A tag is offered only when somebody has it: this machine, the registry, or a list with its date."""

import json

import httpx
import pandas as pd
import pytest

from quantlab.lab.names import full_name, meant_names, missing_words, size_of
from quantlab.lab.server import Server
from quantlab.lab.tags import available_table, get_available_quantizations, probe_one, registry_bytes
from quantlab.models.library import snapshot
from quantlab.models.tag import quant_of
from tests.lab.stand_in import manifest, registry_of, stand_in


@pytest.mark.usefixtures("nobody")
def test_registry_tags_come_with_exact_bytes_and_the_lesson_s_tags_do_not_come():
    have = {"latest": 9, "3b": 10, "3b-instruct-q4_K_M": 2_019_377_376}
    with stand_in(registry_of(have)) as url:
        table = available_table("llama3.2", registry=url)
    assert set(table.tag) == {"llama3.2:latest", "llama3.2:3b", "llama3.2:3b-instruct-q4_K_M"}
    assert table.set_index("tag").loc["llama3.2:3b-instruct-q4_K_M", "bytes"] == 2_019_377_376
    assert set(table.source) == {"registry"}


@pytest.mark.usefixtures("nobody")
def test_an_unknown_model_is_found_by_its_sizes():
    with stand_in(registry_of({"latest": 5, "7b": 6, "7b-chat-q8_0": 7})) as url:
        tags = get_available_quantizations("newmodel", registry=url)
    assert tags == ["newmodel:latest", "newmodel:7b", "newmodel:7b-chat-q8_0"]


@pytest.mark.usefixtures("nobody")
def test_offline_the_list_is_shown_with_its_date():
    tags = get_available_quantizations("llama3.2:3b", registry="http://127.0.0.1:9", timeout=0.5)
    assert "llama3.2:3b-instruct-q4_K_M" in tags and not any(":8b" in tag or ":1b" in tag for tag in tags)
    assert snapshot()["date"] in tags.note and {row["source"]
                                                for row in tags.rows} == {f"list of {snapshot()['date']}"}


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("odd", [(500, b"oops"), (200, b"garbage"), (200, b'{"layers": "x"}'),
                                 (200, [1.0, b"late"])], ids=str)
def test_an_odd_answer_for_one_tag_keeps_its_listed_row(odd):
    have = {"latest": 1, "1b": 2}
    with stand_in(registry_of(have, {"3b": odd})) as url:
        rows = {
            row["tag"]: row for row in get_available_quantizations("llama3.2", registry=url, timeout=0.4).rows
        }
    assert rows["llama3.2:1b"]["source"] == "registry" and rows["llama3.2:1b"]["bytes"] == 2
    assert rows["llama3.2:3b"]["source"].startswith("list of")
    assert "llama3.2:3b-instruct-q8_0" not in rows


@pytest.mark.usefixtures("nobody")
def test_a_registry_that_stalls_is_given_up_after_a_few_questions():
    asked, all_tags = [], snapshot()["models"]["llama3.2"]["tags"]
    answer = registry_of({"latest": 1}, {tag: (200, [2.0, b"{}"]) for tag in all_tags if tag != "latest"})
    with stand_in(lambda path, body: asked.append(path) or answer(path, body)) as url:
        tags = get_available_quantizations("llama3.2", registry=url, timeout=0.3)
    assert len(asked) < len(all_tags) / 2 and len(tags) == len(all_tags)


def test_the_reference_profile_asks_nobody(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    asked = []
    with stand_in(lambda path, body: asked.append(path) or (404, b"")) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        table = available_table("smollm2:135m", registry=url)
    assert not asked and len(table) == 16 and isinstance(table, pd.DataFrame)


def test_the_list_is_honest():
    assert all(source["from"] and source["text"] for source in snapshot()["sources"])
    for model, entry in snapshot()["models"].items():
        assert set(entry["bytes"]) <= set(entry["tags"]), model
        assert all(count > 10**8 for count in entry["bytes"].values()) or model == "smollm2"
    assert "8b" not in snapshot()["models"]["llama3.2"]["tags"]


@pytest.mark.parametrize("wrong, right",
                         [("llama3.2:8b", "llama3.1:8b"),
                          ("llama3.2:8b-q4_K_M", "llama3.1:8b-instruct-q4_K_M"),
                          ("llama3.2:3b-q4_K_M", "llama3.2:3b-instruct-q4_K_M"),
                          ("lama3.2:3b", "llama3.2:3b"), ("smollm2:135m-q8_0", "smollm2:135m-instruct-q8_0")])
def test_a_wrong_tag_is_answered_with_a_real_one(wrong, right):
    assert meant_names(wrong)[0] == right
    assert right in missing_words(wrong)


def test_a_name_that_resembles_nothing_gets_no_invented_tag():
    assert meant_names("zzz:1b") == []
    assert "Installed: mine:1b" in missing_words("zzz:1b", ("mine:1b",))


@pytest.mark.parametrize("base, quant, name", [("llama3.2", "8b-q4_K_M", "llama3.2:8b-q4_K_M"),
                                               ("llama3.2", "", "llama3.2"),
                                               ("llama3.2", "llama3.1:8b", "llama3.1:8b"),
                                               ("m:3b-instruct", "q8_0", "m:3b-instruct-q8_0"),
                                               ("host:5000/me/m", "q8_0", "host:5000/me/m:q8_0")])
def test_suffixes_and_full_tags_mean_one_model(base, quant, name):
    assert full_name(base, quant) == name


def test_parts_of_tags():
    assert quant_of("3b-instruct-q4_K_M") == "q4_K_M" and quant_of("8b") == "" and quant_of(
        "135m-instruct-fp16") == "fp16"
    assert size_of("8x7b-instruct") == "8x7b" and size_of("latest") == "" and size_of("135m-q4_1") == "135m"


@pytest.mark.usefixtures("nobody")
def test_bytes_of_a_name_come_from_the_registry_else_from_the_list():
    with stand_in(registry_of({"3b": 77})) as url:
        assert registry_bytes("llama3.2:3b", url) == 77
        assert registry_bytes("llama3.2:1b", url) == snapshot()["models"]["llama3.2"]["bytes"]["1b"]
    assert registry_bytes("zzz", "http://127.0.0.1:9", timeout=0.5) is None


@pytest.mark.parametrize("bad", ["", "  ", "two words", 3, None])
def test_a_name_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="name of a model"):
        get_available_quantizations(bad)


HOSTS = {"huggingface.co/user/repo-gguf": {"latest": 5, "Q4_K_M": 6, "IQ4_XS": 7, "UD-Q2_K_XL": 8},
         "localhost:5000/ns/m": {"latest": 1, "7b": 2, "7b-chat-q8_0": 3}}


@pytest.fixture
def hosts(monkeypatch):
    """Registries of other hosts; what was asked of whom."""
    asked = []

    def answer(request):
        url, host = request.url, request.url.netloc.decode()
        asked.append(f"{url.scheme}://{host}{url.path}")
        if host == "hf.co":
            return httpx.Response(307, headers={"location": str(url).replace("hf.co", "huggingface.co")})
        _, _, user, repo, _, tag = url.path.split("/")
        tags = HOSTS.get(f"{host}/{user}/{repo}".lower(), {})
        if tag in tags:
            return httpx.Response(200, content=manifest(tags[tag]))
        return httpx.Response(400 if host == "huggingface.co" else 404, json={"error": "no such tag"})

    monkeypatch.setattr("quantlab.lab.tags.client",
                        lambda *_: httpx.Client(transport=httpx.MockTransport(answer)))
    monkeypatch.setenv("QUANTLAB_REGISTRY", "http://registry.invalid")
    return asked


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(("name", "address"), [
    ("hf.co/User/Repo-GGUF:Q4_K_M", "https://huggingface.co/v2/User/Repo-GGUF/manifests/Q4_K_M"),
    ("huggingface.co/User/Repo-GGUF:Q4_K_M", "https://huggingface.co/v2/User/Repo-GGUF/manifests/Q4_K_M"),
    ("https://hf.co/User/Repo-GGUF:Q4_K_M", "https://huggingface.co/v2/User/Repo-GGUF/manifests/Q4_K_M"),
    ("hf.co/User/Repo-GGUF", "https://huggingface.co/v2/User/Repo-GGUF/manifests/latest"),
    ("localhost:5000/ns/m:7b", "https://localhost:5000/v2/ns/m/manifests/7b"),
    ("me/mine:8B", "http://registry.invalid/v2/me/mine/manifests/8B"),
    ("library/llama3.2", "http://registry.invalid/v2/library/llama3.2/manifests/latest"),
    ("Library/Other:X", "http://registry.invalid/v2/library/Other/manifests/X"),
    ("https://registry.ollama.ai/library/other:x", "http://registry.invalid/v2/library/other/manifests/x"),
    ("gpt-oss:20b:cloud", "http://registry.invalid/v2/library/gpt-oss/manifests/20b-cloud")])
def test_each_host_is_asked_for_its_own_models_in_their_own_letters(hosts, name, address):
    probe_one(name)
    assert hosts[-1] == address


@pytest.mark.usefixtures("nobody")
def test_the_bytes_and_the_tags_of_a_repository_come_from_its_host(hosts):
    assert probe_one("hf.co/User/Repo-GGUF:Q4_K_M") == (True, 6)
    assert probe_one("hf.co/User/Repo-GGUF:Q9_9") == (True, None) == probe_one("localhost:5000/ns/m:none")
    tags = get_available_quantizations("huggingface.co/User/Repo-GGUF:UD-Q2_K_XL")
    assert set(tags) == {f"huggingface.co/User/Repo-GGUF:{tag}"
                         for tag in ("latest", "Q4_K_M", "IQ4_XS", "UD-Q2_K_XL")}
    assert {row["tag"].rpartition(":")[2]: row["quantization"] for row in tags.rows} == {
        "latest": "", "Q4_K_M": "Q4_K_M", "IQ4_XS": "IQ4_XS", "UD-Q2_K_XL": "UD-Q2_K_XL"}
    assert tags.note == "Asked https://huggingface.co just now."
    assert get_available_quantizations("localhost:5000/ns/m") == [
        f"localhost:5000/ns/m:{tag}" for tag in ("latest", "7b", "7b-chat-q8_0")]
    assert not any("invalid" in address for address in hosts)


@pytest.mark.parametrize("name", ["LLAMA3.2:3b", "library/llama3.2:3b",
                                  "registry.ollama.ai/library/Llama3.2:3B"])
def test_the_dated_list_knows_every_spelling(name, monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    assert get_available_quantizations(name) == get_available_quantizations("llama3.2:3b") != []
    assert registry_bytes(name) == snapshot()["models"]["llama3.2"]["bytes"]["3b"]
    assert probe_one("hf.co/library/llama3.2:3b") == (False, None)


@pytest.mark.parametrize("wrong", ["LLAMA3.2:8b", "library/llama3.2:8B", "llama3.2:8b:local"])
def test_a_wrong_tag_is_answered_under_every_spelling(wrong):
    assert meant_names(wrong)[0] == "llama3.1:8b" and "the library had no such tag" in missing_words(wrong)
    assert "no such tag" not in missing_words("LLAMA3.2:3B-Instruct-Q8_0")


def test_what_is_installed_is_listed_once_as_it_is_spelled(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    listed = {"models": [{"model": "Llama3.2:3B", "size": 7, "details": {"quantization_level": "Q4_K_M"}}]}
    with stand_in(lambda path, body: (200, json.dumps(listed).encode())) as url, \
            stand_in(registry_of({"latest": 1, "3b": 7})) as registry:
        rows = get_available_quantizations("llama3.2:3b", server=Server(url), registry=registry).rows
    assert [(row["tag"], row["source"]) for row in rows] == [("Llama3.2:3B", "installed")]


@pytest.mark.parametrize("bad", ["m@sha256:ab", "a/b/c/d", "m:", "läma"])
def test_what_ollama_takes_for_no_name_asks_nobody(bad, hosts):
    for function in (get_available_quantizations, probe_one, registry_bytes):
        with pytest.raises(ValueError, match="no Ollama name"):
            function(bad)
    assert hosts == []
