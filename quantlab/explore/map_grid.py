"""The grid of a model map: which tensor stands in which row and layer, from the names alone."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..models.architecture import MOST_LAYERS
from ..models.families import role_and_layer
from .map_sides import Tensor

#: The way through a layer; what is not listed comes after, in the order of the file.
ORDER = ("token_embd", "attn_norm", "attn_q", "attn_q_a", "attn_q_b", "attn_k", "attn_v", "attn_qkv", "attn_kv_a_mqa", "attn_kv_b",
         "attn_k_b", "attn_v_b", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down", "ffn_gate_inp", "ffn_gate_exps",
         "ffn_up_exps", "ffn_down_exps", "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp", "output_norm", "output")
#: Where a vector stands whose name does not begin with its matrix's.
BESIDE = {"post_attention": "attn_output", "post_ffw": "ffn_down", "attn_kv_a": "attn_kv_a_mqa", "attn_sinks": "attn_k"}
MOST_ROWS = 40          # roles that are drawn; the largest are kept


class Line(NamedTuple):
    """One row of the grid: a role, and the tensor's name in each layer (None: this layer has none); alone: outside the layers."""

    role: str
    names: Sequence[str | None]
    alone: bool


def grid(tensors: Mapping[str, Tensor]) -> tuple[list[Line], int]:
    """(the rows of the grid: the layers' roles first, then what stands outside them; how many roles were left out)."""
    inside: dict[str, dict[int, str]] = {}
    alone = []
    for name in tensors:
        role, layer = _role_and_layer(name)
        if layer is None or layer >= MOST_LAYERS:
            alone.append(Line(role, [name], True))
        else:
            inside.setdefault(role, {})[layer] = name
    n_layer = 1 + max((max(layers) for layers in inside.values()), default=-1)
    lines = [Line(role, [layers.get(i) for i in range(n_layer)], False) for role, layers in inside.items()]
    lines = sorted(lines, key=lambda line: _place(line.role)) + sorted(alone, key=lambda line: _place(line.role))
    if len(lines) <= MOST_ROWS:
        return lines, 0
    weight = {id(line): sum(tensors[name].n_weights for name in line.names if name) for line in lines}
    kept = {id(line) for line in sorted(lines, key=lambda line: -weight[id(line)])[:MOST_ROWS]}
    return [line for line in lines if id(line) in kept], len(lines) - MOST_ROWS


def _role_and_layer(name: str) -> tuple[str, int | None]:
    """As `role_and_layer`; a second stack, such as the layers of an image encoder ("v.blk.3.attn_q"), has rows of its own ("v.attn_q")."""
    stack = re.fullmatch(r"(\w{1,9})\.(blk\.\d{1,9}\..+)", name)
    role, layer = role_and_layer(stack[2] if stack else name)
    return (f"{stack[1]}.{role}" if stack else role), layer


def _place(role: str) -> tuple[int, int]:
    """Where a role comes in a layer; its norm and its bias after it."""
    start, dot, rest = role.partition(".")
    if dot and rest not in ("bias", "scale"):
        return len(ORDER) + 1 + _place(rest)[0], _place(rest)[1]
    matrix = start if start in ORDER else start.removesuffix("_norm")
    matrix = BESIDE.get(matrix, matrix)
    return (ORDER.index(matrix) if matrix in ORDER else len(ORDER)), bool(rest) + (matrix != start)
