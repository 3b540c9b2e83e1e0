"""The tiny Llama in a real Ollama: it takes the file as it ships, and our quantized copy, and generates."""

import pytest

import quantlab as ql
from quantlab.lab.custom import remove_tiny_models
from quantlab.models.source import BUNDLED

pytestmark = pytest.mark.server
PROMPT = "To be, or not to be,"


@pytest.fixture(scope="module")
def tiny(ollama):
    modelfile = ollama.home / "Modelfile.tiny"
    modelfile.write_text(f"FROM {BUNDLED['tiny']}\nPARAMETER num_thread 1\n")
    ollama.cli("create", "tiny", "-f", str(modelfile))
    made = ql.quantize_model("tiny", ollama.home / "tiny-q4_K_M.gguf", "Q4_K_M", progress=None)
    modelfile.write_text(f"FROM {made}\nPARAMETER num_thread 1\n")
    ollama.cli("create", "tiny:q4_K_M", "-f", str(modelfile))
    yield ollama
    ollama.cli("rm", "tiny", "tiny:q4_K_M")


def generated(server, model, n, prompt=PROMPT):
    import ollama

    answer = ollama.Client(server.url).generate(model, prompt, raw=True,
                                                options={"temperature": 0, "num_predict": n, "num_ctx": 256,
                                                         "repeat_penalty": 1.0})
    return answer["response"], answer["eval_count"]


def test_ollama_generates_from_the_file_that_ships(tiny):
    text, n = generated(tiny, "tiny", 24)
    ours = "".join(ql.load_lm("tiny").generate(PROMPT, n))
    assert n > 8 and text[:20] == ours[:20], "F16 in both: greedy texts begin alike"


def test_ollama_generates_from_a_quantized_copy(tiny):
    text, n = generated(tiny, "tiny:q4_K_M", 24)
    assert n > 8 and text.strip()


@pytest.mark.parametrize("model", ["tiny-qat", "tiny-moe"])
def test_ollama_runs_the_other_files_that_ship(ollama, model):
    """The one trained on for Q2_K and the one with experts recite there, too."""
    modelfile = ollama.home / f"Modelfile.{model}"
    modelfile.write_text(f"FROM {BUNDLED[model]}\nPARAMETER num_thread 1\n")
    ollama.cli("create", model, "-f", str(modelfile))
    opening = PROMPT.removesuffix(",")           # where a token of the passage ends
    text, n = generated(ollama, model, 16, opening)
    ours = "".join(ql.load_lm(model).generate(opening, n))
    ollama.cli("rm", model)
    assert n == 16 and text[:20] == ours[:20]
    assert "that is the question" in text


def test_its_name_in_the_store_loads_as_well(tiny, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(tiny.store))
    named, bundled = ql.load_lm("tiny:latest"), ql.load_lm("tiny")
    assert list(named.generate(PROMPT, 8)) == list(bundled.generate(PROMPT, 8))
    quantized = ql.load_lm("tiny:q4_K_M")
    assert quantized.n_vocab == bundled.n_vocab and "".join(quantized.generate(PROMPT, 8))


def test_quality_is_measured_by_its_name_in_the_store(tiny, monkeypatch):
    """Any pulled 16-bit Llama is the reference, opened from the store; of this one the numbers are known."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tiny.store))
    found = ql.compare_quality("tiny:latest", ["Q3_K_M"], cache=None, progress=None).iloc[0]
    known = ql.recorded_quality().set_index("ftype").loc["Q3_K_M"]
    assert found["nbytes"] == known["nbytes"] and found["kld"] == pytest.approx(known["kld"], rel=0.02)
    assert found.recited == pytest.approx(known.recited, abs=1)


def test_adding_and_removing_touches_only_what_is_ours(ollama, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", ollama.url)
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    before, modelfile = ql.my_models(), ollama.home / "Modelfile.mine"
    modelfile.write_text(f"FROM {BUNDLED['tiny']}\nSYSTEM Mine.\n")
    ollama.cli("create", "quantlab-tiny:mine", "-f", str(modelfile))
    try:
        assert ql.add_tiny_models(["F16", "IQ4_XS"]) == ["quantlab-tiny:f16", "quantlab-tiny:iQ4_XS"]
        assert ql.add_tiny_models(["F16"]) == ["quantlab-tiny:f16"], "again: it is there"
        with pytest.raises(ValueError, match="mine is there already"):
            ql.add_tiny_models(["mine"])
        assert generated(ollama, "quantlab-tiny:iQ4_XS", 8)[1] > 4
        assert remove_tiny_models() == ["quantlab-tiny:f16", "quantlab-tiny:iQ4_XS"]
        assert sorted(ql.my_models()) == sorted([*before, "quantlab-tiny:mine"])
    finally:
        ollama.cli("rm", "quantlab-tiny:mine")


def test_the_mix_of_the_bit_budget_is_written_and_runs(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("OLLAMA_HOST", tiny.url)
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    monkeypatch.chdir(tmp_path)
    budget = ql.explore_bit_budget()
    budget.wait()
    budget.set(attn_v="Q6_K")
    budget.wait()
    budget.buttons["run"].click()
    budget.wait()
    title, words = budget.verdict
    try:
        assert title == "Your file"
        assert "runs in Ollama as my-tiny-q3_k_m-mine: “To be, or not to be," in words
        assert (tmp_path / "tiny-Q3_K_M-mine.gguf").is_file()
    finally:
        tiny.cli("rm", "my-tiny-q3_k_m-mine")
