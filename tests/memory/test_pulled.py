"""Rows of MODELS are the files that `ollama pull` gets under their names: their bytes are those of the
registry's manifests, and where a row's default is another file, it says so.
"""

import re
from dataclasses import replace

import pytest

import quantlab as ql
from quantlab import oracles
from quantlab.exhibits.memory import script
from quantlab.memory.pulled import TOLD, pulled_notes
from quantlab.memory.weights import weights_of
from quantlab.models.catalog import MODELS, PUBLISHED
from quantlab.models.library import library_file, library_mix, listed_tags, pulled_type, snapshot

PULLED = {name: found for name in MODELS if (found := library_file(name))}
EXACT = [name for name, found in PULLED.items() if found.nbytes]
ROUNDED = [name for name, found in PULLED.items() if found.rounded]
MIXED = [name for name in MODELS if PUBLISHED[name].library_mix]
#: Families -> bytes of their files' headers: the vocabulary, the same for each size.
HEADERS = {"qwen2.5": (5.94e6, 5.99e6), "qwen3": (5.94e6, 5.99e6), "gemma3": (15.5e6, 16.3e6),
           "llama3.1": (7.8e6, 7.9e6), "llama3.2": (7.8e6, 7.9e6), "llama3.3": (7.8e6, 7.9e6),
           "gemma2": (6.0e6, 6.1e6), "smollm2": (1.7e6, 1.9e6), "llama2": (1.6e6, 1.8e6),
           "mistral": (0.7e6, 0.8e6), "mixtral": (0.7e6, 0.8e6), "deepseek-v2": (3.9e6, 4.1e6),
           "phi4-mini": (6.2e6, 8.3e6), "phi4": (-2.6e6, 3.6e6), "deepseek-r1:70b": (7.8e6, 7.9e6)}


def counted(name):
    """Bytes that the row knows of: tensors at the tag's own type, and a picture encoder."""
    return ql.weight_bytes(name, PULLED[name].ftype) + PUBLISHED[name].encoder_mb * 10**6


@pytest.mark.parametrize("name", EXACT)
def test_tensors_and_header_are_the_manifests_bytes(name):
    """Phi-4's fused matrix is Q5_K in Ollama's file, 0.07 % less; for all others nothing is left but the
    header.
    """
    least, most = HEADERS.get(name) or HEADERS.get(name.partition(":")[0]) or HEADERS["qwen2.5"]
    assert least < PULLED[name].nbytes - counted(name) < most


@pytest.mark.parametrize("name", ROUNDED)
def test_where_only_a_rounded_size_is_known_it_is_met(name):
    number, unit = re.fullmatch(r"([\d.]+)(GB|MB)", PULLED[name].rounded).groups()
    half = 0.5 * 10 ** -len(number.partition(".")[2])
    assert abs((counted(name) + 8e6) / {"GB": 1e9, "MB": 1e6}[unit] - float(number)) <= half + 0.01


def test_rows_are_named_after_tags_and_others_say_so():
    unlisted = set(MODELS) - set(PULLED)    # the list of tags has none of theirs: nothing is claimed of them
    assert "deepseek-v2:16b-mla" in unlisted and len(unlisted) < len(PULLED)
    notes = [note for name in unlisted for note in pulled_notes(MODELS[name], "Q4_K_M")]
    assert not any("ollama pull" in note for note in notes)
    assert all(pulled_type(name) for name in PULLED)
    assert set(ROUNDED) >= {f"gemma3:{size}-it-qat" for size in ("1b", "4b", "12b", "27b")}
    assert len(EXACT) + len(ROUNDED) == len(PULLED)
    assert snapshot()["date"] >= "2026"


@pytest.mark.parametrize("name", EXACT)
def test_from_one_percent_on_the_row_says_that_the_pulled_file_is_another(name):
    """Whoever names the model and nothing else gets a sentence where the pulled file differs."""
    off = abs(PULLED[name].nbytes - ql.weight_bytes(name)) / PULLED[name].nbytes
    said = " ".join(ql.estimate_memory(name).notes)
    assert off <= TOLD or re.search(r"`ollama pull|picture encoder|header", said), (off, said)
    if pulled_type(name) != MODELS[name].usual_type:
        assert f"`ollama pull {name}` gets a {pulled_type(name)} of" in said
        assert "`ollama pull" not in " ".join(ql.estimate_memory(name, pulled_type(name)).notes)


@pytest.mark.parametrize("name", MIXED)
def test_a_mix_is_the_rows_and_no_other_shapes(name):
    ftypes, _, _ = PUBLISHED[name].library_mix.partition(": ")
    shape, plain = MODELS[name], MODELS[name].unnamed
    for ftype in ftypes.split():
        assert library_mix(shape, ftype) and not library_mix(plain, ftype)
        assert not library_mix(replace(shape, n_layer=shape.n_layer - 1), ftype)
        assert ql.weight_bytes(plain, ftype) < ql.weight_bytes(name, ftype) == weights_of(shape, ftype).nbytes
        assert weights_of(plain, ftype).nbytes == ql.weight_bytes(plain, ftype)
        assert weights_of(shape, ftype).nbytes == ql.tensor_list(name, ftype).nbytes.sum()
        assert [note for note in pulled_notes(shape, ftype) if "Ollama's file, with" in note]
        assert pulled_notes(plain, ftype) == []
    assert not library_mix(MODELS[name], "Q6_K")
    assert ql.weight_bytes(name, "Q6_K") == ql.weight_bytes(MODELS[name].unnamed, "Q6_K")


def test_what_others_saw_llama_cpp_say_of_pulled_files():
    """ollama/ollama issue 14774 (qwen3:32b, March 2026) and 16416 (gpt-oss:120b, June 2026)."""
    types = ql.tensor_list("qwen3:32b", "Q4_K_M").type.value_counts()
    assert dict(types) == {"F32": 257, "F16": 64, "Q4_K": 353, "Q6_K": 33}
    assert f"{ql.weight_bytes('qwen3:32b', 'Q4_K_M') / 2**30:.2f}" == "18.81"
    pulled = weights_of("gpt-oss:120b").placed()
    assert (pulled.card >> 20, pulled.host >> 20) == (61223, 1104)


def test_a_qat_file_is_q4_0_with_word_vectors_in_f16():
    types = ql.tensor_list("gemma3:27b-it-qat").type.value_counts()
    assert dict(types) == {"Q4_0": 434, "F32": 373, "F16": 1}


@pytest.mark.parametrize("name", ["qwen3:0.6b", "gemma3:1b-it-qat", "qwen3:8b", "gpt-oss:120b"])
@pytest.mark.parametrize("settings", [{"n_ctx": 4096}, {"n_ctx": 8192, "n_gpu_layers": 9}], ids=str)
def test_the_planner_agrees_on_the_pulled_file(name, settings):
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    ours, found = ql.estimate_memory(name, **settings), oracles.measure(name, **settings)
    assert (ours.weights, ours.kv_cache, ours.compute) == found[:3]


def test_the_settings_script_says_what_a_name_usually_is():
    values = dict(params=8, n_ctx=4096, type_kv="f16", n_parallel=1, flash=True, card="", vram=8)
    for name in ("llama2:7b", "gemma2:9b", "llama3.2:1b", "llama3.1:8b", "mixtral:8x7b"):
        for ftype in ("Q4_K_M", "Q8_0", "F16"):
            said = f"this name is usually a {ftype}" in script(name, ftype, **values)
            assert said == (pulled_type(name) == ftype), (name, ftype)


def test_the_snapshot_has_sizes_only_of_tags_that_it_lists():
    for model in snapshot()["models"]:
        listed = listed_tags(model)
        for part in ("bytes", "rounded", "types"):
            assert set(listed[part]) <= set(listed["tags"]), (model, part)
        assert not set(listed["bytes"]) & set(listed["rounded"])
