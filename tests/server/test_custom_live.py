"""Custom models on a real Ollama, judged by its own command line tool."""

from pathlib import Path

import pytest

from quantlab.lab.custom import create_custom_model
from quantlab.lab.modelfile import ModelfileError
from quantlab.lab.server import LabError, Server
from tests.lab.test_modelfile import LESSON
from tests.ollama_fixture import FILES

pytestmark = pytest.mark.server


def test_the_lesson_s_modelfile_makes_what_ollama_show_prints(live):
    live.cli("cp", "smollm:135m-instruct-q4_K_M", "llama3.2")      # the lesson's base, as a name
    steps = []
    model = create_custom_model("coding-assistant", LESSON, progress=steps.append)
    printed = live.cli("show", "coding-assistant", "--modelfile")
    assert "SYSTEM You are a coding assistant." in printed
    assert "PARAMETER temperature 0.7" in printed and "PARAMETER top_p 0.9" in printed
    # the server has no fixed order
    assert sorted(model.show().split()) == sorted(printed.split()) and "success" in steps
    details = Server().show("coding-assistant")["details"]
    assert details["quantization_level"] == "Q4_K_M"               # inherited, as the lesson says
    assert model.ask("What are you?", options={"num_predict": 8, "num_thread": 1}).strip()


@pytest.mark.statement("shared_file")
def test_a_gguf_file_is_quantized_and_uploaded(live):
    model = create_custom_model("from-file",
                                f"FROM {FILES['F16']}\nPARAMETER stop <one>\nPARAMETER stop <two>",
                                quantize="q4_K_S")
    printed = live.cli("show", "from-file", "--modelfile")
    assert "PARAMETER stop <one>" in printed and "PARAMETER stop <two>" in printed
    assert Server().show(model.name)["details"]["quantization_level"] == "Q4_K_S"

    # What lesson 09 tells: a custom model shares its base's file, which stays when only the base is removed.
    child = create_custom_model("child", "FROM from-file\nSYSTEM Say moo.\nPARAMETER num_thread 1")
    blob = next(words for words in child.show().split() if "/blobs/sha256-" in words)
    live.cli("rm", "from-file")
    assert (
        Path(blob).stat().st_size > 90e6
        and child.ask("Hello", options={"num_predict": 4, "temperature": 0}).strip()
    )
    live.cli("rm", "child")
    assert not Path(blob).exists()


def test_messages_and_template_reach_the_model(live):
    create_custom_model("talker",
                        'FROM smollm:135m-instruct-q8_0\nTEMPLATE """{{ .System }} {{ .Prompt }}"""\n'
                        'MESSAGE user Hello\nMESSAGE assistant Moo')
    printed = live.cli("show", "talker", "--modelfile")
    assert "{{ .System }} {{ .Prompt }}" in printed and "MESSAGE assistant Moo" in printed


def test_a_missing_base_is_asked_about_and_never_downloaded_unasked(live, monkeypatch):
    monkeypatch.setenv("QUANTLAB_REGISTRY", "http://127.0.0.1:9")
    monkeypatch.setattr(Server, "pull", lambda *a, **k: pytest.fail("pulled unasked"))
    with pytest.raises(LabError, match=r"Nothing was downloaded"):
        create_custom_model("x", "FROM smollm2:1.7b")
    asked = []
    with pytest.raises(LabError, match=r"llama3\.1:8b"):
        create_custom_model("x", "FROM llama3.2:8b", confirm=lambda question: bool(asked.append(question)))
    with pytest.raises(LabError):
        create_custom_model("x", "FROM smollm2:1.7b", confirm=lambda question: bool(asked.append(question)))
    assert "1.82 GB" in asked[1] and "GB free" in asked[1] and asked[1].count("?") == 1


def test_bad_names_files_and_types_are_refused_before_the_server_is_asked(nobody, tmp_path):
    (tmp_path / "no.gguf").write_bytes(b"PK\3\4")
    for text, words in (("FROM ./nothing.gguf", "no such file"), (f"FROM {tmp_path}", "folder"),
                        (f"FROM {tmp_path}/no.gguf", "not a GGUF"),
                        ("FROM m\nADAPTER ./gone.gguf", "No Ollama"),
                        ("FROM m\nPARAMETER typical_p 1", "No Ollama")):
        with pytest.raises((ModelfileError, LabError), match=words):
            create_custom_model("x", text)
    with pytest.raises(ValueError, match=r"no quantize 'q9_0' here; .*Q4_K_S"):
        create_custom_model("x", "FROM m", quantize="q9_0")
    with pytest.raises(ValueError, match="name"):
        create_custom_model("two words", "FROM m")
