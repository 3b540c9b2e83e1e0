"""The graphs of Gemma 3n and Gemma 4 (gemma3n.cpp, gemma4.cpp): a vector for each word and layer, caches that
are read by later layers, and in Gemma 3n four streams side by side (altup).
"""

from ..models.per_layer import N_ALTUP, N_LAYER_SPARSE
from .decoder import Decoder
from .ggml import Tensor


class PerLayer(Decoder):
    """What both have in common."""

    own: Tensor | None = None  # the layers' word vectors

    def looked_up(self) -> Tensor:
        """The word vectors of all layers, as they stand in the table."""
        table = self._at("per_layer_token_embd.weight", self.plan.host)
        found = self.get_rows(table, self.input((self.n_tokens,), "I32"))
        self.expand(found)
        return found

    def shaped(self, x: Tensor) -> Tensor:
        return self.reshape(x, self.shape.n_embd_per_layer, self.shape.n_layer, self.n_tokens)

    def mixed(self, x: Tensor, found: Tensor) -> Tensor:
        first = self.plan.devices[0]
        worked = self.scale(self.mul_mat(self._at("per_layer_model_proj.weight", first), x))
        worked = self.mul(self.rms_norm(self.shaped(worked)), self._at("per_layer_proj_norm.weight", first))
        return self.cont(self.permute(self.scale(self.add(worked, found)), 0, 2, 1, 3))

    def slice(self, x: Tensor) -> Tensor:
        """One of the last direction."""
        return self.view(x, x.ne[:2], (x.nb[1],))

    def look_up(self, x: Tensor, layer: int) -> Tensor:
        """What the layer's own word vectors add."""
        assert self.own is not None
        own = self.slice(self.own)
        if x.ne[1] != own.ne[1]:
            own = self.get_rows(own, self.rows)
        x = self.mul(self.unary(self.linear("inp_gate", x, layer)), own)
        return self.norm(self.linear("proj", x, layer), "post_norm", layer)


class Gemma4(PerLayer):
    def build(self) -> "Gemma4":
        found = self.looked_up() if self.shape.n_embd_per_layer else None
        x = self.embeddings(scaled=True)
        if found is not None:
            self.own = self.mixed(x, self.shaped(self.scale(found)))
        for layer in self.plan.layers:
            x = self.layer(x, layer)
        self.finish(x)
        return self

    def layer(self, x: Tensor, layer: int) -> Tensor:
        cur = self.attention(self.norm(x, "attn_norm", layer), layer)
        cur, x = self.cut(cur, x, layer)
        x = self.add(self.norm(cur, "post_attention_norm", layer), x)
        if self.shape.has_experts(layer):
            cur = self.both_parts(x, layer)
        else:
            cur = self.feed_forward(self.norm(x, "ffn_norm", layer), layer)
        x = self.add(self.norm(cur, "post_ffw_norm", layer), x)
        if self.own is not None:
            x = self.add(x, self.look_up(x, layer))
        return self.mul(x, self.matrix("layer_output_scale", layer))

    def both_parts(self, x: Tensor, layer: int) -> Tensor:
        """Feed-forward and experts, side by side."""
        dense = self.feed_forward(self.norm(x, "ffn_norm", layer), layer)
        dense = self.norm(dense, "post_ffw_norm_1", layer)
        into = self.norm(x, "pre_ffw_norm_2", layer)
        seen = self.mul(self.scale(self.rms_norm(x)), self.bare("ffn_gate_inp.scale", layer))
        logits = self.mul_mat(self.matrix("ffn_gate_inp", layer), seen)
        chosen = self.norm(self.experts(into, layer, logits=logits), "post_ffw_norm_2", layer)
        return self.add(dense, chosen)

    def attention(self, x: Tensor, layer: int) -> Tensor:
        a, n = self.shape, self.n_tokens
        heads, dim = a.heads_of(layer)
        freqs = None if a.is_sliding(layer) else self.shared("rope_freqs.weight", layer)
        q = self.reshape(self.linear("attn_q", x, layer), dim, a.n_head, n)
        q = self.rope(self.norm(q, "attn_q_norm", layer), self.positions, freqs)
        if not a.has_cache(layer):
            return self.attend(q, None, None, layer)
        k = self.linear("attn_k", x, layer)
        v = self.linear("attn_v", x, layer) if self.has("attn_v", layer) else k
        k, v = self.reshape(k, dim, heads, n), self.reshape(v, dim, heads, n)
        k, v = self.norm(k, "attn_k_norm", layer), self.rms_norm(v)
        return self.attend(q, self.rope(k, self.positions, freqs), v, layer)


class Gemma3n(PerLayer):
    def build(self) -> "Gemma3n":
        x = self.embeddings(scaled=True)
        found = self.shaped(self.looked_up())
        found = self.scale(found)
        self.expand(found)
        self.own = self.mixed(x, found)
        x = self.widened(x)
        for layer in self.plan.layers:
            x = self.layer(x, layer)
        self.finish(self.narrowed(x))
        return self

    def magnitude(self, x: Tensor) -> Tensor:
        return self.like("SQRT", self.sum_rows(self.like("SQR", x)))

    def widened(self, x: Tensor) -> Tensor:
        """Four streams out of one: (n_embd, tokens, streams)."""
        wanted = self.magnitude(x)
        more = self.repeat(x, x.ne[0], x.ne[1], N_ALTUP - 1)
        more = self.mul_mat(self._at("altup_proj.weight", self.plan.devices[-1]), more)
        now = self.magnitude(more)
        return self.concat(x, self.like("DIV", self.mul(more, wanted), now), 2)

    def narrowed(self, x: Tensor) -> Tensor:
        """One stream out of four, and only the rows whose next word is asked for."""
        wanted = self.magnitude(self.slice(x))
        rest = self.view(x, (*x.ne[:2], N_ALTUP - 1), x.nb[1:3])
        more = self.mul_mat(self._at("altup_unembd_proj.weight", self.plan.devices[-1]), rest)
        now = self.magnitude(more)
        more = self.like("DIV", self.mul(more, wanted), now)
        one = self.slice(x)
        for _ in range(N_ALTUP - 1):
            one = self.add(one, self.slice(more))
        return self.get_rows(self.scale(one), self.rows)

    def layer(self, x: Tensor, layer: int) -> Tensor:
        predicted = self.predicted(x, layer)
        active = self.slice(predicted)
        cur = self.norm(active, "attn_norm", layer)
        side = self.linear("laurel_r", self.linear("laurel_l", cur, layer), layer)
        side = self.add(self.norm(side, "laurel_post_norm", layer), cur)
        cur = self.norm(self.attention(cur, layer), "post_attention_norm", layer)
        x = self.scale(self.add(self.add(cur, active), side))
        cur = self.sparse_feed_forward(self.norm(x, "ffn_norm", layer), layer)
        x = self.add(self.norm(cur, "post_ffw_norm", layer), x)
        x = self.corrected(predicted, x, layer)
        first = self.mul(self.slice(x), self.matrix("altup_correct_scale", layer))
        first = self.look_up(first, layer)
        rest = self.add(self.view(x, (*x.ne[:2], N_ALTUP - 1), x.nb[1:3]), first)
        return self.concat(self.slice(x), rest, 2)

    def sparse_feed_forward(self, x: Tensor, layer: int) -> Tensor:
        up, gate = self.linear("ffn_up", x, layer), self.linear("ffn_gate", x, layer)
        if layer < N_LAYER_SPARSE:
            mean = Tensor("MEAN", (1, *gate.ne[1:]), (gate,))
            spread = self.scale(self.sum_rows(self.like("SQR", self.like("SUB", gate, mean))))
            least = self.add(mean, self.scale(self.like("SQRT", spread)))
            gate = self.unary(self.like("SUB", gate, least))
        return self.linear("ffn_down", self.mul(up, self.unary(gate)), layer)

    def attention(self, x: Tensor, layer: int) -> Tensor:
        a, n = self.shape, self.n_tokens
        if a.has_cache(layer):
            q, k, v = self.queries_keys_values(x, layer)
            q, k = self.norm(q, "attn_q_norm", layer), self.norm(k, "attn_k_norm", layer)
            return self.attend(self.turn(q, layer), self.turn(k, layer), self.rms_norm(v), layer)
        q = self.reshape(self.linear("attn_q", x, layer), a.head_dim, a.n_head, n)
        return self.attend(self.turn(self.norm(q, "attn_q_norm", layer), layer), None, None, layer)

    def modalities(self, x: Tensor, layer: int) -> Tensor:
        x = self.scale(self.norm(x, "altup_router_norm", layer))
        return self.unary(self.mul_mat(self.matrix("altup_router", layer), x))

    def predicted(self, x: Tensor, layer: int) -> Tensor:
        """What each stream will be, mixed from all."""
        shares = self.linear("altup_predict_coef", self.modalities(self.slice(x), layer), layer)
        shares = self.reshape(shares, N_ALTUP, N_ALTUP, self.n_tokens)
        turned = self.cont(self.permute(x, 1, 2, 0, 3))
        found = self.mul_mat(turned, shares)
        return self.add(self.cont(self.permute(found, 0, 2, 1, 3)), x)

    def corrected(self, predicted: Tensor, x: Tensor, layer: int) -> Tensor:
        """All streams, by what the active one has become."""
        told = self.modalities(x, layer)
        news = self.like("SUB", x, self.slice(predicted))
        shares = self.scale(self.linear("altup_correct_coef", told, layer))
        shares = self.cont(self.transpose(shares), 1, self.n_tokens, N_ALTUP)
        news = self.repeat(news, *news.ne[:2], N_ALTUP)
        return self.add(self.mul(news, shares), predicted)
