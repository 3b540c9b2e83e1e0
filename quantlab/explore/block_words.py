"""What the block explorer says: whose a bit is, what a flip did to whom, and how a weight is worked out, in sentences."""

import re

import numpy as np

from ..formats.anatomy import Anatomy, moved
from ..formats.formulas import FORMULAS, numbers
from ..formats.layout import Owner
from ..views.numbers import told

#: name in the declarations -> what it is (one of it, many of it)
NOUNS = {"d": ("scale", "scales"), "dmin": ("scale of the minima", ""), "m": ("minimum", "minima"), "sc": ("sub-scale", "sub-scales"),
         "q": ("code", "codes"), "grid": ("codebook number", "codebook numbers"), "signs": ("sign group", "sign groups"),
         "delta": ("shift", "shifts"), "e": ("exponent of the scale", "")}


def noun(name: str) -> tuple[str, str]:
    """One and many of it; a name that is new here speaks for itself."""
    return NOUNS.get(name, (name, name))


def value_of(parts: Anatomy, raw: bytes, owner: Owner) -> str:
    """The value that a bit belongs to, as people write it; several in base 3 one after the other."""
    row = parts.values(raw)[owner.name]
    if isinstance(owner.index, tuple):
        return " ".join(str(row[i]) for i in owner.index)
    return told(row[owner.index].item()) if row.dtype.kind == "f" else str(row[owner.index])


def name_of(parts: Anatomy, owner: Owner) -> str:
    """The value that a bit belongs to: "the scale d", "sub-scale 5", "weight 17's code"."""
    word, count = noun(owner.name)[0], parts.layout.counts[owner.name]
    if isinstance(owner.index, tuple):
        return "five codes in base 3" if len(owner.index) == 5 else f"{len(owner.index)} codes in base 3"
    if count == 1:
        return f"the {word} {owner.name}" if word != owner.name else f"the {word}"
    return f"weight {owner.index}'s code" if count == parts.form.block_size else f"{word} {owner.index}"


def span(weights: tuple[int, ...]) -> str:
    """Numbers of weights: "all from 16 to 23", or one by one where they are no neighbours."""
    if len(weights) > 1 and weights[-1] - weights[0] == len(weights) - 1:
        return f"weights {weights[0]} to {weights[-1]}"
    return ("weight " if len(weights) == 1 else "weights ") + ", ".join(map(str, weights))


def selection(parts: Anatomy, raw: bytes, byte: int, bit: int) -> str:
    """The finding while nothing is being edited."""
    owner, size = parts.owner(byte, bit), parts.form.block_size
    weights, value = parts.weights(owner), value_of(parts, raw, owner)
    whose = f"Byte {byte} of {len(raw)}, bit {bit}: {name_of(parts, owner)}, now {value}"
    if isinstance(owner.index, tuple):
        return f"{whose}, of {span(weights)}"
    if len(weights) == 1:
        return whose if size == 1 else f"{whose}, which makes {told(parts.decode(raw)[weights[0]].item())}"
    return f"{whose}, shared by {f'all {size} weights' if len(weights) == size else span(weights)}"


def flip_said(parts: Anatomy, before: bytes, after: bytes, byte: int, bit: int) -> str:
    """What turning one bit over has done."""
    owner = parts.owner(byte, bit)
    old, new = value_of(parts, before, owner), value_of(parts, after, owner)
    return f"Bit {owner.bit} of {name_of(parts, owner)} flipped: {old} became {new}, {movement(parts, before, after)}"


def byte_said(parts: Anatomy, before: bytes, after: bytes, byte: int) -> str:
    """What writing a byte has done."""
    return f"Byte {byte} was {before[byte]:02X} and is {after[byte]:02X} now: {movement(parts, before, after)}"


def movement(parts: Anatomy, before: bytes, after: bytes) -> str:
    """Which weights moved from one block to another."""
    old, new = parts.decode(before), parts.decode(after)
    which, size = moved(old, new), parts.form.block_size
    if not len(which):
        return "and no weight moved"
    wrong = int((~np.isfinite(new[which])).sum())
    if len(which) == 1:
        who = "the weight" if size == 1 else f"weight {which[0]}"
        return f"{who} moved from {told(old[which[0]].item())} to {told(new[which[0]].item())}"
    group = parts.group(int(which[0]))
    if len(which) == size:
        who = f"all {size} weights moved"
    elif group[0] <= which[0] and which[-1] <= group[-1] and size > len(group):
        who = f"{len(which) if len(which) < len(group) else 'all'} {'of ' if len(which) < len(group) else ''}{len(group)} weights of "
        who += f"sub-block {group[0] // len(group)} moved"
    else:
        who = f"{len(which)} of {size} weights moved"
    return who + (f"; {'none of them is' if wrong == len(which) else f'{wrong} are not'} a finite number" if wrong else "")


def sum_lines(parts: Anatomy, raw: bytes, stored: bytes, weight: int, before: np.ndarray | None) -> list[str]:
    """How the chosen weight is worked out, with names and then with numbers, and how far it is from where it was."""
    value, lines = parts.decode(raw)[weight].item(), []
    formula = FORMULAS.get(parts.form.name)
    if formula:
        known = {name: told(v) for name, v in numbers(parts, raw, weight).items()}
        filled = re.sub(r"[a-z]+", lambda name: _bracketed(known.get(name[0], name[0]), name.start()), formula)
        lines += [formula, f"= {filled}"]
    lines.append(f"= {told(value)}")
    if told(was := parts.decode(stored)[weight].item()) != told(value):
        lines.append(f"as stored {told(was)}")
    if before is not None:
        error = value - before[weight].item()
        lines.append(f"before {told(before[weight].item())}, error {told(error, 2)}{_in_steps(parts, raw, weight, error)}")
    return lines


def _bracketed(words: str, at: int) -> str:
    return f"({words})" if words.startswith("−") and at else words


def _in_steps(parts: Anatomy, raw: bytes, weight: int, error: float) -> str:
    """The error as a share of the step from level to level, where all steps are equal."""
    with np.errstate(all="ignore"):
        steps = np.diff(parts.levels(raw, weight))
    if not len(steps) or not np.isfinite(steps).all() or not steps[0] or not np.allclose(steps, steps[0], rtol=1e-3):
        return ""
    return f" ({abs(error / steps[0]):.2f} of a step)"


def field_words(parts: Anatomy) -> list[tuple[str, int, int, list[tuple[str, str, str]]]]:
    """(field, first byte, bytes, what it holds) of the struct's fields; what it holds: (name, in few words, in more words)."""
    rows = []
    for field, (dtype, start, *_) in parts.form.dtype.fields.items():
        held = {}
        for bits in parts.layout.owners[start : start + dtype.itemsize]:
            for owner in bits:
                held.setdefault(owner.name, set()).add(owner.bit)
        rows.append((field, start, dtype.itemsize,
                     [(name, _short(parts, name, bits), _long(parts, name, bits)) for name, bits in held.items()]))
    return rows


def _short(parts: Anatomy, name: str, bits: set[int]) -> str:
    if len(bits) >= parts.layout.widths[name]:
        return f"codes {name}" if name == "q" else name
    return f"{name} bit {min(bits)}" if len(bits) == 1 else f"{name} bits {min(bits)}–{max(bits)}"


def _long(parts: Anatomy, name: str, bits: set[int]) -> str:
    count, width = parts.layout.counts[name], parts.layout.widths[name]
    if len(bits) > width:
        return f"codes {name} in base 3"
    if len(bits) < width:
        return _short(parts, name, bits)
    if count > 1:
        return f"{count} {noun(name)[1]} {name} of {width} bit{'s' * (width > 1)}"
    return f"{noun(name)[0]}, {'a float16' if width == 16 else f'{width} bit' + 's' * (width > 1)}"
