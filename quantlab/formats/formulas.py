"""How a weight comes out of the values of its block: one line for each format, in the names of its declaration.

A format with a table or a codebook looks its code up there; the formula calls what it finds `entry`. The decoders of the formats
do the work; a test holds each formula against them. Lessons: 03, 05, 12.
"""

from .anatomy import Anatomy

FORMULAS = {
    "Q4_0": "d · (q − 8)", "Q5_0": "d · (q − 16)", "Q8_0": "d · q", "Q4_1": "d · q + m", "Q5_1": "d · q + m",
    "Q2_K": "d · sc · q − dmin · m", "Q4_K": "d · sc · q − dmin · m", "Q5_K": "d · sc · q − dmin · m",
    "Q3_K": "d · (sc − 32) · (q − 4)", "Q6_K": "d · sc · (q − 32)",
    "TQ1_0": "d · (q − 1)", "TQ2_0": "d · (q − 1)",
    "IQ4_NL": "d · entry", "IQ4_XS": "d · (sc − 32) · entry", "MXFP4": "2^(e − 128) · entry", "NVFP4": "d · entry",
    "IQ2_XXS": "d · (sc + 0.5) / 4 · entry", "IQ2_XS": "d · (sc + 0.5) / 4 · entry", "IQ2_S": "d · (sc + 0.5) / 4 · entry",
    "IQ3_XXS": "d · (sc + 0.5) / 2 · entry", "IQ3_S": "d · (2 · sc + 1) · entry",
    "IQ1_S": "d · (2 · sc + 1) · entry", "IQ1_M": "d · (2 · sc + 1) · entry",
}

#: What stands before `entry`, as a number.
_BEFORE_ENTRY = {
    "d · entry": lambda v: v["d"],
    "d · (sc − 32) · entry": lambda v: v["d"] * (v["sc"] - 32),
    "2^(e − 128) · entry": lambda v: 2.0 ** (v["e"] - 128),
    "d · (sc + 0.5) / 4 · entry": lambda v: v["d"] * (v["sc"] + 0.5) / 4,
    "d · (sc + 0.5) / 2 · entry": lambda v: v["d"] * (v["sc"] + 0.5) / 2,
    "d · (2 · sc + 1) · entry": lambda v: v["d"] * (2 * v["sc"] + 1),
}


def numbers(parts: Anatomy, raw: bytes, weight: int) -> dict[str, float]:
    """The number behind every name in the formula of a weight; `entry` is missing where its scale is 0 or not finite."""
    formula = FORMULAS[parts.form.name]
    values = {name: row[parts.index(name, weight)].item() for name, row in parts.values(raw).items()}
    if formula in _BEFORE_ENTRY:
        before = _BEFORE_ENTRY[formula](values)
        if before and abs(before) < float("inf"):
            values["entry"] = round(parts.decode(raw)[weight].item() / before, 3)
    return values
