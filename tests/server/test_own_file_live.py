"""Lesson 09's file that Ollama cannot make: written here, created and run by a real Ollama, named by its own command line."""

import re

import gguf
import pytest

from quantlab.explore.base import png
from quantlab.explore.quantize import explore_quantize
from quantlab.models.recipes import recipe
from tests.ollama_fixture import FILES

pytestmark = pytest.mark.server


@pytest.mark.parametrize(("ftype", "level"), [("IQ4_XS", "unknown"), ("Q3_K_M", "Q3_K_M"), ("Q6_K", "Q6_K")])
def test_a_mix_that_ollama_does_not_make_is_made_run_and_named(live, tmp_path, monkeypatch, ftype, level):
    monkeypatch.chdir(tmp_path)
    bench = explore_quantize(str(FILES["F16"]), ftype, num_thread=1, num_predict=40, temperature=0)
    bench.make.click()
    bench.thread.join(120)
    name = f"my-smollm2-135m-instruct.f16-{ftype.lower()}"
    assert f"{name} was made" in bench.status.value and bench.made["level"] == level
    assert re.search(rf"quantization\s+{level}\b", live.cli("show", name))
    file = next(tmp_path.glob("*.gguf"))
    written = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(file).tensors}
    assert written == recipe(ftype, "smollm2-135m") and bench.made["bytes"] == file.stat().st_size
    bench.question.value = "What is the capital of France?"
    bench.ask.click()
    bench.thread.join(120)
    assert "Paris" in bench.made["answer"] and "Paris" in bench.picture.svg and png(bench.picture)
    live.cli("rm", name)


def test_cancel_leaves_nothing_and_nonsense_is_a_sentence(live, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = explore_quantize(str(FILES["F16"]), "IQ4_XS")
    monkeypatch.setattr(bench.cancel, "clear", lambda: None)
    bench.cancel.set()
    bench.make.click()
    bench.thread.join(120)
    assert "Stopped" in bench.status.value and list(tmp_path.iterdir()) == []
    bench.cancel = type(bench.cancel)()
    for source, words in (("none.gguf", "no file"), (str(FILES["Q4_1"]), "quantized"), ("", "Name a GGUF file")):
        bench.source.value = source
        bench.make.click()
        bench.thread.join(120)
        assert words in bench.status.value
    bench.source.value, bench.ftype.value = str(FILES["F16"]), "IQ2_XS"
    bench.make.click()
    bench.thread.join(120)
    assert "imatrix" in bench.status.value and list(tmp_path.iterdir()) == []


def test_without_a_server_the_recorded_runs_are_shown(nobody):
    bench = explore_quantize()
    assert "No Ollama" in bench.status.value and "Recorded on" in bench.picture.svg and "unknown" in bench.finding
    bench.ftype.value = "Q3_K_M"
    assert "Q3_K_M file and names it" in bench.finding
    bench.ftype.value = "Q2_K"
    assert "Q2_K was not recorded" in bench.status.value
    with pytest.raises(ValueError, match="Q4_K_L"):
        explore_quantize(ftype="Q4_K_L")
