"""Names of models mean what they mean to Ollama: the cases of its own tests (types/model, internal/modelref,
0.34.2) and their relatives.
"""

import pytest

from quantlab.models.store import has_tag, name_key, parse_name

LONG, LONGEST = "8" * 80, "3" * 350
OLLAMA = "registry.ollama.ai"
# what was asked -> host, namespace, model, tag
PARTS = {
    f"{OLLAMA}/library/dolphin-mistral:7b-v2.6-dpo-laser-q6_K":
        (OLLAMA, "library", "dolphin-mistral", "7b-v2.6-dpo-laser-q6_K"),
    "scheme://host:port/namespace/model:tag": ("host:port", "namespace", "model", "tag"),
    "host/namespace/model:tag": ("host", "namespace", "model", "tag"),
    "host:port/namespace/model:tag": ("host:port", "namespace", "model", "tag"),
    "host/namespace/model": ("host", "namespace", "model", "latest"),
    "host:port/namespace/model": ("host:port", "namespace", "model", "latest"),
    "namespace/model": (OLLAMA, "namespace", "model", "latest"),
    "model": (OLLAMA, "library", "model", "latest"),
    "h/nn/mm:t": ("h", "nn", "mm", "t"),
    f"{LONG}/{LONG}/{LONG}:{LONG}": (LONG, LONG, LONG, LONG),
    f"{LONGEST}/{LONG}/{LONG}:{LONG}": (LONGEST, LONG, LONG, LONG),
    "_why/_the/_lucky:_stiff": ("_why", "_the", "_lucky", "_stiff"),
    "host:https/namespace/model:tag": ("host:https", "namespace", "model", "tag"),
    "https://hf.co/User/Repo-GGUF:Q4_K_M": ("hf.co", "User", "Repo-GGUF", "Q4_K_M"),
    "huggingface.co/User/Repo": ("huggingface.co", "User", "Repo", "latest"),
    " llama3.2:3b\n": (OLLAMA, "library", "llama3.2", "3b"),
    "http:///user/model": (OLLAMA, "user", "model", "latest"),
    # the suffixes that name a source
    "gpt-oss:20b:local": (OLLAMA, "library", "gpt-oss", "20b"),
    "gpt-oss:20b:cloud": (OLLAMA, "library", "gpt-oss", "20b-cloud"),
    "gpt-oss:20b:CLOUD": (OLLAMA, "library", "gpt-oss", "20b-cloud"),
    "gpt-oss:20b-cloud": (OLLAMA, "library", "gpt-oss", "20b-cloud"),
    "qwen3:cloud": (OLLAMA, "library", "qwen3", "cloud"),
    "qwen3:local": (OLLAMA, "library", "qwen3", "latest"),
    "my-cloud-model": (OLLAMA, "library", "my-cloud-model", "latest"),
    "gpt-oss:clod": (OLLAMA, "library", "gpt-oss", "clod"),
    "localhost:11434/library/foo:cloud": ("localhost:11434", "library", "foo", "cloud")}
NO_NAMES = [
    "", "n/m:", "@t", "m@d", "^", "mm:", "/nn/mm", "//", "//mm", "hh//", "//mm:@", "00@", "@", "   ",
    "-hh/nn/mm:tt", "hh/-nn/mm:tt", "hh/nn/-mm:tt", "hh/nn/mm:-tt", "host/name:space/model:tag",
    "a:123/aa/bb/cc", "h/n.n/m:t", "a/b:c/d@e", "a/b:c/d@sha256-100", "ns/a:b/m", "https://hf.co/model",
    f"{LONGEST}3/n/m:t", f"h/{LONG}8/m:t", f"h/n/{LONG}8:t", f"h/n/m:{LONG}8", "foo:bar-cloud/baz",
    "llama3.2@sha256:" + "ab" * 32, "llama3.2:3b@sha256:" + "ab" * 32, "foo:cloud:local", "foo:local:cloud",
    "foo:bar-cloud:local", "https://huggingface.co/user/repo/resolve/main/x:Q4_0"]
SHORTEST = {f"{OLLAMA}/library/model:latest": "model:latest", f"{OLLAMA}/library/model:tag": "model:tag",
            f"{OLLAMA}/namespace/model:tag": "namespace/model:tag", "library/model": "model:latest",
            "host/namespace/model:tag": "host/namespace/model:tag", "xx": "xx:latest",
            "host/library/model:tag": "host/library/model:tag", "Registry.Ollama.AI/Library/M:t": "M:t",
            "https://hf.co/User/Repo:Q4_K_M": "hf.co/User/Repo:Q4_K_M"}


@pytest.mark.parametrize(("name", "parts"), PARTS.items(), ids=[name[:40].strip() for name in PARTS])
def test_a_name_has_the_parts_that_ollama_reads(name, parts):
    parsed = parse_name(name)
    assert (parsed.host, parsed.namespace, parsed.model, parsed.tag) == parts
    assert parse_name(str(parsed)) == parsed


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_ollama_takes_for_no_name_is_refused_in_words(name):
    with pytest.raises(ValueError, match="no Ollama name") as error:
        parse_name(name)
    assert ("digest" in str(error.value)) == ("@" in name) and name_key(name) == name


@pytest.mark.parametrize("name", [7, None, b"llama3.2", ("llama3.2",)])
def test_what_is_no_text_is_no_name(name):
    with pytest.raises(ValueError, match="no Ollama name: a text such as"):
        parse_name(name)
    assert name_key(name) == name


@pytest.mark.parametrize(("name", "short"), SHORTEST.items())
def test_the_short_form_is_what_ollama_list_shows(name, short):
    assert str(parse_name(name)) == short and str(parse_name(short)) == short


@pytest.mark.parametrize("spellings", [
    ("llama3.2", "LLAMA3.2", "llama3.2:latest", "library/Llama3.2", f"{OLLAMA}/library/llama3.2:LATEST",
     "https://registry.ollama.ai/library/llama3.2", " llama3.2:local "),
    ("hf.co/User/Repo:Q4_K_M", "HF.co/user/repo:q4_k_m", "https://hf.co/User/repo:Q4_K_M")])
def test_all_spellings_of_a_name_have_one_key(spellings):
    assert len({name_key(name) for name in spellings}) == 1


def test_other_models_have_other_keys():
    names = ("m", "m:8b", "n/m", "h/n/m", "h:1/n/m", "huggingface.co/n/m", "hf.co/n/m", "m:8b-cloud")
    assert len({name_key(name) for name in names}) == len(names)


@pytest.mark.parametrize(("name", "tag"), [
    ("some-model", False), ("some-model:9b", True), ("user/some-model", False), ("user/some-model:9b", True),
    ("host.com:5000/some-model", False), ("host.com:5000/some-model:9b", True), ("m:latest", True)])
def test_a_port_is_no_tag(name, tag):
    assert has_tag(name) == tag
