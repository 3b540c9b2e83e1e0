"""How good a model is, and how far from a reference: perplexity and KL divergence as llama.cpp's `perplexity`
measures them.

    lm, ref = load_lm("tiny", "Q4_K_M"), load_lm("tiny")
    perplexity(lm, text)
    divergence(ref, lm, text)

The text is read in chunks of n_ctx tokens (chunks.py). The first half of a chunk is only read; each token of
the second half but the first is predicted from all before it in the chunk, and scored: n_ctx − 1 − n_ctx // 2
predictions a chunk. Only the logits of these positions are computed, and beyond them a few megabytes are
needed.

p(t) is the probability that the reference gives to the token that follows, q(t) that of the model under test,
and v runs over the whole vocabulary. All statistics are sums over the scored positions, in float64. llama.cpp
(tools/perplexity/perplexity.cpp) keeps the reference's log-probabilities in a file with 16 bits each and
leaves out what is less likely than e^−16; here they are exact, which moves the KLD in its sixth
decimal.  Lesson: 07.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, fields

import numpy as np

from ..formats.tensor import begin
from ..models.progress import Progress
from .chunks import Text, Tick, as_read, checked_model, chunks_of, ticking

# bytes of the reference's logits that are kept; beyond, they are computed again for each model
LOGITS_KEPT = 1 << 28
LOGITS_AT_ONCE = 1 << 20        # logits looked at in float64 at a time


# ---- the numbers

@dataclass(frozen=True, eq=False)
class Perplexity:
    """How well a model predicts a text.  nll: (n,) float64, −ln q(t) at each scored position, in nats."""

    nll: np.ndarray

    @property
    def n(self) -> int:
        """How many tokens were predicted."""
        return len(self.nll)

    @property
    def ppl(self) -> float:
        """exp(mean nll): as unsure as a guess among so many equally likely tokens. "Final estimate: PPL"."""
        return float(np.exp(self.nll.mean()))

    @property
    def ppl_se(self) -> float:
        """ppl · standard_error(nll): the printed "+/-", how far another text of this kind might lie."""
        return self.ppl * standard_error(self.nll)

    def __repr__(self) -> str:
        return f"PPL = {self.ppl:.4f} +/- {self.ppl_se:.5f} ({self.n:,} tokens predicted)"


@dataclass(frozen=True, eq=False)
class Divergence(Perplexity):
    """How far a model's predictions are from the reference's; all arrays have one entry a scored position.

    nll_base: −ln p(t).  kld: Σ p(v)·(ln p(v) − ln q(v)), in nats.  p_diff: q(t) − p(t).  same_top: whether
    both find the same token the likeliest.
    """

    nll_base: np.ndarray
    kld: np.ndarray
    p_diff: np.ndarray
    same_top: np.ndarray

    @property
    def mean_kld(self) -> float:
        """mean kld: "Mean KLD"; 0 when both always say the same probabilities."""
        return float(self.kld.mean())

    @property
    def kld_se(self) -> float:
        return standard_error(self.kld)

    @property
    def top1(self) -> float:
        """Share of positions, 0 to 1, at which both would have said the same token: "Same top p"."""
        return float(self.same_top.mean())

    def numbers(self) -> dict[str, float]:
        """Everything that `compare_quality`'s table has a column for; shares are shares of 1.

        ppl_base: of the reference.  ln_ratio: mean(nll − nll_base) = ln(PPL(Q)/PPL(base)); both read the same
        text, so its luck cancels in ln_ratio_se.  kld99: 99 % of the positions are below it ("99.0% KLD",
        linear between two).  mean_p_diff: mean(q(t) − p(t)), below 0 where the right token became less likely
        ("Mean Δp").  rms_p_diff: its root mean square ("RMS Δp").
        """
        ln_ratio = self.nll - self.nll_base
        return {"ppl": self.ppl, "ppl_se": self.ppl_se, "ppl_base": Perplexity(self.nll_base).ppl,
                "ln_ratio": float(ln_ratio.mean()), "ln_ratio_se": standard_error(ln_ratio),
                "kld": self.mean_kld, "kld_se": self.kld_se, "kld99": float(np.percentile(self.kld, 99)),
                "top1": self.top1, "mean_p_diff": float(self.p_diff.mean()),
                "rms_p_diff": float(np.sqrt((self.p_diff**2).mean())), "predicted": self.n}

    def __repr__(self) -> str:
        return (f"PPL = {self.ppl:.4f} +/- {self.ppl_se:.5f}, "
                f"KLD = {self.mean_kld:.6f} +/- {self.kld_se:.6f}, "
                f"99 % of them below {self.numbers()['kld99']:.4f}, same top token {100 * self.top1:.2f} % "
                f"({self.n:,} tokens predicted)")


def standard_error(values: np.ndarray) -> float:
    """√((mean(x²) − mean(x)²) / (n − 1)): the uncertainty of a mean of n values (mean_and_uncertainty); NaN
    for a single one.
    """
    return float(values.std() / np.sqrt(len(values) - 1)) if len(values) > 1 else float("nan")


# ---- measuring them

def perplexity(lm, text: Text, *, n_ctx: int | None = None, chunks: int | None = None,
               executor: Executor | None = None,
               progress: Callable[[Progress], object] | str | None = "show", cancel=None) -> Perplexity:
    """How unsure the model is of each next token of the text: `.ppl`, its standard error `.ppl_se`, and
    `.nll` of each position.

    text: a str or token numbers.  n_ctx: tokens of a chunk (512, or what the model was trained for if less).
    chunks: how many of them to read (all).  executor: any `concurrent.futures.Executor`, which reads a chunk
    a task; a process loads the model again by its path.  progress, cancel: as in `quantize_model`; a stopped
    run raises Cancelled.  ValueError in words for a text too short, and for an n_ctx that the model was not
    trained for.
    """
    cut = chunks_of(lm, text, n_ctx, chunks)
    begun = ((chunk, begin(executor, _nll, lm, chunk)) for chunk in cut)
    return Perplexity(np.concatenate(list(as_read(begun, executor, ticking(cut, progress, cancel)))))


def _nll(lm, chunk: np.ndarray) -> np.ndarray:
    """−ln q(t) at the scored positions of a chunk."""
    parts, right = [], right_tokens(chunk)
    for logits in scored_logits(lm, chunk):
        parts += [-np.take_along_axis(log_softmax(logits[rows]), right[rows, None], 1)[:, 0]
                  for rows in _rows(logits)]
        right = right[len(logits):]
    return np.concatenate(parts)


def divergence(reference, lm, text: Text, *, n_ctx: int | None = None, chunks: int | None = None,
               executor: Executor | None = None,
               progress: Callable[[Progress], object] | str | None = "show", cancel=None) -> Divergence:
    """How far the predictions of `lm` are from those of `reference` on a text; the arguments of `perplexity`,
    and its errors.

    Raises ValueError too when the two have different vocabularies, whose probabilities cannot be compared.
    """
    known = Reference(reference, text, n_ctx=n_ctx, chunks=chunks)
    return known.divergence(lm, ticking(known.chunks, progress, cancel), executor)


class Reference:
    """A model and a text that others are compared with. What its last layer leaves is computed once, and so
    are the logits where they fit in memory (256 MiB).
    """

    def __init__(self, lm, text: Text, *, n_ctx: int | None = None, chunks: int | None = None):
        self.lm, self.chunks = lm, chunks_of(lm, text, n_ctx, chunks)
        count, n_ctx = self.chunks.shape
        self._keep = 4 * count * (n_ctx - 1 - n_ctx // 2) * lm.n_vocab <= LOGITS_KEPT
        self._states: dict[int, np.ndarray] = {}
        self._logits: dict[int, list[np.ndarray]] = {}

    @property
    def n_tokens(self) -> int:
        return self.chunks.size

    def logits(self, i: int) -> Iterable[np.ndarray]:
        """(rows, n_vocab) float32 in pieces, all scored positions of chunk i."""
        if i in self._logits:
            return self._logits[i]
        if i not in self._states:
            self._states[i] = _scored_states(self.lm, self.chunks[i])
        pieces = _outputs(self.lm, self._states[i])
        if not self._keep:
            return pieces
        self._logits[i] = list(pieces)
        return self._logits[i]

    def prepare(self) -> None:
        """Compute what will be kept now, so that the time of the first comparison is its own."""
        for i in range(len(self.chunks)):
            self.logits(i)

    def divergence(self, lm, tick: Tick | None = None, executor: Executor | None = None) -> Divergence:
        """Another model's predictions on the same chunks; on an executor, both models read a chunk there."""
        check_same_vocabulary(self.lm, checked_model(lm))
        begun = ((chunk, executor.submit(_both, self.lm, lm, chunk) if executor
                  else _apart(self.logits(i), lm, chunk)) for i, chunk in enumerate(self.chunks))
        return joined(list(as_read(begun, executor, tick)))


def _both(reference, lm, chunk: np.ndarray) -> Divergence:
    return _apart(scored_logits(reference, chunk), lm, chunk)


def _apart(bases: Iterable[np.ndarray], lm, chunk: np.ndarray) -> Divergence:
    """bases: the reference's logits of the chunk, in the same pieces."""
    parts, right = [], right_tokens(chunk)
    for base, logits in zip(bases, scored_logits(lm, chunk), strict=True):
        parts += [compared(base[rows], logits[rows], right[rows]) for rows in _rows(base)]
        right = right[len(base):]
    return joined(parts)


def scored_logits(lm, chunk: np.ndarray) -> Iterator[np.ndarray]:
    """(n_ctx − 1 − n_ctx // 2, n_vocab) float32, in pieces of at most 64 MiB: what follows each token of the
    second half of the chunk but the last.
    """
    return _outputs(lm, _scored_states(lm, chunk))


def _scored_states(lm, chunk: np.ndarray) -> np.ndarray:
    """(n_ctx − 1 − n_ctx // 2, n_embd): what the last layer leaves at the scored positions."""
    first, cache = len(chunk) // 2, lm.new_cache(len(chunk))
    lm.states(chunk[:first], cache)
    return lm.states(chunk[first:-1], cache)


def _outputs(lm, states: np.ndarray) -> Iterator[np.ndarray]:
    for logits in lm.outputs(states):
        if not np.isfinite(logits).all():
            raise ValueError(f"{lm.name} gives predictions that are no numbers: its weights, or their "
                             "quantization, are broken")
        yield logits


def right_tokens(chunk: np.ndarray) -> np.ndarray:
    """The tokens that the scored positions should predict."""
    return chunk[len(chunk) // 2 + 1 :]


def check_same_vocabulary(reference, lm) -> None:
    """ValueError unless a token's number means the same to both."""
    if reference.n_vocab != lm.n_vocab:
        raise ValueError(f"{reference.name} has {reference.n_vocab:,} tokens and {lm.name} has "
                         f"{lm.n_vocab:,}: only models with the same vocabulary can be compared, such as two "
                         "types of one model")
    if lm.tokenizer is not reference.tokenizer and lm.tokenizer.tokens != reference.tokenizer.tokens:
        pairs = enumerate(zip(reference.tokenizer.tokens, lm.tokenizer.tokens, strict=False))
        at, (one, other) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
        raise ValueError(
            f"token {at} is {one!r} in {reference.name} and {other!r} in {lm.name}: they cannot be compared")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """(..., n_vocab) logits z -> ln p as float64: z_v − max z − ln Σ exp(z_v − max z), which no large logit
    can make overflow.
    """
    z = logits - logits.max(-1, keepdims=True).astype(np.float64)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def compared(base: np.ndarray, logits: np.ndarray, right: np.ndarray) -> Divergence:
    """(n, n_vocab) logits of the reference and of the other, and the (n,) right tokens, as a Divergence."""
    ln_p, ln_q, each = log_softmax(base), log_softmax(logits), np.arange(len(right))
    kld = (np.exp(ln_p) * (ln_p - ln_q)).sum(1)
    right_p, right_q = ln_p[each, right], ln_q[each, right]
    return Divergence(-right_q, -right_p, kld, np.exp(right_q) - np.exp(right_p),
                      base.argmax(1) == logits.argmax(1))


def joined(parts: list[Divergence]) -> Divergence:
    """The positions of several chunks as one."""
    return Divergence(*(np.concatenate([getattr(part, field.name) for part in parts])
                        for field in fields(Divergence)))


def _rows(logits: np.ndarray) -> list[slice]:
    """The rows of logits in pieces that are looked at together."""
    step = max(LOGITS_AT_ONCE // logits.shape[1], 1)
    return [slice(start, start + step) for start in range(0, len(logits), step)]
