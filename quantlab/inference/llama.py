"""A language model in NumPy: from tokens to the scores (logits) of every possible next token, to be read from
top to bottom.

    model = load_lm("tiny")
    cache = model.new_cache(64)
    model.forward(model.tokenizer.encode("To be, or not"), cache, last=True).argmax()

It is a Llama; where other families do otherwise, the choice is asked for by its name (families.py). All
numbers are float32, whatever the file stores.  Sources: llama.cpp's src/models/*.cpp (the graphs of
operations) and ggml_rope_ext; the logits agree with llama.cpp's (tested).  Lessons: 07, 08.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from .gates import REFERENCES, capped, softmax
from .graph import Graph
from .kept import EXACT, as_kept, cache_type, rounded_queries
from .rope import Rope, Turns
from .stored import Matrix, Stored, product
from .tokenizer import Tokenizer, Tokens

CHUNK = 256        # tokens that pass through the layers at a time, so that a long text needs little memory
LOGITS = 1 << 24   # computed at a time, beside those that are returned


@dataclass
class Cache:
    """Keys and values of all tokens so far, which later tokens look back at.

    keys, values: (n_layer, n_head_kv, n_ctx, head_dim).  n: how many tokens are in it; set it to a smaller
    number to take some back.
    """

    keys: np.ndarray
    values: np.ndarray
    n: int = 0

    @property
    def n_ctx(self) -> int:
        """How many tokens fit."""
        return self.keys.shape[2]


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A model that can be run.

    graph: its family's choices, and its numbers.  weights: tensor name -> float32, a matrix as (rows, row
    length), the matrices of experts stacked; matrices may stay as they are stored (stored.py).
    reference: "exact", or "llama.cpp", which rounds as llama.cpp's processor code does: GELU (gates.py), the
    angles of RoPE (rope.py), and queries where keys have few bits (kept.py).
    type_k, type_v: in which types a cache keeps keys and values (`with_cache`).
    watch: called as watch(tensor name, x, expert) with the inputs (tokens, row length) of each matrix; for
    `collect_imatrix`. A matrix that is no expert's has the number 0.
    """

    name: str
    graph: Graph
    tokenizer: Tokenizer
    weights: Mapping[str, Matrix] = field(repr=False)
    reference: str = "exact"
    type_k: str = EXACT
    type_v: str = EXACT
    watch: Callable[[str, np.ndarray, int], object] | None = field(default=None, repr=False)

    @property
    def n_vocab(self) -> int:
        return self.graph.n_vocab

    @property
    def n_ctx_train(self) -> int:
        return self.graph.n_ctx_train

    def new_cache(self, n_ctx: int | None = None) -> Cache:
        """An empty cache for n_ctx tokens; None: as many as the model was trained with, the most it takes."""
        g, n_ctx = self.graph, self.n_ctx_train if n_ctx is None else n_ctx
        if not isinstance(n_ctx, int | np.integer) or n_ctx < 1:
            raise ValueError(f"n_ctx={n_ctx!r}: a context holds at least one token")
        if n_ctx > self.n_ctx_train:
            raise ValueError(f"a context of {n_ctx} tokens is longer than the {self.n_ctx_train} that "
                             f"{self.name} was trained with")
        shape = (g.n_layer, g.n_head_kv, n_ctx, g.head_dim)
        return Cache(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def logits(self, tokens: Tokens) -> np.ndarray:
        """(T, n_vocab) float32: for each token the scores of what may follow it, in a fresh context."""
        tokens = self.checked(tokens)
        return self.forward(tokens, self.new_cache(len(tokens)))

    def forward(self, tokens: Tokens, cache: Cache, last: bool = False) -> np.ndarray:
        """Let T more tokens pass through the model; the cache then holds them.

        Returns (T, n_vocab) float32 logits, or with `last` those of the last token only: (1, n_vocab).
        ValueError as for `states`.
        """
        x = self.states(tokens, cache)[-1 if last else 0:]
        logits, start = np.empty((len(x), self.n_vocab), np.float32), 0
        for piece in self.outputs(x):
            logits[start:start + len(piece)] = piece
            start += len(piece)
        return logits

    def states(self, tokens: Tokens, cache: Cache) -> np.ndarray:
        """Let T more tokens pass through the layers; the cache then holds them.  (T, n_embd): what the last
        layer leaves.

        ValueError for no tokens, for tokens outside the vocabulary, and when they do not fit into the cache.
        """
        tokens = self.checked(tokens)
        if cache.n + len(tokens) > cache.n_ctx:
            raise ValueError(
                f"{len(tokens)} more tokens do not fit: the context of {cache.n_ctx} holds {cache.n} already")
        return np.concatenate([self._through_layers(tokens[start:start + CHUNK], cache)
                               for start in range(0, len(tokens), CHUNK)])

    def outputs(self, states: np.ndarray) -> Iterator[np.ndarray]:
        """The logits that follow from `states`, (rows, n_vocab) float32, in pieces of at most 64 MiB."""
        step = max(min(LOGITS // self.n_vocab, CHUNK), 1)
        for start in range(0, len(states), step):
            yield self._output(states[start:start + step])

    def _through_layers(self, tokens: np.ndarray, cache: Cache) -> np.ndarray:
        """Tokens -> (T, n_embd): what the last layer leaves."""
        x, positions = self.embedded(tokens), np.arange(cache.n, cache.n + len(tokens))
        turns = self._turns(positions, cache.n_ctx)
        for layer in range(self.graph.n_layer):
            x = self._through_layer(x, layer, cache, positions, turns)
        cache.n += len(tokens)
        return x

    def embedded(self, tokens: np.ndarray) -> np.ndarray:
        """(T, n_embd): each token's own vector, which goes into the first layer."""
        return times(self.weights["token_embd.weight"][tokens], self.graph.embedding_scale)

    def one_layer(self, x: np.ndarray, layer: int) -> np.ndarray:
        """(T, n_embd), what goes into a layer for a whole text with nothing before it -> what comes out."""
        positions = np.arange(len(x))
        return self._through_layer(x, layer, self.new_cache(len(x)), positions,
                                   self._turns(positions, len(x)))

    def _through_layer(self, x: np.ndarray, layer: int, cache: Cache, positions: np.ndarray,
                       turns: Mapping[Rope, Turns]) -> np.ndarray:
        g, norms, block = self.graph, self.graph.family.norms, f"blk.{layer}."
        h = self._norm(x, block, norms.before_attention)
        h = self._attention(h, layer, cache, positions, turns)
        x = x + times(self._norm(h, block, norms.after_attention), g.residual_scale)
        h = self._norm(x, block, norms.before_ffn)
        h = self._mixture(h, block) if g.n_expert else self._feed_forward(h, block)
        return x + times(self._norm(h, block, norms.after_ffn), g.residual_scale)

    def _attention(self, x: np.ndarray, layer: int, cache: Cache, positions: np.ndarray,
                   turns: Mapping[Rope, Turns]) -> np.ndarray:
        """Each token collects the values of those before it, weighted by how well its query fits their keys.

        n_head / n_head_kv query heads share a head of keys and values (grouped-query attention).
        """
        g, block, n_tokens = self.graph, f"blk.{layer}.", len(x)
        group, seen = g.n_head // g.n_head_kv, cache.n + n_tokens
        q, k, v = self._queries_keys_values(x, block)
        if rope := g.rope_at(layer):
            q, k = rope.rotate(q, turns[rope]), rope.rotate(k, turns[rope])
        if g.temperature_scale:
            q = q * self._temperatures(positions)
        if self.reference == "llama.cpp":
            q = rounded_queries(q, self.type_k)
        cache.keys[layer, :, cache.n:seen] = as_kept(k, self.type_k, "k").swapaxes(0, 1)
        cache.values[layer, :, cache.n:seen] = as_kept(v, self.type_v, "v").swapaxes(0, 1)
        first = max(cache.n + 1 - g.window, 0) if g.is_local(layer) else 0
        # (n_head_kv, seen, head_dim)
        keys, values = cache.keys[layer, :, first:seen], cache.values[layer, :, first:seen]

        q = times(q, g.attention_scale).reshape(n_tokens, g.n_head_kv, group, g.head_dim)
        q = q.transpose(1, 2, 0, 3).reshape(g.n_head_kv, group * n_tokens, g.head_dim)
        scores = q @ keys.swapaxes(1, 2)
        scores = capped(scores.reshape(g.n_head_kv, group, n_tokens, -1), g.attention_cap)
        if n_tokens > 1:
            new = scores[..., -n_tokens:]
            new[..., ~np.tri(n_tokens, dtype=bool)] = -np.inf             # nobody sees the future
            if g.is_local(layer):
                scores[..., positions[:, None] - np.arange(first, seen) >= g.window] = -np.inf
        sinks = np.asarray(self.weights[block + "attn_sinks.weight"]) if g.family.sinks else None
        shares = softmax(scores, None if sinks is None else sinks.reshape(g.n_head_kv, group, 1, 1))
        mixed = shares.reshape(g.n_head_kv, group * n_tokens, -1) @ values
        mixed = mixed.reshape(g.n_head_kv, group, n_tokens, g.head_dim).transpose(2, 0, 1, 3)
        return self._times(mixed.reshape(n_tokens, g.n_head * g.head_dim), block + "attn_output")

    def _queries_keys_values(self, x: np.ndarray, block: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(T, n_embd) -> (T, heads, head_dim) each, from three matrices or one."""
        g, n_tokens = self.graph, len(x)
        if f"{block}attn_qkv.weight" in self.weights:
            ends = [g.n_head * g.head_dim, (g.n_head + g.n_head_kv) * g.head_dim]
            q, k, v = np.split(self._times(x, block + "attn_qkv"), ends, axis=-1)
        else:
            q, k, v = (self._times(x, f"{block}attn_{letter}") for letter in "qkv")
        if g.family.qk_norm == "all":
            q, k = self._norm(q, block, "attn_q_norm"), self._norm(k, block, "attn_k_norm")
        q = q.reshape(n_tokens, g.n_head, g.head_dim)
        k, v = (part.reshape(n_tokens, g.n_head_kv, g.head_dim) for part in (k, v))
        if g.family.qk_norm == "head":
            q, k = self._norm(q, block, "attn_q_norm"), self._norm(k, block, "attn_k_norm")
        return q, k, v

    def _feed_forward(self, x: np.ndarray, block: str, kind: str = "", expert: int = 0) -> np.ndarray:
        """The gate decides how much of each of the n_ff signals passes.  kind: "_exps" for one of the
        experts, "_shexp" for those that work on every token.
        """
        up = self._times(x, f"{block}ffn_up{kind}", expert)
        if self.graph.family.fused_gate:
            gate, up = np.split(up, 2, axis=-1)
        else:
            gate = self._times(x, f"{block}ffn_gate{kind}", expert)
        passed = REFERENCES[self.reference][self.graph.family.gate](gate, up)
        return self._times(passed, f"{block}ffn_down{kind}", expert)

    def _mixture(self, x: np.ndarray, block: str) -> np.ndarray:
        """Each token goes to the experts that its router chose; what they say is mixed by their shares."""
        chosen, shares = self.routed(x, block)
        y = self._feed_forward(x, block, "_shexp") if self.graph.n_ff_shared else np.zeros_like(x)
        for expert in np.unique(chosen):
            tokens, rank = np.nonzero(chosen == expert)
            y[tokens] += shares[tokens, rank, None] * self._feed_forward(x[tokens], block, "_exps", expert)
        return y

    def routed(self, x: np.ndarray, block: str) -> tuple[np.ndarray, np.ndarray]:
        """The n_expert_used experts that a router scores best for each token, and the softmax of these
        scores: (T, n_expert_used) each, the best first.
        """
        scores = self._times(x, block + "ffn_gate_inp")                   # (T, n_expert)
        chosen = np.argsort(-scores, axis=-1, kind="stable")[:, :self.graph.n_expert_used]
        return chosen, softmax(np.take_along_axis(scores, chosen, axis=-1))

    def _output(self, x: np.ndarray) -> np.ndarray:
        """(T, n_embd) -> (T, n_vocab) logits; with tied embeddings, from each token's own vector."""
        g = self.graph
        matrix = "token_embd" if g.tied_embeddings else "output"
        logits = self._times(self._norm(x, "", "output_norm"), matrix)
        return capped(times(logits, 1 / g.logit_scale), g.final_cap)

    def _norm(self, x: np.ndarray, block: str, name: str) -> np.ndarray:
        """RMSNorm: every vector to length 1 (root mean square), then each column by its own weight. Without a
        name x stays as it is.
        """
        if not name:
            return x
        mean_square = np.square(x).mean(axis=-1, keepdims=True)
        return x / np.sqrt(mean_square + np.float32(self.graph.eps)) * self.weights[f"{block}{name}.weight"]

    def _times(self, x: np.ndarray, name: str, expert: int = 0) -> np.ndarray:
        """(T, row length) times a matrix of the file -> (T, rows), and the bias where the file has one."""
        if self.watch is not None:
            self.watch(name + ".weight", x, expert)
        matrix, bias = self.weights[name + ".weight"], self.weights.get(name + ".bias")
        if matrix.ndim == 3:
            matrix, bias = matrix[expert], None if bias is None else bias[expert]
        y = product(x, matrix)
        return y if bias is None else y + bias

    def _turns(self, positions: np.ndarray, n_ctx: int) -> dict[Rope, Turns]:
        """How RoPE turns at each position, for the layers that see all and for the local ones.

        Llama 3.1 slows some pairs down by the file's `rope_freqs`; Phi has numbers for short contexts and
        others for long ones.
        """
        g, slower = self.graph, "rope_freqs"
        if g.longrope:
            slower = "rope_factors_long" if n_ctx > g.n_ctx_original else "rope_factors_short"
        ropes = {rope for rope in (g.global_rope, g.local_rope) if rope}
        slower_by = np.asarray(self.weights.get(f"{slower}.weight", 1.0))
        return {rope: rope.turns(positions, slower_by, self.reference == "llama.cpp") for rope in ropes}

    def _temperatures(self, positions: np.ndarray) -> np.ndarray:
        """(T, 1, 1): how much sharper attention gets, far from the beginning."""
        far = np.log(np.floor(positions / self.graph.n_ctx_original) + 1)
        return (1 + self.graph.temperature_scale * far).astype(np.float32)[:, None, None]

    def with_weights(self, weights: Mapping[str, Matrix]) -> "LanguageModel":
        """The same model with some tensors replaced; all others are shared.  ValueError for an unknown name
        or another shape.
        """
        new: dict[str, Matrix] = {}
        for name, values in weights.items():
            if name not in self.weights:
                raise ValueError(f"{self.name} has no tensor {name!r} to replace; one of them is "
                                 f"{next(iter(self.weights))}")
            new[name] = values if isinstance(values, Stored) else np.asarray(values, np.float32)
            if new[name].shape != self.weights[name].shape:
                raise ValueError(
                    f"{name} has the shape {self.weights[name].shape}; {new[name].shape} cannot replace it")
        return replace(self, weights={**self.weights, **new})

    def with_cache(self, type_k: str = EXACT, type_v: str = EXACT) -> "LanguageModel":
        """The same model with caches of these types ("f16", "q8_0", "q4_0"): what is stored is rounded as
        llama.cpp rounds it, with flash attention, which values of few bits need there.

        ValueError for what is no type of the cache, and where a head is no whole number of its blocks.
        """
        return replace(self, type_k=cache_type("type_k", type_k, self.graph.head_dim),
                       type_v=cache_type("type_v", type_v, self.graph.head_dim))

    def generate(self, prompt: str | Tokens, n: int = 64, *, temperature: float = 0.0, top_p: float = 1.0,
                 seed: int = 0) -> Iterator[str]:
        """Yield the text that follows `prompt`, at most n tokens of it, in pieces that end at whole
        characters.

        prompt: a text (special tokens in it count as such, and BOS goes in front where the model was trained
        so) or tokens as they are.
        temperature: 0 takes the best token each time (greedy); 1 draws by the model's own probabilities; more
        is wilder.
        top_p: draws only from the best tokens that have this share of the probability together.  seed: of the
        draws. Stops at a token that ends a text.  Raises ValueError, at once, for an empty text, for more
        tokens than the model was trained with, and for settings that cannot be.
        """
        from .generate import generate_tokens, prompt_tokens, whole_characters

        return whole_characters(self, generate_tokens(self, prompt_tokens(self, prompt), n,
                                                      temperature=temperature, top_p=top_p, seed=seed))

    def checked(self, tokens: Tokens) -> np.ndarray:
        """The tokens as an array. ValueError when there are none, or one is outside the vocabulary."""
        if isinstance(tokens, str | bytes):
            raise ValueError(f"tokens are whole numbers, not {type(tokens).__name__}: the tokenizer's "
                             "encode(text) makes them of a text")
        array = np.asarray(tokens)
        if array.ndim != 1 or not array.size:
            raise ValueError("there are no tokens: an empty text has nothing to continue" if not array.size
                             else f"tokens are one row of whole numbers, got the shape {array.shape}")
        if array.dtype.kind not in "iu":
            raise ValueError(f"tokens are whole numbers, got {array.dtype}: {str(array[0])[:40]!r}")
        wrong = array[(array < 0) | (array >= self.n_vocab)]
        if wrong.size:
            raise ValueError(f"token {wrong[0]} is outside the vocabulary of {self.n_vocab}")
        return array


def times(x: np.ndarray, scale: float) -> np.ndarray:
    """x times a number."""
    return x if scale == 1 else x * np.float32(scale)
