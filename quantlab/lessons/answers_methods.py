"""Which option of a guess about methods of rounding is right, worked out from the record of lesson 18, as in
`answers_weights`.
"""

import numpy as np

from ..exhibits.methods_facts import MethodRows, overall
from .answers_weights import Facts, between

#: Bits -> the type that stands for them.
BY_BITS = {8: "Q8_0", 4: "Q4_0", 3: "Q3_K", 2: "Q2_K"}


def bits_at_which_feedback_helps() -> Facts:
    rows = MethodRows("tiny")
    lost = {bits: rows.at(ftype, "nearest", "scenes")["kld"] for bits, ftype in BY_BITS.items()}
    with_it = {bits: rows.at(ftype, "feedback", "scenes")["kld"] for bits, ftype in BY_BITS.items()}
    left = {bits: with_it[bits] / lost[bits] for bits in BY_BITS}
    ends = left[8], left[2]
    right = 2 if max(left.values()) - min(left.values()) < 0.15 else int(np.argmin(ends))
    return {"right": right, "lost": lost, "left": left, "gained": lost[2] - with_it[2]}


def weights_under_feedback() -> Facts:
    rows = MethodRows("tiny")
    nearest, feedback = (overall(rows.at("Q3_K", method, "scenes"))[0] for method in ("nearest", "feedback"))
    return {"right": between(feedback / nearest, 0.99, 1.01), "nearest": nearest, "feedback": feedback}


def calibrated_on_code() -> Facts:
    rows = MethodRows("tiny")
    plain, code, scenes = (rows.at("Q4_0", method, text)["kld"] for method, text in (
        ("nearest", "scenes"), ("feedback", "code"), ("feedback", "scenes")))
    return {"right": 0 if code > plain else 1 if code > 1.02 * scenes else 2, "plain": plain, "code": code,
            "scenes": scenes}
