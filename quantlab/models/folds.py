"""Which matrices get the same input, and what in front of them can be divided instead.

    for fold in folds_of(model): fold.before, fold.matrices

A column of a matrix can be multiplied by a number if its input is divided by it. Where the input comes from
a norm, the norm's weight is divided; where it comes from a matrix, that matrix' row. Only what leaves the
model as it was is told here: layers of Llama's kind, in which a norm stands before attention and one before
the feed-forward part, and nothing else reads what they give. Mixtures of experts and fused matrices are left
out where a number would be needed in two places.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .source import Model

Types = Mapping[str, tuple[str, tuple[int, ...]]]      # name -> (type, shape in ggml's order)
KNOWN = {"attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}


@dataclass(frozen=True)
class Fold:
    """Columns of all `matrices` can be multiplied by what `before` (a norm's weights, or a matrix' rows) is
    divided by.

    repeats: (copies, width), the runs of columns that come from the same rows; (1, 1): each from its own.
    """

    before: str
    matrices: tuple[str, ...]
    repeats: tuple[int, int] = (1, 1)


def folds_of(model: Model) -> list[Fold]:
    """All folds of a model, layer by layer; none where its layers are of another kind."""
    types = model.types
    n_head_kv = model.counts.n_head_kv
    return [fold for layer in range(model.counts.n_layer)
            for fold in _of_layer(types, f"blk.{layer}.", n_head_kv)]


def _of_layer(types: Types, block: str, n_head_kv: int) -> Iterator[Fold]:
    def name(role: str) -> str:
        return f"{block}{role}.weight"

    def there(*roles: str) -> tuple[str, ...]:
        return tuple(name(role) for role in roles if name(role) in types)

    matrices = {full.removeprefix(block).removesuffix(".weight") for full, (_, shape) in types.items()
                if full.startswith(block) and full.endswith(".weight") and len(shape) > 1}
    if not matrices or not matrices <= KNOWN:
        return
    if there("attn_norm") and there("ffn_norm"):
        yield Fold(name("attn_norm"), there("attn_qkv", "attn_q", "attn_k", "attn_v"))
        yield Fold(name("ffn_norm"), there("ffn_gate", "ffn_up"))
    if len(there("ffn_gate", "ffn_up", "ffn_down")) == 3 and f"{block}ffn_up.bias" not in types:
        yield Fold(name("ffn_up"), there("ffn_down"))
    if len(there("attn_v", "attn_output")) == 2 and f"{block}attn_v.bias" not in types:
        rows, columns = types[name("attn_v")][1][1], types[name("attn_output")][1][0]
        yield Fold(name("attn_v"), there("attn_output"), (columns // rows, rows // n_head_kv))
