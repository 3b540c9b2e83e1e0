"""At least ten wrong answers to each exercise: every usual mistake is named, and none is only "too large"."""

import re

import pytest

import quantlab as ql
from quantlab.lab.records import recorded
from quantlab.lessons.exercises import EXERCISES
from quantlab.lessons.feedback import check_function, check_number
from quantlab.lessons.misses import diagnosis, digits_of, is_cut, side
from quantlab.models.recipes import tensor_list

COLD = next(
    run for run in recorded("clock")["runs"] if run["turn"] == "cold" and "q8_0" in run["quantization"]
)
CLOCK = COLD["counters"]
SPEED = CLOCK["eval_count"] / CLOCK["eval_duration"] * 1e9
ROWS = tensor_list("llama-2-7b", "Q5_K_M")
BYTES, WEIGHTS = int(ROWS.nbytes.sum()), int(ROWS.n_weights.sum())
KV = 2 * 2 * 32 * 8 * 128

#: check -> {wrong answer: words of its hint}
WRONG: dict[str, dict] = {
    "check_bits_per_pixel": {
        4: "counted the codes",
        4.5: "32 pixels",
        4.0625: "not one",
        80: "bits of the block",
        64: "codes of the whole",
        20: "scale of its own",
        2.5: "over 32 pixels",
        4.125: "2 bytes",
        6: "not 32",
        50: "1 place too far",
        0.2: "turned over",
        -5: "sign",
        10: "bytes of the block",
        1: "share of the scale",
        16: "bits of the scale",
        144: "block of 32",
        9: "counted 32 codes",
        7: "Add up the bits of one block",
    },
    "check_q4_0_gigabytes": {
        4: "counted the codes",
        36: "gigabits",
        4.5e9: "in bytes",
        4.19: "GiB",
        32: "FP32",
        16: "16 bits",
        8.5: "Q8_0",
        5: "Q4_1",
        0.5625: "one weight",
        18: "one block",
        3.725: "in GiB",
        45: "decimal point",
        2.25: "half",
        3.6e10: "bits",
        4.2: "GiB",
        8: "byte a weight",
        0.5: "scales",
        3.5: "7 billion weights, and without",
        3.94: "7 billion",
        4.4: "Begin with the bits of one weight",
    },
    "check_q4_0_bytes": {
        73728: "codes alone",
        589824: "F32",
        663552: "bits",
        156672: "Q8_0",
        4608: "number of blocks",
        18: "one block",
        147456: "number of weights",
        294912: "F16",
        92160: "Q4_1",
        9216: "scales alone",
        6912: "one a row",
        216: "one row",
        82.944: "KB",
        81: "KiB",
        82900: "rounded to 3 digits",
        82945: "Count the blocks",
    },
    "check_q6_k_bits": {
        6: "counted the codes",
        6.5: "float16 scale",
        210: "bytes of the super-block",
        6.0625: "one float16",
        210 / 256: "bytes per weight",
        1536: "codes of the whole",
        1680: "bits of the whole",
        52.5: "32 weights",
        6.09375: "16 sub-scales",
        6.625: "not 32",
        10: "mean",
        6.6: "rounded to 2 digits",
        65.625: "decimal point",
        6.3: "Add up the bits",
    },
    "check_file_bits": {
        0.6131: "bytes per weight",
        1.631: "turn it over",
        4: "in the name",
        4.5: "mix",
        5.02: "rounded name",
        4.568: "GiB",
        5.267: "GiB",
        5021827072: "all bytes",
        8 * 5021827072: "all bits",
        16: "16 bits",
        49.05: "decimal point",
        9.81: "twice",
        5: "rounded to 1 digit",
        6: "Divide the bytes",
        4.844: "Llama-2-7B",
        4.894: "Llama-3.1-8B",
        8: "bits in a byte",
    },
    "check_kv_bytes_per_token": {
        KV // 2: "Nearly",
        KV // 32: "one layer",
        KV * 8: "bits",
        KV / 1024: "KiB",
        KV * 4: "n_head_kv",
        KV // 4: "Twice a",
        KV // 128: "head_dim",
        KV // 8: "one head",
        KV // 64: "the key or the value alone",
        KV * 8192: "8,192 tokens",
        KV * 2: "Twice too much",
        KV / 2**20: "MiB",
        131000: "rounded to 3 digits",
        KV / 1000: "decimal point",
        1000: "Begin with one layer",
    },
    "check_tokens_per_second": {
        COLD["wall_tokens_per_second"]: "stopwatch",
        SPEED / 1e9: "nanoseconds",
        1 / SPEED: "turn it over",
        CLOCK["eval_count"]: "divide them",
        CLOCK["eval_duration"] / 1e9: "Those are the seconds",
        CLOCK["eval_count"] / CLOCK["prompt_eval_duration"] * 1e9: "time for reading",
        CLOCK["prompt_eval_count"] / CLOCK["prompt_eval_duration"] * 1e9: "prompt was read",
        CLOCK["eval_count"] / CLOCK["load_duration"] * 1e9: "time for loading",
        SPEED / 1e3: "10¹²",
        SPEED / 1e6: "thousandths",
        SPEED * 1e3: "10⁶",
        -SPEED: "sign",
        SPEED * 1.3: "Divide eval_count",
    },
    "check_divergence": {
        0.09203: "changed places",
        0.1228: "bits",
        0.03697: "log10",
        0.02837: "mean of three",
        -0.7621: "has a weight",
        0.3859: "Terms below 0",
        0.23553: "first token alone",
        0.15444: "third token",
        0.4: "differences",
        0.2: "largest difference",
        0.06: "squared",
        0.8869: "cross-entropy",
        0.8018: "entropy of p",
        1.1633: "logarithm is missing",
        1.0889: "One step too many",
        -0.08512: "sign",
        8.512: "decimal point",
        0.09: "rounded to 1 digit",
        0.5: "For each of the three",
    },
    "check_moved_weight": {
        1.3: "as it was",
        0.32: "how far it moves",
        0.4: "error of the first",
        0.98: "other way",
        1.7: "correlation of 1",
        1.8: "divided",
        1.556: "not twice",
        2.1: "multiplied with the error",
        3.22: "not the weight itself",
        1.04: "something is added",
        1.36: "Only the error",
        2.64: "changed places",
        1.78: "not 0.6",
        0.82: "not to 3",
        2: "rounded to afterwards",
        1: "without error feedback",
        16.2: "decimal point",
        1.6: "rounded to 2 digits",
        5: "How large is its error",
    },
    "check_q5_k_m_bytes": {
        BYTES / 1e9: "GB",
        BYTES / 2**30: "GiB",
        round(BYTES / 1e9, 2): "GB",
        BYTES * 8: "bits",
        WEIGHTS: "number of",
        float(ROWS.nbytes.mean()): "mean",
        float(ROWS.nbytes.max()): "largest",
        len(ROWS): "number of tensors",
        8 * BYTES / WEIGHTS: "bits per weight",
        BYTES / 2**20: "MiB",
        WEIGHTS * 2: "F16",
        int(tensor_list("llama-2-7b", "Q5_K_S").nbytes.sum()): "Q5_K_S",
        WEIGHTS * 5.5 // 8: "counted as Q5_K",
        float(f"{BYTES:.3g}"): "rounded to 3 digits",
        BYTES + 1: "sum of the column",
    },
    "check_best_scale": {
        0.095: "plain scale",
        2.06 / 21: "count alike",
        3.58: "sum above",
        37: "sum below",
        37 / 3.58: "turned over",
        3.58 / 21: "sum above only",
        2.06 / 37: "sum below only",
        0.32 / 3: "mean",
        3.34 / 37: "negative",
        3.58 / 35: "positive, too",
        0.71 / 7: "sums of weights",
        3 * 3.58 / 37: "number of weights",
        0.097: "rounded to 2 digits",
        0.968: "decimal point",
        5: "Two sums and a division",
    },
    "check_iq2_xs_bits": {
        2: "What do the scales cost",
        592: "bits of the block",
        74: "bytes of the block",
        2.4375: "Seven bits",
        2.25: "float16",
        2.0625: "sub-scales are missing",
        1.125: "entries alone",
        1.4375: "signs are missing",
        1.1875: "entries are missing",
        532 / 256: "16 sub-scales, not one",
        313 / 256: "32 entries, not one",
        18.5: "32 weights",
        74 / 256: "bytes per weight",
        9: "mean",
        2.3: "rounded to 2 digits",
        23.125: "decimal point",
        3: "Add up the bits",
    },
    "check_cache_of_a_window": {
        34: "all its layers",
        29: "with a window",
        34 / 6: "Whole groups",
        6: "Whole groups|pattern",
        6.8: "Turn it over",
        4: "left over",
        28: "all but six",
        34 * 5 / 6: "five of six",
        17: "every sixth",
        1: "one in every six",
        50: "decimal point",
        10: "twice",
        -5: "sign",
        7: "How many whole sixes",
    },
    "check_split_speed": {
        50: "on the card",
        6.25: "in main memory",
        39: "mean of the speeds",
        0.055: "turn it over",
        66.7: "card waits",
        25: "main memory alone",
        45.8: "mean of two speeds",
        91.7: "added speeds",
        56.25: "added the bandwidths",
        28.1: "mean of the bandwidths",
        8: "changed places",
        0.015: "on the card alone",
        0.04: "in main memory alone",
        55: "thousandths",
        8 / 450: "They wait",
        182: "decimal point",
        12: "How many seconds does each",
    },
    "check_experts_read": {
        10.15: "all the experts",
        0.0529: "one layer",
        0.3173: "one expert of each",
        0.423: "one matrix",
        10.1523: "all the experts|gigabits",
        1.269e9: "in bytes",
        1269: "in MB",
        1.182: "GiB",
        1.1944: "counted the codes",
        4.777: "16 bits",
        8.883: "sleep",
        2.389: "in billions|a byte for each",
        0.01322: "one expert of one layer",
        -1.269: "sign",
        3: "How many weights has an expert",
    },
}
JUDGES = {judge.__name__: judge for judge in EXERCISES.values()}
CASES = [(check, wrong, words) for check, answers in WRONG.items() for wrong, words in answers.items()]


def test_at_least_ten_wrong_answers_are_tried_at_every_check_of_a_number():
    others = {"check_best_type", "check_three_ways", "check_modelfile", "check_bits_per_weight",
              "check_weight_of_q4_k", "check_more_bits"}
    assert WRONG.keys() | others == {judge.__name__ for judge in EXERCISES.values()}
    assert min(map(len, WRONG.values())) >= 10


@pytest.mark.parametrize("check, wrong, words", CASES, ids=str)
def test_each_mistake_is_named(check, wrong, words):
    feedback = JUDGES[check](wrong)
    assert feedback.voice in ("almost", "not yet") and re.search(words, feedback.message), feedback
    assert not re.fullmatch(r".* is too (small|large)[^.]*\\.", feedback.message)


@pytest.mark.parametrize(
    "check, answer, more",
    [
        ("check_q6_k_bits", 6.56, "6.56 is right; with more digits 6.5625"),
        ("check_iq2_xs_bits", 2.31, "2.31 is right; with more digits 2.3125"),
        ("check_file_bits", 4.9, "4.90 bits"),
        ("check_file_bits", 4.91, "4.90 bits"),
        ("check_best_scale", 0.0968, ""),
        ("check_split_speed", 18.2, ""),
        ("check_q4_0_gigabytes", "4.5", ""),
        ("check_q4_0_bytes", 82944.0, ""),
    ],
)
def test_what_is_rounded_to_three_digits_or_was_printed_is_right(check, answer, more):
    feedback = JUDGES[check](answer)
    assert feedback.voice == "correct" and more in feedback.message


TYPES = {
    "Q8_0": "rule of thumb",
    "Q6_K": "compute buffer",
    "F16": "weights fit",
    "BF16": "weights fit",
    "F32": "weights fit",
    "Q4_K_M": "more bits",
    "Q5_K_S": "more bits",
    "Q2_K": "more bits",
    "Q5_K": "type of a block",
    "Q5": "name of a file says more",
    "Q5_K_L": "no such type",
    "5.36": "room for the weights",
    "Q4_K": "type of a block",
    "Q5_0": "older kind",
    "IQ4_XS": "more bits",
    "Q9": "left for the weights",
    "q5km": "nearest",
    "5 bits": "left for the weights",
}


@pytest.mark.parametrize("given", TYPES)
def test_each_wrong_type_is_told_why(given):
    feedback = ql.check_best_type(given)
    assert feedback.voice != "correct" and TYPES[given] in feedback.message, feedback


PRICES = {
    "scale is missing": lambda bits, block_size: bits,
    "scale of its own": lambda bits, block_size: bits + 16,
    "whole block": lambda bits, block_size: bits * block_size + 16,
    "divide by `/`": lambda b, n: b + 16 // n,
    "32 bits": lambda b, n: b + 32 / n,
    "must be in bits": lambda b, n: b + 2 / n,
    "turned over": lambda b, n: b + n / 16,
    "let block_size decide": lambda b, n: b + 0.5,
    "let bits decide": lambda b, n: 4 + 16 / n,
    "8 bits": lambda b, n: (b + 16 / n) / 8,
    "changed places": lambda b, n: n + 16 / b,
    "not one": lambda b, n: b + 1 / n,
    "for Q4_0 alone": lambda b, n: 4.5,
    "not 8": lambda b, n: b + 8 / n,
    "share alone": lambda b, n: 16 / n,
    "needs no brackets": lambda b, n: (b + 16) / n,
    "do not take it off": lambda b, n: b - 16 / n,
    "do not multiply": lambda b, n: b * 16 / n,
    "how many codes there are": lambda b, n: 2**b + 16 / n,
    "bytes of the whole block": lambda b, n: (b * n + 16) / 8,
    "in a list or an array": lambda b, n: [b + 16 / n],
    "too large by": lambda b, n: b + 16 / n + 1,
    "divided by zero": lambda b, n: b + 16 / (n - n),
    "does not know": lambda b, n: b + 16 / blocksize,  # noqa: F821 - the mistake that is tried
    "do not go together": lambda b, n: b + "16" / n,
    "called with 2 arguments": lambda b: b,
}


@pytest.mark.parametrize("words", PRICES)
def test_a_wrong_function_is_told_its_input_and_the_reason(words):
    feedback = ql.check_bits_per_weight(PRICES[words])
    assert feedback.voice in ("almost", "not yet") and words in feedback.message, feedback
    assert (
        "bits = 4, block_size = 32" in feedback.message
        or "bits, block_size" in feedback.message
        or ("block_size = 64" in feedback.message or "bits = 8" in feedback.message)
    ), feedback


@pytest.mark.parametrize(
    "answer, words",
    [
        ((82, 944), "leave the commas out"),
        ("82,944", "without quotes, commas and unit"),
        ((4, 5), "Python writes a point there, 4.5"),
        ((0, 97), "0.97"),
        ("4,5", "Python writes a point there, 4.5"),
        (True, "not the word True"),
        (10**400, "not a number one can measure"),
        ("18 bytes", "without quotes"),
        ([..., 5], "three dots are still in it"),
        ([5], "a list"),
        (None, "nothing"),
        ("many", "text"),
        (float("inf"), "not a number one can measure"),
        (lambda: 5, "a function"),
        ({}, "a dict"),
    ],
)
def test_what_is_no_number_is_told_how_to_write_one(answer, words):
    feedback = ql.check_q4_0_bytes(answer)
    assert feedback.voice == "wrong kind" and words in feedback.message


FITS = {"type_k": "q8_0", "type_v": "q8_0"}


@pytest.mark.parametrize(
    "ways, voice, words",
    [
        ([FITS, ..., ...], "not yet", "Filled in: 1 of 3"),
        ([..., FITS, dict(n_ctx=8192)], "not yet", "2 of 3"),
        ([dict(ftype="Q3_K_M"), ..., ...], "not yet", "Way 1 is still 0.17 GiB too much"),
        ([FITS, ..., dict(vram=3)], "not yet", "Way 3: 'vram' is the card"),
        ([..., ..., dict(model="qwen3:8b")], "almost", "another model"),
        ([..., ..., ...], "not started", "dots"),
        ([..., 5, ...], "wrong kind", "three dicts"),
    ],
)
def test_a_list_that_is_filled_in_part_is_judged_as_far_as_it_goes(ways, voice, words):
    feedback = ql.check_three_ways(ways)
    assert feedback.voice == voice and words in feedback.message, feedback


@pytest.mark.parametrize(
    "value, expected, exact, words",
    [
        (3.1, 3.14159, False, "rounded to 2 digits"),
        (3.14, 3.14159, True, "rounded to 3 digits: every digit"),
        (3.1415, 3.14159, False, "cut off there"),
        (31.4159, 3.14159, False, "1 place too far to the right"),
        (0.00314159, 3.14159, False, "3 places too far to the left"),
        (1 / 3.14159, 3.14159, False, "turned over"),
        (-3.14159, 3.14159, False, "sign"),
        (6.28318, 3.14159, False, "twice the right number"),
        (3.14159 / 8, 3.14159, False, "an eighth of the right number: a byte has 8 bits"),
        (3.14159 * 1024, 3.14159, False, "1,024 times"),
        (3.14159 * 1.0737418, 3.14159, False, "a GiB has 2³⁰"),
        (3.14159 * 256, 3.14159, False, "super-block"),
        (4, 3.14159, False, ""),
        (0, 3.14159, False, ""),
        (5, 0, False, ""),
    ],
)
def test_a_wrong_number_of_any_exercise_is_looked_at(value, expected, exact, words):
    said = diagnosis(value, expected, exact)
    assert words in said and bool(said) == bool(words)


@pytest.mark.parametrize("judge, wrong", [("check_cache_of_a_window", 40), ("check_divergence", 8 * 0.085116),
                                          ("check_split_speed", 18.1818 * 32), ("check_best_scale", 0.774)])
def test_a_byte_has_8_bits_is_said_of_storage_only(judge, wrong):
    """Layers, nats, speeds and scales are no bytes."""
    message = JUDGES[judge](wrong).message
    assert "byte" not in message and "block" not in message and len(message) > 30, message


@pytest.mark.parametrize("judge, wrong, words", [("check_q4_0_bytes", 82945, "82,945 bytes is too large"),
                                                 ("check_q4_0_bytes", 1, "1 byte is too small"),
                                                 ("check_q5_k_m_bytes", BYTES - 4, "too small by 4."),
                                                 ("check_tokens_per_second", SPEED * 110, "110 times")])
def test_the_last_word_is_written_as_people_write_numbers(judge, wrong, words):
    assert words in JUDGES[judge](wrong).message


@pytest.mark.parametrize(
    "number, wrong, words",
    [
        ("02-1", lambda bits, block_size: bits + 3, "4 bits of the code, and 16 / 32 of the scale"),
        ("15-1", lambda d, dmin, scale, minimum, code: d + code, "The step is 0.5 · 3, taken 4 times, less"),
        ("16-1", lambda i, n: i < n // 8 or i > 99, "between layers 4 and 28, and number 3"),
        ("16-1", lambda i, n: i % 2 == 1, "in the first eighth, layers 0 to 3"),
        ("16-1", lambda i, n: i < n // 8 or (i < 28 and i % 3 == 0), "last eighth, layers 28"),
        ("16-1", lambda i, n: i <= n // 8 + 1, "not raised"),
    ],
)
def test_a_function_that_is_wrong_in_no_usual_way_is_told_what_holds_for_its_input(number, wrong, words):
    feedback = ql.check(number, wrong)
    assert feedback.voice == "not yet" and re.search(words, feedback.message), feedback


@pytest.mark.parametrize("expected", [6.5625, 131072, 0.0967567, 1234567.0, 4.9, 2**-20])
def test_no_right_number_is_looked_at_and_its_roundings_are_known(expected):
    assert check_number(expected, expected).voice == "correct"
    assert [digits_of(float(f"{expected:.{digits}g}"), expected) >= digits for digits in range(1, 8)] == [
        True
    ] * 7
    assert not is_cut(expected, expected) and digits_of(expected * 1.3, expected) == 0


@pytest.mark.parametrize(
    "value, words", [(9, "1.8 times"), (2, "40 %"), (5.5, "too large by 10 %"), (-1, "negative"), (0, "zero")]
)
def test_the_last_word_says_how_far_a_number_is_off(value, words):
    assert words in side(value, 5.0)


def test_a_function_of_arrays_is_told_the_place():
    import numpy as np

    feedback = check_function(lambda x: x * 3, lambda x: x * 2, [(np.array([0.0, 2.0]),)])
    assert feedback.message == "For x = [0. 2.]: 6 came back at [1], 4 was expected."
