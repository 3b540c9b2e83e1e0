"""The exercises about files and memory (lessons 04, 06, 08, 10, 13): what is proposed is computed, and each
usual mistake has its hint.
"""

from ..exhibits.types import NAMES, mix
from ..formats.table import FORMATS
from ..memory.advice import candidates
from ..memory.cards import GPUS
from ..memory.estimate import estimate_memory
from ..memory.kv_cache import kv_cache_bytes
from ..models.catalog import MODELS, PUBLISHED
from ..models.recipes import tensor_list
from ..words import GB, GIB, bits, gib, listed, size
from .feedback import NOT_STARTED, Feedback, check_choice, check_number


def check_file_bits(answer: object) -> Feedback:
    """Lesson 04: bits per weight of Qwen3-8B's Q4_K_M file, from its number of weights and its bytes."""
    weights, nbytes = PUBLISHED["qwen3:8b"].n_params, PUBLISHED["qwen3:8b"].q4_k_m_bytes
    assert nbytes is not None           # of this model it is published
    expected = 8 * nbytes / weights
    hints = {nbytes / weights: "Those are bytes per weight.",
             weights / nbytes: "That is weights per byte: turn it over, make it bits.",
             4: "That is the number in the name.",
             **{mix(model, "Q4_K_M").bpw: f"That is {name}'s Q4_K_M, printed above. Compute it for this file."
                for model, name in NAMES.items()},
             8: "That is the number of bits in a byte: multiply the bytes per weight by it.",
             FORMATS["Q4_K"].bpw: "That is a block of Q4_K. The file is a mix.",
             8 * nbytes / 8e9: "8B is a rounded name: count the weights there really are.",
             expected * GB / GIB: "One of the numbers is in GiB. Take plain bytes.",
             expected * GIB / GB: "One of the numbers is in GiB. Take plain bytes.",
             nbytes: "Those are all bytes: divide them by the weights, and make bits of them.",
             8 * nbytes: "Those are all bits: divide them by the weights.",
             16: "That is a file of 16 bits: this one is smaller."}
    return check_number(answer, expected, hints, rel_tol=2e-3, unit="bits",
                        start="Divide the bytes by the weights, then make bits of it.",
                        praise=f"{expected:.2f} bits per weight: a Q4_K_M. Its size alone tells you. Dense "
                               "models of 7 B and more have 4.8 to 5.0 in a Q4_K_M.")


def check_kv_bytes_per_token(answer: object) -> Feedback:
    """Lesson 06: what one more token costs in the KV cache of Llama-3.1-8B, f16."""
    model = MODELS["llama3.1:8b"]
    expected = (kv_cache_bytes(model, 512) - kv_cache_bytes(model, 256)) // 256
    hints = {expected / 2: "Nearly: a key and a value are kept, or two bytes a number instead of one.",
             expected / model.n_layer: "That is one layer.",
             expected * 8: "Those are bits.",
             expected / 1024: "Right, but in KiB.",
             expected * model.n_head // model.n_head_kv:
                 "You took n_head; the cache keeps n_head_kv heads, fewer on purpose.",
             expected / 4: "Twice a factor of two is missing: key and value, and two bytes a number.",
             expected / 128: "head_dim is missing: each head keeps 128 numbers.",
             expected / 8: "That is the cache of one head; there are 8 that keep notes.",
             expected / 2 / model.n_layer: "That is one layer, and the key or the value alone.",
             expected * 8192: "That is for 8,192 tokens: one more token is asked for.",
             expected * 2: "Twice too much: f16 takes two bytes a number, not four; or n_head was taken for "
                           "n_head_kv, and a factor of two forgotten.",
             expected / GIB: "Right, but in GiB.",
             expected / 2**20: "Right, but in MiB."}
    return check_number(answer, expected, hints, exact=True, unit="bytes",
                        start="Begin with one layer: a key and a value of n_head_kv × head_dim numbers.",
                        praise=f"{expected:,} bytes, 128 KiB a token: 8,192 tokens are exactly 1 GiB.")

START = dict(model="qwen3:14b", ftype="Q4_K_M", n_ctx=32768)

CARD_OF_12_GIB = 12 * GIB

#: Argument of `estimate_memory` -> the way to make room that it belongs to; both halves of the cache are one.
LEVERS = {"type_k": "the type of the cache", "type_v": "the type of the cache", "n_ctx": "the context",
        "ftype": "the quantization", "n_gpu_layers": "the layers on the card",
        "n_ubatch": "the tokens of a step", "model": "the model"}

#: Arguments that are no way out here, and why.
NO_LEVERS = {"flash_attention": "is on already, and the card is still too small",
             "n_parallel": "is 1 already: there is one conversation",
             "n_cpu_moe": "moves experts, and this model has none",
             "vram": "is the card, and the card stays"}

#: What Ollama and llama.cpp call them, and what people try.
OTHER_NAMES = {**dict.fromkeys(("num_ctx", "ctx", "context"), "n_ctx"),
               **dict.fromkeys(("type_kv", "kv_type", "kv_cache", "OLLAMA_KV_CACHE_TYPE"),
                               "type_k and type_v"),
               "num_gpu": "n_gpu_layers", "quant": "ftype", "quantization": "ftype"}


def check_three_ways(answer: object) -> Feedback:
    """Lesson 06: three dicts of arguments of `estimate_memory`, each making Qwen3-14B fit in 12 GiB by
    another lever. What is proposed is computed, not compared with a solution.
    """
    ways = answer if isinstance(answer, list | tuple) else [answer]
    there = [(number, way) for number, way in enumerate(ways, 1) if way is not ...]
    if not there:
        return NOT_STARTED
    if len(there) < len(ways) and all(isinstance(way, dict) for _, way in there):
        return _partly(there, len(ways))
    if not all(isinstance(way, dict) for way in ways):
        return Feedback("wrong kind",
                        "A list of three dicts is wanted here, such as [dict(n_ctx=4096), ...].")
    if len(ways) != 3:
        return Feedback("not yet", f"Three ways are asked for; here is a list of {len(ways)}.")
    levers: list[str] = []
    for number, way in enumerate(ways, 1):
        lever = _lever(f"Way {number}", way)
        if isinstance(lever, Feedback):
            return lever
        levers.append(lever)
    if twice := [lever for lever in levers if levers.count(lever) > 1]:
        return Feedback("almost", f"All three fit, but {twice[0]} is changed twice. What else takes room?")
    return Feedback("correct", f"You changed {listed(levers)}. Each has its price: precise notes, a long "
                               "conversation, good weights, or speed.")


def _partly(there: list[tuple[int, dict]], count: int) -> Feedback:
    """What is said of a list that is filled in part: the first way that is wrong, or how many are there."""
    found = [_lever(f"Way {number}", way) for number, way in there]
    wrong = next((one for one in found if isinstance(one, Feedback)), None)
    rest = f"Filled in: {len(there)} of {count}; three dots stand in the place of the others."
    if wrong:
        return Feedback(wrong.voice, f"{wrong.message} {rest}")
    return Feedback("not yet", f"It fits so far, by {listed([str(one) for one in found])}. {rest}")


def _lever(name: str, way: dict) -> Feedback | str:
    """What this way changes, or what is wrong with it."""
    if unknown := [argument for argument in way if argument not in LEVERS]:
        words = (f"is called {OTHER_NAMES[unknown[0]]} here" if unknown[0] in OTHER_NAMES
                 else NO_LEVERS.get(unknown[0], f"changes nothing here; there are {', '.join(LEVERS)}"))
        return Feedback("not yet", f"{name}: {unknown[0]!r} {words}.")
    levers = {LEVERS[argument] for argument, value in way.items() if START.get(argument) != value}
    if not levers:
        return Feedback("not yet", f"{name} changes nothing.")
    if len(levers) > 1:
        return Feedback("almost", f"{name} changes {' and '.join(sorted(levers))}. One at a time, to "
                                  "see what each brings.")
    if "the model" in levers:
        return Feedback("almost", f"{name} takes another model. That always works, but here the model is "
                                  "Qwen3-14B.")
    try:
        left = CARD_OF_12_GIB - estimate_memory(**(START | way)).needed
    except (ValueError, TypeError) as error:
        return Feedback("not yet", f"{name}: {error}")
    if left < 0:
        missing = {"type_k", "type_v"} - way.keys()
        half = f" Half of the cache is as it was: give {missing.pop()}, too." if len(missing) == 1 else ""
        return Feedback("not yet", f"{name} is still {gib(-left)} too much.{half}")
    return levers.pop()


def check_best_type(answer: object) -> Feedback:
    """Lesson 08: the largest type of Llama-3.1-8B that fits a 10 GiB card with 32,768 tokens of context."""
    options = candidates("llama3.1:8b", GPUS["GeForce RTX 3080"].vram_bytes, 32768)
    best = max((option for option in options if option.room >= 0), key=lambda o: o.bpw)
    expected, for_weights = best.estimate.ftype, best.estimate.weights + best.room
    room = {option.estimate.ftype: option.room for option in options}
    hints = {
        "Q8_0": "That is what the rule of thumb says. It has forgotten the context: "
                f"{gib(-room['Q8_0'])} too much.",
        "Q6_K": "Weights and context fit, but compute buffer and driver need room, too: "
                f"{gib(-room['Q6_K'])} too much.",
        "F16": "Not even the weights fit.",
        **dict.fromkeys(("Q5_K_S", "Q4_K_S", "Q3_K_S", "Q3_K_L", "Q4_0", "IQ4_XS", "IQ4_NL"),
                        "It fits, with room for more bits."),
        **{name: f"It fits, and {gib(left)} stay free: a type with more bits fits, too."
           for name, left in room.items() if left >= 0 and name != expected},
        "Q5_K": "That is the type of a block. Files of it are Q5_K_S and Q5_K_M: which one?",
        "Q4_K": "That is the type of a block, and there is room for more bits.",
        **dict.fromkeys(("BF16", "F32"), "Not even the weights fit."),
        f"{for_weights / GIB:.2f}": "That is the room for the weights in GiB. Which type fits into it?",
        **{f"Q{n}": "The name of a file says more, such as Q4_K_M." for n in (2, 3, 4, 5, 6, 8)},
        "Q5_K_L": "llama.cpp has no such type. The files of Q5_K are Q5_K_S and Q5_K_M.",
        **dict.fromkeys(("Q5_0", "Q5_1", "Q4_1"), "It would fit, but it is of an older kind: a K type of as "
                                                  "many bits keeps more.")}
    return check_choice(answer, expected, hints,
                        start="Take the cache, the compute buffer and 0.5 GiB off the 10 GiB: what is left "
                              "for the weights?",
                        praise=f"{expected}: {gib(room[expected])} stay free. For a short chat it would be "
                               "Q8_0.")


def check_q5_k_m_bytes(answer: object) -> Feedback:
    """Lesson 10: all tensors of Llama-2-7B as Q5_K_M, in bytes."""
    tensors, q4_k_m, q5_k_s = (tensor_list("llama-2-7b", name) for name in ("Q5_K_M", "Q4_K_M", "Q5_K_S"))
    expected, weights = int(tensors.nbytes.sum()), int(tensors.n_weights.sum())
    hints: dict[float, str] = {
        round(expected / factor, digits): f"Right, but in {unit}. The question asks for bytes."
        for unit, factor in (("GB", GB), ("GiB", GIB)) for digits in (99, 2, 1)}
    rows = tensors.nbytes
    hints |= {expected * 8: "Those are bits.", weights: "That is the number of weights.",
              float(rows.mean()): "That is the mean of a tensor. The sum of all is asked for.",
              float(rows.max()): "That is the largest tensor. The sum of all is asked for.",
              len(rows): "That is the number of tensors.",
              8 * expected / weights: "Those are the bits per weight.",
              expected / 2**20: "Right, but in MiB. The question asks for bytes.",
              weights * 2: "That is F16.",
              int(FORMATS["Q5_K"].bpw * weights / 8): "Every weight was counted as Q5_K; the file is a mix.",
              int(q4_k_m.nbytes.sum()): "That is Q4_K_M.",
              int(q5_k_s.nbytes.sum()): "That is Q5_K_S: the S recipe raises fewer tensors."}
    return check_number(answer, expected, hints, exact=True, unit="bytes",
                        start="Take the sum of the column nbytes.",
                        praise=f"{expected:,} bytes, {size(expected)}: {bits(8 * expected / weights)} bits "
                               "per weight.")


def check_cache_of_a_window(answer: object) -> Feedback:
    """Lesson 13: how many layers fill the KV cache of Gemma 3 4B at a long context, by the pattern of its
    windows.
    """
    model = MODELS["gemma3:4b"]
    expected = sum(not model.is_sliding(layer) for layer in range(model.n_layer))
    hints = {model.n_layer: "Those are all its layers, windows included.",
             model.n_layer - expected: "Those are the ones with a window.",
             model.n_layer / 6:
                 "Whole groups of six count: the last four layers have not come to their sixth.",
             6: "That is the pattern: every sixth.",
             expected + 1: "Whole groups of six count: the last four layers have not come to their sixth.",
             model.n_layer / expected: "Turn it over: how many whole sixes are in 34?",
             model.n_layer % 6: "Those are the layers left over after the last whole six.",
             model.n_layer - 6: "Those are all but six. Only every sixth keeps notes on the whole text.",
             model.n_layer * 5 / 6: "Those are the ones with a window, five of six.",
             model.n_layer / 2: "Not every second: every sixth.",
             1: "There is one in every six layers, and there are 34."}
    return check_number(answer, expected, hints, exact=True, unit="layers",
                        start="How many whole sixes are in 34?",
                        praise=f"{expected} of {model.n_layer}: layers 6, 12, 18, 24 and 30. The other "
                               f"{model.n_layer - expected} forget.")
