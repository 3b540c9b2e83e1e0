"""Lesson 18: what the methods of rounding lose at the same bytes, the recorded rows and what is said of them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..canvas.recital import PassageRow, PassageTile, Said
from ..canvas.style import Table
from ..inference.recital import RECITED, read_passages
from ..inference.recorded_methods import MODELS, TEXTS, methods_record
from ..methods.table import METHODS
from ..words import number, percent, size
from .recital import parted, should_be

PLAIN = "nearest"
#: What a file can be made with; rotation needs a program that turns the inputs, too.
SHOWN = tuple(name for name, method in METHODS.items() if method.in_files)
CALIBRATED = tuple(name for name in SHOWN if name != PLAIN)
#: Standard errors to both sides that make an interval of 95 %.
WIDE = 1.96


class MethodBar(NamedTuple):
    """A method at one type: its row, None where it was not measured, and the row of the other text."""

    method: str
    row: Mapping | None
    other: Mapping | None


class MethodRows:
    """The recorded files of one model."""

    def __init__(self, model: str):
        self.record, (self.title, self.against) = methods_record(model), MODELS[model]
        self.rows = {(row["ftype"], row["method"], row["calibration"]): row for row in self.record["rows"]}
        self.ftypes = list(dict.fromkeys(ftype for ftype, _, _ in self.rows))
        self.texts = [text for text in TEXTS if any(read == text for _, _, read in self.rows)]
        self.recites = any("passages" in row for row in self.record["rows"])

    def at(self, ftype: str, method: str, text: str) -> Mapping:
        """The row of one file; plain rounding reads no text. ValueError where none was recorded."""
        try:
            return self.rows[ftype, method, "" if method == PLAIN else text]
        except KeyError:
            there = [METHODS[name].title for name in CALIBRATED if (ftype, name, text) in self.rows]
            raise ValueError(f"{self.title} was not measured at {ftype} with {METHODS[method].title} on "
                             f"{TEXTS[text]}: choose {' or '.join(there) or 'another text'}") from None

    def bars(self, ftype: str, text: str) -> list[MethodBar]:
        """All methods at one type, as far as they were recorded with this text."""
        other = next(name for name in TEXTS if name != text)
        return [MethodBar(name, self.rows.get((ftype, name, "" if name == PLAIN else text)),
                    self.rows.get((ftype, name, other))) for name in SHOWN]

    # ---- words

    def finding(self, row: Mapping) -> str:
        """The title: how far the predictions moved, against plain rounding, and what is still known."""
        plain = self.rows[row["ftype"], PLAIN, ""]
        said = f"{row['ftype']}, {METHODS[row['method']].title}: KL divergence {number(row['kld'], 3)}"
        if row is not plain:
            share = row["kld"] / plain["kld"] - 1
            said += f", {percent(abs(share))} {'more' if share > 0 else 'less'} than plain"
        return said + (f"; {recited(row)} of {len(row['passages'])} passages" if self.recites else "")

    def table(self) -> Table:
        """All files and their numbers."""
        head = ("type", "method", "calibrated on", "KL divergence", "perplexity", "same top token",
                *["passages"] * self.recites, "seconds", "MB of memory")
        return (head, *(
            (row["ftype"], METHODS[row["method"]].title, TEXTS.get(row["calibration"], "–"),
             f"{number(row['kld'], 3)} ± {number(WIDE * row['kld_se'], 1)}",
             f"{number(row['ppl'], 4)} ± {number(WIDE * row['ppl_se'], 1)}", percent(row["top1"]),
             *([f"{recited(row)}"] if self.recites else []), f"{row['seconds']:.0f}", f"{row['memory_mb']}")
            for row in self.record["rows"]))

    def lines(self, row: Mapping) -> list[tuple[str, str]]:
        """The numbers of one file."""
        rise = 100 * (np.exp(row["ln_ratio"]) - 1)
        off = 100 * np.exp(row["ln_ratio"]) * WIDE * row["ln_ratio_se"]
        return [("perplexity", f"{number(row['ppl'], 4)} ± {number(WIDE * row['ppl_se'], 2)}"),
                ("against the 16 bits", f"{rise:+.1f} ± {off:.1f} %".replace("-", "−")),
                ("same likeliest token", percent(row["top1"])), ("the file", size(row["nbytes"])),
                ("written in", f"{row['seconds']:.0f} s of one core"),
                ("largest memory", f"{row['memory_mb']:,} MB")]

    def subtitle(self) -> str:
        """Where the numbers are from."""
        return (f"{self.title} against {self.against}; {self.record['predicted']:,} predicted tokens that "
                "calibration never saw")


# ---- passages: a row's (tokens right, what it wrote, "" where that is the text itself)

def recited(row: Mapping) -> int:
    """How many passages come whole."""
    return sum(right == RECITED for right, _ in row["passages"])


def passage_row(row: Mapping) -> PassageRow:
    """Its tiles."""
    tiles = [PassageTile(one["opening"], right == RECITED, str(len(passage_said(row, i)[0].good.split())))
             for i, (one, (right, _)) in enumerate(zip(by_heart(), row["passages"], strict=True))]
    return PassageRow("", 0, tiles)


def passage_said(row: Mapping, passage: int) -> tuple[Said, Said]:
    """What a file wrote after the opening of a passage, and what it should have written."""
    should = should_be()[passage]
    return parted(by_heart()[passage]["opening"], (row["passages"][passage][1] or should) + "…", should + "…")


def by_heart() -> list[dict]:
    """The passages that the tiny model learned."""
    return [one for one in read_passages() if one["by_heart"]]


# ---- errors

def overall(row: Mapping) -> tuple[float, float]:
    """The error of the weights and that of the outputs: root mean squares over the roles, as shares."""
    errors = np.array([*row["errors"].values()])
    weights, outputs = np.sqrt((errors**2).mean(axis=0)).tolist()
    return weights, outputs
