"""`python -m quantlab quantize`: a file and its path, or a sentence and a status."""

import pytest

from quantlab.cli.main import main
from quantlab.models import writer
from quantlab.models.source import open_model
from tests.models.written import SMALL, write


def test_it_writes_the_file_and_prints_its_path(tmp_path, capsys):
    write(tmp_path / "src.gguf", SMALL["llama"], "F16")
    assert main(["quantize", str(tmp_path / "src.gguf"), str(tmp_path / "new.gguf"), "q8_0"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'new.gguf'}\n"
    with open_model(tmp_path / "new.gguf") as model:
        assert model.ftype == "Q8_0"
    assert main(["quantize", str(tmp_path / "new.gguf"), str(tmp_path / "again.gguf"), "Q4_0"]) == 2
    assert "Never re-quantize" in capsys.readouterr().err
    assert main(["quantize", str(tmp_path / "new.gguf"), str(tmp_path / "again.gguf"), "Q4_0",
                 "--allow-requantize"]) == 0


def test_another_file_is_replaced_only_when_told(tmp_path, capsys):
    write(tmp_path / "src.gguf", SMALL["llama"], "F16")
    (tmp_path / "mine.gguf").write_text("my notes")
    command = ["quantize", str(tmp_path / "src.gguf"), str(tmp_path / "mine.gguf"), "q8_0"]
    assert main(command) == 2 and (tmp_path / "mine.gguf").read_text() == "my notes"
    assert "mine.gguf is there already" in capsys.readouterr().err
    assert main([*command, "--replace"]) == 0
    with open_model(tmp_path / "mine.gguf") as model:
        assert model.ftype == "Q8_0"


def test_ctrl_c_is_a_sentence(tmp_path, capsys, monkeypatch):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    write(tmp_path / "src.gguf", SMALL["llama"], "F16")
    monkeypatch.setattr(writer, "encode_rows", interrupt)
    assert main(["quantize", str(tmp_path / "src.gguf"), str(tmp_path / "new.gguf"), "q8_0"]) == 130
    assert capsys.readouterr().err == "quantlab: stopped; nothing was left behind\n"
    with pytest.raises(SystemExit):
        main(["quantize", str(tmp_path / "src.gguf")])
