"""Lesson 04: the file types of a common table, their true sizes, and what each one is mixed from. Exact,
from tensor lists.

    mix("llama-3.1-8b", "Q4_K_M").bpw       # 4.89, not 4.5 and not 4
"""

from collections import Counter
from functools import cache
from typing import NamedTuple

from ..canvas.bars import Bar, BarPiece, Row, draw_bars
from ..canvas.style import (
    BITS_TONES,
    GREY,
    INK,
    MEANING,
    MUTE,
    PAPER,
    SOFT,
    VERMILION,
    WIDTH,
    Picture,
    ink_on,
)
from ..canvas.svg import page, quiet, rect, text
from ..formats.table import FORMATS
from ..models.recipes import tensor_rows
from ..models.types import tensor_nbytes
from ..stage.base import Stage, show
from ..stage.handles import menu, stops
from ..stage.share import recalled
from ..words import bits_of
from ..words import size as in_bytes

#: A common table of types for a "7B" model: type -> GB as printed there, smallest first.
COMMON_TABLE = {"Q4_0": 3.5, "Q4_K_S": 3.8, "Q4_K_M": 4.0, "Q5_K_S": 4.5, "Q5_K_M": 4.8, "Q6_K": 5.5,
                "Q8_0": 7.0, "F16": 14.0}


class Share(NamedTuple):
    """The tensors of one type: how many, their weights and bytes, bits per weight of the type, and their
    roles in words.
    """

    qtype: str
    n_tensors: int
    n_weights: int
    nbytes: int
    bpw: float
    where: str


class Mix(NamedTuple):
    """A whole file's tensors; `shares` has the type with the most bytes first."""

    model: str
    ftype: str
    n_weights: int
    nbytes: int
    shares: tuple[Share, ...]

    @property
    def bpw(self) -> float:
        """Bits per weight of the file, everything counted."""
        return 8 * self.nbytes / self.n_weights


LEFT, RIGHT = 16, WIDTH - 16
BARS_LEFT, BARS_RIGHT = 92, 424
ROW, THICK = 25, 15
COLUMNS = (("computed", 504), ("the table", 566), ("difference", 636), ("bits per weight", RIGHT - 2))


ROLES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "token_embd",
         "output")
NAMES = {"llama-2-7b": "Llama-2-7B", "llama-3.1-8b": "Llama-3.1-8B"}
UNITS = {"GB": 1e9, "GiB": 2.0**30}


@cache
def mix(model: str, ftype: str) -> Mix:
    """The mix of a recorded model: "llama-2-7b" or "llama-3.1-8b".  Raises ValueError for what was not
    recorded.
    """
    rows = tensor_rows(model, ftype)
    in_role = Counter(role for _name, role, *_rest in rows)
    shares = []
    for qtype in {row[4] for row in rows}:
        mine = [row for row in rows if row[4] == qtype]
        shares.append(Share(qtype, len(mine), sum(row[5] for row in mine), sum(row[6] for row in mine),
                            FORMATS[qtype].bpw, _where(Counter(row[1] for row in mine), in_role)))
    shares.sort(key=lambda share: -share.nbytes)
    return Mix(model, ftype, sum(s.n_weights for s in shares), sum(s.nbytes for s in shares), tuple(shares))


def _where(roles: Counter, in_role: Counter) -> str:
    """"output, 16 of 32 attn_v, 16 of 32 ffn_down"; long lists in one phrase."""
    words = [role if in_role[role] == 1 else f"all {role}" if count == in_role[role]
             else f"{count} of {in_role[role]} {role}" for role, count in roles.items()]
    if len(words) <= 3:
        return ", ".join(words)
    if any("norm" in role for role in roles):
        return "small vectors, such as the norms"
    matrices = sum(count for role, count in in_role.items() if "norm" not in role and role != "rope_freqs")
    return "all matrices" if roles.total() == matrices else "all other matrices"


def _finding(chosen: Mix, unit: str) -> str:
    size, claim, off = _beside(chosen, unit)
    said = "as a common table says" if abs(off) < 0.5 else (
        f"{abs(off):.0f} % {'more' if off > 0 else 'less'} than a common table's {_printed(claim)}")
    return (f"{chosen.ftype} of {NAMES[chosen.model]}: {size:.2f} {unit}, {said}; {chosen.bpw:.2f} bits per "
            "weight")


def _columns(one: Mix, unit: str) -> tuple[str, str, str, str]:
    size, claim, off = _beside(one, unit)
    sign = "+" if round(off) > 0 else "−" if round(off) < 0 else ""
    return f"{size:.2f} {unit}", _printed(claim), f"{sign}{abs(round(off))} %", f"{one.bpw:.2f}"


def _beside(one: Mix, unit: str) -> tuple[float, float, float]:
    """A file's size, what the common table says, and by how many percent the size is larger than that."""
    size, claim = one.nbytes / UNITS[unit], COMMON_TABLE[one.ftype]
    return size, claim, 100 * (size / claim - 1)


def _printed(claim: float) -> str:
    """As the common table prints it: ~3.5 GB, ~14 GB."""
    return f"~{claim:.1f} GB" if claim < 10 else f"~{claim:.0f} GB"


def _in_words(one: Mix) -> str:
    parts = ", ".join(f"{share.n_tensors} {share.qtype}" for share in one.shares)
    return f"{sum(share.n_tensors for share in one.shares)} tensors: {parts}"


def _amount(share: Share, unit: str) -> str:
    size = share.nbytes / UNITS[unit]
    return (f"{size:.2f} {unit} at {share.bpw:.6g} bits" if size >= 0.01
            else f"{share.nbytes / 1e6:.1f} MB at {share.bpw:g} bits")


def _draw(ftype: str, model: str, unit: str) -> Picture:
    """Rows of sizes, a hollow mark where the common table puts each; below, the types of the chosen row."""
    mixes = [mix(model, name) for name in COMMON_TABLE]
    chosen = mix(model, ftype)
    most = max(max(one.nbytes / UNITS[unit], COMMON_TABLE[one.ftype]) for one in mixes)
    scale, y = (BARS_RIGHT - BARS_LEFT) / most, 94
    body = [quiet(x, 82, words, anchor="end") for words, x in COLUMNS]
    for one in mixes:
        body += _row(one, unit, y, scale, one is chosen)
        y += ROW
    body += [_mark(LEFT + 8, y + 4), quiet(LEFT + 20, y + 14, "where a common table puts it"),
             *_mix(chosen, unit, y + 46)]
    read = ("The common table is for “7B”, its GB as printed" if unit == "GB"
            else "The common table is for “7B”, its “GB” read as GiB")
    head = ("type", f"computed, {unit}", "common table", "difference", "bits per weight", "tensors")
    return page(y + 168, body, finding=_finding(chosen, unit),
                subtitle=f"{NAMES[model]}, {chosen.n_weights:,} weights, sizes in {unit}. {read}.",
                table=(head, *((one.ftype, *_columns(one, unit), _in_words(one)) for one in mixes))
                ).telling({"nbytes": chosen.nbytes, "bpw": chosen.bpw, "off": _beside(chosen, unit)[2]})


def _row(one: Mix, unit: str, y: float, scale: float, chosen: bool) -> list[str]:
    shapes = [rect(LEFT - 8, y - 4, RIGHT - LEFT + 16, ROW - 2, SOFT, radius=4)] if chosen else []
    shapes.append(text(LEFT - 2, y + 12, one.ftype, bold=chosen))
    x: float = BARS_LEFT
    for share in one.shares:
        size = share.nbytes / UNITS[unit]
        shapes.append(rect(x, y, size * scale, THICK, BITS_TONES[bits_of(share.qtype)], radius=0,
                           title=f"{share.qtype} {size:.2f}"))
        x += size * scale
    shapes.append(_mark(BARS_LEFT + COMMON_TABLE[one.ftype] * scale, y))
    return shapes + [text(x, y + 12, words, size=12, anchor="end", bold=chosen,
                          fill=MUTE if column == "the table" else INK)
                     for (column, x), words in zip(COLUMNS, _columns(one, unit), strict=True)]


def _mark(x: float, y: float) -> str:
    """A hollow pointer standing on x: a claim, not a measurement."""
    return rect(x - 2.5, y - 3, 5, THICK + 6, PAPER, stroke=VERMILION, stroke_width=1.5)


def _mix(one: Mix, unit: str, y: float) -> list[str]:
    """The bytes of one file as a single bar, cut by tensor type, with a line for each type."""
    shapes = [text(LEFT, y, f"{one.ftype} of {NAMES[one.model]} is {_in_words(one)}", bold=True)]
    x: float = LEFT
    for i, share in enumerate(one.shares):
        name, width = f"{share.n_tensors} × {share.qtype}", share.nbytes / one.nbytes * (RIGHT - LEFT)
        below, tone = y + 52 + 19 * i, BITS_TONES[bits_of(share.qtype)]
        shapes += [rect(x, y + 10, width, 22, tone, radius=0, title=name),
                   rect(LEFT, below - 9, 10, 10, tone, stroke=GREY), text(LEFT + 17, below, name, size=12),
                   text(LEFT + 140, below, _amount(share, unit), size=12),
                   quiet(LEFT + 390, below, share.where, size=12)]
        if width > 9 * len(name):
            shapes.append(text(x + 8, y + 26, name, size=12, bold=True, fill=ink_on(tone)))
        x += width
    return shapes


@recalled
def explore_types(model: str = "llama-3.1-8b", ftype: str = "Q4_K_M") -> Stage:
    """Eight file types with sizes computed from every tensor of a real model, beside the sizes of a
    common table.

    model: "llama-3.1-8b" or "llama-2-7b"; ftype: the type to begin with.  Raises ValueError for another one.
    """
    if model not in NAMES:
        raise ValueError(f"no tensor lists of {model!r} for this picture; there are {', '.join(NAMES)}")
    if ftype not in COMMON_TABLE:
        raise ValueError(f"no type {ftype!r} in this picture; there are {', '.join(COMMON_TABLE)}")
    weights = [(f"{name}: {mix(key, 'F16').n_weights / 1e9:.2f} billion weights", key)
               for key, name in NAMES.items()]
    units = [("GB: 1,000,000,000 bytes", "GB"), ("GiB: 1,073,741,824 bytes", "GiB")]
    handles = [stops("ftype", "type", ftype, COMMON_TABLE), menu("model", "model", model, weights),
               menu("unit", "unit", "GB", units)]
    presets = {"The table's own case": dict(model="llama-2-7b", ftype="Q4_0", unit="GB"),
               "The default today": dict(model="llama-3.1-8b", ftype="Q4_K_M", unit="GB")}
    return Stage(handles, _draw, presets=presets, width=370, label_width=60,
                 note="Darker blue: more bits per weight. Sizes are sums over all tensors.")


@recalled
def plot_bytes_by_role(model: str = "llama-3.1-8b", ftype: str = "Q4_K_M", plain: str = "Q4_K") -> Stage:
    """Where the extra bytes of a mix go: each role's bytes if all were `plain`, and what the mix adds."""
    bytes_of: dict[str, tuple[int, int]] = {}
    for role in ROLES:
        tensors = [row for row in tensor_rows(model, ftype) if row[1] == role]
        base = sum(tensor_nbytes(row[3], plain) for row in tensors)
        bytes_of[role] = base, sum(row[6] for row in tensors) - base
    extra = sum(more for _, more in bytes_of.values())
    shares = sorted(((more / extra, role) for role, (_, more) in bytes_of.items()), reverse=True)
    most = ", ".join(f"{share:.0%} in {role}" for share, role in shares[:2])
    tones = ((BITS_TONES[4], f"if every tensor were {plain}"), (MEANING["scale"], f"what {ftype} adds"))
    rows = [Row(role, [Bar([BarPiece("plain", base, tones[0][0]), BarPiece("more", more, tones[1][0])],
                           in_bytes(base) + (f" + {in_bytes(more)}" if more >= 5e5 else ""))])
            for role, (base, more) in bytes_of.items()]
    table = (("Role", f"all {plain}", f"{ftype} adds"),
             *((role, in_bytes(base), in_bytes(more)) for role, (base, more) in bytes_of.items()))
    finding = f"{ftype} adds {in_bytes(extra)} to plain {plain}: {most}"
    return show(draw_bars(rows, finding=finding, legend=tones, left=112, table=table,
                          subtitle=f"{NAMES.get(model, model)}, bytes of all layers together"))
