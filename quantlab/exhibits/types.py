"""Lesson 04: the file types of the lesson's table, their true sizes, and what each one is mixed from. Exact,
from tensor lists.

    mix("llama-3.1-8b", "Q4_K_M").bpw       # 4.89, not 4.5 and not 4
"""

from collections import Counter
from collections.abc import Sequence
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
    Table,
    ink_on,
)
from ..canvas.svg import page, quiet, rect, text
from ..formats.table import FORMATS
from ..models.recipes import tensor_rows
from ..models.types import tensor_nbytes
from ..stage.base import Stage, show
from ..stage.handles import menu, stops
from ..words import bits_of
from ..words import size as in_bytes


class Claim(NamedTuple):
    """A row of the lesson's table for a "7B" model: its size in GB and its word for the quality, as printed
    there.
    """

    size_gb: float
    quality: str
    use: str


#: The lesson's "Quantization Types Comparison", smallest file first.
LESSON_TABLE = {
    "Q4_0": Claim(3.5, "Good", "Maximum compression"),
    "Q4_K_S": Claim(3.8, "Good", "Smaller Q4"),
    "Q4_K_M": Claim(4.0, "Better", "Best balance"),
    "Q5_K_S": Claim(4.5, "Good", "Balanced Q5"),
    "Q5_K_M": Claim(4.8, "Great", "Quality priority"),
    "Q6_K": Claim(5.5, "Excellent", "Near-lossless"),
    "Q8_0": Claim(7.0, "Excellent", "Minimal loss"),
    "F16": Claim(14.0, "Original", "No compression"),
}


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
COLUMNS = (("computed", 504), ("lesson", 566), ("difference", 636), ("bits per weight", RIGHT - 2))


class FileSize(NamedTuple):
    """A file type: pieces are (tensor type, its bits, size), in the unit of `claim`; the words fill the
    columns.
    """

    name: str
    pieces: Sequence[tuple[str, int, float]]
    claim: float
    words: Sequence[str]


class TypePart(NamedTuple):
    """One line of the mix: "193 × Q4_K", its whole bits, its share of the bytes from 0 to 1, and two columns
    of words.
    """

    name: str
    bits: int
    share: float
    size: str
    where: str


ROLES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "token_embd",
         "output")
NAMES = {"llama-2-7b": "Llama-2-7B", "llama-3.1-8b": "Llama-3.1-8B"}
UNITS = {"GB": 1e9, "GiB": 2.0**30}


def _finding(chosen: Mix, unit: str) -> str:
    size, claim = chosen.nbytes / UNITS[unit], LESSON_TABLE[chosen.ftype].size_gb
    off = 100 * (size / claim - 1)
    more = "more" if off > 0 else "less"
    said = "as the lesson says" if abs(
        off) < 0.5 else f"{abs(off):.0f} % {more} than the lesson's {_printed(claim)}"
    return (f"{chosen.ftype} of {NAMES[chosen.model]}: {size:.2f} {unit}, {said}; {chosen.bpw:.2f} bits per "
        "weight")


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
    return (f"{size:.2f} {unit} at {share.bpw:.6g} bits" if size >= 0.01
            else f"{share.nbytes / 1e6:.1f} MB at {share.bpw:g} bits")


def _draw(ftype: str, model: str, unit: str) -> Picture:
    mixes = {name: mix(model, name) for name in LESSON_TABLE}
    chosen = mixes[ftype]
    sizes = [FileSize(name, [(s.qtype, bits_of(s.qtype), s.nbytes / UNITS[unit]) for s in one.shares],
                  LESSON_TABLE[name].size_gb, _columns(one, unit)) for name, one in mixes.items()]
    pieces = [TypePart(f"{s.n_tensors} × {s.qtype}", bits_of(s.qtype), s.nbytes / chosen.nbytes,
                    _amount(s, unit), s.where) for s in chosen.shares]
    read = ("The lesson's column is for “7B”, its GB as printed" if unit == "GB"
            else "The lesson's column is for “7B”, its “GB” read as GiB")
    head = ("type", f"computed, {unit}", "the lesson's", "difference", "bits per weight", "tensors")
    table = (head, *((name, *_columns(one, unit), _in_words(one)) for name, one in mixes.items()))
    return draw_types(sizes, list(mixes).index(ftype), pieces,
                      f"{ftype} of {NAMES[model]} is {_in_words(chosen)}", finding=_finding(chosen, unit),
                      table=table,
                      subtitle=f"{NAMES[model]}, {chosen.n_weights:,} weights, sizes in {unit}. {read}.")


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


def draw_types(sizes: Sequence[FileSize], chosen: int, pieces: Sequence[TypePart], pieces_title: str, *,
               finding: str, subtitle: str, table: Table = ()) -> Picture:
    """Rows of sizes, a hollow mark where the lesson puts each; below them the tensor types of the chosen row.
    """
    most = max(max(sum(size for *_, size in row.pieces), row.claim) for row in sizes)
    scale, y = (BARS_RIGHT - BARS_LEFT) / most, 94
    body = [quiet(x, 82, words, anchor="end") for words, x in COLUMNS]
    for i, row in enumerate(sizes):
        if i == chosen:
            body.append(rect(LEFT - 8, y - 4, RIGHT - LEFT + 16, ROW - 2, SOFT, radius=4))
        body += _row(row, y, scale, i == chosen)
        y += ROW
    body += [_mark(LEFT + 8, y + 4), quiet(LEFT + 20, y + 14, "where the lesson's table puts it")]
    return page(y + 168, [*body, *_mix(pieces, pieces_title, y + 46)], finding=finding, subtitle=subtitle,
                table=table)


def _row(row: FileSize, y: float, scale: float, chosen: bool) -> list[str]:
    shapes = [text(LEFT - 2, y + 12, row.name, bold=chosen)]
    x: float = BARS_LEFT
    for name, bits, size in row.pieces:
        shapes.append(rect(x, y, size * scale, THICK, BITS_TONES[bits], radius=0, title=f"{name} {size:.2f}"))
        x += size * scale
    shapes.append(_mark(BARS_LEFT + row.claim * scale, y))
    return shapes + [text(x, y + 12, words, size=12, anchor="end", bold=chosen, fill=MUTE
                          if column == "lesson" else INK) for (column, x),
                     words in zip(COLUMNS, row.words, strict=True)]


def _mark(x: float, y: float) -> str:
    """A hollow pointer standing on x: a claim, not a measurement."""
    return rect(x - 2.5, y - 3, 5, THICK + 6, PAPER, stroke=VERMILION, stroke_width=1.5)


def _mix(pieces: Sequence[TypePart], title: str, y: float) -> list[str]:
    """The bytes of one file as a single bar, cut by tensor type, with a line for each type."""
    shapes = [text(LEFT, y, title, bold=True)]
    x: float = LEFT
    for piece in pieces:
        width, tone = piece.share * (RIGHT - LEFT), BITS_TONES[piece.bits]
        shapes.append(rect(x, y + 10, width, 22, tone, radius=0, title=piece.name))
        if width > 9 * len(piece.name):
            shapes.append(text(x + 8, y + 26, piece.name, size=12, bold=True, fill=ink_on(tone)))
        x += width
    for i, piece in enumerate(pieces):
        line_y = y + 52 + 19 * i
        shapes += [rect(LEFT, line_y - 9, 10, 10, BITS_TONES[piece.bits], stroke=GREY),
                   text(LEFT + 17, line_y, piece.name, size=12),
                   text(LEFT + 140, line_y, piece.size, size=12),
                   quiet(LEFT + 390, line_y, piece.where, size=12)]
    return shapes


def explore_types(model: str = "llama-3.1-8b", ftype: str = "Q4_K_M") -> Stage:
    """Eight file types with sizes computed from every tensor of a real model, beside the sizes that the
    lesson prints.

    model: "llama-3.1-8b" or "llama-2-7b"; ftype: the type to begin with.  Raises ValueError for another one.
    """
    if model not in NAMES:
        raise ValueError(f"no tensor lists of {model!r} for this picture; there are {', '.join(NAMES)}")
    if ftype not in LESSON_TABLE:
        raise ValueError(f"no type {ftype!r} in the lesson's table; there are {', '.join(LESSON_TABLE)}")
    weights = [(f"{name}: {mix(key, 'F16').n_weights / 1e9:.2f} billion weights", key) for key,
               name in NAMES.items()]
    units = [("GB: 1,000,000,000 bytes", "GB"), ("GiB: 1,073,741,824 bytes", "GiB")]
    handles = [stops("ftype", "type", ftype, LESSON_TABLE), menu("model", "model", model, weights),
               menu("unit", "unit", "GB", units)]
    presets = {"The lesson's own case": dict(model="llama-2-7b", ftype="Q4_0", unit="GB"),
               "The default today": dict(model="llama-3.1-8b", ftype="Q4_K_M", unit="GB")}
    return Stage(handles, _draw, presets=presets, width=370, label_width=60,
                 note="Darker blue: more bits per weight. Sizes are sums over all tensors.")


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
