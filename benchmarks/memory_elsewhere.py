"""Part of `make bench-memory`, all by the oracle: shapes and settings outside the measured table, the number
of layers that fit, experts in main memory, and architectures that the formula refuses.
"""

import random
import tempfile
from dataclasses import replace
from pathlib import Path

from quantlab.memory.estimate import OVERHEAD, estimate_memory
from quantlab.memory.fit import last_that_fits, recommend
from quantlab.memory.settings import Settings
from quantlab.models.catalog import MODELS
from quantlab.models.source import open_model
from quantlab.oracles import planner as oracle
from tests.memory import hybrid_files, recurrent_files
from tests.memory.own_shapes import SHAPES, some_settings
from tests.memory.test_fit import PAIRS
from tests.memory.test_graphs import NEW
from tests.memory.test_overrides import MIXTURES, some_overrides

FTYPES = ("Q2_K", "Q3_K_M", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
EACH = 20               # settings of a shape
EACH_MIXTURE = 60       # with n_cpu_moe or tensor overrides, of a mixture of experts


def generalization(seed: int = 7) -> dict:
    """Shapes of models outside the table, settings drawn by chance: how many figures are exact, and each
    total that is off by 5 %.
    """
    exact, cases, misses, lowest, within = {"weights": 0, "kv_cache": 0, "compute": 0}, 0, [], 0, 0
    for name, shape in (NEW | SHAPES).items():
        choose = random.Random(f"{seed} {name}")
        ftype = choose.choice(FTYPES)
        settings = [replace(some_settings(choose, shape), n_ubatch=choose.choice((256, 512, 1024)),
                            n_parallel=choose.choice((1, 2, 4)),
                            n_gpu_layers=choose.choice((None, None, 0, 1, shape.n_layer // 2, shape.n_layer)))
                    for _ in range(EACH)]
        for one, found in zip(settings, oracle.measure_all(shape, ftype, settings), strict=True):
            made = estimate_memory(shape, ftype, **one.as_dict())
            ours = made.weights, made.kv_cache, made.compute
            for part, mine, truth in zip(exact, ours, found[:3], strict=True):
                exact[part] += mine == truth
            off, cases = sum(ours) - found.card, cases + 1
            within, lowest = within + (abs(off) <= found.card / 100), min(lowest, off)
            if abs(off) > found.card / 20:
                misses.append({"model": name, "ftype": ftype, "settings": one.as_dict(), "off_bytes": off})
    return {"shapes": len(NEW | SHAPES), "cases": cases, "exact": exact, "total_within_1_percent": within,
            "off_by_more_than_5_percent": misses, "lowest_below_truth_bytes": lowest}


def experts(seed: int = 11) -> dict:
    """Mixtures with experts of some layers, of all, or what a pattern names in main memory: in how many
    settings weights, cache and compute buffer on the card, and what lies beside it, are llama.cpp's.
    """
    exact, misses = {}, []
    for name in MIXTURES:
        choose = random.Random(f"{seed} {name}")
        settings = [some_overrides(choose, name) for _ in range(EACH_MIXTURE)]
        exact[name] = 0
        for one, found in zip(settings, oracle.measure_all(name, None, settings), strict=True):
            made = estimate_memory(name, **one.as_dict())
            beside = sum(sizes["weights"] + sizes["kv_cache"] for where, sizes in found.buffers.items()
                         if where != "CUDA0")
            off = [ours - truth for ours, truth in zip((made.weights, made.kv_cache, made.compute, made.host),
                                                       (*found[:3], beside), strict=True)]
            exact[name] += not any(off)
            if any(off):
                misses.append({"model": name, "settings": one.as_dict(), "off_bytes": off})
    return {"settings_each": EACH_MIXTURE, "exact": exact, "misses": misses}


def layer_pairs() -> list[dict]:
    """20 (model, card) pairs at Q4_K_M: the number of layers that is recommended, the one found with the
    oracle, and bytes to spare.
    """
    pairs = []
    for name, vram in PAIRS:
        def room(n: int, name=name, card=vram * 2**30) -> int:
            return card - OVERHEAD.usual - oracle.measure(name, "Q4_K_M", n_gpu_layers=n).card

        safe = recommend(name, vram, ftypes=["Q4_K_M"])[0].n_gpu_layers
        counted = last_that_fits(lambda n, room=room: room(n) >= 0, safe, MODELS[name].n_layer)
        left, one_more = room(counted), room(counted + 1)
        pairs.append({"model": name, "vram_gib": vram, "layers_without_oracle": safe, "layers": counted,
                      "left_bytes": left, "left_with_one_more": one_more, "right": left >= 0 > one_more})
    return pairs


def other_architectures() -> list[dict]:
    """Small files of architectures with states and borrowed caches: what llama.cpp plans for them, and
    whether weights and what is kept of the text (cache and states) are the bytes that a count by hand gives.
    """
    found = []
    settings = [Settings(n_ctx=n_ctx, n_parallel=n) for n_ctx in (2048, 32768) for n in (1, 4)]
    for arch, files in (("mamba", recurrent_files), ("jamba", recurrent_files),
                        *((arch, hybrid_files) for arch in hybrid_files.STATES)):
        with tempfile.TemporaryDirectory(prefix="quantlab-") as folder:
            path = Path(folder) / "model.gguf"
            weights = files.write(path, arch)
            with open_model(path) as model:
                measured = oracle.measure_all(model, None, settings)
        counted = [files.kept_bytes(arch, one.n_ctx, one.n_parallel) for one in settings]
        found.append({"architecture": arch, "cases": len(settings), "weights_bytes": weights,
                      "weights_as_counted": sum(one.weights == weights for one in measured),
                      "kept_bytes": dict(zip(("2048x1", "2048x4", "32768x1", "32768x4"),
                                             (one.kv_cache for one in measured), strict=True)),
                      "kept_as_counted": sum(one.kv_cache == n for one,
                                             n in zip(measured, counted, strict=True))})
    return found
