"""Before a button is pressed: which models can be measured, against what and for how long; or why one cannot,
and what measures it all the same.
"""

import hashlib
import html
import re
from types import SimpleNamespace

import pytest

import quantlab as ql
from quantlab.exhibits.budget import explore_bit_budget
from quantlab.exhibits.measuring import expected, patience, runnable_models
from quantlab.exhibits.next_token import explore_next_token
from quantlab.exhibits.quality import explore_quality
from quantlab.exhibits.quantize import explore_quantize
from quantlab.exhibits.recital import explore_recital
from quantlab.exhibits.sensitivity import explore_sensitivity
from quantlab.inference.graph import OUTSIDE
from quantlab.models.source import BUNDLED
from tests.inference.files import copied
from tests.models.test_store import LIBRARY, layer, put
from tests.thinned import some


def pull(root, name: str, data: bytes) -> None:
    """A model of the store at `root`, with a blob of its own."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    put(root, f"{LIBRARY}/{name}", [layer(digest=digest)], None)
    (root / "blobs" / digest.replace(":", "-")).write_bytes(data)


def words_of(picture) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.unescape(picture.svg)).split())


def test_the_menu_lists_the_pulled_models_that_can_run_and_measure(tmp_path, monkeypatch):
    pull(tmp_path, "bard/f16", BUNDLED["tiny"].read_bytes())
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    assert runnable_models() == []                                  # the reference profile looks at no store
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    assert runnable_models() == ["bard:f16"]
    for ftype in ("Q8_0", "Q4_0"):
        file = ql.quantize_model("tiny", tmp_path / f"{ftype}.gguf", ftype, progress=None)
        pull(tmp_path, f"bard/{ftype}", file.read_bytes())
    assert runnable_models() == ["bard:f16"]                        # the fewer bits are measured against it
    (tmp_path / f"manifests/{LIBRARY}/bard/f16").unlink()
    assert runnable_models() == ["bard:Q8_0"]                       # the largest at hand
    pull(tmp_path, "broken/latest", b"no GGUF")
    assert runnable_models() == ["bard:Q8_0"]


#: What is pulled -> other spellings of it: letter case, the parts that Ollama fills in, and short names.
SPELLINGS = {"smollm2/135m": ("SmolLM2-135M", "smollm2:135m:local", "HTTP:///library/SMOLLM2:135m"),
             "llama3.2/latest": ("llama3.2", " LLAMA3.2\n", "https:///library/llama3.2:LATEST"),
             "llama2/7b": ("LLAMA-2-7B", "library/llama2:7B"), "Gemma3/270m": ("gemma3:270M",)}
SPELLED = [(pulled, spelled) for pulled, every in SPELLINGS.items() for spelled in every]


@pytest.mark.parametrize(("pulled", "spelled"), SPELLED)
def test_a_model_is_found_under_every_spelling_and_listed_once(pulled, spelled, tmp_path, monkeypatch):
    pull(tmp_path, pulled, BUNDLED["tiny"].read_bytes())
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    listed = pulled.replace("/", ":")
    for explorer in (explore_quality, explore_sensitivity):
        lab = explorer(spelled)
        assert [*lab.controls["model"].options] == ["tiny", listed] and lab.controls["model"].value == listed
    for explorer in some((explore_bit_budget, explore_next_token, explore_recital), 3,
                         SPELLED.index((pulled, spelled))):
        finding = explorer(spelled).picture.finding
        assert "cannot be run" not in finding and "needs a language model" not in finding
    assert re.search(r" as IQ4_XS: [\d.]+ MB", explore_quantize(spelled).planned())
    with ql.open_model(spelled) as model:
        assert model.types == ql.open_model("TINY").types


def test_the_bundled_llama_has_its_recorded_tables_under_any_letter_case():
    for explorer in (explore_quality, explore_sensitivity):
        assert explorer("Tiny").found()[1].startswith("Recorded")
    assert explore_bit_budget(" TINY").game.recorded == explore_bit_budget().game.recorded


def test_what_has_to_be_pulled_is_said_by_the_name_that_ollama_knows():
    for spelled in ("Llama-3.1-8B", "LLAMA3.1:8b"):
        words = words_of(explore_quality(spelled).picture)
        assert re.search(r"of llama3\.1:8b only the shape .* `ollama pull llama3\.1:8b`", words)


def test_what_can_be_measured_is_said_before_it_is(tmp_path):
    file = ql.quantize_model("tiny", tmp_path / "t.gguf", "Q8_0", progress=None)
    lab = explore_quality(str(file))
    assert lab.found()[1] == ("Not measured yet. Press Measure here. That takes about a minute. Measured "
                              "against Q8_0: what Q8_0 lost itself is not in it.")
    assert "Press Measure here. That takes" in words_of(lab.picture)
    for explorer in (explore_next_token(file), explore_bit_budget(file)):
        notes = [child.value for child in explorer.children if "ql-note" in getattr(child, "value", "")]
        assert "what Q8_0 lost itself is not in it" in notes[0]
    table = ql.compare_quality(file, "Q4_0", chunks=1, n_ctx=16, progress=None, cache=None)
    assert "measured against Q8_0: what Q8_0 lost" in words_of(ql.plot_quality(table).picture)


@pytest.mark.parametrize(("change", "why"), [
    ({"arch": "mamba"}, "architecture 'mamba', which cannot be run here"),
    ({"metadata": {"tokenizer.ggml.pre": "bloom"}}, "pre-tokenizer 'bloom'"),
    ({"metadata": {"llama.rope.scaling.type": "su"}}, "is 'su'; known are"),
    ({"tensors": {"blk.1.ffn_up.weight": None}}, "has no tensor blk.1.ffn_up.weight")])
def test_a_model_that_cannot_be_run_is_said_at_once_with_what_measures_it(change, why, tmp_path):
    file = copied(BUNDLED["tiny"], tmp_path / "m.gguf", **change)
    for made in (explore_quality(file), explore_sensitivity(file), explore_next_token(file),
                 explore_recital(file), explore_bit_budget(file)):
        words = words_of(made.picture)
        assert why in words and words.count(OUTSIDE) == 1
        assert "Press Measure here" not in words
    assert OUTSIDE not in explore_next_token("sample").picture.svg  # it writes nothing


def test_a_better_file_of_the_same_model_is_named(tmp_path, monkeypatch):
    for ftype in ("Q4_0", "Q8_0"):
        file = ql.quantize_model("tiny", tmp_path / f"{ftype}.gguf", ftype, progress=None)
        pull(tmp_path, f"bard/{ftype}", file.read_bytes())
    other = copied(BUNDLED["tiny"], tmp_path / "other.gguf", metadata={"general.name": "another"})
    pull(tmp_path, "another/f16", other.read_bytes())
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    assert expected("bard:Q4_0")[1].endswith("is not in it. A better file of it is here: bard:Q8_0.")
    assert "better file" not in expected("bard:Q8_0")[1] + expected("another:f16")[1]
    assert set(runnable_models()) == {"another:f16", "bard:Q8_0"}


def test_how_long_a_large_model_takes_and_that_it_stays_in_the_file(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=8e9))
    assert patience(135_000_000) == "That takes a while: about 15 seconds for each point."
    assert patience(8_030_000_000) == (
        "That takes a while: about 15 minutes for each point. Its weights would take 32.1 GB of memory, so "
        "they stay in the file and are read in pieces.")


def test_what_a_new_file_will_be_is_said_before_it_is_written(tmp_path):
    quantized = ql.quantize_model("tiny", tmp_path / "q.gguf", "Q8_0", progress=None)
    lab = explore_quantize()
    lab.live = True                     # as with a server
    for source, ftype, words in (
            ("tiny", "Q4_K_M", "tiny as Q4_K_M: 2.56 MB, 4.87 bits a weight."),
            ("tiny", "IQ2_XXS", "IQ2_XXS needs an imatrix"),
            (str(quantized), "Q4_0", "is quantized already"),
            ("sample", "Q4_0", "sample is an embedding model"), ("none.gguf", "Q4_0", "there is no file")):
        lab.set(source=source, ftype=ftype)
        said = html.unescape(re.sub(r"<[^>]*>", "", lab.status.value))
        assert words in said and ("explore_comparison()" in said) == (words[:2] in ("IQ", "is"))
    assert not list(tmp_path.glob("*Q4*"))
