"""Each architecture's graph: how its layers are put together out of parts.py and heads.py (llama.cpp's
src/models/*.cpp).

    graph_of(plan).nodes
"""

from .decoder import Decoder
from .gemma import Gemma3n, Gemma4
from .ggml import Tensor
from .parts import AMONG_CHOSEN, SIGMOID, Layers
from .states import HYBRIDS


class Gemma3(Decoder):
    scaled_words = True


class Phi3(Decoder):
    def join(self, cur: Tensor, x: Tensor) -> Tensor:
        return self.add(x, cur)


class Llama4(Decoder):
    """Of four layers three see a piece of the context, and the fourth has no RoPE (llama4.cpp)."""

    gating, weighted_first = SIGMOID, True

    @property
    def normed(self) -> bool:
        return False

    def attention(self, x: Tensor, layer: int) -> Tensor:
        q, k, v = self.queries_keys_values(x, layer)
        if self.shape.is_sliding(layer):
            return self.attend(self.turn(q, layer), self.turn(k, layer), v, layer)
        return self.attend(self.mul(q, self.query_scale), k, v, layer)


class Glm4Moe(Decoder):
    gating = SIGMOID

    @property
    def normed(self) -> bool:
        return self.shape.expert_norm


class GptOss(Decoder):
    gating, keeps_last = AMONG_CHOSEN, True

    @property
    def normed(self) -> bool:
        return False


class DeepSeek2(Decoder):
    """Latent attention: one short vector a token stands for keys and values of all heads (deepseek2.cpp)."""

    @property
    def normed(self) -> bool:
        return self.shape.expert_norm

    def attention(self, x: Tensor, layer: int) -> Tensor:
        a, n = self.shape, self.n_tokens
        rope, rank = a.rope_dim, a.kv_lora_rank
        q = x
        if self.has("attn_q_a", layer):
            q = self.norm(self.linear("attn_q_a", x, layer), "attn_q_a_norm", layer)
            q = self.linear("attn_q_b", q, layer)
        else:
            q = self.linear("attn_q", x, layer)
        q = self.reshape(q, a.head_dim, a.n_head, n)
        both = self.linear("attn_kv_a_mqa", x, layer)
        short, k_pe = (
            self.view(both, (rank, n), (both.nb[1],)),
            self.view(both, (rope, 1, n), (both.nb[1],) * 2),
        )
        k_pe = self.rope(k_pe, self.positions)
        short = self.norm(short, "attn_kv_a_norm", layer)
        return (self.restored if a.full_kv else self.absorbed)(q, short, k_pe, layer)

    def restored(self, q: Tensor, short: Tensor, k_pe: Tensor, layer: int) -> Tensor:
        """Files made before April 2025: every head's keys and values are restored, then kept."""
        a, n = self.shape, self.n_tokens
        kv = self.linear("attn_kv_b", short, layer)
        step = 4 * (a.qk_nope_dim + a.v_head_dim), kv.nb[1]
        k = self.view(kv, (a.qk_nope_dim, a.n_head, n), step)
        v = self.cont(self.view(kv, (a.v_head_dim, a.n_head, n), step))
        q = self.rope(q, self.positions)
        k = self.concat(k, self.repeat(k_pe, a.rope_dim, a.n_head, n), 0)
        return self.attend(q, k, v, layer)

    def absorbed(self, q: Tensor, short: Tensor, k_pe: Tensor, layer: int) -> Tensor:
        """Queries are brought to the short vector, which is kept, and what was seen back from it."""
        a, n = self.shape, self.n_tokens
        nope = self.view(q, (a.qk_nope_dim, a.n_head, n), q.nb[1:3])
        pe = self.rope(self.view(q, (a.rope_dim, a.n_head, n), q.nb[1:3]), self.positions)
        nope = self.mul_mat(self.matrix("attn_k_b", layer), self.permute(nope, 0, 2, 1, 3))
        q = self.concat(self.permute(nope, 0, 2, 1, 3), pe, 0)
        v = self.reshape(short, a.kv_lora_rank, 1, n)
        k = self.concat(v, k_pe, 0)
        self.expand(q, v, k, self._keep("k", k, layer))
        keys = self._kept("k", layer, k.ne[0], 1)
        values = self.view(keys, (v.ne[0], *keys.ne[1:]), keys.nb[1:])
        out = self.look(q, keys, values, 0, layer, self.weight("attn_v_b.weight", layer))
        return self.linear("attn_output", out, layer)


#: arch -> its graph, where it is not the usual one
GRAPHS: dict[str, type[Decoder]] = {
    "gemma3": Gemma3,
    "phi3": Phi3,
    "gpt-oss": GptOss,
    "deepseek2": DeepSeek2,
    "llama4": Llama4,
    "glm4moe": Glm4Moe,
    "gemma3n": Gemma3n,
    "gemma4": Gemma4,
    **HYBRIDS,
}


def graph_of(plan: Layers) -> Decoder:
    """The graph of a step, of as many tokens as the settings allow."""
    return GRAPHS.get(plan.shape.arch, Decoder)(plan).build()
