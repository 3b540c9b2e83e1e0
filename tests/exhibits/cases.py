"""Which exhibits are recorded (calls.txt lists the calls), and what those calls may name."""

import math
from pathlib import Path

import pandas as pd

import quantlab as ql
from quantlab.exhibits.sensitivity import plot_sensitivity
from quantlab.lessons.quiz import Question
from quantlab.stage.base import Stage
from quantlab.stage.exhibit import show

REFUSALS = "refusals: "
#: They run a model: on another processor the last digits differ, and with them a tenth of a pixel.
COMPUTED = ("explore_next_token(", "explore_bit_budget(", "explore_experts(")
#: Moves of a call, where there are fewer because measuring or judging takes long.
MOVES = {"explore_bit_budget()": 5, 'explore_bit_budget(budget="q4_k_m")': 3, "explore_comparison()": 12}


def _sections() -> dict[str, list[str]]:
    """Heading -> the calls below it in calls.txt."""
    found: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("calls.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            calls = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            calls.append(line)
    return found


CALLS = _sections()


def refused(name: str) -> list[str]:
    """The calls of a case such as "refusals: explore_fit"."""
    start = name.removeprefix(REFUSALS) + "("
    sections = (CALLS[heading] for heading in CALLS if heading.endswith(", refused"))
    return [call for calls in sections for call in calls if call.startswith(start)]


def cases(*families: str) -> list[str]:
    """The names of the cases of some families, of all without one: calls, and "refusals: " with a name."""
    found = []
    for heading, calls in CALLS.items():
        family, _, refusing = heading.partition(", ")
        if family in families or not families:
            found += dict.fromkeys(REFUSALS + call.partition("(")[0] for call in calls) if refusing else calls
    return found


# ---- what a call may name

def _by_tensor() -> pd.DataFrame:
    """What `sensitivity(..., by="tensor")` gives."""
    return pd.DataFrame({
        "layer": pd.array([0, 0, 1, 1, None], "Int64"),
        "role": ["attn_q", "attn_v", "attn_q", "attn_v", "token_embd"], "qtype": "Q2_K",
        "saved": pd.array([1000] * 5, "Int64"), "kld": [0.01, 0.02, 0.001, 0.002, 0.05], "kld_se": 1e-4,
        "error": ""})


def _answers() -> list[dict]:
    """The rows that lesson 07 shows."""
    asked, tags = "Who painted the Mona Lisa?", ["135m-instruct-q4_K_M", "135m-instruct-q8_0"]
    return ql.compare_quantizations(asked, "smollm2", tags, options={"temperature": 0}, or_recorded=True)


def _wave() -> list[float]:
    """1,024 weights."""
    return [math.sin(k) * 1.5 + math.cos(k * k) / 4 for k in range(1024)]


def _grid() -> list[list[float]]:
    """32 rows of 64 weights, each row with an outlier."""
    return [[math.sin(row * 7 + k * k) * (1 + 5 * (k == row)) for k in range(64)] for row in range(32)]


def _shown(picture) -> Stage:
    return Stage(show(picture))


VALUES = {"nan": lambda: math.nan, "inf": lambda: math.inf, "by_tensor": _by_tensor, "answers": _answers,
          "wave": _wave, "grid": _grid, "show": lambda: _shown, "Question": lambda: Question,
          "plot_sensitivity": lambda: plot_sensitivity}


class Names(dict):
    """What a call may name: a value of VALUES, or whatever is public."""

    def __missing__(self, name: str):
        if name in VALUES:
            return VALUES[name]()
        if hasattr(ql, name):
            return getattr(ql, name)
        raise KeyError(name)


def call(expression: str):
    """The exhibit of a call such as `explore_fit(8, 8)`."""
    return eval(expression, {}, Names())
