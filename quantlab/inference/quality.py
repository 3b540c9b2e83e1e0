"""How good a model is, and how far from the reference: perplexity and KL divergence as llama.cpp's
`perplexity` measures them.

    lm, ref = load_lm("tiny", "Q4_K_M"), load_lm("tiny")
    perplexity(lm, text)
    divergence(ref, lm, text)

The text is read in chunks of n_ctx tokens. The first half of a chunk is only read; each token of the second
half but the first is predicted from all before it in the chunk, and scored: n_ctx − 1 − n_ctx // 2
predictions a chunk. Only the logits of these positions are computed, and beyond them a few megabytes are
needed. llama.cpp keeps the reference's log-probabilities in a file with 16 bits each and leaves out what is
less likely than e^−16; here they are exact, which moves the KLD in its sixth decimal.  Lesson: 07.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .scores import Divergence, Perplexity, checked_model, chunks_of, joined

# bytes of the reference's logits that are kept; beyond, they are computed again for each model
KEPT = 1 << 28
AT_ONCE = 1 << 20       # logits looked at in float64 at a time

Tick = Callable[[int], object]      # called after each chunk with its number of tokens


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """(..., n_vocab) logits z -> ln p as float64: z_v − max z − ln Σ exp(z_v − max z), which no large logit
    can make overflow.
    """
    z = logits - logits.max(-1, keepdims=True).astype(np.float64)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def perplexity(lm, text: str | Sequence[int], *, n_ctx: int | None = None, chunks: int | None = None,
               tick: Tick | None = None) -> Perplexity:
    """How unsure the model is of each next token of the text: `.ppl`, its standard error `.ppl_se`, and
    `.nll` of each position.

    text: a str or token numbers.  n_ctx: tokens of a chunk (512, or what the model was trained for if less).
    chunks: how many of them to read (all).  ValueError in words for a text too short, and for an n_ctx the
    model was not trained for.
    """
    parts = []
    for chunk in chunks_of(lm, text, n_ctx, chunks):
        logits, right = scored_logits(lm, chunk), right_tokens(chunk)
        parts += [-np.take_along_axis(log_softmax(logits[rows]), right[rows, None], 1)[:, 0]
                  for rows in _rows(logits)]
        if tick:
            tick(len(chunk))
    return Perplexity(np.concatenate(parts))


def divergence(reference, lm, text: str | Sequence[int], *, n_ctx: int | None = None,
               chunks: int | None = None, tick: Tick | None = None) -> Divergence:
    """How far the predictions of `lm` are from those of `reference` on a text; the arguments of `perplexity`,
    and its errors.

    Raises ValueError too when the two have different vocabularies, whose probabilities cannot be compared.
    """
    return Reference(reference, text, n_ctx=n_ctx, chunks=chunks).divergence(lm, tick)


class Reference:
    """A model and a text that others are compared with; its logits are computed once where they fit in memory
    (256 MiB).
    """

    def __init__(self, lm, text: str | Sequence[int], *, n_ctx: int | None = None, chunks: int | None = None):
        self.lm, self.chunks = lm, chunks_of(lm, text, n_ctx, chunks)
        count, n_ctx = self.chunks.shape
        self._keep = 4 * count * (n_ctx - 1 - n_ctx // 2) * lm.n_vocab <= KEPT
        self._logits: dict[int, np.ndarray] = {}

    @property
    def n_tokens(self) -> int:
        return self.chunks.size

    def logits(self, i: int) -> np.ndarray:
        """(scored positions, n_vocab) float32 of chunk i."""
        if i in self._logits:
            return self._logits[i]
        logits = scored_logits(self.lm, self.chunks[i])
        if self._keep:
            self._logits[i] = logits
        return logits

    def prepare(self) -> None:
        """Compute what will be kept now, so that the time of the first comparison is its own."""
        for i in range(len(self.chunks) if self._keep else 0):
            self.logits(i)

    def divergence(self, lm, tick: Tick | None = None) -> Divergence:
        """Another model's predictions on the same chunks."""
        check_same_vocabulary(self.lm, checked_model(lm))
        parts, n_ctx = [], self.chunks.shape[1]
        for i, chunk in enumerate(self.chunks):
            base, logits, right = self.logits(i), scored_logits(lm, chunk), right_tokens(chunk)
            place = i * n_ctx + n_ctx // 2 + 1 + np.arange(len(right))
            parts += [_compared(base[rows], logits[rows], right[rows], place[rows]) for rows in _rows(base)]
            if tick:
                tick(len(chunk))
        return joined(parts)

    def flips(self, found: Divergence, context: int = 12):
        """A pandas table of the positions where the two would have said different tokens, in the order of the
        text.

        place (in the text's tokens), before (the last `context` tokens), right, base (what the reference
        says) with its probability p_base, other (what the other says) with its p_other.
        """
        import pandas as pd

        tokens, decode = self.chunks.reshape(-1), self.lm.tokenizer.decode
        rows = []
        for i in np.flatnonzero(found.top != found.top_base):
            at = int(found.place[i])
            rows.append((at, decode(tokens[max(at - context, 0) : at].tolist()),
                         *(decode([int(token)]) for token in (tokens[at], found.top_base[i])),
                         found.p_top_base[i], decode([int(found.top[i])]), found.p_top[i]))
        return pd.DataFrame(rows, columns=["place", "before", "right", "base", "p_base", "other", "p_other"])


def scored_logits(lm, chunk: np.ndarray) -> np.ndarray:
    """(n_ctx − 1 − n_ctx // 2, n_vocab) float32: what follows each token of the second half of the chunk but
    the last.
    """
    first, cache = len(chunk) // 2, lm.new_cache(len(chunk))
    lm.forward(chunk[:first], cache, last=True)
    logits = lm.forward(chunk[first:-1], cache)
    if not np.isfinite(logits).all():
        raise ValueError(
            f"{lm.name} gives predictions that are no numbers: its weights, or their quantization, are "
            "broken")
    return logits


def right_tokens(chunk: np.ndarray) -> np.ndarray:
    """The tokens that the scored positions should predict."""
    return chunk[len(chunk) // 2 + 1 :]


def check_same_vocabulary(reference, lm) -> None:
    """ValueError unless a token's number means the same to both."""
    if reference.n_vocab != lm.n_vocab:
        raise ValueError(
            f"{reference.name} has {reference.n_vocab:,} tokens and {lm.name} has {lm.n_vocab:,}: only "
            "models with the same "
            "vocabulary can be compared, such as two types of one model")
    if lm.tokenizer is not reference.tokenizer and lm.tokenizer.tokens != reference.tokenizer.tokens:
        pairs = enumerate(zip(reference.tokenizer.tokens, lm.tokenizer.tokens, strict=False))
        at, (one, other) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
        raise ValueError(
            f"token {at} is {one!r} in {reference.name} and {other!r} in {lm.name}: they cannot be compared")


def _rows(logits: np.ndarray) -> list[slice]:
    step = max(AT_ONCE // logits.shape[1], 1)
    return [slice(start, start + step) for start in range(0, len(logits), step)]


def _compared(base: np.ndarray, logits: np.ndarray, right: np.ndarray, place: np.ndarray) -> Divergence:
    """(n, n_vocab) logits of both, the right tokens and their places -> their Divergence (log_softmax in
    perplexity.cpp).
    """
    ln_p, ln_q, each = log_softmax(base), log_softmax(logits), np.arange(len(right))
    kld = (np.exp(ln_p) * (ln_p - ln_q)).sum(1)
    top_base, top = base.argmax(1), logits.argmax(1)
    right_p, right_q = ln_p[each, right], ln_q[each, right]
    return Divergence(-right_q, -right_p, kld, np.exp(right_q) - np.exp(right_p), top_base, top,
                      np.exp(ln_p[each, top_base]), np.exp(ln_q[each, top]), place)
