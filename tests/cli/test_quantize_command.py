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


def test_wishes_and_a_dry_run_on_the_command_line(tmp_path, capsys):
    write(tmp_path / "src.gguf", SMALL["llama"], "F16")
    (tmp_path / "types.txt").write_text("ffn_up=Q5_0\nattn_q=Q4_1")
    command = ["quantize", str(tmp_path / "src.gguf"), str(tmp_path / "new.gguf"), "Q4_0", "--tensor-type",
               "attn_q=Q8_0", "--tensor-type-file", str(tmp_path / "types.txt"), "--embedding-type", "Q5_1",
               "--leave-output", "--prune-layers", "0", "--override-kv", "general.name=str:mine"]
    assert main([*command, "--dry-run"]) == 0 and "blk.0.attn_q.weight" in capsys.readouterr().out
    assert not (tmp_path / "new.gguf").exists()
    assert main(command) == 0
    with open_model(tmp_path / "new.gguf") as model:
        types = {name: qtype for name, (qtype, _) in model.types.items()}
        names = ("blk.0.attn_q", "blk.0.ffn_up", "token_embd", "output", "blk.0.attn_k")
        assert [types[f"{name}.weight"] for name in names] == ["Q8_0", "Q5_0", "Q5_1", "F16", "Q4_0"]
        assert "blk.1.attn_q.weight" not in types and model.metadata["general.name"] == "mine"
    assert main(["quantize", str(tmp_path / "src.gguf"), str(tmp_path / "as.gguf"), "Q4_0", "--types-of",
                 str(tmp_path / "new.gguf")]) == 2
    assert "has no tensor blk.1.attn_norm.weight" in capsys.readouterr().err
    assert main([*command[:4], "--tensor-type", "attn_q"]) == 2
    assert "--tensor-type: 'attn_q' is no PATTERN=TYPE" in capsys.readouterr().err


def test_a_note_is_a_sentence_on_stderr(tmp_path, capsys):
    write(tmp_path / "src.gguf", SMALL["llama"], "F16")
    assert main(["quantize", str(tmp_path / "src.gguf"), str(tmp_path / "new.gguf"), "Q4_0", "--tensor-type",
                 "blk.0=Q8_0", "--tensor-type", "attn_q=Q5_0"]) == 0
    assert capsys.readouterr().err.startswith("quantlab: types: 'blk.0' wants Q8_0 and 'attn_q' wants Q5_0")
