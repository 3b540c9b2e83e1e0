"""Models you can turn over in your hand: the map of a real model's types at every ftype, and where the bytes are."""

import re
from collections import Counter

import ipywidgets as widgets

from ..lab.open import open_model
from ..models.architecture import MOST_LAYERS
from ..models.families import role_and_layer
from ..models.tensor_lists import ALIASES, ARCHITECTURES, recorded_ftypes, tensor_rows
from ..models.types import block_of, tensor_nbytes
from ..views.maps import Tile, draw_model_map, draw_role_bytes
from ..views.style import Picture
from .base import Explorer, show

ROLES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
OUTSIDE = ("token_embd", "output")
WIDE = dict(style=dict(description_width="90px"), layout=dict(width="360px"))
#: For models made for ternary weights or with experts, and a twin of F16: not on the slider.
NOT_SHOWN = {"TQ1_0", "TQ2_0", "MXFP4_MOE", "BF16"}
NAMES = {"llama-3.1-8b": "Llama-3.1-8B", "llama-2-7b": "Llama-2-7B", "smollm2-135m": "SmolLM2-135M"}


def explore_kquants(model: str = "llama-3.1-8b", ftype: str = "Q4_K_M") -> Explorer:
    """Drag the ftype: which tensor gets how many bits (llama.cpp's own choices), and how large the file becomes."""
    model = ALIASES.get(model, model)
    ftypes = [name for name in recorded_ftypes(model) if name not in NOT_SHOWN]
    if ftype not in ftypes:
        raise ValueError(f"no recorded ftype {ftype!r}; there are {', '.join(ftypes)}")
    controls = {
        "ftype": widgets.SelectionSlider(options=ftypes, value=ftype, description="ftype", **WIDE),
        "model": widgets.Dropdown(options=[(NAMES[name], name) for name in ARCHITECTURES], value=model,
                                  description="model", **WIDE),
    }
    presets = {"S": {"ftype": "Q4_K_S"}, "M": {"ftype": "Q4_K_M"},
               "Rows that do not fit": {"ftype": "Q4_K_M", "model": "smollm2-135m"}}
    return Explorer(_draw_map, controls, presets=presets,
                    note="From the smallest file to the largest. Each tile is one tensor; rest the mouse on it for its name.")


def _draw_map(ftype: str, model: str) -> Picture:
    tensors = tensor_rows(model, ftype)
    of_role = {role: [row for row in tensors if row[1] == role] for role in (*ROLES, *OUTSIDE)}
    rows = [(role, [_tile(row) for row in of_role[role]]) for role in ROLES]
    outside = [(role, _tile(of_role[role][0])) for role in OUTSIDE if of_role[role]]
    nbytes, full = _nbytes(tensors), _nbytes(tensor_rows(model, "F16"))
    bpw = 8 * nbytes / sum(row[5] for row in tensors)
    small = sum(len(row[3]) == 1 for row in tensors)
    return draw_model_map(
        rows, outside, finding=_finding(ftype, of_role, nbytes),
        subtitle=f"{NAMES[model]} as {ftype}, {len(tensors)} tensors; {small} small vectors stay F32 and are not drawn.",
        size=nbytes, full=full, size_words=f"{in_bytes(nbytes)}, {bpw:.2f} bits per weight",
        note=f"The whole bar is F16: {in_bytes(full)}.", table=_table(of_role))


def plot_model_map(source="sample") -> Explorer:
    """The layers and roles of your own model, each matrix coloured by its bits: a path or a pulled Ollama name.

    Works with the server's tensor table, too. Raises ValueError in words when the model cannot be opened or has no layers.
    """
    with open_model(source) as model:
        rows = [row for row in model.tensors.itertuples(index=False, name=None) if len(row[3]) > 1]
        name, ftype, nbytes, n_weights = model.name, model.ftype, model.nbytes, model.n_weights
    inside, outside = _by_layer(rows)
    if not inside:
        raise ValueError(f"{name} has no layers to draw: no tensor is called blk.0.something")
    types = Counter(row[4] for row in rows)
    parts = _and([f"{count} × {qtype}" for qtype, count in types.most_common(3)])
    return show(draw_model_map(
        inside, outside[:2], finding=f"{name} is {in_bytes(nbytes)}: {parts}",
        subtitle=f"{ftype}, every matrix of {len(inside[0][1])} layers; the digit is the bits of a code.",
        size=nbytes, full=2 * n_weights, size_words=f"{in_bytes(nbytes)}, {8 * nbytes / n_weights:.2f} bits per weight",
        note=f"The whole bar is 16 bits per weight: {in_bytes(2 * n_weights)}."))


def _by_layer(rows: list[tuple]) -> tuple[list[tuple[str, list[Tile]]], list[tuple[str, Tile]]]:
    """(role and one tile per layer), (role and tile of what stands outside the layers), in file order."""
    inside: dict[str, dict[int, Tile]] = {}
    outside = []
    for row in rows:
        role, layer = role_and_layer(row[0])
        if layer is None:
            outside.append((role, _tile(row)))
        elif layer < MOST_LAYERS:
            inside.setdefault(role, {})[layer] = _tile(row)
    n_layer = 1 + max((max(tiles) for tiles in inside.values()), default=-1)
    empty = Tile(0, "this layer has none")
    return [(role, [tiles.get(i, empty) for i in range(n_layer)]) for role, tiles in inside.items()], outside


def _finding(ftype: str, of_role: dict[str, list[tuple]], nbytes: int) -> str:
    """"Q4_K_M is 4.91 GB: attn_v and ffn_down are Q6_K in 16 of 32 layers"."""
    in_stack = Counter(row[4] for role in ROLES for row in of_role[role])
    usual = in_stack.most_common(1)[0][0]
    n_layer, row = len(of_role["attn_q"]), of_role["attn_q"][0][3][0]
    intended = block_of(tensor_rows("llama-3.1-8b", ftype)[5][4])[0]       # blk.0.attn_q of a model without this trouble
    if row % intended and block_of(usual)[0] != intended:
        return f"{ftype} is {in_bytes(nbytes)}, yet mostly {usual}: rows of {row} are no multiple of {intended}"
    groups: dict[tuple[str, int], list[str]] = {}
    for role in ROLES:
        for qtype, count in Counter(row[4] for row in of_role[role] if row[4] != usual).items():
            groups.setdefault((qtype, count), []).append(role)
    said = [f"{_and(roles)} {'is' if len(roles) == 1 else 'are'} {qtype} in "
            + (f"{count} of {n_layer} layers" if count < n_layer else "all layers")
            for (qtype, count), roles in groups.items()]
    return f"{ftype} is {in_bytes(nbytes)}: " + ("; ".join(said[:2]) or f"every layer is {usual} throughout")


def plot_bytes_by_role(model: str = "llama-3.1-8b", ftype: str = "Q4_K_M", plain: str = "Q4_K") -> Explorer:
    """Where the extra bytes of a mix go: each role's bytes if all were `plain`, and what the mix adds."""
    rows = []
    for role in (*ROLES, *OUTSIDE):
        tensors = [row for row in tensor_rows(model, ftype) if row[1] == role]
        base = sum(tensor_nbytes(row[3], plain) for row in tensors)
        rows.append((role, base, _nbytes(tensors) - base))
    extra = sum(row[2] for row in rows)
    first, second = sorted(rows, key=lambda row: -row[2])[:2]
    finding = (f"{ftype} adds {in_bytes(extra)} to plain {plain}: "
               f"{first[2] / extra:.0%} in {first[0]}, {second[2] / extra:.0%} in {second[0]}")
    table = (("Role", f"all {plain}", f"{ftype} adds"), *((role, in_bytes(base), in_bytes(more)) for role, base, more in rows))
    return show(draw_role_bytes(rows, finding=finding, subtitle=f"{NAMES.get(model, model)}, bytes of all layers together",
                                names=(f"if every tensor were {plain}", f"what {ftype} adds"), table=table))


def bits_of(qtype: str) -> int:
    """The digit in a type's name: 4 for "Q4_K", 16 for "BF16"; the nominal bits, without the scales."""
    digits = re.search(r"\d+", qtype)
    return int(digits[0]) if digits else 0


def in_bytes(count: float) -> str:
    """Decimal, as Ollama and download pages say it: "4.91 GB"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= size:
            return f"{count / size:.2f} {unit}" if unit == "GB" else f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def _tile(row: tuple) -> Tile:
    return Tile(bits_of(row[4]), f"{row[0]}: {row[4]}, {row[7]:.2f} bits per weight")


def _nbytes(tensors) -> int:
    return sum(row[6] for row in tensors)


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _table(of_role: dict[str, list[tuple]]) -> tuple[tuple[str, ...], ...]:
    rows = []
    for role, tensors in of_role.items():
        if tensors:
            types = Counter(row[4] for row in tensors)
            rows.append((role, ", ".join(f"{count} × {qtype}" for qtype, count in types.most_common()), in_bytes(_nbytes(tensors))))
    return (("Tensor", "Types", "Size"), *rows)
