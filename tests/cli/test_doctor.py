"""The doctor names what it finds and never raises: not without a server, not without a store, not when it may
not read.
"""

import json

import pytest

from quantlab.cli import doctor as cli_doctor
from quantlab.cli import main
from tests.lab.stand_in import ollama_that, stand_in


@pytest.fixture
def live(monkeypatch, tmp_path):
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")              # nobody listens on port 1
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "store"))
    return tmp_path


def found(report, what):
    return [row for row in report.rows if row[0] == what]


def test_without_a_server_it_says_so_and_what_happens_then(live):
    ((_, words, advice),) = found(cli_doctor.doctor(), "Ollama")
    assert "127.0.0.1:1" in words and "recorded" in advice


def test_versions_and_memory_are_those_of_this_machine(live):
    import platform
    from importlib.metadata import version

    report = cli_doctor.doctor()
    assert platform.python_version() in found(report, "Python")[0][1]
    assert f"JupyterLab {version('jupyterlab')}" in found(report, "packages")[0][1]
    assert found(report, "memory")[0][1].endswith("free")


def test_a_store_is_counted_and_a_closed_one_named(live, monkeypatch):
    manifest = live / "store" / "manifests" / "registry.ollama.ai" / "library" / "m" / "latest"
    manifest.parent.mkdir(parents=True)
    digest = "0" * 64
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}", "size": 4}
    manifest.write_text(json.dumps({"layers": [layer]}))
    (live / "store" / "blobs").mkdir()
    (live / "store" / "blobs" / f"sha256-{digest}").write_bytes(b"GGUF")
    assert any("1 model" in words for _, words, _ in found(cli_doctor.doctor(), "model store"))

    def closed(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cli_doctor.Path, "iterdir", closed)
    assert any("not readable" in words for _, words, _ in found(cli_doctor.doctor(), "model store"))


def test_the_reference_report_never_changes(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    assert cli_doctor.doctor() == cli_doctor.doctor()
    assert "reference" in cli_doctor.doctor().rows[0][1]


def test_it_prints_for_people_and_for_bug_reports(live, capsys):
    assert main.main(["doctor"]) == 0
    assert "→" in capsys.readouterr().out
    assert main.main(["doctor", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("|") and line.endswith("|") for line in lines)


def test_what_a_driver_calls_a_card_is_escaped():
    report = cli_doctor.Findings((("graphics", "<script>alert(1)</script>", ""),))
    assert "<script>" not in report._repr_html_()


def test_a_port_that_ollama_does_not_take_is_named_beside_the_server_that_answers(live, monkeypatch):
    with stand_in(ollama_that) as url:
        monkeypatch.setattr("quantlab.lab.address.USUAL_PORT", url.rpartition(":")[2])
        monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:66000")
        ((_, words, advice),) = found(cli_doctor.doctor(), "Ollama")
    assert f"at {url}, 7 models" in words and "no port between 0 and 65535" in advice
