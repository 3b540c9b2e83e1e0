"""From the bytes of a block to what its picture shows: plain values for `views.blocks`, and the same in a table."""

import numpy as np

from ..formats.anatomy import Anatomy, moved
from ..formats.layout import Owner
from ..views.block_bits import Close
from ..views.block_levels import Group
from ..views.blocks import BlockFacts
from ..views.numbers import told
from .block_words import field_words, name_of, noun, span, sum_lines, value_of

MEANING = {"d": "scale", "dmin": "min", "m": "min", "sc": "sub_scale", "q": "code", "grid": "code", "signs": "sign",
           "delta": "sub_min", "e": "scale", "sign": "sign", "exponent": "exponent", "mantissa": "mantissa"}


def block_facts(parts: Anatomy, raw: bytes, stored: bytes, byte: int, bit: int, weight: int) -> BlockFacts:
    """The bytes of the whole block."""
    return BlockFacts(
        raw, field_words(parts), [[(o.name, o.index) for o in bits] for bits in parts.layout.owners],
        {name: _meaning(parts, name) for name in parts.layout.counts}, parts.says(weight), byte, bit,
        [i for i, (now, was) in enumerate(zip(raw, stored, strict=True)) if now != was])


def _meaning(parts: Anatomy, name: str) -> str:
    return "sub_min" if name == "m" and parts.layout.counts["m"] > 1 else MEANING.get(name, "code")


def close_facts(parts: Anatomy, raw: bytes, stored: bytes, byte: int, bit: int, weight: int, before: np.ndarray | None,
                typed: str) -> Close:
    """The chosen byte, the value of the chosen bit, and the sum that makes the chosen weight."""
    owner, value = parts.owner(byte, bit), raw[byte]
    was = f", was {stored[byte]:02X}" if stored[byte] != value else f" = {value}"
    title = f"byte {byte} = {typed}_ (one digit more)" if typed else f"byte {byte} = {value:02X} hex{was}"
    places = parts.places[owner.name, owner.index][::-1]
    size = f" of {parts.form.block_size}" if parts.form.block_size > 1 else ""
    return Close(
        title, value, byte, bit, _runs(parts, raw, byte), f"{name_of(parts, owner).removeprefix('the ')} = {value_of(parts, raw, owner)}",
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
    return [(count, _meaning(parts, owner.name), *_run_words(parts, raw, owner, count)) for count, _, owner in runs]


def _run_words(parts: Anatomy, raw: bytes, owner: Owner, count: int) -> tuple[str, str]:
    if isinstance(owner.index, tuple):
        return span(owner.index), ""
    alone = parts.layout.counts[owner.name] == 1
    short = owner.name if alone else f"{owner.name if count > 1 or len(owner.name) < 3 else owner.name[:2]} {owner.index}"
    return short, "= " + value_of(parts, raw, owner) if count > 1 and len(value_of(parts, raw, owner)) < 3 * count else ""


def _value_parts(parts: Anatomy, owner: Owner, places: tuple[tuple[int, int], ...]) -> list[tuple[str, int, str]]:
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
    return Group(
        title, group[0], weight, _cells(parts, raw, group), [] if before is None else before[here].tolist(),
        was[here].tolist(), now[here].tolist(), parts.levels(stored, weight).tolist(), parts.levels(raw, weight).tolist(),
        set(moved(was, now).tolist()), _others(parts, raw, stored) if size > len(group) else ())


def _cells(parts: Anatomy, raw: bytes, group: range) -> list[tuple[str, int, float]]:
    """The codes of a sub-block: in words, for how many weights, and how high among all that there could be."""
    share = parts.form.block_size // parts.layout.counts[parts.code]
    if parts.form.block_size == 1:
        return [(told(parts.decode(raw)[0].item()), 1, 0.5)]
    codes = parts.values(raw)[parts.code][group[0] // share : (group[-1] + 1) // share]
    lowest = -parts.n_codes // 2 if codes.dtype.kind == "i" else 0
    return [(told(code), share, (code - lowest) / (parts.n_codes - 1)) for code in codes.tolist()]


def _others(parts: Anatomy, raw: bytes, stored: bytes) -> list[tuple[str, int, list[float], list[float]]]:
    """Every sub-block: its own numbers in words, its first weight, its levels, and those it had before an edit."""
    values, size = parts.values(raw), parts.group_size
    n = parts.form.block_size // size
    own = [name for name, count in parts.layout.counts.items() if count == n]
    return [(f"{i}: " + ", ".join(f"{name} {told(values[name][i].item())}" for name in own), i * size, parts.levels(raw, i * size).tolist(),
             parts.levels(stored, i * size).tolist()) for i in range(n)]


def block_table(parts: Anatomy, raw: bytes, stored: bytes, byte: int, weight: int,
                before: np.ndarray | None) -> tuple[tuple[str, ...], ...]:
    """The picture as text: the chosen byte's bits, all values that the chosen sub-block needs, and its weights."""
    rows = [("what", "where", "now", "as stored", "before")]
    for bit in range(7, -1, -1):
        owner = parts.owner(byte, bit)
        rows.append((f"bit {bit} of byte {byte}: bit {owner.bit} of {name_of(parts, owner)}", f"byte {byte}", str(raw[byte] >> bit & 1),
                     str(stored[byte] >> bit & 1), ""))
    group, seen = parts.group(weight), set()
    for name, index in (value for w in group for value in parts.needs[w]):
        if (name, index) not in seen:
            seen.add((name, index))
            owner = Owner(name, index, 0)
            rows.append((f"{name_of(parts, owner)} ({name})", _where(parts.places[name, index]), value_of(parts, raw, owner),
                         value_of(parts, stored, owner), ""))
    now, was = parts.decode(raw), parts.decode(stored)
    rows += [(f"weight {w}", "", told(now[w].item()), told(was[w].item()), "" if before is None else told(before[w].item()))
             for w in group]
    return tuple(rows)


def _where(places: tuple[tuple[int, int], ...]) -> str:
    """The bytes a value stands in, in words."""
    held = list(dict.fromkeys(byte for byte, _ in places))
    return f"byte{'s' * (len(held) > 1)} {' and '.join(map(str, held))}"
