"""Lesson 09's file that Ollama cannot make: written here, created and run by a real Ollama, named by its own
command line.
"""

import re

import gguf
import numpy as np
import pytest

from quantlab.exhibits.quantize import explore_quantize
from quantlab.models.recipes import recipe
from quantlab.models.source import BUNDLED
from quantlab.stage.touchable import png
from tests.ollama_fixture import FILES

pytestmark = pytest.mark.server


def test_a_mix_that_ollama_does_not_make_is_made_run_and_named(live, tmp_path, monkeypatch):
    """One that the server has no name for; test_quantize_live.py has the names it knows."""
    ftype = level = "IQ4_XS"
    monkeypatch.chdir(tmp_path)
    bench = explore_quantize(str(FILES["F16"]), ftype, num_thread=1, num_predict=40, temperature=0)
    bench.buttons["make"].click()
    bench.thread.join(120)
    name = f"my-smollm2-135m-instruct.f16-{ftype.lower()}"
    assert f"{name} was made" in bench.status.value and bench.made["level"] == level
    assert re.search(rf"quantization\s+{level}\b", live.cli("show", name))
    file = next(tmp_path.glob("*.gguf"))
    written = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(file).tensors}
    assert written == recipe(ftype, "smollm2-135m") and bench.made["bytes"] == file.stat().st_size
    bench.controls["question"].value = "What is the capital of France?"
    bench.buttons["ask"].click()
    bench.thread.join(120)
    assert "Paris" in bench.made["answer"] and "Paris" in bench.picture.svg and png(bench.picture)
    live.cli("rm", name)


def test_a_mix_that_needs_an_importance_matrix_is_made_with_one(live, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = gguf.GGUFWriter("weights.gguf", "")
    writer.add_type("imatrix")
    for tensor in gguf.GGUFReader(BUNDLED["tiny"]).tensors:
        if len(tensor.shape) > 1:
            writer.add_tensor(f"{tensor.name}.in_sum2", np.ones((1, tensor.shape[0]), np.float32))
            writer.add_tensor(f"{tensor.name}.counts", np.ones((1, 1), np.float32))
    for step in ("header_to_file", "kv_data_to_file", "tensors_to_file"):
        getattr(writer, f"write_{step}")()
    writer.close()
    bench = explore_quantize(BUNDLED["tiny"], "Q2_K_S", "weights.gguf")
    bench.buttons["make"].click()
    bench.thread.join(120)
    assert "was made" in bench.status.value and bench.made["level"] == "Q2_K_S"
    assert "with weights.gguf: written" in bench.picture.svg
    made = gguf.GGUFReader("tiny-Q2_K_S.gguf")
    assert made.get_field("quantize.imatrix.file").contents() == "weights.gguf"
    assert bench.made["source_bytes"] == BUNDLED["tiny"].stat().st_size
    live.cli("rm", bench.made["name"])
    bench.controls["imatrix"].value = "nothing.gguf"
    bench.buttons["make"].click()
    bench.thread.join(120)
    assert "there is no file nothing.gguf" in bench.status.value


def test_cancel_leaves_nothing_and_nonsense_is_a_sentence(live, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = explore_quantize(str(FILES["F16"]), "IQ4_XS")
    monkeypatch.setattr(bench.cancel, "clear", lambda: None)
    bench.cancel.set()
    bench.buttons["make"].click()
    bench.thread.join(120)
    assert "Stopped" in bench.status.value and list(tmp_path.iterdir()) == []
    bench.cancel = type(bench.cancel)()
    for source, words in (("none.gguf", "no file"), (str(FILES["Q4_1"]), "quantized"),
                          ("", "Name a GGUF file")):
        bench.controls["source"].value = source
        bench.buttons["make"].click()
        bench.thread.join(120)
        assert words in bench.status.value
    bench.set(source=str(FILES["F16"]), ftype="IQ2_XS")
    bench.buttons["make"].click()
    bench.thread.join(120)
    assert "imatrix" in bench.status.value and list(tmp_path.iterdir()) == []


def test_without_a_server_the_recorded_runs_are_shown(nobody):
    bench = explore_quantize()
    assert "No Ollama" in bench.status.value
    assert "Recorded on" in bench.picture.svg and "IQ4_XS file and names it" in bench.finding
    bench.controls["ftype"].value = "Q3_K_M"
    assert "Q3_K_M file and names it" in bench.finding
    bench.controls["ftype"].value = "Q2_K"
    assert "Q2_K was not recorded" in bench.status.value
    for ftype in ("Q4_K_L", "IQ2_K", 15, None):
        with pytest.raises(ValueError, match=f"no ftype {ftype!r} here.*; there are Q4_0, "):
            explore_quantize(ftype=ftype)
