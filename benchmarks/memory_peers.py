"""Part of `make bench-memory`: rules of thumb and other programs on the measured cases that all of them
can be asked about.

    pip install --no-deps --target DIR ggufit==0.3.0 modelinfo-cli==1.4.4
    PYTHONPATH=DIR make bench-memory                # a program that is not there is listed: not installed

gguf-parser-go is built from the Go proxy where there is Go; it and `xllamacpp.memory` (Ollama's
`EstimateGPULayers` in Python, which has no switch for flash attention) read the same hollow files that the
oracle reads, and so do modelinfo-cli and llama.cpp's own `llama-fit-params`, which asks the planner and
prints whole MiB: it is as exact, and needs llama.cpp and the card at hand. What they add for the driver
(`nonUMAVramFootprint`, `memory_min`, 600 MiB of modelinfo-cli) is left out, as the truth here has no driver
in it either.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import unittest.mock
from importlib.metadata import version
from pathlib import Path

from quantlab.memory.estimate import estimate_memory
from quantlab.memory.rule import rule_of_thumb_gb
from quantlab.memory.settings import Settings
from quantlab.memory.weights import weights_of
from quantlab.models.architecture import Architecture
from quantlab.models.catalog import MODELS, PUBLISHED
from quantlab.models.recipes import recipe
from quantlab.oracles.planner import write_hollow

GGUF_PARSER = "v0.28.2"
PARTS = ("weights_gpu_bytes", "kv_gpu_bytes", "compute_gpu_bytes")


def peers(rows: list[dict[str, str]]) -> dict:
    """Mean error of each peer's total in percent, and the share of cases where it is more than 5 % too low:
    Q4_K_M, 16-bit cache, flash attention, one row of output; what llama.cpp allocates on the card is the
    truth.
    """
    cases = [row for row in rows if row["flash_attn"] == "1" and row["type_kv"] == "f16"
             and row["n_outputs"] == "1"]
    rules = {"quantlab": _ours, "the lesson's rule": _lesson, "weights only": _weights}
    if importlib.util.find_spec("ggufit"):
        rules[f"ggufit {version('ggufit')}"] = _ggufit
    questions = sorted({(row["model"], int(row["n_ctx"])) for row in cases})
    rules[f"llama-fit-params of {version('xllamacpp')}"] = _looked_up(_over_files(questions, _fit_params))
    if importlib.util.find_spec("modelinfo"):
        rules[f"modelinfo-cli {version('modelinfo-cli')}"] = _looked_up(_over_files(questions, _modelinfo))
    rules[f"xllamacpp.memory {version('xllamacpp')}"] = _looked_up(_predictor(questions))
    if shutil.which("go"):
        rules[f"gguf-parser-go {GGUF_PARSER}"] = _looked_up(_gguf_parser(questions))
    found = {}
    for name, rule in rules.items():
        off = [rule(row["model"], int(row["n_ctx"])) / sum(int(row[part]) for part in PARTS) - 1
               for row in cases]
        found[name] = {"mean_error_percent": round(100 * sum(map(abs, off)) / len(off), 2),
                       "worst_percent": round(100 * max(off, key=abs), 1),
                       "too_low_by_5_percent": round(sum(o < -0.05 for o in off) / len(off), 3)}
    modules = {name: importlib.util.find_spec(name) for name in ("ggufit", "modelinfo")}
    missing = [name for name, place in {**modules, "go": shutil.which("go")}.items() if not place]
    return {"cases": len(cases), "rules": found, "not_installed": missing}


def _over_files(questions: list[tuple[str, int]], ask) -> dict[tuple[str, int], int]:
    """(model, n_ctx) -> what `ask(path, contexts)` says of a hollow file of the model."""
    answers: dict[tuple[str, int], int] = {}
    with tempfile.TemporaryDirectory(prefix="quantlab-") as folder:
        for model in dict.fromkeys(model for model, _ in questions):
            shape = MODELS[model].unnamed                   # as llama-quantize writes it
            path = write_hollow(Path(folder) / "hollow.gguf", shape, recipe("Q4_K_M", shape))
            contexts = [n_ctx for name, n_ctx in questions if name == model]
            totals = ask(path, contexts)
            answers |= {(model, n_ctx): total for n_ctx, total in zip(contexts, totals, strict=True)}
    return answers


FIT = """import json, sys
from quantlab.oracles.llama_library import Library
library = Library([2**42])
for settings in json.loads(sys.argv[2]):
    library.print_fit(sys.argv[1], settings)
"""


def _fit_params(path: Path, contexts: list[int]) -> list[int]:
    settings = json.dumps([Settings(n_ctx=n_ctx).as_dict() for n_ctx in contexts])
    done = subprocess.run([sys.executable, "-c", FIT, path, settings], check=True, capture_output=True,
                          text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return [sum(map(int, words[1:])) * 2**20 for words in lines if words and words[0] == "CUDA0"]


def _modelinfo(path: Path, contexts: list[int]) -> list[int]:
    """Weights and cache; what it adds for CUDA is left out."""
    tensors = importlib.import_module("modelinfo.parsers.gguf").parse_gguf_header(str(path))
    footprint = importlib.import_module("modelinfo.calculator").calculate_footprint
    found = [footprint(tensors, n_ctx) for n_ctx in contexts]
    return [round(one["base_memory_bytes"] + one["kv_cache_bytes"]) for one in found]


def _looked_up(answers: dict[tuple[str, int], int]):
    return lambda model, n_ctx: answers[model, n_ctx]


def _ours(model: str, n_ctx: int) -> float:
    return estimate_memory(MODELS[model].unnamed, "Q4_K_M", n_ctx=n_ctx).total


def _lesson(model: str, n_ctx: int) -> float:
    return rule_of_thumb_gb(PUBLISHED[model].n_params / 1e9)["q4_K_M"] * 1e9


def _weights(model: str, n_ctx: int) -> float:
    return weights_of(MODELS[model].unnamed, "Q4_K_M").placed().card


def _ggufit(model: str, n_ctx: int) -> float:
    """ggufit with our own shapes, so that only its formula is judged: model_size_gb, kv_cache_gb,
    gpu_vram_needed.
    """
    calculator = importlib.import_module("ggufit.calculator")

    a: Architecture = MODELS[model]
    shape = {"layers": a.n_layer, "num_key_value_heads": a.n_head_kv, "num_attention_heads": a.n_head,
             "head_dim": a.head_dim, "hidden_size": a.n_embd}
    if a.kv_lora_rank:
        shape |= {"attention_family": "mla", "kv_lora_rank": a.kv_lora_rank, "qk_rope_head_dim": a.rope_dim}
    weights = calculator.model_size_gb(PUBLISHED[model].n_params / 1e9, "q4")
    return calculator.gpu_vram_needed(weights, calculator.kv_cache_gb(shape, n_ctx)) * 2**30


def _gguf_parser(questions: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """(model, n_ctx) -> bytes on the card, from gguf_parser.go over a hollow file of each model."""
    with tempfile.TemporaryDirectory(prefix="quantlab-") as folder:
        shutil.copy(Path(__file__).with_name("gguf_parser.go"), Path(folder) / "main.go")
        for step in (["mod", "init", "peer"], ["get", f"github.com/gpustack/gguf-parser-go@{GGUF_PARSER}"],
                     ["build", "-o", "peer", "."]):
            subprocess.run(["go", *step], cwd=folder, check=True, capture_output=True)

        def ask(path: Path, contexts: list[int]) -> list[int]:
            done = subprocess.run([Path(folder) / "peer", path, *map(str, contexts)], check=True,
                                  capture_output=True, text=True)
            return [json.loads(line)["total"] for line in done.stdout.splitlines()]

        return _over_files(questions, ask)


def _predictor(questions: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """(model, n_ctx) -> bytes on a card with room for all, from `xllamacpp.memory`; the list of words it
    counts is handed in.
    """
    memory, answers = importlib.import_module("xllamacpp.memory"), {}
    card, read = {"name": "CUDA", "memory_free": 2**42, "memory_min": 0}, memory.dump_metadata_json
    with tempfile.TemporaryDirectory(prefix="quantlab-") as folder:
        for model in dict.fromkeys(model for model, _ in questions):
            shape = MODELS[model].unnamed
            path = str(write_hollow(Path(folder) / "hollow.gguf", shape, recipe("Q4_K_M", shape)))
            header = read(importlib.import_module("gguf").GGUFReader(path), path)
            header["metadata"]["tokenizer.ggml.tokens"] = {"value": range(MODELS[model].n_vocab)}
            with unittest.mock.patch.object(memory, "dump_metadata_json", lambda *_, header=header: header):
                answers |= {
                    (name, n_ctx): memory.estimate_gpu_layers(
                        [card], path, [], n_ctx, 512, 1, "f16"
                    ).vram_size
                    for name, n_ctx in questions
                    if name == model
                }
    return answers
