"""The explorers of lessons 06 and 13: every stop draws, numbers are estimate_memory's, ways out lead out, bad
values are words.
"""

import itertools
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import quantlab as ql
from quantlab.exhibits.cards import ANY_CARD, BY_SIZE, PARAMS, SIZES, clamped
from quantlab.exhibits.fit import (
    CARDS,
    CONTEXTS,
    explore_fit,
    fit_cells,
    plot_rule,
)
from quantlab.exhibits.memory import _finding, explore_memory, script
from quantlab.lab.modelfile import parse_modelfile
from quantlab.memory import machine, splits
from quantlab.memory.advice import SLIDER, Situation, longest, uses, ways
from quantlab.memory.cards import GPUS
from quantlab.memory.fit import recommend
from quantlab.memory.kv_cache import KV_TYPES
from quantlab.memory.machine import Gpu, Machine
from quantlab.memory.rule import typical_shape
from quantlab.models.catalog import MODELS
from quantlab.models.source import BUNDLED, open_model
from quantlab.models.writer import quantize_model
from tests.thinned import some

GIB = 2**30
CACHES = [("f16", False), *((kv, True) for kv in KV_TYPES)]
STATES = [*itertools.product(SLIDER[::6], CACHES, [(1024, 1), (32768, 3), (262144, 8)])]
KINDS = [*{shape.arch: name for name, shape in MODELS.items()}.values(), BY_SIZE]
HERE = Situation(MODELS["llama3.1:8b"], "Q4_K_M", 32768, "f16", 1, True, 8 * GIB)


@pytest.mark.parametrize("name", KINDS)
def test_every_stop_of_the_memory_bar_draws_within_its_height(name):
    explorer, seen, heights = explore_memory(None if name == BY_SIZE else name, 8), set(), set()
    states = some(STATES, 5, KINDS.index(name))
    for ftype, (type_kv, flash), (n_ctx, slots) in states:
        explorer.set(ftype=ftype, type_kv=type_kv, flash=flash, n_ctx=n_ctx, n_parallel=slots)
        assert "GiB" in explorer.finding or "driver decides" in explorer.finding, explorer.finding
        seen.add(explorer.picture.svg)
        heights.add(explorer.picture.height)
    one_type = name in MODELS and MODELS[name].only_type
    assert len(seen) == len({state[bool(one_type):] for state in states})
    assert len(heights) == 1


def test_the_bytes_are_those_of_estimate_memory():
    explorer = explore_memory("qwen3:14b", 10, n_ctx=8192, type_kv="q8_0", n_parallel=2, ftype="q5_k_m")
    wanted = ql.estimate_memory("qwen3:14b", "Q5_K_M", n_ctx=16384, n_parallel=2, type_k="q8_0",
                                type_v="q8_0")
    found = {row[0]: row[1] for row in explorer.picture.table}
    assert [found[name] for name in ("weights", "KV cache", "compute")] == [
        f"{n:,}" for n in (wanted.weights, wanted.kv_cache, wanted.compute)]
    assert found["together"] == f"{wanted.needed:,}" and found["counted as"] == wanted.engine
    assert explorer.finding.startswith(f"{(wanted.needed - 10 * GIB) / GIB:.2f} GiB too much")


def test_a_model_of_one_type_is_shown_in_it():
    explorer = explore_memory("gpt-oss:20b", 16)
    assert explorer.finding.startswith("It fits") or "driver decides" in explorer.finding
    wanted = ql.estimate_memory("gpt-oss:20b", "MXFP4_MOE", n_ctx=8192)
    assert dict(row[:2] for row in explorer.picture.table)["together"] == f"{wanted.needed:,}"
    assert "MXFP4_MOE (the only one published)" in explorer.picture.svg
    rows = explore_fit(24, model="gpt-oss:20b")
    types = [row[0] for row in rows.picture.table[1:] if row[0] != "note"]
    assert types == ["MXFP4_MOE"] and "MXFP4_MOE only" in rows.finding


def test_deepseek_has_no_flash_attention_so_a_cache_of_few_bits_is_refused():
    explorer = explore_memory("deepseek-v2:16b", 24, type_kv="q8_0")
    assert "keys of 192 and values of 128 numbers: use f16" in " ".join(explorer.finding.split())
    explorer.buttons["As Ollama settings"].value = True
    assert "use f16" in explorer.opened.value and "ollama serve" not in explorer.opened.value


def test_the_title_is_the_aria_label_and_changes_with_the_card():
    explorer, seen = explore_memory("llama3.1:8b", 8), set()
    for size in SIZES:
        explorer.controls["vram"].value = size
        assert f'aria-label="{explorer.finding}"' in explorer.picture.svg
        seen.add(explorer.finding)
    assert len(seen) == len(SIZES)


def test_between_low_and_high_of_the_assumption_the_driver_decides():
    found = HERE.estimate()
    for extra, said in ((found.overhead.low - 1, "too much"), (found.overhead.low + 1, "driver decides"),
                        (found.overhead.high, "It fits")):
        assert said in _finding(replace(HERE, card=found.total + extra), found)


@pytest.mark.parametrize("now", [HERE, replace(HERE, flash=False, n_parallel=3),
                                 replace(HERE, model=MODELS["qwen3:14b"], card=12 * GIB),
                                 replace(HERE, model=MODELS["gemma2:9b"], num_ctx=8192, card=7 * GIB),
                                 replace(HERE, model=MODELS["deepseek-v2:16b"])])
def test_every_way_out_fits_when_it_is_followed_and_a_step_less_does_not(now):
    found = list(ways(now))
    assert now.room() < 0 and len(found) >= 2
    for words, _, change in found:
        if change:
            assert replace(now, **change).room() >= 0
        else:
            assert "layers on the card" in words or "no layer" in words
        if "num_ctx" in change:
            assert replace(now, num_ctx=change["num_ctx"] + 1024).room() < 0
    layers = next((int(words.split()[0]) for words, _, change in found if not change and words[0].isdigit()),
                  0)
    best = recommend(now.shape, now.card / GIB, n_ctx=now.num_ctx * now.n_parallel, ftypes=[now.ftype],
                     n_parallel=now.n_parallel, flash_attention=now.flash, n_ubatch=now.n_ubatch)[0]
    assert layers == best.n_gpu_layers


def test_what_the_free_memory_buys_can_be_bought():
    now = replace(HERE, num_ctx=8192, card=12 * GIB)
    found = list(uses(now))
    assert [next(iter(change)) for _, _, change in found] == ["num_ctx", "ftype", "n_parallel", "card"]
    assert all(replace(now, **change).room() >= 0 for _, _, change in found)
    assert longest(replace(now, card=200 * GIB)) == 131072


@pytest.mark.parametrize("type_kv", KV_TYPES[1:])
def test_a_cache_of_few_bits_without_flash_attention_loads_no_model_and_is_refused(type_kv):
    explorer = explore_memory("llama3.1:8b", 8, type_kv=type_kv, flash_attention=False)
    assert "no model loads" in explorer.finding and f"flash attention with {type_kv}" in explorer.finding
    with pytest.raises(ValueError, match="nothing falls back to f16"):
        script(**explorer.values())
    explorer.set(flash=True)
    assert f"KV cache {type_kv}" in explorer.picture.svg
    assert f"OLLAMA_KV_CACHE_TYPE={type_kv}" in script(**explorer.values())


def test_names_and_sizes_follow_each_other():
    explorer = explore_memory("llama3.1:8b", 8)
    explorer.controls["model"].value = "llama3.1:70b"
    assert explorer.controls["params"].value == 70
    explorer.controls["params"].value = 7
    assert explorer.controls["model"].value == BY_SIZE and "shaped like Llama-3.1-8B" in explorer.picture.svg
    explorer.controls["card"].value = "GeForce RTX 4090"
    assert explorer.controls["vram"].value == 24 and "RTX 4090: 24 GiB" in explorer.picture.svg
    explorer.controls["vram"].value = 28
    assert explorer.controls["card"].value == ANY_CARD and "card: 28 GiB" in explorer.picture.svg
    explorer.buttons["Reset"].click()
    assert explorer.values()["model"] == "llama3.1:8b" and explorer.values()["vram"] == 8


def test_a_size_without_a_model_is_a_typical_shape():
    explorer = explore_memory(None, 8, params_b=7)
    wanted = ql.estimate_memory(typical_shape(7), n_ctx=8192, n_ubatch=1024)
    shown = {row[1] for row in explorer.picture.table}
    assert {f"{wanted.weights:,}", f"{wanted.kv_cache:,}", f"{wanted.compute:,}"} <= shown


def test_the_settings_are_text_that_ollama_reads():
    explorer = explore_memory("qwen3:14b", 12, n_ctx=16384, type_kv="q4_0", n_parallel=2, ftype="Q5_K_M")
    explorer.buttons["As Ollama settings"].value = True
    assert "OLLAMA_KV_CACHE_TYPE=q4_0 OLLAMA_NUM_PARALLEL=2 ollama serve" in explorer.opened.value
    assert "Copy the settings</button>" in explorer.opened.value and "lesson 03" in script(
        **explorer.values())
    read = parse_modelfile(re.search(r"<<'END'\n(.*)END\n", script(**explorer.values()), re.DOTALL)[1])
    assert (read.base, read.parameters) == ("qwen3:14b", {"num_ctx": 16384})
    explorer.buttons["As Ollama settings"].value = False
    assert explorer.opened.value == ""


@pytest.mark.parametrize("vram, shown", [(0, 1.0), (-5, 1.0), (1e9, 256.0), (float("inf"), 256.0),
                                         (7.98, 8.0)])
def test_impossible_cards_are_clamped(vram, shown):
    for explorer in (explore_fit(vram), explore_memory(vram_gb=vram)):
        assert explorer.controls["vram"].value == shown
        assert ("is not on the slider" in note(explorer)) == (vram != 7.98)


def note(explorer) -> str:
    return next(child.value for child in explorer.children if "ql-note" in getattr(child, "value", ""))


def test_absurd_contexts_sizes_and_slots_are_clamped_and_said():
    explorer = explore_memory(None, 8, params_b=1e12, n_ctx=10**12, n_parallel=-3)
    assert [explorer.controls[name].value for name in ("params", "n_ctx", "n_parallel")] == [405, 262144, 1]
    for words in ("1e+12 tokens", "stands at 262,144", "stands at 405 B", "-3 conversations"):
        assert words in note(explorer), note(explorer)


def test_nan_and_unknown_names_are_refused_in_words_with_the_nearest():
    nan = float("nan")
    for call, words in ((lambda: explore_fit(nan), "not an amount of memory"),
                        (lambda: explore_memory(vram_gb=nan), "not an amount of memory"),
                        (lambda: explore_fit(8, nan), "not a size"),
                        (lambda: explore_memory(n_ctx=nan), "n_ctx=nan is not a number"),
                        (lambda: explore_memory("llama3:8b"),
                         r"no model 'llama3:8b'.*nearest are.*llama3.1:8b"),
                        (lambda: explore_fit(8, model="qwen:8b"), r"nearest are.*qwen3:8b"),
                        (lambda: explore_memory(ftype="Q4_KM"),
                         "no ftype 'Q4_KM' here; the nearest are Q4_K_M"),
                        (lambda: explore_memory(type_kv="q8"),
                         "no KV cache type 'q8' here; the nearest is q8_0"),
                        (lambda: explore_fit(8, type_kv="q8"), "there are f16, q8_0, q4_0"),
                        (lambda: plot_rule("llama9:7b"),
                         r"no model 'llama9:7b' here.*llama3\.1:8b"),
                        (lambda: plot_rule(quant="q2_K"), "no 'q2_K'; it knows q4_K_M")):
        with pytest.raises(ValueError, match=words):
            call()


def test_presets_name_cards_of_the_catalog_and_this_machine():
    for explorer in (explore_fit(), explore_memory()):
        assert any(words.startswith("My machine: RTX 4060") for words in explorer.buttons)
        assert "Why does my 8 GB card not run this?" in explorer.buttons
        for button in explorer.buttons.values():
            if hasattr(button, "click"):
                button.click()
                assert "Nothing can be drawn" not in explorer.picture.svg
    assert all(card in GPUS for card in CARDS) and clamped(GPUS["H100 80GB SXM"].vram_bytes / GIB) == 80


def test_weights_larger_than_the_card_are_blamed_not_the_cache():
    explorer = ql.explore_memory("llama3.1:70b", 24)
    assert "GiB too much: the weights alone take 39.0 GiB" in explorer.finding


def test_without_a_known_card_every_explorer_begins_at_one_assumption_and_says_so(monkeypatch):
    monkeypatch.setattr(machine, "my_machine", lambda: Machine("Linux", 4, 6 * GIB, 5 * GIB))
    for explorer in (explore_fit(), explore_memory(), ql.explore_choice()):
        assert explorer.values()["vram"] == 8 and explorer.values()["card"] == ANY_CARD
        assert "No card was found on this machine: 8 GB is assumed." in note(explorer)
        assert "No card found: 8 GB assumed" in explorer.buttons
    assert "No card was found" not in note(explore_memory(vram_gb=12))


def test_the_machines_card_goes_by_its_name_in_the_catalog(monkeypatch):
    gpus = (Gpu("NVIDIA GeForce RTX 4090", 24 * GIB, 23 * GIB),)
    monkeypatch.setattr(machine, "my_machine", lambda: Machine("Linux", 4, 64 * GIB, 60 * GIB, gpus))
    assert explore_memory().values()["card"] == "GeForce RTX 4090"
    monkeypatch.setattr(machine, "my_machine", lambda: Machine("Linux", 4, 64 * GIB, 60 * GIB, (
        Gpu("NVIDIA Prototype", 24 * GIB, 23 * GIB),)))
    explorer = explore_memory()
    assert explorer.values()["card"] == "my machine: Prototype" and explorer.values()["vram"] == 24


def test_the_title_of_the_table_holds_the_lessons_own_recommendation():
    explorer = explore_fit()
    for vram, params in some(itertools.product(SIZES[::8], PARAMS[::7]), 6):
        explorer.set(vram=vram, params=params)
        said = ql.recommend_quantization(vram, params)
        assert f"the rule says {'too large' if 'too large' in said else said}" in explorer.finding


def test_cells_are_what_recommend_says():
    cells = dict(fit_cells(MODELS["qwen3:14b"], 12 * GIB, "q8_0"))
    for i, n_ctx in enumerate(CONTEXTS.values()):
        for option in recommend("qwen3:14b", 12, n_ctx=n_ctx, ftypes=SLIDER, type_k="q8_0", type_v="q8_0"):
            cell = cells[option.ftype][i]
            assert cell.kind == ("fits" if option.fits else "splits" if option.n_gpu_layers else "no")
            layers = f"{option.n_gpu_layers}/41" if option.n_gpu_layers else "CPU"
            assert cell.words == (f"{option.headroom / GIB:.1f}" if option.fits else layers)


def test_the_rule_loses_ground_as_the_context_grows():
    rows = plot_rule("llama3.1:8b").picture.table[1:]
    rule = MODELS["llama3.1:8b"].n_params * 0.5 * 1.2 / GIB
    truth = [ql.estimate_memory("llama3.1:8b", n_ctx=n).total / GIB for n in (2048, 8192, 32768, 131072)]
    assert [row[-1]
            for row in rows] == [f"{abs(100 * (rule / t - 1)):.0f} % too {'high' if rule > t else 'low'}"
                                 for t in truth]
    assert rows[0][-1] == "4 % too low" and rows[2][-1] == "47 % too low"


TAKERS = {"memory": ql.explore_memory, "fit": lambda model: ql.explore_fit(model=model),
          "speed": ql.explore_speed, "choice": ql.explore_choice, "kv_cache": ql.explore_kv_cache}


@pytest.mark.parametrize("explore", TAKERS.values(), ids=TAKERS)
def test_a_model_is_a_model_a_name_a_path_a_shape_or_an_open_one(explore, tmp_path):
    path = Path(shutil.copy(BUNDLED["tiny"], tmp_path / "mine.gguf"))
    with open_model("tiny") as opened:
        for model, name in (("llama-3.1-8b", "llama3.1:8b"), ("tiny", "tiny"), (path, "mine.gguf"),
                            (opened, "tiny"), (MODELS["qwen3:14b"], "this qwen3 model")):
            explorer = explore(model)
            assert explorer.values()["model"] == name and "llama3.1:8b" in explorer.controls["model"].options
            assert name in explorer.picture.svg
            for control, value in (("model", "qwen3:8b"), ("model", name)):
                explorer.controls[control].value = value
            assert "Nothing can be drawn" not in explorer.picture.svg, explorer.finding
    sentences = {str(refused(explore, model)) for model in ("llama9:1b", "LLAMA9:1b")}
    assert all("the nearest are" in words for words in sentences)


@pytest.mark.parametrize("ftype", ["Q8_0", "IQ4_XS", "Q4_1", "Q5_K_S", "F16", "unknown"])
def test_a_file_is_shown_at_its_own_type_first(ftype, tmp_path):
    """Its own tensors are counted there, whatever rules made them; other models have no such type."""
    path = tmp_path / "mine.gguf"
    with open_model("tiny") as tiny:
        quantize_model(tiny, path, "IQ4_XS" if ftype == "unknown" else ftype)
    with open_model(path) as mine:
        if ftype == "unknown":
            mine.metadata = {key: value for key, value in mine.metadata.items() if "file_type" not in key}
        explorer = explore_memory(mine, 8)
        assert explorer.values()["ftype"] == ftype == mine.ftype
        weights = dict(row[:2] for row in explorer.picture.table)["weights"]
        assert weights == f"{ql.estimate_memory(mine).weights:,}"
        assert ql.weight_bytes(mine, ftype) == mine.nbytes
        types = explorer.controls["ftype"].options
        sizes = [ql.weight_bytes(mine, one[1] if isinstance(one, tuple) else one) for one in types]
        assert sizes == sorted(sizes), "smallest file first"
        for explore in (ql.explore_fit(24, model=mine), ql.explore_choice(mine)):
            assert ftype in [row[0] for row in explore.picture.table]
        explorer.set(model="llama3.1:8b")
        assert "Nothing can be drawn" not in explorer.picture.svg
        assert ("as Q4_K_M" in explorer.picture.svg) == (ftype not in SLIDER)
    assert explore_memory(None, 8).values()["ftype"] == explore_memory().values()["ftype"] == "Q4_K_M"


def refused(explore, model) -> ValueError:
    with pytest.raises(ValueError) as error:
        explore(model)
    return error.value


def test_the_compute_buffer_is_for_as_many_tokens_as_ollama_takes():
    """llm/llama_server.go and server/sched.go of 0.34.2, by hand: llama3.1:8b as Q4_K_M predicts 4.58 GiB and
    0.125 GiB for every 1,024 tokens; 1,024 tokens at a time need 768 MiB within 80 % of what is free, and
    75 % without them; 2,048 need 2 GiB, and 60 %.
    """
    def tokens(**change) -> int:
        return replace(HERE, **change).n_ubatch

    assert [tokens(num_ctx=n, card=24 * GIB) for n in (1024, 4096, 5120, 32768, 33792)] == [
        512, 512, 1024, 1024, 2048]
    assert [tokens(num_ctx=8192, card=int(gib * GIB)) for gib in (8.4, 8.5)] == [512, 1024]
    assert [tokens(num_ctx=8192, flash=False, card=int(gib * GIB)) for gib in (8, 8.6)] == [256, 512]
    assert tokens(num_ctx=256, card=24 * GIB) == 256
    explorer = explore_memory("llama3.1:8b", 24)
    assert "what 1,024 tokens at a time need" in explorer.picture.svg
    found = {row[0]: row[1] for row in explorer.picture.table}
    assert found["compute"] == f"{ql.estimate_memory('llama3.1:8b', n_ctx=8192, n_ubatch=1024).compute:,}"


def test_experts_in_main_memory_are_a_handle_with_a_table_of_ways():
    explorer = explore_memory("qwen3:30b", 12, n_cpu_moe=24)
    wanted = ql.estimate_memory("qwen3:30b", n_ctx=8192, n_cpu_moe=24)
    found = {row[0]: row[1] for row in explorer.picture.table}
    assert found["weights"] == f"{wanted.weights:,}" and found["in main memory"] == f"{wanted.host:,}"
    assert "experts of 24 layers in main memory" in explorer.picture.svg
    explorer.buttons["As Ollama settings"].value = True
    assert "LLAMA_ARG_N_CPU_MOE=24" in explorer.opened.value and "--n-cpu-moe 24" in explorer.opened.value
    explorer.buttons["Ways to split it"].value = True
    for words in ("--n-cpu-moe 20", "--n-gpu-layers 31", "own choice: 49 layers on the card", "--fit"):
        assert words in explorer.opened.value
    assert "`" not in explorer.opened.value and "<code>" in explorer.opened.value
    explorer.set(n_cpu_moe=49)
    assert "n_cpu_moe=49 is more than the 48 layers" in explorer.finding
    explorer.set(model="llama3.1:8b")
    assert "asks for experts in main memory, and this llama has none" in explorer.finding
    assert "asks for experts" in explorer.opened.value
    with pytest.raises(ValueError, match="n_cpu_moe=nan is not a number"):
        explore_memory(n_cpu_moe=float("nan"))


def test_of_a_mixture_experts_leave_the_card_first_and_come_back_first():
    now = replace(HERE, model=MODELS["qwen3:30b"], card=12 * GIB, num_ctx=8192)
    words, brings, change = list(ways(now))[-1]
    assert words == f"--n-cpu-moe {change['n_cpu_moe']}" and "as by layers" in brings
    fewer = replace(now, n_cpu_moe=change["n_cpu_moe"] - 1)
    assert replace(now, **change).room() >= 0 > fewer.room()
    assert next(uses(replace(now, n_cpu_moe=48)))[2] == change
    cells = dict(fit_cells(now.model, now.card))["Q4_K_M"]
    assert cells[2].kind == "experts" and cells[2].words == f"moe {change['n_cpu_moe']}"


@pytest.mark.parametrize("vram", [1, 3, 8, 80])
def test_the_rough_table_says_the_same_and_counts_no_layers(vram, monkeypatch):
    """What a page shows while a hand moves: the same finding, fits and sizes."""
    stage = explore_fit(vram, model="qwen3:30b")
    values, whole = stage.values(), stage.picture
    monkeypatch.setattr(splits, "planned", lambda *_: pytest.fail("a split was walked through"))
    rough = stage.exhibit.picture(values, rough=True)
    assert rough.finding == whole.finding and len(rough.table) == len(whole.table)
    for mine, theirs in zip(rough.table, whole.table, strict=True):
        for said, more in zip(mine, theirs, strict=True):
            assert more == said or (more.startswith(f"{said}; ") and "too much" in said)
    assert (rough.svg == whole.svg) == (vram == 80)


def test_a_full_card_says_that_nothing_more_goes_in():
    """gpt-oss has one type, and 16 GB hold it with all the context that it was trained for."""
    explorer = explore_memory("gpt-oss:20b", 16, n_ctx=131072)
    assert explorer.finding.startswith("It fits") and "✓" not in explorer.picture.svg
    assert "Nothing more goes into the free memory" in explorer.picture.svg
    explorer.set(n_ctx=65536)
    assert "What you could do with the free memory" in explorer.picture.svg and "✓" in explorer.picture.svg


@pytest.mark.parametrize("made", [explore_memory, lambda name, card: explore_fit(card, model=name)])
def test_notes_of_a_pulled_model_show_no_marks_of_code(made):
    shown = made("deepseek-v2:16b", 12).picture
    words = [cell for row in shown.table for cell in row]
    assert any("ollama pull" in one for one in words) and not any("`" in one for one in (*words, shown.svg))
