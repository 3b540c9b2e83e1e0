"""What cannot be is said in the same words at every door: `recipe`, `quantize_model`, `load_lm` and the
command line; what is only unusual is told there, too.
"""

import re

import numpy as np
import pytest

import quantlab as ql
from quantlab.cli.main import main
from quantlab.models.gguf_header import header_bytes
from quantlab.models.imatrix_file import Imatrix, write_imatrix
from tests.models.written import SMALL, write

MIX = "Q4_K_M"


def asked_at(door: str, model, capsys, **wishes) -> str:
    """The refusal of these wishes at a door."""
    if door == "command":
        given = wishes.get("types")
        lines = [f"--tensor-type={pattern}={qtype}" for pattern, qtype in given.items()] if isinstance(
            given, dict) else [f"--types-of={given}"] if given else []
        lines += [f"--{name.replace('_', '-')}={value}" for name, value in wishes.items() if name != "types"]
        assert main(["quantize", str(model), "new.gguf", MIX, "--dry-run", *lines]) == 2
        return capsys.readouterr().err
    calls = {"recipe": lambda: ql.recipe(MIX, model, **wishes),
             "quantize_model": lambda: ql.quantize_model(model, None, MIX, dry_run=True, **wishes),
             "load_lm": lambda: ql.load_lm(model, MIX, **wishes)}
    with pytest.raises(ValueError) as refused:
        calls[door]()
    return str(refused.value)


@pytest.mark.parametrize("door", ["recipe", "quantize_model", "load_lm", "command"])
@pytest.mark.parametrize(("wishes", "words"), [
    ({"types": {"attn_w": "Q8_0"}}, r"'attn_w' is found in none of the 47 tensors; a name is \w+"),
    ({"types": {"_norm": "Q8_0"}}, "only in tensors that are never quantized, .*_norm.weight first"),
    ({"types": {"attn": "Q8_0", "attn_q": "Q6_K"}},
     "'attn' wants Q8_0 and 'attn_q' wants Q6_K .* put it first"),
    ({"types": {"attn_v": "Q9_K"}}, "no type 'Q9_K' here"),
    ({"types": {"attn_v(": "Q8_0"}}, "is no regular expression"),
    ({"types": "sample"}, "'sample' .* another model"),
    ({"types": "nowhere.gguf"}, "nowhere.gguf"),
    ({"output_type": "Q9_K"}, "output_type: no type 'Q9_K'"),
    ({"embedding_type": MIX}, "embedding_type: no type 'Q4_K_M'"),
])
def test_a_wish_that_cannot_be_met_is_one_sentence_at_every_door(door, wishes, words, capsys):
    assert re.search(words, asked_at(door, "tiny", capsys, **wishes))


@pytest.mark.parametrize("door", ["recipe", "quantize_model", "command"])
def test_rows_that_a_wished_type_does_not_fit(door, tmp_path, capsys):
    write(tmp_path / "small.gguf", SMALL["llama"], "F16")           # rows of 64 and 96 weights
    for wish in ("output_type", "embedding_type"):
        said = asked_at(door, tmp_path / "small.gguf", capsys, **{wish: "IQ3_XXS"})
        assert "weight cannot be IQ3_XXS: its rows of 64 weights" in said


def zeros() -> Imatrix:
    """Importances of the tiny model's matrices, those of one matrix all 0."""
    with ql.open_model("tiny") as model:
        values = {name: np.ones((1, shape[0]), np.float32)
                  for name, (_, shape) in model.types.items() if name.startswith("blk.") and len(shape) == 2}
    values["blk.1.attn_q.weight"][:] = 0
    return Imatrix(values)


def test_importances_that_are_all_zero_are_told_at_every_door(tmp_path, capsys):
    words = r"of its columns in blk\.1\.attn_q\.weight are all 0: no error counts there"
    with pytest.warns(UserWarning, match=words):
        ql.quantize_model("tiny", tmp_path / "x.gguf", "Q4_0", zeros(), progress=None)
    with pytest.warns(UserWarning, match=words):
        ql.load_lm("tiny", "Q4_0", imatrix=zeros())
    file = write_imatrix(tmp_path / "zeros.gguf", zeros())
    assert main(["quantize", "tiny", "x.gguf", "Q4_0", "--imatrix", str(file), "--dry-run"]) == 0
    assert re.search(words, capsys.readouterr().out)


def test_a_pattern_that_another_takes_a_part_from_is_told_by_load_lm_too():
    with pytest.warns(UserWarning, match=r"wants Q8_0 and 'attn_q' wants Q6_K .*; the first decides"):
        ql.load_lm("tiny", MIX, types={r"blk\.0\.": "Q8_0", "attn_q": "Q6_K"})


def test_a_name_that_ggml_could_not_read_is_not_written(tmp_path):
    """It reads names of up to 63 bytes; an imatrix adds nine to the name of a matrix."""
    assert header_bytes([], [("n" * 63, (32,), "F32")], 32)
    for name, length in (("n" * 64, 64), ("é" * 32, 64)):
        with pytest.raises(ValueError, match=f"a name of {length} bytes; ggml opens no file"):
            header_bytes([], [(name, (32,), "F32")], 32)
    long = {"blk.0." + "n" * 50: np.ones((1, 32), np.float32)}
    with pytest.raises(ValueError, match="has a name of 64 bytes"):
        write_imatrix(tmp_path / "x.gguf", Imatrix(long))
    assert not list(tmp_path.iterdir())
