"""The block explorer: walk through the bytes of a real quantized tensor and see which weights each one holds."""

import ipywidgets as widgets
import numpy as np

from ..basics.sample import sample_weights
from ..formats.anatomy import ALL, BlockParts, take_apart
from ..formats.tensor import QuantizedTensor, get_format, quantize
from ..views.blocks import BlockFacts, draw_block
from ..views.numbers import number
from ..views.style import Picture
from .base import Explorer

FORMATS = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
WIDE = dict(style=dict(description_width="60px"), layout=dict(width="360px"))


def explore_block(x: np.ndarray | QuantizedTensor | None = None, qtype: str = "Q4_0") -> Explorer:
    """Every byte of every block: choose a format, a block and a byte.

    x: float weights (the bundled ones by default), quantized here; or a `QuantizedTensor`, shown as it is.
    qtype: Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0.  Raises ValueError for other types and for weights that do not fit.
    """
    if isinstance(x, QuantizedTensor):
        original, stored = None, {x.format.name: x}
    else:
        original = np.asarray(sample_weights() if x is None else x, np.float32)
        stored = {name: quantize(original, name) for name in (get_format(qtype).name, *FORMATS)}
    first = next(iter(stored))
    take_apart(stored[first].format, stored[first].blocks[0])      # refuse here what cannot be shown
    controls = _controls(stored, first)
    return Explorer(lambda **values: _draw(original, stored, **values), controls, presets=_presets(original, stored),
                    note="Byte and block move with the arrow keys. "
                         "Colour and letter say whose byte it is; hexadecimal digits say what is in it.")


def _controls(stored: dict[str, QuantizedTensor], first: str) -> dict[str, widgets.Widget]:
    byte = widgets.IntSlider(7, min=0, max=stored[first].format.type_size - 1, description="byte", **WIDE)
    choice = widgets.Dropdown(options=sorted(stored), value=first, description="format", **WIDE)
    choice.observe(lambda change: setattr(byte, "max", get_format(change.new).type_size - 1), names="value")
    last = len(stored[first].blocks) - 1
    return {"byte": byte, "block": widgets.IntSlider(0, min=0, max=last, description="block", **WIDE), "qtype": choice}


def _presets(original: np.ndarray | None, stored: dict[str, QuantizedTensor]) -> dict[str, dict[str, object]]:
    presets = {"The scale": {"byte": 0}, "A byte of codes": {"byte": 7}}
    if original is not None and original.size >= 64:
        blocks = np.abs(original.reshape(-1, 32))
        share = blocks.max(axis=1) / np.maximum(blocks.mean(axis=1, dtype=float), 1e-30)
        presets["A block with an outlier"] = {"block": int(share.argmax())}
        presets["The most even block"] = {"block": int(share.argmin())}
    return presets


def _draw(original: np.ndarray | None, stored: dict[str, QuantizedTensor], byte: int, block: int, qtype: str) -> Picture:
    tensor = stored[qtype]
    form, n_blocks = tensor.format, len(tensor.blocks)
    block, byte = min(block, n_blocks - 1), min(byte, form.type_size - 1)
    parts = take_apart(form, tensor.blocks[block])
    if not np.isfinite(parts.decoded).all():
        raise ValueError(f"Block {block} decodes to infinity: its weights need a scale beyond float16's largest number, 65504")
    before = () if original is None else tuple(original.reshape(-1, 32)[block].tolist())
    bit_weights = parts.weight_of_bit[byte][::-1]                   # drawn highest bit first
    headline, lines = _explanation(parts, byte, before)
    owner = parts.owners[byte]
    facts = BlockFacts(parts.raw, parts.owners, parts.codes, parts.decoded, before, parts.levels, parts.all_codes[0], byte,
                       bit_weights, headline, lines, parts.bits_of(owner) if owner in ("d", "m") else "")
    row, column = divmod(block * 32, tensor.shape[-1])
    return draw_block(facts, finding=_finding(parts, byte), subtitle=(
        f"{qtype}: {form.type_size} bytes for 32 weights, {form.bpw:g} bits each.   Block {block:,} of {n_blocks:,}: "
        f"row {row}, weights {column} to {column + 31}"))


def _finding(parts: BlockParts, byte: int) -> str:
    owner, size = parts.owners[byte], len(parts.raw)
    weights = list(dict.fromkeys(parts.weight_of_bit[byte]))
    if owner == "d":
        return f"Byte {byte} of {size}: half of the scale d = {number(parts.d)}, which all 32 weights share"
    if owner == "m":
        return f"Byte {byte} of {size}: half of the minimum m = {number(parts.m)}, which all 32 weights share"
    if owner == "qh":
        return f"Byte {byte} of {size}: the fifth bits of the codes of weights {weights[0]} to {weights[-1]}"
    if len(weights) == 1:
        return f"Byte {byte} of {size} is weight {weights[0]}: code {number(parts.codes[weights[0]])}"
    first, second = weights
    return (f"Byte {byte} of {size} holds two weights: code {parts.codes[first]} for weight {first}, "
            f"code {parts.codes[second]} for weight {second}")


def _explanation(parts: BlockParts, byte: int, before: tuple[float, ...]) -> tuple[str, list[str]]:
    """What stands under the bits: the formula with names, then with numbers."""
    weight, owner = parts.weight_of_bit[byte][0], parts.owners[byte]
    name = "code" if not parts.offset else f"(code − {parts.offset})"
    formula = f"d · {name}" + (" + m" if "m" in parts.owners else "")
    if weight == ALL:
        value, here = (parts.d if owner == "d" else parts.m), ("high" if byte % 2 else "low")
        return f"every weight = {formula}", [f"= here {owner} is {number(value)}", f"this byte is the {here} half of its float16:"]
    code = parts.codes[weight]
    inner = number(code) if not parts.offset else f"({code} − {parts.offset})"
    tail = "" if "m" not in parts.owners else f" {'−' if parts.m < 0 else '+'} {number(abs(parts.m))}"
    lines = [f"= {number(parts.d)} · {inner}{tail} = {number(parts.decoded[weight])}"]
    if before:
        error = parts.decoded[weight] - before[weight]
        step = f" ({abs(error / parts.d):.2f} of a step)" if parts.d else ""
        lines += [f"before {number(before[weight])}", f"error {number(float(f'{error:.2g}'))}{step}"]
    if owner == "qh":
        lines.append(f"its fifth bit is {code >> 4}: {'16 and more' if code >> 4 else 'less than 16'}")
    if parts.qtype == "Q8_0" and code < 0:
        lines.append(f"a byte from 128 means minus: {code + 256} − 256")
    return f"weight {weight} = {formula}", lines
