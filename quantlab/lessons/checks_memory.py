"""Exercises with more than one right answer: what the learner proposes is computed as a whole, not compared with a solution."""

from ..memory.catalog import MODELS
from ..memory.estimate import estimate_memory
from .feedback import NOT_STARTED, Feedback, check_number

GIB = 2**30
START = dict(model="qwen3:14b", ftype="Q4_K_M", n_ctx=32768)
CARD = 12 * GIB
WAYS = 3
#: Arguments that belong together: to turn both is one way.
TOGETHER = {"type_k": "the type of the cache", "type_v": "the type of the cache", "n_ctx": "the context", "ftype": "the quantization",
            "n_gpu_layers": "the layers on the card", "n_ubatch": "the tokens of a step", "model": "the model"}
#: What Ollama and llama.cpp call them, and what people try.
OTHER_NAMES = {"num_ctx": "n_ctx", "type_kv": "type_k and type_v", "kv_type": "type_k and type_v", "kv_cache": "type_k and type_v",
               "OLLAMA_KV_CACHE_TYPE": "type_k and type_v", "num_gpu": "n_gpu_layers", "quant": "ftype", "quantization": "ftype"}


def check_three_ways(answer: object) -> Feedback:
    """Lesson 06: three dicts of arguments of `estimate_memory`, each making Qwen3-14B fit in 12 GiB by another lever."""
    if answer is ... or (isinstance(answer, list | tuple) and ... in answer):
        return NOT_STARTED
    if not isinstance(answer, list | tuple) or not all(isinstance(way, dict) for way in answer):
        return Feedback("wrong kind", "A list of three dicts is wanted here, such as [dict(n_ctx=4096), ...].")
    if len(answer) != WAYS:
        return Feedback("not yet", f"Three ways are asked for; here is a list of {len(answer)}.")
    levers = []
    for number, way in enumerate(answer, 1):
        told = _judged(number, way)
        if isinstance(told, Feedback):
            return told
        levers.append(told)
    for i, lever in enumerate(levers):
        if lever in levers[:i]:
            return Feedback("almost", f"All three fit, but {lever} is turned twice. What else takes room?")
    return Feedback("correct", f"Three levers: {', '.join(levers)}. Each costs something else: precision of the notes, memory of the talk, "
                               "quality of the weights, or speed.")


def _judged(number: int, way: dict) -> Feedback | str:
    """The lever that this way turns, or what is wrong with it."""
    unknown = [name for name in way if name not in TOGETHER]
    if unknown:
        if unknown[0] in OTHER_NAMES:
            return Feedback("not yet", f"Way {number}: {unknown[0]!r} goes by the name of {OTHER_NAMES[unknown[0]]} here.")
        return Feedback("not yet", f"Way {number}: {unknown[0]!r} is nothing to turn here; there are {', '.join(TOGETHER)}.")
    levers = {TOGETHER[name] for name, value in way.items() if START.get(name) != value}
    if not levers:
        return Feedback("not yet", f"Way {number} changes nothing.")
    if len(levers) > 1:
        return Feedback("almost", f"Way {number} turns {' and '.join(sorted(levers))}. One at a time, so that you see what each brings.")
    if "the model" in levers:
        return Feedback("almost", f"Way {number} takes another model. That always works; the 14 billion parameters shall stay.")
    try:
        left = CARD - estimate_memory(**(START | way)).needed
    except (ValueError, TypeError) as error:
        return Feedback("not yet", f"Way {number}: {error}")
    return levers.pop() if left >= 0 else Feedback("not yet", f"Way {number} is still {-left / GIB:.2f} GiB too much.")


def check_cache_of_a_window(answer: object) -> Feedback:
    """Lesson 13: the layers that fill the KV cache of Gemma 3 4B at a long context, by the pattern of its windows."""
    model = MODELS["gemma3:4b"]
    expected = sum(not model.is_sliding(layer) for layer in range(model.n_layer))
    hints = {model.n_layer: "Those are all its layers, windows included.", model.n_layer - expected: "Those are the ones with a window.",
             model.n_layer / 6: "Whole groups of six count: the last four layers have not come to their sixth.",
             6: "That is the pattern: every sixth."}
    return check_number(answer, expected, near_misses=hints, unit="layers",
                        praise=f"{expected} of {model.n_layer}: layers 6, 12, 18, 24 and 30. The other {model.n_layer - expected} forget.")
