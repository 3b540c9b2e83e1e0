"""The questions for `benchmarks.real_card`.

    python -m benchmarks.card_cases FOLDER         # writes questions.json and the headers of hollow files

Two kinds. Plans: every shape of the catalog and of the tests, in settings drawn by chance, at the edges, with
layers in main memory and on several cards. Lives: models of up to 18 GB whose weights and contexts are made
and used. What came back is held against the estimate by `benchmarks.card_results`.
"""

import json
import os
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from quantlab.memory.kv_cache import check_cache_types
from quantlab.memory.settings import Settings
from quantlab.models.catalog import MODELS
from quantlab.models.recipes import recipe
from quantlab.oracles.planner import write_hollow
from tests.memory.own_shapes import SHAPES, some_settings

#: As llama-quantize writes them, whatever a library has under their names.
ALL = {name: shape.unnamed for name, shape in (MODELS | SHAPES).items()}
#: Names whose shape another name has.
TWINS = {"deepseek-r1:7b", "deepseek-r1:32b", "deepseek-r1:70b", "llama3.3:70b"}
FTYPES = ("Q4_K_M", "Q8_0", "F16", "Q5_K_M", "Q3_K_M", "Q6_K", "Q4_0")
EDGES = ({"n_ubatch": 1}, {"n_ubatch": 2, "type_k": "q8_0", "type_v": "q8_0"},
         {"n_ubatch": 3, "type_k": "q8_0", "type_v": "q8_0"},
         {"n_ubatch": 31, "type_k": "q4_0", "type_v": "q4_0"},
         {"n_ubatch": 2, "type_k": "q5_1", "type_v": "q5_1"},
         {"type_k": "q5_0", "type_v": "q4_1", "n_ctx": 8192},
         {"type_k": "bf16", "type_v": "bf16"},
         {"n_ctx": 512, "n_parallel": 4, "n_ubatch": 2, "type_k": "f32"})
LIVED = {"smollm2:135m": "Q4_K_M", "qwen3:0.6b": "Q8_0", "llama3.2:1b": "Q4_K_M", "gemma3:1b": "Q8_0",
         "qwen2.5:1.5b": "F16", "gemma2:2b": "Q4_K_M", "phi4-mini:3.8b": "Q4_K_M", "gemma3:4b": "Q4_K_M",
         "qwen3:4b": "Q4_K_M", "phi3-mini": "Q4_K_M", "odd-80": "Q8_0", "llama3.1:8b": "Q4_K_M",
         "gemma3:12b": "Q4_K_M", "gpt-oss:20b": None, "deepseek-v2:16b": "Q4_K_M",
         "deepseek-v2:16b-mla": "Q4_K_M", "qwen3:30b": "Q4_K_M"}
SPLIT = ("llama3.1:8b", "gemma3:4b", "qwen3:30b", "gpt-oss:20b")
SEVERAL = ("llama3.1:8b", "gemma3:12b", "gpt-oss:20b", "deepseek-v2:16b-mla", "phi4:14b", "qwen3:30b")
NO_FUSION = {"GGML_CUDA_DISABLE_FUSION": "1"}


def allowed(name: str, settings: list[Settings]) -> list[Settings]:
    """Those that the shape can have; a Phi with separate quantized caches makes llama.cpp abort."""
    found = []
    for one in settings:
        try:
            check_cache_types(ALL[name], one)
        except ValueError:
            continue
        found.append(replace(one, unified=True) if ALL[name].arch == "phi3" else one)
    return list(dict.fromkeys(found))


def loads(name: str, settings: list[Settings]) -> list[dict]:
    settings = allowed(name, settings)
    return [{"n_gpu_layers": n, "settings": [one.as_dict() for one in settings if one.n_gpu_layers == n]}
            for n in dict.fromkeys(one.n_gpu_layers for one in settings)]


def planned_settings(name: str) -> list[Settings]:
    shape, choose = ALL[name], random.Random(f"card {name}")
    drawn = [some_settings(choose, shape) for _ in range(8)]
    usual = [Settings(n_ctx=n_ctx, flash_attention=on) for n_ctx in (4096, 32768) for on in (True, False)]
    split = [replace(one, n_gpu_layers=n) for n in (0, 1, shape.n_layer // 2, shape.n_layer)
             for one in (Settings(n_ctx=16384), Settings(n_ctx=16384, flash_attention=False),
                         Settings(n_ctx=8192, type_k="q8_0", type_v="q8_0", n_outputs=512))]
    return [*drawn, *usual, *(Settings(**edge) for edge in EDGES), *split]


def lived_settings(name: str) -> list[Settings]:
    found = [Settings(), Settings(flash_attention=False), Settings(n_ctx=32768, n_parallel=4),
             Settings(n_ctx=32768, type_k="q8_0", type_v="q8_0"),
             Settings(n_ctx=16384, type_k="q4_0", type_v="q4_0", n_ubatch=2048),
             Settings(n_ctx=16384, n_ubatch=1024, flash_attention=False, n_outputs=1024),
             Settings(n_ctx=65536), Settings(n_ubatch=16)]
    if name in SPLIT:
        found += [replace(one, n_gpu_layers=ALL[name].n_layer // 2) for one in found[:4]]
    return found


def questions() -> list[dict]:
    """All of them: id, model, ftype, alloc, env, cards, loads."""
    choose, found = random.Random("ftypes"), []

    def add(kind: str, name: str, ftype: str | None, settings: list[Settings], cards: int = 1, **env: str):
        ftype = ftype or ALL[name].usual_type
        if cards > 1:
            env["GGML_CUDA_DEVICES"] = str(cards)
        said = " ".join(f"{key}={value}" for key, value in env.items())
        found.append({"id": f"{kind} {name} {ftype} {said}".strip(), "model": name, "ftype": ftype,
                      "alloc": kind == "life", "env": env, "cards": cards, "loads": loads(name, settings)})

    for name, shape in ALL.items():
        if name in TWINS:
            continue
        ftype = shape.usual_type if shape.arch == "gpt-oss" else choose.choice(FTYPES)
        add("plan", name, ftype, planned_settings(name))
        if shape.n_expert:
            add("plan", name, ftype, planned_settings(name), **NO_FUSION)
    for name in SEVERAL:
        for cards in (2, 3):
            add("plan", name, None, [Settings(n_ctx=8192), Settings(n_ctx=32768, n_parallel=2,
                                     flash_attention=False, n_outputs=512)], cards)
    for name, ftype in LIVED.items():
        add("life", name, ftype, lived_settings(name))
    few = [Settings(), Settings(flash_attention=False), Settings(n_ctx=16384)]
    for env in ({"GGML_CUDA_DISABLE_GRAPHS": "1"}, {"CUDA_MODULE_LOADING": "EAGER"}, NO_FUSION):
        for name, ftype in (("llama3.2:1b", "Q4_K_M"), ("llama3.2:1b", "F16"),
                            ("deepseek-v2:16b-mla", "Q4_K_M")):
            if not (name.startswith("deepseek") and env != NO_FUSION):
                add("life", name, ftype, few, **env)
    add("life", "llama3.2:1b", "F16", few)
    return found


def main(folder: str) -> None:
    place, asked = Path(folder), questions()
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="quantlab-") as scratch:
        for question in asked:
            name, ftype = question["model"], question["ftype"]
            question["header"] = f"{name}-{ftype}.gguf".replace(":", "-")
            file = Path(scratch) / question["header"]
            if not file.exists():
                write_hollow(file, ALL[name], recipe(ftype, ALL[name]))
                with file.open("rb") as data:
                    (place / question["header"]).write_bytes(data.read(2**22).rstrip(b"\0"))
            question["nbytes"] = os.path.getsize(file)
    (place / "questions.json").write_text(json.dumps(asked))


if __name__ == "__main__":
    main(sys.argv[1])
