"""Which option of a guess about memory, quality, names and speed is right, worked out from the tables that
the lesson uses: lessons 06 to 10, 13, 14, 17 and 19. As in `answers_weights`.
"""

import numpy as np

from ..exhibits.experts import recorded_shares
from ..exhibits.recital import n_recited, recorded_recitals
from ..inference.compare import recorded_quality, recorded_table
from ..inference.in_types import model_in_types
from ..lab.checks import has
from ..lab.records import RecordedComparison
from ..lab.versions import CHECKED, why_refused
from ..memory.advice import candidates, choose
from ..memory.cards import GPUS
from ..memory.estimate import estimate_memory
from ..memory.fit import fits
from ..memory.kv_cache import kv_cache_bytes
from ..memory.rule import rule_of_thumb_gb
from ..memory.settings import Settings
from ..memory.speed import expected_speed
from ..memory.weights import weight_bytes
from ..models.catalog import MODELS
from ..models.recipes import tensor_list
from ..words import GB, GIB
from .answers_weights import Facts, between

#: The seven models that lesson 06 holds the rule of thumb against.
SEVEN = ("llama3.2:3b", "mistral:7b", "llama3.1:8b", "qwen3:8b", "qwen3:14b", "qwen3:32b", "llama3.1:70b")


def smallest_type_at_64k_on_8_gib() -> Facts:
    small, large = (weight_bytes(tensor_list("llama-3.1-8b", ftype)) / GIB for ftype in ("Q2_K", "Q4_K_M"))
    half, whole = (kv_cache_bytes(MODELS["llama3.1:8b"], n_ctx) / GIB for n_ctx in (32768, 65536))
    missing = -_room("Q2_K", 65536)
    return {"right": between(missing, 0, 1), "saved": large - small, "more": whole - half, "cache": whole,
            "missing": missing}


def rule_of_thumb_for_f16() -> Facts:
    error = error_of_the_rule("f16", 2048)
    return {"right": 1 if error < -0.05 else 0 if error < 0.1 else 2, "error": error}


def error_of_the_rule(quant: str, n_ctx: int) -> float:
    """Of the rule of thumb as a share of the truth: the mean over the seven models."""
    errors = [GB * rule_of_thumb_gb(MODELS[model].n_params / 1e9)[quant]
              / estimate_memory(model, quant.upper(), n_ctx=n_ctx).total - 1 for model in SEVEN]
    return float(np.mean(errors))


def contests_of_equal_models() -> Facts:
    right = np.random.default_rng(0).binomial(10, 0.6, size=(2, 10_000))
    apart = float((abs(right[0] - right[1]) >= 2).mean())
    return {"right": between(apart, 0.05, 0.25, 0.75), "apart": apart}


def faster_of_two_files() -> Facts:
    """As it was recorded; the lesson's next cell asks your own server where there is one."""
    speed = {row["model"].partition(":")[2]: row["tokens_per_second"]
             for row in RecordedComparison("smollm2").rows()
             if row["prompt"] == "Who painted the Mona Lisa?" and row["round"] == 0}
    four, eight = speed["135m-instruct-q4_K_M"], speed["135m-instruct-q8_0"]
    near = abs(four / eight - 1) < 0.1
    return {"right": 2 if near else int(eight > four), "four": four, "eight": eight}


def twelve_right_words() -> Facts:
    judged = RecordedComparison("smollm2", check=has()).summary()
    p = float(judged["paired_p"].min())
    return {"right": 2 if p > 0.05 else 0, "p": p,
            "found": (12 * judged["pass_rate"]).round().astype(int).tolist()}


def passages_at_q3_k() -> Facts:
    rows = recorded_recitals(model_in_types())["Q3_K"]
    known, passages = n_recited(rows), sum(row.by_heart for row in rows)
    right = between(passages - known, 1, passages / 2, passages)
    return {"right": right, "known": known, "passages": passages}


def most_bits_at_32k_on_8_gib() -> Facts:
    card, types = GPUS["GeForce RTX 4060"].vram_bytes, ("Q6_K", "Q5_K_M", "Q4_K_M", "Q2_K")
    short, long = ({option.estimate.ftype: option for option in candidates("llama3.1:8b", card, n_ctx)}
                   for n_ctx in (8192, 32768))
    at_8k, at_32k = (choose([*options.values()], "quality") for options in (short, long))
    assert at_8k and at_32k
    caches = {f"cache_{name}": kv_cache_bytes(MODELS["llama3.1:8b"], n_ctx) / GIB
              for name, n_ctx in (("8k", 8192), ("32k", 32768))}
    return {"right": types.index(at_32k.estimate.ftype), "at_8k": at_8k.estimate.ftype, **caches,
            "more": caches["cache_32k"] - caches["cache_8k"],
            "missing": {ftype: -option.room / GIB for ftype, option in long.items()}}


def speed_or_memory() -> Facts:
    options = candidates("llama3.1:8b", GPUS["GeForce RTX 4060"].vram_bytes, 8192)
    return {"right": 2 if choose(options, "speed") == choose(options, "memory") else 1}


def create_with_quantize() -> Facts:
    return {"right": 2 if why_refused("create_quantize", CHECKED) else 0}


def nearest_copy_of_a_q4_1() -> Facts:
    kld = recorded_quality("smollm2_q4_1").set_index("ftype").kld
    return {"right": ["Q8_0", "Q6_K", "Q4_1"].index(kld.idxmin()), "kld": kld.to_dict()}


def what_decides_most() -> Facts:
    mixes = {name: weight_bytes(tensor_list("llama-3.1-8b", name)) for name in ("Q4_K_S", "Q4_K_M", "Q5_K_M")}
    letter = mixes["Q4_K_M"] / mixes["Q4_K_S"] - 1
    bit = mixes["Q5_K_M"] / mixes["Q4_K_M"] - 1
    return {"right": 0 if bit > letter else 1}


def gemma_or_llama_at_128k() -> Facts:
    gemma, llama = MODELS["gemma3:4b"], MODELS["llama3.1:8b"]
    held = {name: kv_cache_bytes(shape, 131072) / GIB for name, shape in (("gemma", gemma), ("llama", llama))}
    times = held["llama"] / held["gemma"]
    return {"right": 0 if times < 1 else int(np.argmin([abs(np.log(times / guess)) for guess in (2, 6)])) + 1,
            "layers": {"gemma": gemma.n_layer, "llama": llama.n_layer}, **held}


def tokens_on_a_4060() -> Facts:
    card = GPUS["GeForce RTX 4060"]
    speed = expected_speed("llama3.1:8b", "Q4_K_M", card.bandwidth, n_ctx=8192)
    return {"right": int(np.argmin([abs(speed.limit - guess) for guess in (48, 89, 177)])),
            "bandwidth": card.bandwidth / 1e9, "gigabytes": speed.card / 1e9, "limit": speed.limit}


def five_layers_in_main_memory() -> Facts:
    card, main = 272e9, 50e9
    whole = expected_speed("llama3.1:8b", "Q8_0", card, n_ctx=8192)
    split = expected_speed("llama3.1:8b", "Q8_0", card, host_bandwidth=main, n_ctx=8192, n_gpu_layers=28)
    loss = 1 - split.limit / whole.limit
    return {"right": int(np.argmin([abs(loss - guess) for guess in (0.15, 0.05, 0.4)])), "loss": loss,
            "slower": card / main}


def places_at_q4_k() -> Facts:
    table = recorded_table("quality")
    rows = {row["ftype"]: row for row in (table["rows"] if table else ()) if row.get("pure")}
    moved = {name: 100 * (1 - rows[name]["top1"]) for name in ("Q8_0", "Q4_K", "Q2_K")}
    right = 2 if moved["Q8_0"] < 2 and 8 < moved["Q4_K"] < 20 and 40 < moved["Q2_K"] < 60 else 0
    return {"right": right, "moved": moved["Q4_K"], "passages": rows["Q4_K"]["passages"]}


def who_wakes_whom() -> Facts:
    usual, chance = recorded_shares()
    return {"right": int(usual > max(0.5, 2 * chance)), "usual": usual, "chance": chance}


def experts_or_layers_on_12_gib() -> Facts:
    fit = fits(MODELS["qwen3:30b"], 12 * GIB, "Q4_K_M", Settings(n_ctx=8192))
    ways = fit.ways(*fit.bandwidths(0, 50e9))
    best, other = ways
    ratio = best.speed.limit / other.speed.limit
    right = 1 if ratio < 1.1 else 2 if best.n_cpu_moe else 0
    return {"right": right, "ratio": ratio, "stay": best.n_cpu_moe,
            "layers": fit.shape.n_layer + 1 - (other.layers or 0),
            "by_experts": best.speed.host / 1e6, "by_layers": other.speed.host / 1e6,
            "there": best.estimate.host / GIB}


def _room(ftype: str, n_ctx: int) -> float:
    """GiB that llama3.1:8b leaves free on a card of 8 GiB; below 0 what is missing."""
    card = GPUS["GeForce RTX 4060"].vram_bytes
    return fits(MODELS["llama3.1:8b"], card, ftype, Settings(n_ctx=n_ctx)).room / GIB
