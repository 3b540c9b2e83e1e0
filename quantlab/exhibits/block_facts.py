"""What the block explorer says: whose a bit is, what a flip did to whom, and how a weight is worked out, in
sentences.

From the bytes of a block to what its picture shows: plain values for `views.blocks`, and the same in a table.
"""

import re

import numpy as np

from ..canvas.block_levels import Group
from ..canvas.blocks import BlockFacts, Close
from ..canvas.style import Table
from ..formats.anatomy import FORMULAS, Anatomy, moved, numbers
from ..formats.layout import Owner
from ..words import told

#: name in the declarations -> what it is (one of it, many of it)
NOUNS = {"d": ("scale", "scales"), "dmin": ("scale of the minima", ""), "m": ("minimum", "minima"),
         "sc": ("sub-scale", "sub-scales"), "q": ("code", "codes"),
         "grid": ("codebook number", "codebook numbers"), "signs": ("sign group", "sign groups"),
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
    return who + (f"; {'none of them is' if wrong == len(which) else f'{wrong} are not'} a finite number"
                  if wrong else "")


def sum_lines(parts: Anatomy, raw: bytes, stored: bytes, weight: int, before: np.ndarray | None) -> list[str]:
    """How the chosen weight is worked out, with names and then with numbers, and how far it is from where it
    was.
    """
    value, lines = parts.decode(raw)[weight].item(), []
    formula = FORMULAS.get(parts.form.name)
    if formula:
        known = {name: told(v) for name, v in numbers(parts, raw, weight).items()}
        filled = re.sub(r"[a-z]+", lambda name: _bracketed(known.get(name[0], name[0]), name.start()),
                        formula)
        lines += [formula, f"= {filled}"]
    lines.append(f"= {told(value)}")
    if told(was := parts.decode(stored)[weight].item()) != told(value):
        lines.append(f"as stored {told(was)}")
    if before is not None:
        error = value - before[weight].item()
        lines.append(
            f"before {told(before[weight].item())}, error "
            f"{told(error, 2)}{_in_steps(parts, raw, weight, error)}")
    return lines


def _bracketed(words: str, at: int) -> str:
    return f"({words})" if words.startswith("−") and at else words


def _in_steps(parts: Anatomy, raw: bytes, weight: int, error: float) -> str:
    """The error as a share of the step from level to level, where all steps are equal."""
    with np.errstate(all="ignore"):
        steps = np.diff(parts.levels(raw, weight))
    if not len(steps) or not np.isfinite(steps).all() or not steps[0] or not np.allclose(steps, steps[0],
                                                                                         rtol=1e-3):
        return ""
    return f" ({abs(error / steps[0]):.2f} of a step)"


def field_words(parts: Anatomy) -> list[tuple[str, int, int, list[tuple[str, str, str]]]]:
    """(field, first byte, bytes, what it holds) of the struct's fields; what it holds: (name, in few words,
    in more words).
    """
    rows = []
    for field, (dtype, start, *_) in parts.form.dtype.fields.items():
        held = {}
        for bits in parts.layout.owners[start : start + dtype.itemsize]:
            for owner in bits:
                held.setdefault(owner.name, set()).add(owner.bit)
        rows.append((field, start, dtype.itemsize,
                     [(name, _short(parts, name, bits), _long(parts, name, bits)) for name,
                      bits in held.items()]))
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


MEANING = {"d": "scale", "dmin": "min", "m": "min", "sc": "sub_scale", "q": "code", "grid": "code",
           "signs": "sign", "delta": "sub_min", "e": "scale", "sign": "sign", "exponent": "exponent",
           "mantissa": "mantissa"}


def block_facts(parts: Anatomy, raw: bytes, stored: bytes, byte: int, bit: int, weight: int) -> BlockFacts:
    """The bytes of the whole block."""
    return BlockFacts(
        raw, field_words(parts), [[(o.name, o.index) for o in bits] for bits in parts.layout.owners],
        {name: _meaning(parts, name) for name in parts.layout.counts}, parts.says(weight), byte, bit,
        [i for i, (now, was) in enumerate(zip(raw, stored, strict=True)) if now != was])


def _meaning(parts: Anatomy, name: str) -> str:
    return "sub_min" if name == "m" and parts.layout.counts["m"] > 1 else MEANING.get(name, "code")


def close_facts(parts: Anatomy, raw: bytes, stored: bytes, byte: int, bit: int, weight: int,
                before: np.ndarray | None, typed: str) -> Close:
    """The chosen byte, the value of the chosen bit, and the sum that makes the chosen weight."""
    owner, value = parts.owner(byte, bit), raw[byte]
    was = f", was {stored[byte]:02X}" if stored[byte] != value else f" = {value}"
    title = f"byte {byte} = {typed}_ (one digit more)" if typed else f"byte {byte} = {value:02X} hex{was}"
    places = parts.places[owner.name, owner.index][::-1]
    size = f" of {parts.form.block_size}" if parts.form.block_size > 1 else ""
    return Close(title, value, byte, bit, _runs(parts, raw, byte),
                 f"{name_of(parts, owner).removeprefix('the ')} = {value_of(parts, raw, owner)}",
                 [(at, k, raw[at] >> k & 1) for at, k in places], _value_parts(parts, owner, places),
                 f"weight {weight}{size}", sum_lines(parts, raw, stored, weight, before))


def _runs(parts: Anatomy, raw: bytes, byte: int) -> list[tuple[int, str, str, str]]:
    """The owners of a byte's bits from the left: how many bits, colour, whose, and the value."""
    runs = []
    for bit in range(7, -1, -1):
        owner = parts.owner(byte, bit)
        if runs and runs[-1][1] == (owner.name, owner.index):
            runs[-1][0] += 1
        else:
            runs.append([1, (owner.name, owner.index), owner])
    return [(count, _meaning(parts, owner.name), *_run_words(parts, raw, owner, count)) for count, _,
            owner in runs]


def _run_words(parts: Anatomy, raw: bytes, owner: Owner, count: int) -> tuple[str, str]:
    if isinstance(owner.index, tuple):
        return span(owner.index), ""
    alone = parts.layout.counts[owner.name] == 1
    short = owner.name if alone else f"{owner.name if count > 1 or len(owner.name) < 3 else owner.name[:2]} {owner.index}"
    return short, "= " + value_of(parts, raw, owner) if count > 1 and len(value_of(parts, raw,
                                                                                   owner)) < 3 * count else ""


def _value_parts(parts: Anatomy, owner: Owner, places: tuple[tuple[int, int], ...]) -> list[tuple[str, int,
                                                                                                  str]]:
    """What stands under a value's bits: the parts of a float16, else the bytes that they come from."""
    if len(places) == 16:
        return [(part, bits, part) for part, bits in (("sign", 1), ("exponent", 5), ("mantissa", 10))]
    runs = []
    for byte, _ in places:
        if runs and runs[-1][0] == byte:
            runs[-1][1] += 1
        else:
            runs.append([byte, 1])
    return [(f"byte {byte}", count, _meaning(parts, owner.name)) for byte, count in runs]


def group_facts(parts: Anatomy, raw: bytes, stored: bytes, weight: int, before: np.ndarray | None) -> Group:
    """The weights of the chosen sub-block, and the levels of all."""
    group, size = parts.group(weight), parts.form.block_size
    here, was, now = slice(group[0], group[-1] + 1), parts.decode(stored), parts.decode(raw)
    which = f", sub-block {group[0] // len(group)} of {size // len(group)}" if size > len(group) else ""
    title = f"the {noun(parts.code)[1]} of {span(tuple(group))}{which}" if size > 1 else "the weight"
    return Group(title, group[0], weight, _cells(parts, raw, group), [] if before is None
                 else before[here].tolist(), was[here].tolist(), now[here].tolist(),
                 parts.levels(stored, weight).tolist(), parts.levels(raw, weight).tolist(),
                 set(moved(was, now).tolist()), _others(parts, raw, stored) if size > len(group) else ())


def _cells(parts: Anatomy, raw: bytes, group: range) -> list[tuple[str, int, float]]:
    """The codes of a sub-block: in words, for how many weights, and how high among all that there could be.
    """
    share = parts.form.block_size // parts.layout.counts[parts.code]
    if parts.form.block_size == 1:
        return [(told(parts.decode(raw)[0].item()), 1, 0.5)]
    codes = parts.values(raw)[parts.code][group[0] // share : (group[-1] + 1) // share]
    lowest = -parts.n_codes // 2 if codes.dtype.kind == "i" else 0
    return [(told(code), share, (code - lowest) / (parts.n_codes - 1)) for code in codes.tolist()]


def _others(parts: Anatomy, raw: bytes, stored: bytes) -> list[tuple[str, int, list[float], list[float]]]:
    """Every sub-block: its own numbers in words, its first weight, its levels, and those it had before an
    edit.
    """
    values, size = parts.values(raw), parts.group_size
    n = parts.form.block_size // size
    own = [name for name, count in parts.layout.counts.items() if count == n]
    return [(f"{i}: " + ", ".join(f"{name} {told(values[name][i].item())}" for name in own), i * size,
             parts.levels(raw, i * size).tolist(), parts.levels(stored, i * size).tolist()) for i in range(n)]


def block_table(parts: Anatomy, raw: bytes, stored: bytes, byte: int, weight: int,
                before: np.ndarray | None) -> Table:
    """The picture as text: the chosen byte's bits, all values that the chosen sub-block needs, and its
    weights.
    """
    rows = [("what", "where", "now", "as stored", "before")]
    for bit in range(7, -1, -1):
        owner = parts.owner(byte, bit)
        rows.append((f"bit {bit} of byte {byte}: bit {owner.bit} of {name_of(parts, owner)}", f"byte {byte}",
                     str(raw[byte] >> bit & 1), str(stored[byte] >> bit & 1), ""))
    group, seen = parts.group(weight), set()
    for name, index in (value for w in group for value in parts.needs[w]):
        if (name, index) not in seen:
            seen.add((name, index))
            owner = Owner(name, index, 0)
            rows.append((f"{name_of(parts, owner)} ({name})", _where(parts.places[name, index]),
                         value_of(parts, raw, owner), value_of(parts, stored, owner), ""))
    now, was = parts.decode(raw), parts.decode(stored)
    rows += [(f"weight {w}", "", told(now[w].item()), told(was[w].item()), "" if before is None
              else told(before[w].item())) for w in group]
    return tuple(rows)


def _where(places: tuple[tuple[int, int], ...]) -> str:
    """The bytes a value stands in, in words."""
    held = list(dict.fromkeys(byte for byte, _ in places))
    return f"byte{'s' * (len(held) > 1)} {' and '.join(map(str, held))}"
