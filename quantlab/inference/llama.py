"""A Llama in NumPy: from tokens to the scores (logits) of every possible next token, to be read from top to
bottom.

    model = load_lm("tiny")
    cache = model.new_cache(64)
    model.forward(model.tokenizer.encode("To be, or not"), cache, last=True).argmax()

All numbers are float32, whatever the file stores.  Sources: llama.cpp's src/models/llama.cpp (the graph of
operations) and ggml_rope_ext; the logits agree with llama.cpp's (tested).  Lessons: 07, 08.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..models.architecture import Architecture
from .tokenizer import Tokenizer, Tokens

CHUNK = 256        # tokens that pass through the layers at a time, so that a long text needs little memory


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

    weights: tensor name -> float32, a matrix as (rows, row length).  eps: what RMSNorm adds.  rope_base:
    theta of RoPE; rope_scale: positions are divided by it.  attention_scale: what the scores of attention are
    multiplied with.
    watch: called as watch(tensor name, x) with the inputs (tokens, row length) of each matrix; for
    `collect_imatrix`.
    """

    name: str
    architecture: Architecture
    tokenizer: Tokenizer
    weights: Mapping[str, np.ndarray] = field(repr=False)
    eps: float = 1e-5
    rope_base: float = 10000.0
    rope_scale: float = 1.0
    attention_scale: float = 0.125
    watch: Callable[[str, np.ndarray], object] | None = field(default=None, repr=False)

    @property
    def n_vocab(self) -> int:
        return self.architecture.n_vocab

    @property
    def n_ctx_train(self) -> int:
        return self.architecture.n_ctx_train

    def new_cache(self, n_ctx: int | None = None) -> Cache:
        """An empty cache for n_ctx tokens; None: as many as the model was trained with, the most it takes."""
        a, n_ctx = self.architecture, self.n_ctx_train if n_ctx is None else n_ctx
        if not isinstance(n_ctx, int | np.integer) or n_ctx < 1:
            raise ValueError(f"n_ctx={n_ctx!r}: a context holds at least one token")
        if n_ctx > self.n_ctx_train:
            raise ValueError(f"a context of {n_ctx} tokens is longer than the {self.n_ctx_train} that "
                             f"{self.name} was trained with")
        shape = (a.n_layer, a.n_head_kv, n_ctx, a.head_dim)
        return Cache(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def logits(self, tokens: Tokens) -> np.ndarray:
        """(T, n_vocab) float32: for each token the scores of what may follow it, in a fresh context."""
        tokens = self.checked(tokens)
        return self.forward(tokens, self.new_cache(len(tokens)))

    def forward(self, tokens: Tokens, cache: Cache, last: bool = False) -> np.ndarray:
        """Let T more tokens pass through the model; the cache then holds them.

        Returns (T, n_vocab) float32 logits, or with `last` those of the last token only: (1, n_vocab).
        ValueError for no tokens, for tokens outside the vocabulary, and when they do not fit into the cache.
        """
        tokens = self.checked(tokens)
        if cache.n + len(tokens) > cache.n_ctx:
            raise ValueError(
                f"{len(tokens)} more tokens do not fit: the context of {cache.n_ctx} holds {cache.n} already")
        logits = np.empty((1 if last else len(tokens), self.n_vocab), np.float32)
        for start in range(0, len(tokens), CHUNK):
            x = self._through_layers(tokens[start:start + CHUNK], cache)
            if not last:
                logits[start:start + CHUNK] = self._output(x)
        return self._output(x[-1:]) if last else logits

    def _through_layers(self, tokens: np.ndarray, cache: Cache) -> np.ndarray:
        """Tokens -> (T, n_embd): what the last layer leaves."""
        x = self.weights["token_embd.weight"][tokens]                     # each token's own vector
        positions = np.arange(cache.n, cache.n + len(tokens))
        turns = self._turns(positions)
        for layer in range(self.architecture.n_layer):
            x = x + self._attention(self._norm(x, f"blk.{layer}.attn_norm"), layer, cache, positions, turns)
            x = x + self._feed_forward(self._norm(x, f"blk.{layer}.ffn_norm"), f"blk.{layer}.")
        cache.n += len(tokens)
        return x

    def _attention(self, x: np.ndarray, layer: int, cache: Cache, positions: np.ndarray, turns) -> np.ndarray:
        """Each token collects the values of those before it, weighted by how well its query fits their keys.

        n_head / n_head_kv query heads share a head of keys and values (grouped-query attention).
        """
        a, block, n_tokens = self.architecture, f"blk.{layer}.", len(x)
        group, seen = a.n_head // a.n_head_kv, cache.n + n_tokens
        q = rotate(self._times(x, block + "attn_q").reshape(n_tokens, a.n_head, a.head_dim), turns)
        k = rotate(self._times(x, block + "attn_k").reshape(n_tokens, a.n_head_kv, a.head_dim), turns)
        v = self._times(x, block + "attn_v").reshape(n_tokens, a.n_head_kv, a.head_dim)
        cache.keys[layer, :, cache.n:seen] = k.swapaxes(0, 1)
        cache.values[layer, :, cache.n:seen] = v.swapaxes(0, 1)
        # (n_head_kv, seen, head_dim)
        keys, values = cache.keys[layer, :, :seen], cache.values[layer, :, :seen]

        q = q.reshape(n_tokens, a.n_head_kv, group, a.head_dim).transpose(1, 2, 0, 3)
        scores = q.reshape(a.n_head_kv, group * n_tokens, a.head_dim) @ keys.swapaxes(1, 2)
        scores = scores.reshape(a.n_head_kv, group, n_tokens, seen) * np.float32(self.attention_scale)
        if n_tokens > 1:
            scores[..., np.arange(seen) > positions[:, None]] = -np.inf   # nobody sees the future
        mixed = softmax(scores).reshape(a.n_head_kv, group * n_tokens, seen) @ values
        mixed = mixed.reshape(a.n_head_kv, group, n_tokens, a.head_dim).transpose(2, 0, 1, 3)
        return self._times(mixed.reshape(n_tokens, a.n_head * a.head_dim), block + "attn_output")

    def _feed_forward(self, x: np.ndarray, block: str) -> np.ndarray:
        """SwiGLU: the gate decides how much of each of the n_ff signals passes."""
        return self._times(silu(self._times(x, block + "ffn_gate")) * self._times(x, block + "ffn_up"),
                           block + "ffn_down")

    def _output(self, x: np.ndarray) -> np.ndarray:
        """(T, n_embd) -> (T, n_vocab) logits; with tied embeddings, from each token's own vector."""
        matrix = "token_embd" if self.architecture.tied_embeddings else "output"
        return self._times(self._norm(x, "output_norm"), matrix)

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        """RMSNorm: every vector to length 1 (root mean square), then each column by its own weight."""
        mean_square = np.square(x).mean(axis=-1, keepdims=True)
        return x / np.sqrt(mean_square + np.float32(self.eps)) * self.weights[name + ".weight"]

    def _times(self, x: np.ndarray, name: str) -> np.ndarray:
        """(T, row length) times a matrix of the file -> (T, rows), and the bias where the file has one."""
        if self.watch is not None:
            self.watch(name + ".weight", x)
        y = x @ self.weights[name + ".weight"].T
        return y + self.weights[name + ".bias"] if name + ".bias" in self.weights else y

    def _turns(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and sine (T, 1, pairs) of the angles by which RoPE turns each pair at each position.

        Pair i turns by position * base^(-2i / head_dim); Llama 3.1 slows some pairs down by the file's
        `rope_freqs`.
        """
        head_dim = self.architecture.head_dim
        speeds = self.rope_base ** (-np.arange(0, head_dim, 2) / head_dim) / self.rope_scale
        if "rope_freqs.weight" in self.weights:
            speeds = speeds / self.weights["rope_freqs.weight"]
        angles = positions[:, None, None] * speeds
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def with_weights(self, weights: Mapping[str, np.ndarray]) -> "LanguageModel":
        """The same model with some tensors replaced; all others are shared.  ValueError for an unknown name
        or another shape.
        """
        new = {}
        for name, values in weights.items():
            if name not in self.weights:
                raise ValueError(f"{self.name} has no tensor {name!r} to replace; one of them is "
                                 f"{next(iter(self.weights))}")
            new[name] = np.asarray(values, np.float32)
            if new[name].shape != self.weights[name].shape:
                raise ValueError(
                    f"{name} has the shape {self.weights[name].shape}; {new[name].shape} cannot replace it")
        return replace(self, weights={**self.weights, **new})

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


def rotate(x: np.ndarray, turns: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """RoPE: turn each pair of neighbours (2i, 2i + 1) of every head, as a point in a plane.

    x: (T, heads, head_dim).  GGUF's llama files have the rows of Q and K in this order already
    (LLAMA_ROPE_TYPE_NORM).
    """
    cos, sin = turns
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores -> shares that add up to 1, along the last axis; done in place."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def silu(x: np.ndarray) -> np.ndarray:
    """x times the logistic function of x."""
    with np.errstate(over="ignore"):          # exp(-x) may be infinite: then the result is 0, as it should be
        return x / (1 + np.exp(-x))
