"""A comparison's calls as lines of a CSV file, for a spreadsheet: what was asked and expected, whether it
passed, what was said, and the numbers.

Answers are a stranger's words: control characters are made visible, and a cell that a spreadsheet would take
for a formula begins with an apostrophe.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ..words import printable

COLUMNS = ("prompt_number", "prompt", "tags", "model", "quantization", "round", "expected", "check", "passed",
           "text", "error", "flags", "tokens_per_second", "first_seconds", "eval_count", "same_words", "at")
FORMULA = ("=", "+", "-", "@")


def pass_words(row: Mapping) -> str:
    """Whether a call's answer is right, in words."""
    if row["error"]:
        return "no answer"
    return {True: "passed", False: "not passed", None: "not judged"}[row["passed"]]


def csv_lines(rows: Sequence[Mapping]) -> str:
    """The rows of `Comparison.rows` as CSV, with a first line of names; prompts and rounds count from 1."""
    out = io.StringIO(newline="")
    lines = csv.writer(out)
    lines.writerow(("prompt number", *COLUMNS[1:]))
    for row in rows:
        told = {**row, "prompt_number": row["prompt_number"] + 1, "round": row["round"] + 1,
                "passed": pass_words(row)}
        lines.writerow([_cell(told.get(name)) for name in COLUMNS])
    return out.getvalue()


def _cell(value: object) -> object:
    """A value as a spreadsheet may show it."""
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if not isinstance(value, str):
        return value
    words = printable(value)
    with suppress(ValueError):          # a negative number is no formula
        float(words)
        return words
    return f"'{words}" if words.startswith(FORMULA) else words
