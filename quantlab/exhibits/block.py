"""The block explorer: any format, real weights, every bit in the colour of the value it belongs to; change a
bit and see which weights move.  Lessons: 02, 03, 05, 12, 15.
"""

from collections.abc import Iterable, Mapping
from functools import cache, partial

import numpy as np

from ..basics.sample import given_weights
from ..canvas.blocks import BlockView, draw_block, tile_rows
from ..canvas.style import Picture
from ..formats.anatomy import Anatomy, anatomy, flipped, with_byte
from ..formats.table import FORMATS
from ..formats.tensor import QuantizedTensor, get_format
from ..stage.base import Stage
from ..stage.handles import Button, menu, slider, text_line
from ..stage.keys import across, along
from ..stage.share import recalled
from ..words import bits
from .block_facts import (
    block_table,
    byte_said,
    edit_numbers,
    fields_of,
    flip_said,
    group_of,
    selection,
    words_of,
)

HEX = "0123456789ABCDEF"
STEPS = {"ArrowLeft": -1, "ArrowRight": 1, "Shift+ArrowLeft": -8, "Shift+ArrowRight": 8}       # bits
KEYS = ("ArrowLeft ArrowRight ArrowUp ArrowDown Home End Space Enter Backspace Delete "
        "0 1 2 3 4 5 6 7 8 9 a b c d e f A B C D E F")
LABEL = ("The block's bits. Left and right: the next bit; with shift, the next byte. Up and down: the next "
         "row. Space: flip the bit. Two hexadecimal digits: write the byte. Backspace: undo all edits.")
NOTE = ("Click a bit, and again to flip it. Keys in the picture: arrows, Space flips, two hex digits write a "
        "byte, Backspace undoes.")


# ---- facts

class Blocks:
    """Blocks by (format, number), and what a learner changed in them (`edited`).

    x: float weights (the bundled ones by default), quantized here, one block at a time; or a
    `QuantizedTensor`, shown as it is.  qtype: the format to begin with.
    lengths: format -> how many blocks.  weights: all of them in a row, none of a `QuantizedTensor`.
    ValueError for weights or a format that do not fit.
    """

    def __init__(self, x: np.ndarray | QuantizedTensor | None, qtype: str):
        self.edited: dict[tuple[str, int], bytes] = {}
        self.stored, self.weights = cache(self._stored), np.empty(0, np.float32)
        self.given: dict[str, bytes] = {}
        if isinstance(x, QuantizedTensor):
            self.first, self.lengths = x.format.name, {x.format.name: len(x.blocks)}
            self.given = {self.first: x.tobytes()}
            return
        self.weights = given_weights(x).ravel()
        self.first, self.lengths = get_format(qtype).name, dict(self._offered())
        if self.first not in self.lengths:
            raise ValueError(self._refusal())

    def _offered(self) -> Iterable[tuple[str, int]]:
        """(format, how many blocks) of all formats that these weights can be shown in."""
        for name, form in FORMATS.items():
            if self.weights.size % form.block_size == 0:
                yield name, self.weights.size // form.block_size

    def _refusal(self) -> str:
        form, n = FORMATS[self.first], self.weights.size
        return (f"a row of {n} weights is no whole number of {form.name} blocks of {form.block_size}; "
                f"it fits {', '.join(self.lengths)}")

    def _stored(self, qtype: str, block: int) -> bytes:
        """A block as ggml writes it."""
        form = FORMATS[qtype]
        if qtype in self.given:
            return self.given[qtype][block * form.type_size : (block + 1) * form.type_size]
        even = np.ones(form.block_size, np.float32) if form.imatrix == "needed" else None
        return form.encode(self.before(qtype, block)[None], even).tobytes()

    def before(self, qtype: str, block: int) -> np.ndarray:
        """The weights of a block before they were quantized; none where only the blocks are known."""
        size = FORMATS[qtype].block_size
        return self.weights[block * size : (block + 1) * size]

    def raw(self, qtype: str, block: int) -> bytes:
        """A block as it is now, edits included."""
        return self.edited.get((qtype, block)) or self.stored(qtype, block)

    def most(self, qtype: str, even: bool) -> tuple[int, int]:
        """The block (and in it the largest weight) whose largest weight is nearest to, or furthest from, the
        other weights.
        """
        size = FORMATS[qtype].block_size
        blocks = np.abs(self.weights[: self.lengths[qtype] * size].reshape(-1, size))
        share = blocks.max(axis=1) / np.maximum(blocks.mean(axis=1, dtype=float), 1e-30)
        block = int(share.argmin() if even else share.argmax())
        return block, int(blocks[block].argmax())


# ---- picture

def _picture(view: BlockView, block: int, count: int, said: str, typed: str) -> Picture:
    """Block number `block` of `count`.  said: an edit in words.  typed: the first of two digits."""
    form = view.parts.form
    edited = sum((a ^ b).bit_count() for a, b in zip(view.raw, view.stored, strict=True))
    first, last = block * form.block_size, (block + 1) * form.block_size - 1
    several = form.block_size > 1
    subtitle = (f"{form.name}: {form.type_size} bytes for {form.block_size} weight{'s' * several}, "
                f"{bits(form.bpw)} bits each.   Block {block:,} of {count:,}: "
                f"weight{f's {first:,} to' if several else ''} {last:,}")
    if edited:
        subtitle += f".   {edited} bit{'s' * (edited > 1)} edited"
    return draw_block(view, words_of(view, typed), group_of(view), subtitle=subtitle, table=block_table(view),
                      finding=said or f"{selection(view)} (block {block:,})"
                      ).telling({"edited": edited, **edit_numbers(view)})


# ---- handles

class BlockExplorer(Stage):
    """Two ways to choose lead to the same place: a weight leads to the bits of its code, a bit to a weight
    that it moves.
    """

    followers = ("hex",)

    def __init__(self, blocks: Blocks):
        self.blocks = blocks
        # an edit in words; the first of two digits; which handle was moved last
        self.said = self.typed = self.led = ""
        self.wrong: str | None = None                   # what stands in the box and is no byte
        first, form = blocks.first, FORMATS[blocks.first]
        weight = min(5, form.block_size - 1)
        byte, bit = anatomy(first).code_place(weight)
        self.shown_hex = f"{blocks.raw(first, 0)[byte]:02X}"
        handles = [menu("qtype", "format", first, blocks.lengths),
                   slider("block", "block", 0, 0, blocks.lengths[first] - 1),
                   slider("weight", "weight", weight, 0, form.block_size - 1),
                   slider("byte", "byte", byte, 0, form.type_size - 1), slider("bit", "bit", bit, 0, 7),
                   text_line("hex", "byte in hex", self.shown_hex, width=140, label_width=80)]
        super().__init__(handles, _picture, buttons=self._buttons(), note=NOTE, keys=KEYS, label=LABEL,
                         label_width=60)
        del self.initial["hex"]                         # Reset moves what is chosen; the box follows

    def _buttons(self) -> list[Button]:
        buttons = [Button("flip", "Flip this bit", "Turn the chosen bit over", self.flip),
                   Button("undo", "Undo edits", "The block as it was stored", self.undo),
                   Button("scale", "The scale",
                          "Choose a bit of the scale that all weights of the block share", self._to_scale)]
        if self.blocks.weights.size:
            buttons += [Button("outlier", "A block with an outlier", "Go to a block with an outlier",
                               partial(self._to_block, False)),
                        Button("even", "The most even block", "Go to the most even block",
                               partial(self._to_block, True))]
        return buttons

    # ---- what is chosen

    @property
    def parts(self) -> Anatomy:
        return anatomy(self.controls["qtype"].value)

    @property
    def where(self) -> tuple[str, int]:
        """Format and number of the block."""
        return self.controls["qtype"].value, self.controls["block"].value

    @property
    def raw(self) -> bytes:
        """The block's bytes as they are now."""
        return self.blocks.raw(*self.where)

    @property
    def chosen(self) -> tuple[int, int]:
        """The chosen byte and bit."""
        return self.controls["byte"].value, self.controls["bit"].value

    def facts(self, qtype: str, block: int, weight: int, byte: int, bit: int, hex: str) -> dict:
        blocks = self.blocks
        view = BlockView(anatomy(qtype), blocks.raw(qtype, block), blocks.stored(qtype, block),
                         blocks.before(qtype, block), byte, bit, weight)
        return dict(view=view, block=block, count=blocks.lengths[qtype], said=self.said, typed=self.typed)

    def moved(self, change) -> None:
        name = next(name for name, control in self.controls.items() if control is change.owner)
        if name == "qtype":
            self._change_format(anatomy(change.old), anatomy(change.new))
        elif name in ("weight", "byte", "bit"):
            self.led = name
        super().moved(change)

    def _change_format(self, old: Anatomy, new: Anatomy) -> None:
        """The same weight, in the other format."""
        at = self.controls["block"].value * old.form.block_size + self.controls["weight"].value
        block, weight = divmod(at, new.form.block_size)
        byte, bit = new.code_place(weight)
        with self.held():
            for name, value, last in (("block", block, self.blocks.lengths[new.form.name] - 1),
                                      ("weight", weight, new.form.block_size - 1),
                                      ("byte", byte, new.form.type_size - 1), ("bit", bit, 7)):
                self.controls[name].max = last
                self.controls[name].value = value

    def redraw(self) -> None:
        """Bring weight, byte and bit together, write what was typed into the box, then draw."""
        if self._held:
            return
        self.said, self.typed, self.wrong = "", "", None
        byte, bit = self.chosen
        if self.led == "weight":
            byte, bit = self.parts.code_place(self.controls["weight"].value)
        weight, moves = self.controls["weight"].value, self.parts.weights(self.parts.owner(byte, bit))
        self.place(byte=byte, bit=bit, weight=weight if weight in moves else moves[0])
        self.led = ""
        if self.controls["hex"].value != self.shown_hex:
            self._write(self.controls["hex"].value)
        self._show()

    def _show(self) -> None:
        """Draw what is chosen; the box shows the byte, unless what stands in it is no byte."""
        self.shown_hex = f"{self.raw[self.chosen[0]]:02X}" if self.wrong is None else self.wrong
        self.place(hex=self.shown_hex)
        super().redraw()

    # ---- editing

    def flip(self) -> None:
        """Turn the chosen bit over."""
        before, after = self.raw, flipped(self.raw, *self.chosen)
        self._edit(after, flip_said(self.parts, before, after, *self.chosen))
        self._show()

    def _write(self, words: str) -> None:
        """Write a byte given in hexadecimal; other words only get an answer."""
        digits = words.strip().upper().removeprefix("0X")
        if not 0 < len(digits) <= 2 or not set(digits) <= set(HEX):
            self.said = f"{words[:20]!r} is no byte: write two hexadecimal digits, from 00 to FF"
            self.wrong = words
            return
        byte, before = self.chosen[0], self.raw
        after = with_byte(before, byte, int(digits, 16))
        self._edit(after, byte_said(self.parts, before, after, byte))

    def _edit(self, after: bytes, said: str) -> None:
        self.blocks.edited[self.where], self.said, self.typed = after, said, ""

    def undo(self) -> None:
        """The block as it was stored."""
        self.blocks.edited.pop(self.where, None)
        self.redraw()

    def reset(self) -> None:
        """The first picture; no block is edited."""
        self.blocks.edited.clear()
        super().reset()

    # ---- mouse, keys and buttons

    def touched(self, message: Mapping) -> None:
        if "weight" in message:
            self.set(weight=int(message["weight"]))
        elif "spot" in message:
            spot = min(max(int(message["spot"]), 0), 8 * len(self.raw) - 1)
            if message.get("single") and (spot // 8, 7 - spot % 8) == self.chosen:
                self.flip()
            else:
                self.set(byte=spot // 8, bit=7 - spot % 8)
        else:
            super().touched(message)

    def pressed(self, key: str) -> None:
        byte, bit = self.chosen
        if key in STEPS or key in ("Home", "End"):
            spot = along(key, 8 * byte + 7 - bit, 8 * len(self.raw), STEPS)
            self.set(byte=spot // 8, bit=7 - spot % 8)
        elif key in ("ArrowUp", "ArrowDown"):
            rows = tile_rows(fields_of(self.parts), len(self.raw))
            row = next(i for i, row in enumerate(rows) if byte < row.first + row.n_bytes)
            row, column = across(key, row, byte - rows[row].first, [row.n_bytes for row in rows])
            self.set(byte=rows[row].first + column)
        elif key in (" ", "Enter"):
            self.flip()
        elif key in ("Backspace", "Delete"):
            self.undo()
        elif key.upper() in HEX:
            self._type(key.upper())

    def _type(self, digit: str) -> None:
        """The first of two digits waits for the second."""
        if self.typed:
            self._write(self.typed + digit)
        else:
            self.typed = digit
        self._show()

    def _to_scale(self) -> None:
        """The middle bit of what all weights of the block share: of a float16, one of its mantissa."""
        shared = next(name for name in ("d", "e", "exponent") if name in self.parts.layout.counts)
        places = self.parts.places[shared, 0]
        byte, bit = places[len(places) // 2]
        self.set(byte=byte, bit=bit)

    def _to_block(self, even: bool) -> None:
        block, weight = self.blocks.most(self.where[0], even)
        self.set(block=block, weight=weight)


@recalled
def explore_block(x: np.ndarray | QuantizedTensor | None = None, qtype: str = "Q4_0") -> BlockExplorer:
    """Every bit of every block: choose a format, a block, a weight, a byte and a bit; flip it and see what
    moves.

    x: float weights (the bundled ones by default), quantized here; or a `QuantizedTensor`, shown as it is.
    qtype: the format to begin with.  Raises ValueError for what does not fit.
    """
    return BlockExplorer(Blocks(x, qtype))
