"""Attention as llama.cpp's graphs have it: queries, keys and values in heads, the cache, and what comes out
(llama-graph.cpp: build_qkv, build_attn, build_attn_mha; llama-kv-cache.cpp).

`Heads` adds it to `Parts`. The layers' caches have one of two lengths: of the whole context, or of a sliding
window (`kind` 1).
"""

from functools import cache

from ..models.cache_types import CACHE_TYPES, columns_turned
from ..models.types import block_of, tensor_nbytes
from .ggml import Shape, Tensor
from .kv_cache import cells, has_flash, kinds_of_rows
from .parts import Layers, Parts


class Heads(Parts):
    """Parts with attention."""

    def __init__(self, plan: Layers):
        super().__init__(plan)
        s, a = plan.settings, plan.shape
        # llama.cpp sees that a card cannot do it only where layers lie on one
        alone = all(place == plan.host for place in plan.devices[:-1])
        self.flash = s.flash_attention and plan.flash and (has_flash(a) or alone)
        self.flashed: list[tuple[Tensor, int]] = []
        self.types = CACHE_TYPES[s.type_k], CACHE_TYPES[s.type_v]
        self.cells, self.widths = cells(a, s), kinds_of_rows(a, s)
        self.windowed = bool(a.sliding_window)
        self._inputs: dict[tuple[str, int], Tensor] = {}
        self._caches: dict[tuple[str, int], Tensor] = {}

    # ---- inputs of each kind of layer

    def _once(self, name: str, kind: int, ne: Shape, qtype: str = "F32") -> Tensor:
        if (name, kind) not in self._inputs:
            self._inputs[name, kind] = self.input(ne, qtype)
        return self._inputs[name, kind]

    def mask(self, kind: int) -> Tensor:
        streams = self.settings.n_streams
        ne = self.cells[kind], self.n_tokens // streams, 1, streams
        return self._once("mask", kind, ne, "F16" if self.flash else "F32")

    def rotation(self, name: str, kind: int, layer: int) -> Tensor | None:
        """The matrix that rotates keys ("k") or values ("v") of a quantized cache, so that no column stands
        out.
        """
        rows = self.rotated(layer)[name == "v"]
        return self._once(name, kind, (rows, rows)) if rows else None

    def rotated(self, layer: int) -> tuple[int, int]:
        """Rows of the matrices for keys and values; 0 where nothing is rotated."""
        a, s = self.shape, self.settings
        if a.is_latent:
            return 0, 0
        _, dim = a.heads_of(layer)
        return columns_turned(s.type_k, dim, "k"), columns_turned(s.type_v, a.value_dim, "v")

    # ---- the cache

    def cache(self, name: str, layer: int) -> Tensor:
        """Keys ("k") or values ("v") of a layer."""
        if (name, layer) not in self._caches:
            kind = self.kind(layer)
            width, _ = self.widths[kind][name == "v"]
            ne = width, self.cells[kind], self.settings.n_streams
            self._caches[name, layer] = self.stored(ne, self.types[name == "v"], self.plan.devices[layer])
        return self._caches[name, layer]

    def kind(self, layer: int) -> int:
        return int(self.shape.is_sliding(layer))

    def _keep(self, name: str, x: Tensor, layer: int) -> Tensor:
        """Into the cache; values go in transposed without flash attention."""
        kind, width = self.kind(layer), x.ne[0] * x.ne[1]
        cache = self.cache(name, layer)
        turned = name == "v" and not self.settings.flash_attention
        n_ids = self.n_tokens * (cache.ne[0] if turned else 1)
        ids = self._once(f"{name} ids", kind, (n_ids,), "I64")
        if turned:
            flat = x.nb[2] == steps_of(width, x.qtype)
            x = self.reshape(x, width, x.ne[2]) if flat else self.cont(x, width, x.ne[2])
            if width < cache.ne[0]:
                x = self.pad(x, cache.ne[0], x.ne[1])
            to, x = self.reshape(cache, 1, cache.n_elements), self.reshape(x, 1, x.n_elements)
        else:
            x = self.view(x, (width, x.ne[2]), (x.nb[2],))
            to = self.reshape(cache, width, cache.ne[1] * cache.ne[2]) if cache.ne[2] > 1 else cache
        return self.set_rows(to, x, ids)

    def _kept(self, name: str, layer: int, head_dim: int, heads: int) -> Tensor:
        """The cache as attention reads it."""
        cache = self.cache(name, layer)
        n, streams, qtype = cache.ne[1], cache.ne[2], cache.qtype
        if name == "v" and not self.settings.flash_attention:
            nb = (
                tensor_nbytes((n * head_dim,), qtype),
                tensor_nbytes((n,), qtype),
                tensor_nbytes((n * cache.ne[0],), qtype),
            )
            return self.view(cache, (n, heads, head_dim, streams), nb)
        nb = steps_of(head_dim, qtype), steps_of(cache.ne[0], qtype), steps_of(cache.ne[0] * n, qtype)
        return self.view(cache, (head_dim, heads, n, streams), nb)

    # ---- attention

    def queries_keys_values(self, x: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """In heads; from one matrix each, or cut out of the result of one."""
        a, n = self.shape, x.ne[1]
        heads = ((a.n_head, a.head_dim), (a.n_head_kv, a.head_dim), (a.n_head_kv, a.value_dim))
        if not self.has("attn_qkv", layer):
            q, k, v = (
                self.reshape(self.linear(f"attn_{letter}", x, layer), dim, count, n)
                for letter, (count, dim) in zip("qkv", heads, strict=True)
            )
            return q, k, v
        qkv = self.linear("attn_qkv", x, layer)
        q, k, v = (self.view(qkv, (dim, count, n), (4 * dim, qkv.nb[1])) for count, dim in heads)
        return q, k, v

    def turn(self, x: Tensor, layer: int) -> Tensor:
        """RoPE, with the frequencies of Llama 3.1 or of a long-context Phi."""
        freqs = self.shared("rope_freqs.weight", layer)
        return self.rope(x, self.positions, freqs or self.shared("rope_factors_long.weight", layer))

    def _rotate(self, x: Tensor, matrix: Tensor) -> Tensor:
        """llama_mul_mat_hadamard"""
        n = matrix.ne[0]
        flat = self.reshape if x.is_contiguous else self.cont
        return self.reshape(self.mul_mat(matrix, flat(x, n, x.n_elements // n)), *x.ne)

    def attend(self, q: Tensor, k: Tensor | None, v: Tensor | None, layer: int) -> Tensor:
        """From queries, keys and values to the output projection."""
        return self.linear("attn_output", self.seen(q, k, v, layer), layer)

    def seen(self, q: Tensor, k: Tensor | None, v: Tensor | None, layer: int) -> Tensor:
        """What attention makes of queries, keys and values; without the last two it reads an earlier layer's
        cache.
        """
        kind = self.kind(layer)
        rotate_k, rotate_v = (self.rotation(name, kind, layer) for name in "kv")
        if rotate_k is not None:
            q = self._rotate(q, rotate_k)
            k = k and self._rotate(k, rotate_k)
        if rotate_v is not None:
            v = v and self._rotate(v, rotate_v)
        self.expand(*(one for one in ((q, k, v) if self.windowed else (q, v, k)) if one is not None))
        for name, x in (("k", k), ("v", v)):
            if x is not None:
                self.expand(self._keep(name, x, layer))
        heads, dim = self.shape.heads_of(layer)
        owner = self.shape.cache_of(layer)
        keys = self._kept("k", owner, dim, heads)
        values = self._kept("v", owner, self.shape.value_dim if dim == self.shape.head_dim else dim, heads)
        out = self.look(q, keys, values, kind, layer)
        return out if rotate_v is None else self._rotate(out, rotate_v)

    def look(
        self, q: Tensor, k: Tensor, v: Tensor, kind: int, layer: int, unpack: Tensor | None = None
    ) -> Tensor:
        """Each token looks at the cells of the cache (build_attn_mha).  unpack: latent attention's matrix
        from what is kept to values.
        """
        streams, turned = k.ne[3], v.nb[1] > v.nb[2]
        each = q.ne[2] // streams
        q = self.view(q, (q.ne[0], q.ne[1], each, streams), (q.nb[1], q.nb[2], q.nb[2] * each))
        q, k, v = (self.permute(x, 0, 2, 1, 3) for x in (q, k, v))
        mask, sinks = self.mask(kind), self.weight("attn_sinks.weight", layer)
        if self.flash:
            v = self.transpose(v) if turned else v
            k, v = (self.cast(x, "F16") if x.qtype == "F32" else x for x in (k, v))
            out = self.flash_attention(q, k, v, mask, sinks)
            self.flashed.append((out, layer))
            if unpack is not None:
                out = self.mul_mat(unpack, self.permute(out, 0, 2, 1, 3))
                out = self.cont(self.permute(out, 0, 2, 1, 3))
            out = self.reshape(out, out.ne[0] * out.ne[1], out.ne[2] * out.ne[3])
        else:
            scores = self.soft_max(self.mul_mat(k, q), mask, sinks)
            v = v if turned else self.cont(self.transpose(v))
            out = self.mul_mat(v, scores)
            if unpack is not None:
                out = self.mul_mat(unpack, out)
            out = self.permute(out, 0, 2, 1, 3)
            out = self.cont(out, out.ne[0] * out.ne[1], out.ne[2] * out.ne[3])
        self.expand(out)
        return out


@cache
def steps_of(n: int, qtype: str) -> int:
    """Bytes of n numbers (ggml_row_size)."""
    block_size, type_size = block_of(qtype)
    return n // block_size * type_size
