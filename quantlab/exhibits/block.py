"""The workbench of the block explorer: real weights, the blocks they become in each format, and what a
learner changed in these.

The block explorer: any format, real weights, every bit coloured by its owner; change a bit and see the
weights move.
"""

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import ipywidgets as widgets
import numpy as np

from ..basics.sample import sample_weights
from ..canvas.blocks import draw_block, next_row
from ..canvas.style import Picture
from ..formats.anatomy import Anatomy, anatomy, flipped, with_byte
from ..formats.table import FORMATS
from ..formats.tensor import QuantizedTensor, get_format, quantize
from ..stage.legacy import Explorer, Touch, button
from .block_facts import (
    block_facts,
    block_table,
    byte_said,
    close_facts,
    field_words,
    flip_said,
    group_facts,
    selection,
)


class Bench:
    """Blocks by (format, number).

    x: float weights (the bundled ones by default), quantized here, one block at a time; or a
    `QuantizedTensor`, shown as it is.
    qtype: the format to begin with.  ValueError for weights or a format that do not fit.
    """

    def __init__(self, x: np.ndarray | QuantizedTensor | None, qtype: str):
        self._known: dict[tuple[str, int], bytes] = {}
        self._edited: dict[tuple[str, int], bytes] = {}
        self.weights, self.recorded = None, {}
        if isinstance(x, QuantizedTensor):
            self.first, self.lengths = x.format.name, {x.format.name: len(x.blocks)}
            self._raw = x.tobytes()
            return
        if x is None:
            self.recorded = {name: blocks for name, blocks in recorded_blocks().items()
                             if FORMATS[name].encoder is None}
        array = np.asarray(sample_weights() if x is None else x)
        # refuses what is not finite or no number
        self.weights = quantize(array, "F32").dequantize().reshape(-1)
        self.first = get_format(qtype).name
        self.lengths = dict(self._offered())
        if self.first not in self.lengths:
            raise ValueError(self._refusal())

    def _offered(self) -> Iterable[tuple[str, int]]:
        """(format, how many blocks) of all formats that these weights can be shown in."""
        for name, form in FORMATS.items():
            if name in self.recorded:
                yield name, len(self.recorded[name]) // form.type_size
            elif form.encoder and self.weights.size and self.weights.size % form.block_size == 0:
                yield name, self.weights.size // form.block_size

    def _refusal(self) -> str:
        form = FORMATS[self.first]
        if not self.weights.size or self.weights.size % form.block_size:
            return (
                f"a row of {self.weights.size} weights is no whole number of {form.name} blocks of "
                f"{form.block_size}; "
                f"it fits {', '.join(self.lengths)}")
        return f"{form.name} blocks can be read here, but not written: pass a QuantizedTensor, or leave the weights out"

    def before(self, qtype: str, block: int) -> np.ndarray | None:
        """The weights of a block before they were quantized, (block_size,); None where only the blocks are
        known.
        """
        if self.weights is None:
            return None
        size = FORMATS[qtype].block_size
        return self.weights[block * size : (block + 1) * size]

    def most(self, qtype: str, even: bool) -> tuple[int, int]:
        """The block (and in it the largest weight) whose largest weight is nearest to, or furthest from, the
        other weights.
        """
        size = FORMATS[qtype].block_size
        blocks = np.abs(self.weights[: self.lengths[qtype] * size].reshape(-1, size))
        share = blocks.max(axis=1) / np.maximum(blocks.mean(axis=1, dtype=float), 1e-30)
        block = int(share.argmin() if even else share.argmax())
        return block, int(blocks[block].argmax())

    def stored(self, qtype: str, block: int) -> bytes:
        """A block as ggml writes it."""
        if (qtype, block) not in self._known:
            self._known[qtype, block] = self._made(qtype, block)
        return self._known[qtype, block]

    def _made(self, qtype: str, block: int) -> bytes:
        form = FORMATS[qtype]
        raw = self._raw if self.weights is None else self.recorded.get(qtype)
        if raw is not None:
            return raw[block * form.type_size : (block + 1) * form.type_size]
        even = np.ones(form.block_size, np.float32) if form.imatrix == "needed" else None
        return form.encode(self.before(qtype, block)[None], even).tobytes()

    def raw(self, qtype: str, block: int) -> bytes:
        """A block as it is now, edits included."""
        return self._edited.get((qtype, block)) or self.stored(qtype, block)

    def edit(self, qtype: str, block: int, raw: bytes) -> None:
        """Keep a changed block in place of the stored one."""
        self._edited[qtype, block] = raw

    def undo(self, qtype: str, block: int) -> None:
        """Forget what was changed in a block."""
        self._edited.pop((qtype, block), None)

    def undo_all(self) -> None:
        self._edited.clear()


@cache
def recorded_blocks() -> dict[str, bytes]:
    """Format -> its first blocks of `ql.sample_weights()`, as ggml's own C wrote them: for types that are
    only read here.
    """
    text = (files("quantlab") / "data" / "codebook_blocks.json").read_text()
    return {name: bytes.fromhex(blocks) for name, blocks in json.loads(text).items()}


WIDE = dict(style=dict(description_width="60px"), layout=dict(width="360px"))
HEX = "0123456789ABCDEF"
KEYS = ("ArrowLeft ArrowRight ArrowUp ArrowDown Home End Space Enter Backspace Delete "
        "0 1 2 3 4 5 6 7 8 9 a b c d e f A B C D E F")
LABEL = (
    "The block's bits. Left and right: the next bit; with shift, the next byte. Up and down: the next row. "
    "Space: flip the bit. Two hexadecimal digits: write the byte. Backspace: undo all edits.")


def explore_block(x: np.ndarray | QuantizedTensor | None = None, qtype: str = "Q4_0") -> "BlockExplorer":
    """Every bit of every block: choose a format, a block, a weight, a byte and a bit; flip it and see what
    moves.

    x: float weights (the bundled ones by default), quantized here; or a `QuantizedTensor`, shown as it is.
    qtype: the format to begin with.  Raises ValueError for what does not fit.
    """
    return BlockExplorer(Bench(x, qtype))


class BlockExplorer(Explorer):
    """Two ways to choose lead to the same place: a weight leads to the bits of its code, a bit to a weight
    that it moves.
    """

    def __init__(self, bench: Bench):
        self.bench = bench
        # an edit in words; the first of two digits; who was touched last
        self.said = self.typed = self.led = ""
        self.wrong = None                               # what stands in the box and is no byte
        controls = self._controls()
        self.shown_hex = controls["hex"].value
        super().__init__(self._picture, controls,
                         note=(
                             "Click a bit, and again to flip it. Keys in the picture: arrows, Space flips, "
                             "two hex digits write a byte, Backspace undoes."))
        del self.initial["hex"]                         # Reset moves what is chosen; the box follows
        self.children = (*self.children, Touch(LABEL, KEYS, self.touched))

    # ---- what is chosen

    @property
    def parts(self) -> Anatomy:
        return anatomy(self.controls["qtype"].value)

    @property
    def place(self) -> tuple[str, int]:
        """Format and number of the block."""
        return self.controls["qtype"].value, self.controls["block"].value

    @property
    def raw(self) -> bytes:
        """The block's bytes as they are now."""
        return self.bench.raw(*self.place)

    def _controls(self) -> dict[str, widgets.Widget]:
        first, form = self.bench.first, anatomy(self.bench.first).form
        byte, bit = anatomy(first).code_place(min(5, form.block_size - 1))
        sliders = {"block": (0, self.bench.lengths[first] - 1),
                   "weight": (min(5, form.block_size - 1), form.block_size - 1),
                   "byte": (byte, form.type_size - 1), "bit": (bit, 7)}
        controls = {"qtype": widgets.Dropdown(options=list(self.bench.lengths), value=first,
                                              description="format", **WIDE)}
        controls |= {name: widgets.IntSlider(value, min=0, max=last, description=name, **WIDE)
                     for name, (value, last) in sliders.items()}
        controls["hex"] = widgets.Text(f"{self.bench.raw(first, 0)[byte]:02X}", description="byte in hex",
                                       continuous_update=False, style=dict(description_width="80px"),
                                       layout=dict(width="140px"))
        controls["qtype"].observe(self._change_format, names="value")
        for name, leads in (("weight", "weight"), ("byte", "bit"), ("bit", "bit")):
            controls[name].observe(lambda _change, leads=leads: setattr(self, "led", leads), names="value")
        return controls

    def _change_format(self, change) -> None:
        """The same weight, in the other format."""
        old, new, controls = anatomy(change.old), anatomy(change.new), self.controls
        at = controls["block"].value * old.form.block_size + controls["weight"].value
        held, self._held = self._held, True
        try:
            block, weight = divmod(at, new.form.block_size)
            for name, value, last in (("block", block, self.bench.lengths[change.new] - 1),
                                      ("weight", weight, new.form.block_size - 1),
                                      ("byte", new.code_place(weight)[0], new.form.type_size - 1),
                                      ("bit", new.code_place(weight)[1], 7)):
                controls[name].max = last
                controls[name].value = min(value, last)
        finally:
            self._held = held

    def redraw(self, _change=None) -> None:
        """Bring weight, byte and bit together, then draw."""
        if not self._held:
            self.said, self.typed, self.wrong = "", "", None
            self._settle()
            self._show()

    def _settle(self) -> None:
        """The last one touched leads; what was typed in the box is written."""
        controls, parts = self.controls, self.parts
        if self.led == "weight":
            self._move(*parts.code_place(controls["weight"].value))
        else:
            self._move(controls["byte"].value, controls["bit"].value)
        if controls["hex"].value != self.shown_hex:
            self._write(controls["hex"].value)

    def _move(self, byte: int, bit: int) -> None:
        """Choose a bit, and a weight that it moves: the present one if it does."""
        controls, weights = self.controls, self.parts.weights(self.parts.owner(byte, bit))
        weight = controls["weight"].value
        self._place(byte=byte, bit=bit, weight=weight if weight in weights else weights[0])

    def _place(self, **values) -> None:
        """Move controls without drawing."""
        self._held = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._held, self.led = False, ""

    def _show(self) -> None:
        """Draw what is chosen; the box shows the byte, unless what stands in it is no byte."""
        self._place(hex=f"{self.raw[self.controls['byte'].value]:02X}" if self.wrong is None else self.wrong)
        self.shown_hex = self.controls["hex"].value
        super().redraw()

    # ---- editing

    def flip(self, _button=None) -> None:
        """Turn the chosen bit over."""
        byte, bit = self.controls["byte"].value, self.controls["bit"].value
        before, after = self.raw, flipped(self.raw, byte, bit)
        self._edit(after, flip_said(self.parts, before, after, byte, bit))

    def _write(self, words: str) -> None:
        """Write a byte given in hexadecimal; other words only get an answer."""
        digits = words.strip().upper().removeprefix("0X")
        if not 0 < len(digits) <= 2 or not set(digits) <= set(HEX):
            self.said, self.wrong = f"{words[:20]!r} is no byte: write two hexadecimal digits, from 00 to FF", words
            return
        byte, before = self.controls["byte"].value, self.raw
        after = with_byte(before, byte, int(digits, 16))
        self.bench.edit(*self.place, after)
        self.said = byte_said(self.parts, before, after, byte)

    def _edit(self, after: bytes, said: str) -> None:
        self.bench.edit(*self.place, after)
        self.said, self.typed = said, ""
        self._show()

    def undo(self, _button=None) -> None:
        """The block as it was stored."""
        self.bench.undo(*self.place)
        self.redraw()

    def _start_again(self, _button=None) -> None:
        self.bench.undo_all()
        self.redraw()

    # ---- mouse and keys in the picture

    def touched(self, message: dict) -> None:
        """A click or a key in the picture, as `Touch` tells it."""
        if "weight" in message:
            self.set(weight=min(max(int(message["weight"]), 0), self.parts.form.block_size - 1))
        elif "spot" in message:
            self._pick(int(message["spot"]), bool(message.get("single")))
        elif "key" in message:
            self._press(str(message["key"]))

    def _pick(self, spot: int, single: bool) -> None:
        byte, bit = self._bit_at(spot)
        if single and (byte, bit) == (self.controls["byte"].value, self.controls["bit"].value):
            self.flip()
        else:
            self.set(byte=byte, bit=bit)

    def _bit_at(self, spot: int) -> tuple[int, int]:
        """(byte, bit) of a number in reading order, pulled back into the block."""
        byte, place = divmod(min(max(spot, 0), 8 * self.parts.form.type_size - 1), 8)
        return byte, 7 - place

    def _press(self, key: str) -> None:
        byte, bit = self.controls["byte"].value, self.controls["bit"].value
        here = 8 * byte + 7 - bit
        steps = {"ArrowLeft": -1, "ArrowRight": 1, "Shift+ArrowLeft": -8, "Shift+ArrowRight": 8,
                 "Home": -here, "End": 8 * len(self.raw)}
        if key in steps:
            byte, bit = self._bit_at(here + steps[key])
            self.set(byte=byte, bit=bit)
        elif key in ("ArrowUp", "ArrowDown"):
            self.set(byte=next_row(field_words(self.parts), len(self.raw), byte, key == "ArrowDown"))
        elif key in (" ", "Enter"):
            self.flip()
        elif key in ("Backspace", "Delete"):
            self.undo()
        elif key.upper() in HEX:
            self._type(key.upper())

    def _type(self, digit: str) -> None:
        """The first of two digits waits for the second."""
        if not self.typed:
            self.typed = digit
            self._show()
            return
        words, self.typed = self.typed + digit, ""
        self._write(words)
        self._show()

    # ---- the picture and its buttons

    def _picture(self, qtype: str, block: int, weight: int, byte: int, bit: int, hex: str) -> Picture:
        parts, raw, stored = anatomy(qtype), self.bench.raw(qtype, block), self.bench.stored(qtype, block)
        before, form = self.bench.before(qtype, block), parts.form
        edited = sum((a ^ b).bit_count() for a, b in zip(raw, stored, strict=True))
        first, last = block * form.block_size, (block + 1) * form.block_size - 1
        subtitle = (
            f"{qtype}: {form.type_size} bytes for {form.block_size} weight{'s' * (form.block_size > 1)}, "
            f"{form.bpw:g} bits each.   "
            f"Block {block:,} of {self.bench.lengths[qtype]:,}: "
            f"weight{f's {first:,} to' if last > first else ''} {last:,}")
        if edited:
            subtitle += f".   {edited} bit{'s' * (edited > 1)} edited"
        return draw_block(block_facts(parts, raw, stored, byte, bit, weight),
                          close_facts(parts, raw, stored, byte, bit, weight, before, self.typed),
                          group_facts(parts, raw, stored, weight, before), finding=self.said
                          or f"{selection(parts, raw, byte, bit)} (block {block:,})", subtitle=subtitle,
                          table=block_table(parts, raw, stored, byte, weight, before))

    def _buttons(self, presets) -> dict[str, widgets.Widget]:
        buttons = {words: button(words, tip, press) for words, tip,
                   press in (("Flip this bit", "Turn the chosen bit over", self.flip),
                             ("Undo edits", "The block as it was stored", self.undo),
                             ("The scale", "Choose a bit of the scale that all weights of the block share",
                              self._to_scale))}
        if self.bench.weights is not None:
            buttons |= {words: button(words, f"Go to {words.lower()}", lambda _b,
                                      even=even: self._to_block(even)) for words,
                        even in (("A block with an outlier", False), ("The most even block", True))}
        buttons |= super()._buttons(presets)
        buttons["Reset"].on_click(self._start_again)
        return buttons

    def _to_scale(self, _button=None) -> None:
        """The middle bit of what all weights of the block share: of a float16, one of its mantissa."""
        shared = next(name for name in ("d", "e", "exponent") if name in self.parts.layout.counts)
        places = self.parts.places[shared, 0]
        byte, bit = places[len(places) // 2]
        self.set(byte=byte, bit=bit)

    def _to_block(self, even: bool) -> None:
        block, weight = self.bench.most(self.place[0], even)
        self.set(block=block, weight=weight)
