"""Graphs of layers that keep a state of fixed size: Mamba 2, the gated delta net, short convolutions
(llama.cpp: mamba-base.cpp, delta-net-base.cpp, lfm2.cpp; llama-graph.cpp: build_rs).

The states of all conversations are gathered, worked with, and put back; a step has as many tokens of each
conversation.
"""

from collections.abc import Callable
from functools import cached_property

from ..models.mixers import DELTA_NET, conv_channels, state_numbers
from .decoder import Decoder
from .ggml import Tensor
from .parts import SIGMOID


class Hybrid(Decoder):
    """Layers with attention and layers with a state, as the model's pattern says."""

    @property
    def n_seqs(self) -> int:
        return self.settings.n_parallel

    @property
    def each(self) -> int:
        """Tokens of each conversation."""
        return self.n_tokens // self.n_seqs

    def state_layer(self, x: Tensor, layer: int) -> Tensor:
        raise NotImplementedError

    def attention(self, x: Tensor, layer: int) -> Tensor:
        return self.state_layer(x, layer) if self.shape.has_state(layer) else super().attention(x, layer)

    @cached_property
    def copied(self) -> tuple[Tensor, Tensor, Tensor]:
        """Whose state goes where: of all, of this step's conversations, of all but the first."""
        ids = self.input((self.n_seqs,), "I32")
        return ids, self.view(ids, (self.n_seqs,)), self.view(ids, (self.n_seqs - 1,))

    def state(self, name: str, layer: int) -> Tensor:
        """The last inputs of the convolution ("r"), or the state ("s"), one row a conversation."""
        if (name, layer) not in self._caches:
            ne = state_numbers(self.shape)[name == "s"], self.n_seqs
            self._caches[name, layer] = self.stored(ne, "F32", self.plan.devices[layer])
        return self._caches[name, layer]

    def gathered(self, stored: Tensor, work: Callable[[Tensor, Tensor], Tensor] | None = None) -> Tensor:
        """The states of the step's conversations, or what `work` makes of all and their numbers; the others
        are moved on.
        """
        n, rows = stored.ne[:2]
        every, mine, others = self.copied
        states = self.reshape(stored, n, rows)
        self.expand(self.clear(self.view(states, (n,))))
        found = self.get_rows(states, others if work else every)
        out = work(states, mine) if work else self.view(found, (n, self.n_seqs), (found.nb[1],))
        self.expand(out)
        extra = self.view(found, (n, rows - self.n_seqs), (found.nb[1],))
        self.expand(self.copy(extra, self.view(stored, (n, rows - self.n_seqs), (stored.nb[1],))))
        return out

    def before(self, stored: Tensor) -> Tensor:
        """The last inputs of the convolution: (tokens, channels, conversations)."""
        d_conv, channels = self.shape.ssm_d_conv, conv_channels(self.shape)
        return self.reshape(self.gathered(stored), d_conv - 1, channels, self.n_seqs)

    def window(self, before: Tensor, x: Tensor, stored: Tensor) -> Tensor:
        """The tokens x behind those of before; the last of them are kept.  x: (channels, tokens,
        conversations).
        """
        both, n = self.concat(before, self.transpose(x), 0), self.n_seqs
        last = self.view(both, (before.ne[0], before.ne[1], n), both.nb[1:3])
        self.expand(self.copy(last, self.view(stored, (stored.ne[0], n), (stored.nb[1],))))
        return both


class Mamba2(Hybrid):
    """build_mamba2_layer"""

    def state_layer(self, x: Tensor, layer: int) -> Tensor:
        a, n, each = self.shape, self.n_seqs, self.each
        inner, heads, d_state, group = a.ssm_d_inner, a.ssm_dt_rank, a.ssm_d_state, a.ssm_n_group
        dim = inner // heads
        stored = self.state("r", layer), self.state("s", layer)
        channels, before = conv_channels(a), self.before(stored[0])
        every = self.linear("ssm_in", x, layer)
        every = self.reshape(every, every.ne[0], each, n)
        z = self.view(every, (dim, heads, each, n), (4 * dim, *every.nb[1:3]))
        mixed = self.view(every, (channels, each, n), every.nb[1:3])
        dt = self.view(every, (heads, each, n), every.nb[1:3])
        both = self.window(before, mixed, stored[0])
        mixed = self.ssm_conv(both, self.matrix("ssm_conv1d", layer))
        bias = self.weight("ssm_conv1d.bias", layer)
        mixed = self.unary(mixed if bias is None else self.add(mixed, bias))
        v = self.view(mixed, (dim, heads, each, n), (4 * dim, *mixed.nb[1:3]))
        k = self.view(mixed, (d_state, group, each, n), (4 * d_state, *mixed.nb[1:3]))
        q = self.view(mixed, (d_state, group, each, n), (4 * d_state, *mixed.nb[1:3]))
        dt = self.add(self.cont(dt), self.bare("ssm_dt.bias", layer))

        def scan(states: Tensor, ids: Tensor) -> Tensor:
            states = self.reshape(states, d_state, dim, heads, states.ne[1])
            return self.ssm_scan(states, v, dt, self.bare("ssm_a", layer), k, q, ids)

        y = self.gathered(stored[1], scan)
        self.keep_state(y, stored[1])
        y = self.view(y, (dim, heads, each, n), (v.nb[1], heads * v.nb[1], each * heads * v.nb[1]))
        y = self.add(y, self.mul(v, self.bare("ssm_d", layer)))
        y = self.glu(self.cont(z), y)
        y = self.norm(self.reshape(y, inner // group, group, each, n), "ssm_norm", layer)
        return self.linear("ssm_out", self.reshape(y, inner, each * n), layer)

    def keep_state(self, y: Tensor, stored: Tensor) -> None:
        """What the scan left of the states goes back."""
        n, width = self.n_seqs, stored.ne[0]
        new = self.view(y, (width, n, 1), (4 * width, 4 * width * n))
        self.expand(self.copy(new, self.view(stored, (width, n, 1), (stored.nb[1], stored.nb[1] * n))))


class Nemotron(Mamba2):
    """Each layer is one of three: attention, a state, feed-forward (nemotron-h.cpp)."""

    gating = SIGMOID

    @property
    def normed(self) -> bool:
        return self.shape.expert_norm

    def layer(self, x: Tensor, layer: int) -> Tensor:
        cur = self.norm(x, "attn_norm", layer)
        part = self.second_half if self.shape.has_ffn(layer) else self.attention
        return self.add(*self.cut(part(cur, layer), x, layer))


class DeltaNet(Hybrid):
    """The gated delta net of Qwen 3.5, and attention with a gate (qwen35.cpp, qwen35moe.cpp)."""

    positions_each = 4

    def layer(self, x: Tensor, layer: int) -> Tensor:
        cur = self.norm(x, "attn_norm", layer)
        self.expand(cur)
        cur = self.add(*self.cut(self.attention(cur, layer), x, layer))
        return self.add(self.second_half(self.norm(cur, "post_attention_norm", layer), layer), cur)

    def attention(self, x: Tensor, layer: int) -> Tensor:
        if self.shape.has_state(layer):
            return self.state_layer(x, layer)
        a, n = self.shape, self.n_tokens
        both, k, v = (self.linear(f"attn_{letter}", x, layer) for letter in "qkv")
        step = 4 * 2 * a.head_dim, 4 * 2 * a.head_dim * a.n_head
        q = self.norm(self.view(both, (a.head_dim, a.n_head, n), step), "attn_q_norm", layer)
        k = self.norm(self.reshape(k, a.head_dim, a.n_head_kv, n), "attn_k_norm", layer)
        gate = self.cont(self.view(both, (a.head_dim, a.n_head, n), step), a.head_dim * a.n_head, n)
        v = self.reshape(v, a.head_dim, a.n_head_kv, n)
        out = self.seen(self.turn(q, layer), self.turn(k, layer), v, layer)
        return self.linear("attn_output", self.mul(out, self.unary(gate)), layer)

    def second_half(self, x: Tensor, layer: int) -> Tensor:
        if not self.has("ffn_gate_inp", layer):
            return self.feed_forward(x, layer)
        out, shared = self.experts(x, layer), self.feed_forward(x, layer, "_shexp")
        gate = self.unary(self.mul_mat(self.matrix("ffn_gate_inp_shexp", layer), x))
        return self.add(out, self.mul(shared, gate))

    def inputs(self, x: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What is convolved, the gate of the result, how much is learned and how much is forgotten."""
        n, each, heads = self.n_seqs, self.each, self.shape.ssm_dt_rank
        mixed = self.linear("attn_qkv", x, layer)
        mixed = self.reshape(mixed, mixed.ne[0], each, n)
        z = self.linear("attn_gate", x, layer)
        beta = self.unary(self.reshape(self.linear("ssm_beta", x, layer), 1, heads, each, n))
        alpha = self.reshape(self.linear("ssm_alpha", x, layer), heads, each, n)
        return mixed, z, beta, alpha

    def state_layer(self, x: Tensor, layer: int) -> Tensor:
        a, n, each = self.shape, self.n_seqs, self.each
        heads, d_state = a.ssm_dt_rank, a.ssm_d_state
        dim = a.ssm_d_inner // heads
        mixed, z, beta, alpha = self.inputs(x, layer)
        forget = self.unary(self.add(alpha, self.bare("ssm_dt.bias", layer)))
        forget = self.reshape(self.mul(forget, self.bare("ssm_a", layer)), 1, heads, each, n)
        stored = self.state("s", layer)
        kernel = self.matrix("ssm_conv1d", layer)
        kept = self.state("r", layer)
        both = self.window(self.before(kept), mixed, kept)
        state = self.reshape(self.gathered(stored), dim, dim, heads, n)
        mixed = self.unary(self.ssm_conv(both, kernel))
        q, k, v = (
            self.view(mixed, (width, count, each, n), (4 * width, *mixed.nb[1:3]))
            for width, count in ((d_state, a.ssm_n_group), (d_state, a.ssm_n_group), (dim, heads))
        )
        q, k = (self.spread(self.scale(self.rms_norm(part))) for part in (q, k))
        out = self.delta_net(q, k, v, forget, beta, state)
        y = self.view(out, (dim, heads, each, n), (4 * dim, 4 * dim * heads, 4 * dim * heads * each))
        new = self.view(out, (dim, dim, heads, n), (4 * dim, 4 * dim * dim, 4 * dim * dim * heads))
        self.expand(self.copy(new, self.view(stored, (stored.ne[0], n), (stored.nb[1],))))
        y = self.mul(self.norm(y, "ssm_norm", layer), self.unary(self.reshape(z, dim, heads, each, n)))
        y = self.linear("ssm_out", self.reshape(y, dim * heads, each, n), layer)
        return self.reshape(y, a.n_embd, each * n)

    def spread(self, x: Tensor) -> Tensor:
        """Queries and keys for each head of values."""
        return x


class Qwen3Next(DeltaNet):
    """The same with another order of columns (qwen3next.cpp)."""

    positions_each = 1

    def inputs(self, x: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        a, n, each = self.shape, self.n_seqs, self.each
        heads, groups = a.ssm_dt_rank, a.ssm_n_group
        mixed = self.linear("attn_qkv", x, layer)
        mixed = self.reshape(mixed, mixed.ne[0], each, n)
        z = self.linear("attn_gate", x, layer)
        both = self.linear("ssm_ba", x, layer)
        both = self.reshape(both, 2 * heads // groups, groups, each, n)
        halves = [self.view(both, (heads // groups, groups, each, n), both.nb[1:]) for _ in range(2)]
        beta = self.reshape(self.unary(self.cont(halves[0])), 1, heads, each, n)
        return mixed, z, beta, self.cont(halves[1], heads, each, n)

    def spread(self, x: Tensor) -> Tensor:
        a, n, each = self.shape, self.n_seqs, self.each
        if a.ssm_dt_rank == a.ssm_n_group:
            return x
        times = a.ssm_dt_rank // a.ssm_n_group
        x = self.reshape(x, a.ssm_d_state, 1, a.ssm_n_group, each * n)
        x = self.repeat(x, a.ssm_d_state, times, a.ssm_n_group, each * n)
        return self.reshape(x, a.ssm_d_state, a.ssm_dt_rank, each, n)


class Lfm2(Hybrid):
    """Short convolutions between two gates (lfm2.cpp)."""

    gating = SIGMOID

    def state_layer(self, x: Tensor, layer: int) -> Tensor:
        a, n, each = self.shape, self.n_seqs, self.each
        x = self.reshape(x, a.n_embd, each, n)
        every = self.linear("shortconv.in_proj", x, layer)
        b, c, x = (self.view(every, (a.n_embd, each, n), every.nb[1:3]) for _ in range(3))
        x, kept = self.mul(b, x), self.state("r", layer)
        both = self.window(self.before(kept), x, kept)
        x = self.ssm_conv(both, self.matrix("shortconv.conv", layer))
        y = self.linear("shortconv.out_proj", self.mul(c, x), layer)
        return self.reshape(y, y.ne[0], each * n)

    def join_first(self, cur: Tensor, x: Tensor) -> Tensor:
        return self.add(x, cur)

    def join(self, cur: Tensor, x: Tensor) -> Tensor:
        return self.add(x, cur)


#: arch -> its graph
HYBRIDS = (
    {
        "granitehybrid": Mamba2,
        "nemotron_h": Nemotron,
        "nemotron_h_moe": Nemotron,
        "lfm2": Lfm2,
        "lfm2moe": Lfm2,
    }
    | dict.fromkeys(DELTA_NET, DeltaNet)
    | {"qwen3next": Qwen3Next}
)
