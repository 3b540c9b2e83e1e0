"""From Ollama names to files, in a store built here as Ollama builds it."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from quantlab.models.gguf_file import denied
from quantlab.models.store import StoreError, find_model, free_disk, parse_name, pulled_models, store_roots
from tests.models.gguf_builder import GOOD

DIGEST = "sha256:" + "ab" * 32
LIBRARY = "registry.ollama.ai/library"


def put(root: Path, where: str, layers, blob=GOOD) -> Path:
    """A manifest at `where` ("host/user/model/tag") and the blob that DIGEST names."""
    manifest = root / "manifests" / where
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(layers if isinstance(layers, str)
                        else json.dumps({"schemaVersion": 2, "layers": layers}))
    (root / "blobs").mkdir(exist_ok=True)
    if blob is not None:
        (root / "blobs" / DIGEST.replace(":", "-")).write_bytes(blob)
    return root


def layer(kind="model", digest=DIGEST):
    return {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest, "size": len(GOOD)}


@pytest.mark.parametrize(("name", "parts", "short"), [
    ("llama3.2", ("registry.ollama.ai", "library", "llama3.2", "latest"), "llama3.2:latest"),
    ("llama3.2:3b", ("registry.ollama.ai", "library", "llama3.2", "3b"), "llama3.2:3b"),
    ("user/model:tag", ("registry.ollama.ai", "user", "model", "tag"), "user/model:tag"),
    ("library/llama3.2:3b", ("registry.ollama.ai", "library", "llama3.2", "3b"), "llama3.2:3b"),
    ("hf.co/user/model:Q4_K_M", ("hf.co", "user", "model", "Q4_K_M"), "hf.co/user/model:Q4_K_M"),
    ("localhost:5000/ns/model:t", ("localhost:5000", "ns", "model", "t"), "localhost:5000/ns/model:t"),
    ("localhost:5000/ns/model", ("localhost:5000", "ns", "model", "latest"),
     "localhost:5000/ns/model:latest"),
])
def test_names_are_read_as_ollama_reads_them(name, parts, short):
    parsed = parse_name(name)
    assert (parsed.host, parsed.namespace, parsed.model, parsed.tag) == parts
    assert str(parsed) == short


@pytest.mark.parametrize("name", ["", ":", "a:", "../../etc/passwd", "..", "a/../b", "x:..", "x:../y",
                                  "/etc/passwd", "a//b", "a\\b", "a b", "a\0b", "a/b/c/d", "-rf", "läma",
                                  "m" * 81, "a:b:c", "x:%2e%2e", "\n"])
def test_names_that_ollama_forbids_never_touch_the_disk(name):
    with pytest.raises(ValueError, match="no Ollama name") as error:
        parse_name(name)
    assert not isinstance(error.value, StoreError) and "\n" not in str(error.value)


def test_a_pulled_model_is_found_with_its_projector(tmp_path):
    root = put(tmp_path, f"{LIBRARY}/llava/7b",
               [layer("template", "x"), layer(), layer("projector", "sha256:" + "cd" * 32)])
    found = find_model("llava:7b", [tmp_path / "nowhere", root])
    assert found.blob.read_bytes() == GOOD and found.size == len(GOOD)
    assert found.projector == root / "blobs" / ("sha256-" + "cd" * 32)


def test_case_does_not_matter_and_the_first_store_wins(tmp_path):
    first = put(tmp_path / "a", f"{LIBRARY}/llama3.1/8b-instruct-q4_K_M", [layer()])
    second = put(tmp_path / "b", f"{LIBRARY}/llama3.1/8b-instruct-q4_K_M", [layer()])
    assert find_model("llama3.1:8b-instruct-q4_k_m", [first, second]).blob.is_relative_to(first)
    assert find_model("llama3.1:8b-instruct-q4_K_M", [second, first]).blob.is_relative_to(second)


def test_the_very_same_letters_win_and_any_case_of_each_part_is_found(tmp_path):
    root = put(tmp_path, f"{LIBRARY}/Llama/8B", [layer()])
    put(root, f"{LIBRARY}/llama/1b", [layer()])
    put(root, f"{LIBRARY}/llama/1B", [layer("tensor")])
    assert find_model("llama:8b", [root]).size == len(GOOD)         # there is a folder llama, but not in it
    assert find_model("llama:1b", [root]).size == len(GOOD)
    with pytest.raises(StoreError, match="safetensors"):
        find_model("llama:1B", [root])


def test_a_digest_may_be_spelled_as_ollama_spells_it(tmp_path):
    root = put(tmp_path, f"{LIBRARY}/m/t", [layer(digest=DIGEST.replace(":", "-"))])
    assert find_model("m:t", [root]).blob.read_bytes() == GOOD


@pytest.mark.parametrize(("layers", "words"),
                         [([layer("tensor")], "safetensors"), ([layer("template")], "cloud"), ([], "cloud"),
                          ("{", "not what Ollama writes"), ("[]", "not what Ollama writes"),
                          ('{"layers": [1]}', "not what Ollama writes"),
                          ("[" * 100_000, "not what Ollama writes"),
                          ([layer(digest="sha256:../../../etc/passwd")], "no SHA-256 digest"),
                          ([layer(digest=None)], "no SHA-256 digest"),
                          ([layer(digest=DIGEST + "/../../x")], "no SHA-256 digest"),
                          ([layer(digest=DIGEST.upper())], "no SHA-256 digest"),
                          ([layer(digest="sha256:" + "ef" * 32)], "ollama pull"),])
def test_a_manifest_without_a_usable_file_is_refused_in_words(tmp_path, layers, words):
    root = put(tmp_path, f"{LIBRARY}/m/t", layers)
    with pytest.raises(StoreError, match=words):
        find_model("m:t", [root])


def test_what_is_not_pulled_is_named_with_every_store_looked_at(tmp_path):
    one, two = (put(tmp_path / name, f"{LIBRARY}/m/t", [layer()]) for name in "ab")
    with pytest.raises(StoreError) as error:
        find_model("llama9:1b", [one, two])
    assert "llama9:1b" in str(error.value) and str(one) in str(error.value) and str(two) in str(error.value)
    with pytest.raises(StoreError, match="no Ollama store was found"):
        find_model("llama9:1b", [tmp_path / "nowhere"])


def test_the_list_of_pulled_models_skips_what_is_broken(tmp_path):
    root = put(tmp_path, f"{LIBRARY}/good/1b", [layer()])
    put(root, f"{LIBRARY}/bad/1b", "{")
    put(root, "hf.co/user/other/Q8_0", [layer()])
    put(root, f"{LIBRARY}/.DS_Store", "junk")
    assert [(stored.name, stored.size) for stored in pulled_models([root])] == [
        ("good:1b", len(GOOD)), ("hf.co/user/other:Q8_0", len(GOOD))]
    assert pulled_models([tmp_path / "nowhere"]) == []


@pytest.fixture
def as_nobody():
    """Drop root's right to read everything, as the ordinary learner has none."""
    if os.name == "nt":
        pytest.fail("permissions of this kind do not exist on Windows")
    if os.geteuid() != 0:
        yield
        return
    # loads the module that knows groups while Python's own folder may still be read
    Path.home().group()
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
@pytest.mark.parametrize(("closed", "letter"), [("", "x"), ("manifests", "r"), ("blobs", "x"),
                                                ("blobs/" + DIGEST.replace(":", "-"), "r")])
def test_a_store_of_another_user_says_which_permission_is_missing_where(tmp_path, closed, letter, request):
    for folder in (tmp_path, *tmp_path.parents):                            # pytest's own folders are private
        if "pytest-of-" in str(folder):
            folder.chmod(0o755)
    root = put(tmp_path / "store", f"{LIBRARY}/m/t", [layer()])
    (root / closed).chmod(0)
    try:
        request.getfixturevalue("as_nobody")
        with pytest.raises(StoreError) as error:
            find_model("m:t", [root])
        assert f"may not be read by you: permission {letter} is missing on {root / closed} (" in str(
            error.value)
        assert "---------" in str(error.value)          # its mode, as `ls -l` shows it
        assert pulled_models([root]) == []
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        (root / closed).chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_a_group_that_has_the_permission_is_named(tmp_path, monkeypatch):
    """Ollama's Linux installer makes a user and group `ollama` whose home is closed to others (drwxr-x---).
    """
    monkeypatch.setattr("quantlab.models.gguf_file.os.access", lambda place, *_, **__: place != tmp_path)
    monkeypatch.setattr("quantlab.models.gguf_file.Path.group", lambda _: "ollama")
    tmp_path.chmod(0o750)
    assert denied(tmp_path / "blobs").endswith(":ollama); members of the group ollama have it")
    tmp_path.chmod(0o700)
    assert denied(tmp_path / "blobs").endswith(":ollama)")


def test_stores_are_looked_for_in_ollamas_order(monkeypatch, tmp_path):
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    assert store_roots()[0] == tmp_path
    monkeypatch.setenv("OLLAMA_MODELS", f' "{tmp_path}" ')       # Ollama takes quotes and blanks away
    assert store_roots()[0] == tmp_path
    assert [str(root) for root in store_roots()[2:]] == ["/usr/share/ollama/.ollama/models",
                                                         "/var/lib/ollama/.ollama/models"]
    monkeypatch.delenv("OLLAMA_MODELS")
    assert store_roots()[0] == Path.home() / ".ollama" / "models"


def test_free_disk_is_asked_where_a_download_would_go(tmp_path, monkeypatch):
    asked = []

    def usage(place):
        asked.append(Path(place))
        if "locked" in asked[-1].parts:
            raise PermissionError(place)
        return SimpleNamespace(free=7)

    monkeypatch.setattr("quantlab.models.store.shutil.disk_usage", usage)
    for name in ("store", "locked"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / name))
        assert free_disk() == 7
    assert asked == [tmp_path / "store", tmp_path / "locked", tmp_path]
