"""Lesson 04 opens with this: the file types of the lesson's table, their true sizes, and what each one is mixed from."""

import re

import ipywidgets as widgets

from ..memory.mixes import LESSON_TABLE, Mix, Share, mix
from ..views.style import Picture
from ..views.types import Piece, Size, draw_types
from .base import Explorer

NAMES = {"llama-2-7b": "Llama-2-7B", "llama-3.1-8b": "Llama-3.1-8B"}
UNITS = {"GB": 1e9, "GiB": 2.0**30}
WIDE = dict(style=dict(description_width="60px"), layout=dict(width="370px"))


def explore_types(model: str = "llama-3.1-8b", ftype: str = "Q4_K_M") -> Explorer:
    """Eight file types with sizes computed from every tensor of a real model, beside the sizes that the lesson prints.

    model: "llama-3.1-8b" or "llama-2-7b"; ftype: the type to begin with.  Raises ValueError for another one.
    """
    if model not in NAMES:
        raise ValueError(f"no tensor lists of {model!r} for this picture; there are {', '.join(NAMES)}")
    if ftype not in LESSON_TABLE:
        raise ValueError(f"no type {ftype!r} in the lesson's table; there are {', '.join(LESSON_TABLE)}")
    controls = {
        "ftype": widgets.SelectionSlider(options=list(LESSON_TABLE), value=ftype, description="type", **WIDE),
        "model": widgets.Dropdown(options=[(f"{name}: {mix(key, 'F16').n_weights / 1e9:.2f} billion weights", key)
                                           for key, name in NAMES.items()], value=model, description="model", **WIDE),
        "unit": widgets.Dropdown(options=[("GB: 1,000,000,000 bytes", "GB"), ("GiB: 1,073,741,824 bytes", "GiB")], value="GB",
                                 description="unit", **WIDE),
    }
    presets = {"The lesson's own case": dict(model="llama-2-7b", ftype="Q4_0", unit="GB"),
               "The default today": dict(model="llama-3.1-8b", ftype="Q4_K_M", unit="GB")}
    return Explorer(_draw, controls, presets=presets, note="Darker blue: more bits per weight. Sizes are sums over all tensors.")


def _draw(ftype: str, model: str, unit: str) -> Picture:
    mixes = {name: mix(model, name) for name in LESSON_TABLE}
    chosen = mixes[ftype]
    sizes = [Size(name, [(s.qtype, bits_in(s.qtype), s.nbytes / UNITS[unit]) for s in one.shares], LESSON_TABLE[name].size_gb,
                  _columns(one, unit)) for name, one in mixes.items()]
    pieces = [Piece(f"{s.n_tensors} × {s.qtype}", bits_in(s.qtype), s.nbytes / chosen.nbytes, _amount(s, unit), s.where)
              for s in chosen.shares]
    read = "The lesson's column is for “7B”, its GB as printed" if unit == "GB" else "The lesson's column is for “7B”, its “GB” read as GiB"
    head = ("type", f"computed, {unit}", "the lesson's", "difference", "bits per weight", "tensors")
    table = (head, *((name, *_columns(one, unit), _in_words(one)) for name, one in mixes.items()))
    return draw_types(sizes, list(mixes).index(ftype), pieces, f"{ftype} of {NAMES[model]} is {_in_words(chosen)}",
                      finding=_finding(chosen, unit), table=table,
                      subtitle=f"{NAMES[model]}, {chosen.n_weights:,} weights, sizes in {unit}. {read}.")


def _finding(chosen: Mix, unit: str) -> str:
    size, claim = chosen.nbytes / UNITS[unit], LESSON_TABLE[chosen.ftype].size_gb
    off = 100 * (size / claim - 1)
    more = "more" if off > 0 else "less"
    said = "as the lesson says" if abs(off) < 0.5 else f"{abs(off):.0f} % {more} than the lesson's {_printed(claim)}"
    return f"{chosen.ftype} of {NAMES[chosen.model]}: {size:.2f} {unit}, {said}; {chosen.bpw:.2f} bits per weight"


def _columns(one: Mix, unit: str) -> tuple[str, str, str, str]:
    size, claim = one.nbytes / UNITS[unit], LESSON_TABLE[one.ftype].size_gb
    return f"{size:.2f} {unit}", _printed(claim), _percent(100 * (size / claim - 1)), f"{one.bpw:.2f}"


def _printed(claim: float) -> str:
    """As the lesson prints it: ~3.5 GB, ~14 GB."""
    return f"~{claim:.1f} GB" if claim < 10 else f"~{claim:.0f} GB"


def _percent(value: float) -> str:
    rounded = round(value)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded)} %"


def _in_words(one: Mix) -> str:
    parts = ", ".join(f"{share.n_tensors} {share.qtype}" for share in one.shares)
    return f"{sum(share.n_tensors for share in one.shares)} tensors: {parts}"


def _amount(share: Share, unit: str) -> str:
    size = share.nbytes / UNITS[unit]
    return f"{size:.2f} {unit} at {share.bpw:.6g} bits" if size >= 0.01 else f"{share.nbytes / 1e6:.1f} MB at {share.bpw:g} bits"


def bits_in(qtype: str) -> int:
    """The number in a type's name: 4 for Q4_K, 16 for F16."""
    return int(re.search(r"\d+", qtype)[0])
