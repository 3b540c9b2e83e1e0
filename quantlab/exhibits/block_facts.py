"""What the block explorer says, in sentences: whose a bit is, what an edit did to which weights, how a weight
is worked out; and the same as a table.
"""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from ..canvas.block_levels import WeightGroup
from ..canvas.blocks import BlockView, BlockWords, StructField, byte_runs
from ..canvas.style import Table
from ..formats.anatomy import FORMULAS, Anatomy, moved, numbers
from ..formats.layout import Owner
from ..words import told

#: name in the declarations -> what it is (one of it, many of it)
NOUNS = {"d": ("scale", "scales"), "dmin": ("scale of the minima", ""), "m": ("minimum", "minima"),
         "sc": ("sub-scale", "sub-scales"), "q": ("code", "codes"),
         "grid": ("codebook number", "codebook numbers"), "signs": ("sign group", "sign groups"),
         "delta": ("shift", "shifts"), "e": ("exponent of the scale", ""), "sign": ("sign", ""),
         "exponent": ("exponent", ""), "mantissa": ("mantissa", "")}


# ---- values and their names

def value_of(parts: Anatomy, raw: bytes, owner: Owner) -> str:
    """The value that a bit belongs to, as people write it; several in base 3 one after the other."""
    row = parts.values(raw)[owner.name]
    if isinstance(owner.index, tuple):
        return " ".join(str(row[i]) for i in owner.index)
    return told(row[owner.index].item()) if row.dtype.kind == "f" else str(row[owner.index])


def name_of(parts: Anatomy, owner: Owner) -> str:
    """The value that a bit belongs to: "the scale d", "sub-scale 5", "weight 17's code"."""
    word, count = NOUNS[owner.name][0], parts.layout.counts[owner.name]
    if isinstance(owner.index, tuple):
        return f"{'five' if len(owner.index) == 5 else len(owner.index)} codes in base 3"
    if count == 1:
        return f"the {word} {owner.name}" if word != owner.name else f"the {word}"
    return f"weight {owner.index}'s code" if count == parts.form.block_size else f"{word} {owner.index}"


def span(weights: Sequence[int]) -> str:
    """Numbers of weights: "weights 16 to 23", or one by one where they are no neighbours."""
    if len(weights) > 1 and weights[-1] - weights[0] == len(weights) - 1:
        return f"weights {weights[0]} to {weights[-1]}"
    return ("weight " if len(weights) == 1 else "weights ") + ", ".join(map(str, weights))


# ---- the finding

def selection(view: BlockView) -> str:
    """The finding while nothing is being edited."""
    parts, owner = view.parts, view.owner
    weights, size = parts.weights(owner), parts.form.block_size
    more = f", shared by {f'all {size} weights' if len(weights) == size else span(weights)}"
    if isinstance(owner.index, tuple):
        more = f", of {span(weights)}"
    elif len(weights) == 1:
        made = told(parts.decode(view.raw)[weights[0]].item())
        more = f", which makes {made}" if size > 1 else ""
    return (f"Byte {view.byte} of {len(view.raw)}, bit {view.bit}: {name_of(parts, owner)}, "
            f"now {value_of(parts, view.raw, owner)}{more}")


def flip_said(parts: Anatomy, before: bytes, after: bytes, byte: int, bit: int) -> str:
    """What turning one bit over has done."""
    owner = parts.owner(byte, bit)
    old, new = value_of(parts, before, owner), value_of(parts, after, owner)
    return (f"Bit {owner.bit} of {name_of(parts, owner)} flipped: {old} became {new}, "
            f"{movement(parts, before, after)}")


def byte_said(parts: Anatomy, before: bytes, after: bytes, byte: int) -> str:
    """What writing a byte has done."""
    return (f"Byte {byte} was {before[byte]:02X} and is {after[byte]:02X} now: "
            f"{movement(parts, before, after)}")


def movement(parts: Anatomy, before: bytes, after: bytes) -> str:
    """Which weights moved from one block to another."""
    old, new = parts.decode(before), parts.decode(after)
    which, size = moved(old, new), parts.form.block_size
    if not len(which):
        return "and no weight moved"
    first = int(which[0])
    if len(which) == 1:
        who = "the weight" if size == 1 else f"weight {first}"
        return f"{who} moved from {told(old[first].item())} to {told(new[first].item())}"
    group = parts.group(first)
    if len(which) == size:
        who = f"all {size} weights"
    elif int(which[-1]) in group and size > len(group):
        count = f"{len(which)} of" if len(which) < len(group) else "all"
        who = f"{count} {len(group)} weights of sub-block {first // len(group)}"
    else:
        who = f"{len(which)} of {size} weights"
    wrong = int((~np.isfinite(new[which])).sum())
    odd = "none of them is" if wrong == len(which) else f"{wrong} are not"
    return f"{who} moved" + (f"; {odd} a finite number" if wrong else "")


def edit_numbers(view: BlockView) -> dict[str, object]:
    """What targets are measured by: which weights moved, and how many; by which factor all of them did (0: by
    several), and the code of the chosen weight (None in a codebook format).
    """
    parts = view.parts
    was, now, codes = parts.decode(view.stored), parts.decode(view.raw), parts.values(view.raw)[parts.code]
    with np.errstate(all="ignore"):
        times = np.unique(now[was != 0] / was[was != 0])
    which = moved(was, now).tolist()
    return {"moved": which, "n_moved": len(which), "times": times[0].item() if len(times) == 1 else 0,
            "code": codes[view.weight].item() if len(codes) == parts.form.block_size else None}


# ---- what is written into the picture

def words_of(view: BlockView, typed: str) -> BlockWords:
    """The picture's words.  typed: the first of two hexadecimal digits, while the second is waited for."""
    parts, owner, value, stored = view.parts, view.owner, view.raw[view.byte], view.stored[view.byte]
    was = f", was {stored:02X}" if stored != value else f" = {value}"
    digits = f"{typed}_ (one digit more)" if typed else f"{value:02X} hex{was}"
    size = f" of {parts.form.block_size}" if parts.form.block_size > 1 else ""
    return BlockWords(fields_of(parts), f"byte {view.byte} = {digits}",
                      f"{name_of(parts, owner).removeprefix('the ')} = {value_of(parts, view.raw, owner)}",
                      f"weight {view.weight}{size}",
                      [_run_words(view, owner, count) for owner, _, count in byte_runs(parts, view.byte)],
                      _sum_lines(view))


@cache
def fields_of(parts: Anatomy) -> list[StructField]:
    """The struct's fields and what they hold."""
    rows = []
    for name, (dtype, start, *_) in (parts.form.dtype.fields or {}).items():
        held: dict[str, set[int]] = {}
        for bits in parts.layout.owners[start : start + dtype.itemsize]:
            for owner in bits:
                held.setdefault(owner.name, set()).add(owner.bit)
        words = [(value, *_held(parts, value, bits)) for value, bits in held.items()]
        rows.append(StructField(name, start, dtype.itemsize, words))
    return rows


def _held(parts: Anatomy, name: str, bits: set[int]) -> tuple[str, str]:
    """Which bits of the values `name` a field holds, in few words and in more."""
    count, width = parts.layout.counts[name], parts.layout.widths[name]
    if len(bits) < width:
        words = f"{name} bit {min(bits)}" if len(bits) == 1 else f"{name} bits {min(bits)}–{max(bits)}"
        return words, words
    one, many = NOUNS[name]
    short, wide = f"codes {name}" if name == "q" else name, f"{width} bit{'s' * (width > 1)}"
    if len(bits) > width:
        return short, f"codes {name} in base 3"
    if count > 1:
        return short, f"{count} {many} {name} of {wide}"
    return short, f"{one}, {'a float16' if width == 16 else wide}"


def _run_words(view: BlockView, owner: Owner, count: int) -> tuple[str, str]:
    """Two lines under `count` bits of an owner in the chosen byte: its name, and its value where it fits."""
    if isinstance(owner.index, tuple):
        return span(owner.index), ""
    name, value = owner.name, value_of(view.parts, view.raw, owner)
    if view.parts.layout.counts[name] > 1:
        name = f"{name if count > 1 or len(name) < 3 else name[:2]} {owner.index}"
    return name, f"= {value}" if count > 1 and len(value) < 3 * count else ""


def _sum_lines(view: BlockView) -> list[str]:
    """How the chosen weight is worked out, with names and then with numbers, and how far it is from where it
    was.
    """
    parts, weight, lines = view.parts, view.weight, []
    value, was = (parts.decode(raw)[weight].item() for raw in (view.raw, view.stored))
    if formula := FORMULAS.get(parts.form.name):
        known = {name: told(v) for name, v in numbers(parts, view.raw, weight).items()}
        filled = re.sub(r"[a-z]+", lambda name: _bracketed(known.get(name[0], name[0]), name.start()),
                        formula)
        lines += [formula, f"= {filled}"]
    lines.append(f"= {told(value)}")
    if told(was) != told(value):
        lines.append(f"as stored {told(was)}")
    if len(view.before):
        before = view.before[weight].item()
        error = value - before
        lines.append(f"before {told(before)}, error {told(error, 2)}{_in_steps(view, error)}")
    return lines


def _bracketed(words: str, at: int) -> str:
    return f"({words})" if words.startswith("−") and at else words


def _in_steps(view: BlockView, error: float) -> str:
    """The error as a share of the step from level to level, where all steps are equal."""
    with np.errstate(all="ignore"):
        steps = np.diff(view.parts.levels(view.raw, view.weight))
    if (
        not len(steps)
        or not np.isfinite(steps).all()
        or not steps[0]
        or not np.allclose(steps, steps[0], rtol=1e-3)
    ):
        return ""
    return f" ({abs(error / steps[0]):.2f} of a step)"


# ---- the chosen sub-block

def group_of(view: BlockView) -> WeightGroup:
    """The weights of the chosen sub-block, and the levels of all."""
    parts, raw, stored, weight = view.parts, view.raw, view.stored, view.weight
    group, size = parts.group(weight), parts.form.block_size
    here, was, now = slice(group[0], group[-1] + 1), parts.decode(stored), parts.decode(raw)
    which = f", sub-block {group[0] // len(group)} of {size // len(group)}" if size > len(group) else ""
    title = f"the {NOUNS[parts.code][1]} of {span(group)}{which}" if size > 1 else "the weight"
    return WeightGroup(title, group[0], weight, _cells(parts, raw, group),
                       view.before[here].tolist(), was[here].tolist(), now[here].tolist(),
                       parts.levels(stored, weight).tolist(), parts.levels(raw, weight).tolist(),
                       set(moved(was, now).tolist()),
                       _others(parts, raw, stored) if size > len(group) else ())


def _cells(parts: Anatomy, raw: bytes, group: range) -> list[tuple[str, int, float]]:
    """The codes of a sub-block: in words, for how many weights, and how high among all that there could be.
    """
    if parts.form.block_size == 1:
        return [(told(parts.decode(raw)[0].item()), 1, 0.5)]
    share = parts.form.block_size // parts.layout.counts[parts.code]
    codes = parts.values(raw)[parts.code][group[0] // share : (group[-1] + 1) // share]
    lowest = -parts.n_codes // 2 if codes.dtype.kind == "i" else 0
    return [(told(code), share, (code - lowest) / (parts.n_codes - 1)) for code in codes.tolist()]


def _others(parts: Anatomy, raw: bytes, stored: bytes) -> list[tuple[str, int, list[float], list[float]]]:
    """Every sub-block: its own numbers in words, its first weight, its levels, and those as stored."""
    values, size = parts.values(raw), parts.group_size
    n = parts.form.block_size // size
    own = [name for name, count in parts.layout.counts.items() if count == n]
    return [(f"{i}: " + ", ".join(f"{name} {told(values[name][i].item())}" for name in own), i * size,
             parts.levels(raw, i * size).tolist(), parts.levels(stored, i * size).tolist()) for i in range(n)]


# ---- the table

def block_table(view: BlockView) -> Table:
    """The chosen byte's bits, all values that the chosen sub-block needs, and its weights."""
    parts, group = view.parts, view.parts.group(view.weight)
    rows: list[tuple[str, ...]] = [("what", "where", "now", "as stored", "before")]
    for bit in range(7, -1, -1):
        owner = parts.owner(view.byte, bit)
        rows.append((f"bit {bit} of byte {view.byte}: bit {owner.bit} of {name_of(parts, owner)}",
                     f"byte {view.byte}",
                     *(str(raw[view.byte] >> bit & 1) for raw in (view.raw, view.stored)), ""))
    for name, index in dict.fromkeys(value for weight in group for value in parts.needs[weight]):
        owner, held = Owner(name, index, 0), dict.fromkeys(byte for byte, _ in parts.places[name, index])
        rows.append((f"{name_of(parts, owner)} ({name})",
                     f"byte{'s' * (len(held) > 1)} {' and '.join(map(str, held))}",
                     *(value_of(parts, raw, owner) for raw in (view.raw, view.stored)), ""))
    now, was = parts.decode(view.raw), parts.decode(view.stored)
    rows += [(f"weight {w}", "", told(now[w].item()), told(was[w].item()),
              told(view.before[w].item()) if len(view.before) else "") for w in group]
    return tuple(rows)
