"""The usual layer of a language model, out of parts.py and heads.py: `Decoder`."""

from .ggml import Tensor
from .heads import Heads
from .parts import SOFT_MAX

#: Architectures whose word vectors are scaled where they lie.
SCALED_WORDS = {"granite", "granitemoe", "granitehybrid"}


class Decoder(Heads):
    """The usual layer: attention, then feed-forward or experts, each with a norm before it, its result added
    to what came in. What a model has besides (biases, norms of heads, norms behind, sinks) shows in its
    tensors.
    """

    scaled_words = False  # word vectors are scaled, which takes an input
    keeps_last = False  # what the last layer says is an output, too
    gating, weighted_first = SOFT_MAX, False

    @property
    def normed(self) -> bool:
        """Whether the weights of the chosen experts are made to add up to 1."""
        return True

    def build(self) -> "Decoder":
        x = self.embeddings(self.scaled_words, self.shape.arch in SCALED_WORDS)
        for layer in self.plan.layers:
            x = self.layer(x, layer)
        x.is_output = self.keeps_last
        self.finish(x)
        return self

    def layer(self, x: Tensor, layer: int) -> Tensor:
        cur = self.attention(self.norm(x, "attn_norm", layer), layer)
        cur, x = self.cut(cur, x, layer)
        behind = self.has("ffn_norm", layer) and self.has("post_attention_norm", layer)
        if behind:
            cur = self.norm(cur, "post_attention_norm", layer)
        x = self.join_first(cur, x)
        cur = self.norm(x, "ffn_norm" if self.has("ffn_norm", layer) else "post_attention_norm", layer)
        cur = self.second_half(cur, layer)
        if self.has("post_ffw_norm", layer):
            cur = self.norm(cur, "post_ffw_norm", layer)
        return self.join(cur, x)

    def join_first(self, cur: Tensor, x: Tensor) -> Tensor:
        return self.add(cur, x)

    def join(self, cur: Tensor, x: Tensor) -> Tensor:
        return self.add(cur, x)

    def cut(self, cur: Tensor, x: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """In the last layer only the rows whose next word is asked for go on."""
        if layer != self.last:
            return cur, x
        return self.get_rows(cur, self.rows), self.get_rows(x, self.rows)

    def attention(self, x: Tensor, layer: int) -> Tensor:
        q, k, v = self.queries_keys_values(x, layer)
        if self.has("attn_q_norm", layer):
            q, k = self.norm(q, "attn_q_norm", layer), self.norm(k, "attn_k_norm", layer)
        if not self.shape.no_rope:
            q, k = self.turn(q, layer), self.turn(k, layer)
        if self.shape.query_scale:
            q = self.mul(q, self.query_scale)
        return self.attend(q, k, v, layer)

    def second_half(self, x: Tensor, layer: int) -> Tensor:
        if not self.has("ffn_gate_inp", layer):
            return self.feed_forward(x, layer)
        out = self.experts(x, layer, self.gating, self.normed, self.weighted_first)
        if self.has("ffn_up_shexp", layer):
            out = self.add(out, self.feed_forward(x, layer, "_shexp"))
        return out
