"""The exercises of the lessons, in their order: each check computes the right answer from the package, and
knows the usual wrong ones with the hint that belongs to each.
"""

import numpy as np

from ..formats.table import FORMATS
from ..lab.modelfile import ModelfileError, parse_modelfile
from ..lab.records import recorded
from ..memory.advice import candidates
from ..memory.cards import GPUS
from ..memory.estimate import estimate_memory
from ..memory.kv_cache import kv_cache_bytes
from ..models.catalog import MODELS, PUBLISHED
from ..models.recipes import tensor_list
from ..words import bits, gib, size
from .feedback import NOT_STARTED, Feedback, check_choice, check_function, check_number

GB, GIB = 1e9, 2**30


def check_bits_per_pixel(answer: object) -> Feedback:
    """Lesson 00: bits per pixel with 4-bit codes and a scale of 16 bits for every 16 pixels."""
    hints = {4: "You counted the codes. What else is in the block?",
             FORMATS["Q4_0"].bpw: "That is for 32 pixels a scale, as above.",
             4 + 1 / 16: "A scale takes 16 bits, not one."}
    return check_number(answer, (16 * 4 + 16) / 16, hints, unit="bits",
                        praise="5 bits: smaller blocks shield better and cost more.")


def check_q4_0_gigabytes(answer: object) -> Feedback:
    """Lesson 01: 8 billion weights as Q4_0, in GB."""
    nbytes = 8e9 * FORMATS["Q4_0"].bpw / 8
    hints = {4: "You counted the codes. Every 32 of them bring a scale along.",
             8 * nbytes / GB: "Those are gigabits: a byte has 8 bits.",
             nbytes: "Right, but in bytes.",
             nbytes / GIB: "Right, but in GiB; a GB is 10⁹ bytes.",
             32: "That is FP32.",
             16: "That is 16 bits a weight.",
             FORMATS["Q8_0"].bpw: "That is Q8_0."}
    return check_number(answer, nbytes / GB, hints, unit="GB",
                        praise="4.5 GB: billions of weights times bits per weight, divided by 8. It can be "
                               "done in the head.")


def check_bits_per_weight(answer: object) -> Feedback:
    """Lesson 02: codes of `bits` bits and a 16-bit scale per block."""
    return check_function(
        answer, lambda bits, block_size: bits + 16 / block_size,
        [(4, 32), (8, 32), (4, 64), (3, 16), (4, 4096)],
        praise="That is the price list of every plain format: Q4_0 is (4, 32), Q8_0 is (8, 32).")


def check_q4_0_bytes(answer: object) -> Feedback:
    """Lesson 03: a tensor of 384 × 384 weights in Q4_0, in bytes."""
    q4_0, weights = FORMATS["Q4_0"], 384 * 384
    blocks = weights // q4_0.block_size
    expected = blocks * q4_0.type_size
    hints: dict[float, str] = {
        weights // 2: "Those are the codes alone. Each block of 32 weights has a scale, too.",
        weights * 4: "That is F32: four bytes a weight.",
        expected * 8: "Those are bits.",
        blocks * FORMATS["Q8_0"].type_size: "That is Q8_0, 34 bytes a block.",
        blocks: "That is the number of blocks. How many bytes has one?",
        q4_0.type_size: "That is one block. How many are there?"}
    return check_number(answer, expected, hints, rel_tol=1e-9, unit="bytes",
                        praise=f"{blocks:,} blocks of 18 bytes: {expected:,}, as the file's own tensor list "
                               "says.")


def check_file_bits(answer: object) -> Feedback:
    """Lesson 04: bits per weight of Qwen3-8B's Q4_K_M file, from its number of weights and its bytes."""
    weights, nbytes = PUBLISHED["qwen3:8b"].n_params, PUBLISHED["qwen3:8b"].q4_k_m_bytes
    assert nbytes is not None           # of this model it is published
    expected = 8 * nbytes / weights
    hints = {nbytes / weights: "Those are bytes per weight.",
             weights / nbytes: "That is weights per byte: turn it over, make it bits.",
             4: "That is the number in the name.",
             FORMATS["Q4_K"].bpw: "That is a block of Q4_K. The file is a mix.",
             8 * nbytes / 8e9: "8B is a rounded name: count the weights there really are.",
             expected * GB / GIB: "A GiB slipped in. Bytes need no other unit."}
    return check_number(answer, expected, hints, unit="bits",
                        praise=f"{expected:.2f} bits: a Q4_K_M, by its size alone. Dense models of 7 B and "
                               "more land at 4.8 to 5.0.")


def check_q6_k_bits(answer: object) -> Feedback:
    """Lesson 05: bits per weight of a Q6_K super-block."""
    q6_k = FORMATS["Q6_K"]
    hints = {6: "You counted the codes. What do the scales cost?",
             6.5: "The float16 scale of the whole super-block is missing.",
             q6_k.type_size:
                 "Those are the bytes of the super-block. Make them bits, and share them among 256 weights.",
             6.0625: "You counted one float16. There are 16 sub-scales, too.",
             q6_k.type_size / 256: "Those are bytes per weight."}
    return check_number(answer, q6_k.bpw, hints, rel_tol=1e-6, unit="bits",
                        praise="(256 · 6 + 16 · 8 + 16) / 256: Q6_K is 6.5625 bits a weight, not 6.")


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
             expected / 4: "Twice a factor of two is missing: key and value, and two bytes a number."}
    return check_number(answer, expected, hints, rel_tol=1e-9, unit="bytes",
                        praise=f"{expected:,} bytes, 128 KiB a token: 8,192 tokens are exactly 1 GiB.")


START = dict(model="qwen3:14b", ftype="Q4_K_M", n_ctx=32768)
CARD_OF_12_GIB = 12 * GIB
#: Argument of `estimate_memory` -> the way to make room that it belongs to; both halves of the cache are one.
LEVERS = {"type_k": "the type of the cache", "type_v": "the type of the cache", "n_ctx": "the context",
        "ftype": "the quantization", "n_gpu_layers": "the layers on the card",
        "n_ubatch": "the tokens of a step", "model": "the model"}
#: What Ollama and llama.cpp call them, and what people try.
OTHER_NAMES = {"num_ctx": "n_ctx", "type_kv": "type_k and type_v", "kv_type": "type_k and type_v",
               "kv_cache": "type_k and type_v", "OLLAMA_KV_CACHE_TYPE": "type_k and type_v",
               "num_gpu": "n_gpu_layers", "quant": "ftype", "quantization": "ftype"}


def check_three_ways(answer: object) -> Feedback:
    """Lesson 06: three dicts of arguments of `estimate_memory`, each making Qwen3-14B fit in 12 GiB by
    another lever. What is proposed is computed, not compared with a solution.
    """
    ways = answer if isinstance(answer, list | tuple) else [answer]
    if any(way is ... for way in ways):
        return NOT_STARTED
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
        return Feedback("almost", f"All three fit, but {twice[0]} is turned twice. What else takes room?")
    return Feedback("correct", f"Three levers: {', '.join(levers)}. Each costs something else: precision of "
                               "the notes, memory of the talk, quality of the weights, or speed.")


def _lever(name: str, way: dict) -> Feedback | str:
    """The lever that this way turns, or what is wrong with it."""
    if unknown := [argument for argument in way if argument not in LEVERS]:
        words = (f"goes by the name of {OTHER_NAMES[unknown[0]]} here" if unknown[0] in OTHER_NAMES
                 else f"is nothing to turn here; there are {', '.join(LEVERS)}")
        return Feedback("not yet", f"{name}: {unknown[0]!r} {words}.")
    levers = {LEVERS[argument] for argument, value in way.items() if START.get(argument) != value}
    if not levers:
        return Feedback("not yet", f"{name} changes nothing.")
    if len(levers) > 1:
        return Feedback("almost", f"{name} turns {' and '.join(sorted(levers))}. One at a time, so that you "
                                  "see what each brings.")
    if "the model" in levers:
        return Feedback("almost", f"{name} takes another model. That always works; the 14 billion parameters "
                                  "shall stay.")
    try:
        left = CARD_OF_12_GIB - estimate_memory(**(START | way)).needed
    except (ValueError, TypeError) as error:
        return Feedback("not yet", f"{name}: {error}")
    if left < 0:
        return Feedback("not yet", f"{name} is still {gib(-left)} too much.")
    return levers.pop()


def check_tokens_per_second(answer: object) -> Feedback:
    """Lesson 07: the speed of the cold q8_0 run, from the server's counters."""
    run = next(r for r in recorded("clock")["runs"] if r["turn"] == "cold" and "q8_0" in r["quantization"])
    counters = run["counters"]
    count, seconds = counters["eval_count"], counters["eval_duration"] / 1e9
    expected, prompt = count / seconds, counters["prompt_eval_count"]
    hints = {run["wall_tokens_per_second"]:
                 "That is the stopwatch: loading and reading the prompt are in it.",
             expected / 1e9: "Durations are in nanoseconds.",
             1 / expected: "Those are seconds per token: turn it over.",
             (count + prompt) / seconds: "The prompt's tokens were read, not written.",
             count / (run["time"] - counters["load_duration"] / 1e9):
                 "The loading is out, but reading the prompt is still in."}
    return check_number(answer, expected, hints, rel_tol=5e-3, unit="tokens/s",
                        praise="Tokens written over the time it took to write them; nothing else belongs in "
                               "there.")


def check_best_type(answer: object) -> Feedback:
    """Lesson 08: the largest type of Llama-3.1-8B that fits a 10 GiB card with 32,768 tokens of context."""
    options = candidates("llama3.1:8b", GPUS["GeForce RTX 3080"].vram_bytes, 32768)
    expected = max((option for option in options if option.room >= 0), key=lambda o: o.bpw).estimate.ftype
    room = {option.estimate.ftype: option.room for option in options}
    hints = {
        "Q8_0": "That is what the rule of thumb says. It has forgotten the context: "
                f"{gib(-room['Q8_0'])} too much.",
        "Q6_K": "Weights and context fit, but compute buffer and driver need room, too: "
                f"{gib(-room['Q6_K'])} too much.",
        "F16": "Not even the weights fit.",
        **dict.fromkeys(("Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0", "Q3_K_M", "Q2_K"),
                        "It fits, with room for more bits.")}
    return check_choice(answer, expected, hints,
                        praise=f"{expected}: {gib(room[expected])} stay free. For a short chat it would be "
                               "Q8_0.")


def check_modelfile(answer: object) -> Feedback:
    """Lesson 09: a Modelfile with a base, a SYSTEM text, temperature 0 and a stop word."""
    if answer is ...:
        return NOT_STARTED
    if not isinstance(answer, str):
        return Feedback("wrong kind", f"A Modelfile is a text in quotes, not {type(answer).__name__}.")
    try:
        found = parse_modelfile(answer)
    except ModelfileError as error:
        why = str(error)
        return Feedback("not yet", f"No model can be made from it. {why[:1].upper()}{why[1:]}")
    there = {"a SYSTEM line": found.system, "PARAMETER temperature": "temperature" in found.parameters,
             "PARAMETER stop": "stop" in found.parameters}
    if missing := [words for words, given in there.items() if not given]:
        return Feedback("not yet", f"It is a valid Modelfile; still missing: {', '.join(missing)}.")
    if (temperature := found.parameters["temperature"]) != 0:
        return Feedback("almost", f"Temperature {temperature:g} still rolls dice. Which value never does?")
    return Feedback("correct", f"A model on {found.base} that always says the same thing. Paste it into the "
                               "explorer and press Create.")


def check_q5_k_m_bytes(answer: object) -> Feedback:
    """Lesson 10: all tensors of Llama-2-7B as Q5_K_M, in bytes."""
    tensors, q4_k_m, q5_k_s = (tensor_list("llama-2-7b", name) for name in ("Q5_K_M", "Q4_K_M", "Q5_K_S"))
    expected, weights = int(tensors.nbytes.sum()), int(tensors.n_weights.sum())
    hints: dict[float, str] = {
        round(expected / factor, digits): f"Right, but in {unit}. The question asks for bytes."
        for unit, factor in (("GB", GB), ("GiB", GIB)) for digits in (99, 2, 1)}
    hints |= {expected * 8: "Those are bits.", weights: "That is the number of weights.",
              int(q4_k_m.nbytes.sum()): "That is Q4_K_M.",
              int(q5_k_s.nbytes.sum()): "That is Q5_K_S: the S recipe raises fewer tensors."}
    return check_number(answer, expected, hints, rel_tol=1e-11, unit="bytes",
                        praise=f"{expected:,} bytes, {size(expected)}: {bits(8 * expected / weights)} bits "
                               "per weight.")


def check_best_scale(answer: object) -> Feedback:
    """Lesson 11: the least-squares scale of three weights whose codes are given, the last one counting
    twice.
    """
    codes, weights, counts = np.array([2, -1, 4]), np.array([0.21, -0.12, 0.38]), np.array([1, 1, 2])
    above, below = (counts * weights * codes).sum(), (counts * codes * codes).sum()
    hints = {(weights * codes).sum() / (codes * codes).sum():
                 "You let all three count alike. The last one matters twice, in both sums.",
             above / (counts * abs(codes)).sum(): "Below stands the square of each code.",
             0.38 / 4:
                 "That is the plain scale: it makes the largest weight exact and forgets the others.",
             above: "That is the sum above. Divide it by the sum below.",
             below: "That is the sum below."}
    return check_number(answer, above / below, hints, rel_tol=2e-3,
                        praise="0.0968: between what the three would like, and closest to what the "
                               "important one wants.")


def check_iq2_xs_bits(answer: object) -> Feedback:
    """Lesson 12: bits per weight of an IQ2_XS block."""
    form = FORMATS["IQ2_XS"]
    hints = {(32 * 9 + 32 * 7) / 256: "Entries and signs are there. What do the scales cost?",
             8 * form.type_size: "Those are the bits of the block.",
             form.type_size: "Those are the bytes of the block.",
             form.bpw - 16 / 256: "The float16 scale of the whole block is missing.",
             form.bpw - 64 / 256: "The sub-scales are missing.",
             form.bpw + 32 / 256: "Seven bits of signs, not eight: the eighth sign follows from the others."}
    return check_number(answer, form.bpw, hints, rel_tol=1e-6, unit="bits",
                        praise="592 bits for 256 weights: 2.3125.")


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
             6: "That is the pattern: every sixth."}
    return check_number(answer, expected, hints, unit="layers",
                        praise=f"{expected} of {model.n_layer}: layers 6, 12, 18, 24 and 30. The other "
                               f"{model.n_layer - expected} forget.")


def check_split_speed(answer: object) -> Feedback:
    """Lesson 14: 8 GB a token of which 2 GB lie in main memory at 50 GB/s, the rest on a card at 400 GB/s;
    tokens a second at most.
    """
    seconds = 6 / 400 + 2 / 50
    hints = {400 / 8: "That is with everything on the card.",
             50 / 8: "That is with everything in main memory.",
             (0.75 * 400 + 0.25 * 50) / 8: "You took the mean of the speeds. Add up the times instead.",
             seconds: "Those are the seconds for one token: turn it over.",
             400 / 6: "The card waits for the part in main memory.",
             50 / 2: "That is the part in main memory alone; the card takes its time, too.",
             (400 / 6 + 50 / 2) / 2: "You took the mean of two speeds. Add up the times instead."}
    return check_number(answer, 1 / seconds, hints, rel_tol=0.011, unit="tokens/s",
                        praise="15 ms on the card, 40 ms in main memory: a quarter of the bytes takes three "
                               "quarters of the time.")
