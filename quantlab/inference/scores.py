"""A text cut into chunks of n_ctx tokens, as llama.cpp's `perplexity` and `imatrix` tools cut it, and the bad
texts refused in words.

Each chunk is read afresh, with nothing before it. The tail that fills no chunk is left out. Where the
tokenizer adds a token for the beginning of a text (`add_bos`), that token replaces the first of each chunk.
Lesson: 07.

The numbers that llama.cpp's `perplexity` prints, as formulas over what each predicted token gave.

p(t) is what the reference says of the token that follows, q(t) what the model under test says, and v runs
over the whole vocabulary. A position gives its negative log-likelihoods −ln q(t) and −ln p(t), its divergence
and whether both would have said the same; all statistics are sums over positions, in float64.  llama.cpp:
tools/perplexity/perplexity.cpp.  Lesson: 07.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

USUAL_N_CTX = 512       # perplexity.cpp, imatrix.cpp: params.n_ctx
LEAST_N_CTX = 3         # one token to read, one to be scored after it, and the one that it predicts


def tokens_of(lm, text: str | Sequence[int]) -> np.ndarray:
    """(n,) int64: the text in tokens; tokens are taken as they are. "<|im_end|>" in it is just characters.

    Raises ValueError for an empty text, for one of a single token (nothing comes after it), and for tokens
    that the model does not have.
    """
    tokens = checked_text(text)
    if isinstance(tokens, str):
        tokens = np.asarray(lm.tokenizer.encode(tokens, special=False), np.int64)
        if lm.tokenizer.add_bos:
            tokens = np.concatenate([[lm.tokenizer.bos], tokens])
    if len(tokens) < 2:
        raise ValueError(
            f"the text has {_counted(len(tokens))}: a prediction needs a token before it, so at least 2")
    wrong = tokens[(tokens < 0) | (tokens >= lm.n_vocab)]
    if len(wrong):
        raise ValueError(
            f"token {wrong[0]} is outside the vocabulary of {lm.name}: its tokens are 0 to {lm.n_vocab - 1}")
    return tokens.astype(np.int64)


def checked_text(text: str | Sequence[int]) -> str | np.ndarray:
    """The text as it is, tokens as an array. ValueError for an empty text, and for what is neither."""
    if isinstance(text, str):
        if not text.strip():
            raise ValueError("the text is empty: there is nothing to measure on")
        return text
    try:
        tokens = np.asarray(text)
    except ValueError:                  # rows of different lengths
        tokens = np.asarray(text, object)
    if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
        raise ValueError(
            f"a text is a str or a list of token numbers, not {type(text).__name__} of {tokens.dtype}")
    return tokens


def checked_model(lm):
    """The model itself. ValueError for the name of one, which has to be loaded first."""
    if not hasattr(lm, "forward"):
        raise ValueError(f"a loaded model is needed, such as load_lm('tiny'), not {str(lm)[:60]!r}")
    return lm


def chunks_of(lm, text: str | Sequence[int], n_ctx: int | None = None,
              chunks: int | None = None) -> np.ndarray:
    """(chunks, n_ctx) int64: whole chunks of the text, the first ones; all without `chunks`.

    n_ctx: 512 unless given, or what the model was trained for where that is less. (llama.cpp's tool wants two
    chunks of text at least; one is enough here.)  Raises ValueError for a text shorter than a chunk, for an
    n_ctx beyond what the model was trained for, and for a model that is not loaded.
    """
    n_ctx = checked_n_ctx(checked_model(lm), n_ctx)
    if chunks is not None and (not _whole(chunks) or chunks < 1):
        raise ValueError(
            f"chunks={chunks!r}: how many chunks to read, a whole number from 1 up, or None for all")
    tokens = tokens_of(lm, text)
    count = len(tokens) // n_ctx
    if not count:
        raise ValueError(
            f"the text has {_counted(len(tokens))}, fewer than one chunk of n_ctx={n_ctx}: give a longer "
            "text, or "
            f"n_ctx={len(tokens)} at most" if len(tokens) >= LEAST_N_CTX
            else f"the text has {_counted(len(tokens))}; {LEAST_N_CTX} are the least")
    cut = tokens[: min(count, chunks or count) * n_ctx].reshape(-1, n_ctx)
    if lm.tokenizer.add_bos:
        cut = cut.copy()
        cut[:, 0] = lm.tokenizer.bos
    return cut


def checked_n_ctx(lm, n_ctx: int | None) -> int:
    """The chunk's length: as given, or the usual one. ValueError where the model was not trained for it."""
    trained = lm.n_ctx_train or USUAL_N_CTX
    if n_ctx is None:
        return min(USUAL_N_CTX, trained)
    if not _whole(n_ctx) or n_ctx < LEAST_N_CTX:
        raise ValueError(f"n_ctx={n_ctx!r}: a chunk has a whole number of tokens, {LEAST_N_CTX} at least")
    if n_ctx > trained:
        raise ValueError(
            f"n_ctx={n_ctx} is beyond the {trained} tokens that {lm.name} was trained for; its numbers "
            "would mean nothing")
    return int(n_ctx)


def _whole(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _counted(n: int) -> str:
    return "1 token" if n == 1 else f"{n} tokens"


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
        """exp(mean nll): as unsure as somebody who guesses among so many equally likely tokens. "Final
        estimate: PPL".
        """
        return float(np.exp(self.nll.mean()))

    @property
    def ppl_se(self) -> float:
        """ppl · standard_error(nll): the printed "+/-", how far another text of this kind might lie."""
        return self.ppl * standard_error(self.nll)

    def __repr__(self) -> str:
        return f"PPL = {self.ppl:.4f} +/- {self.ppl_se:.5f} ({self.n:,} tokens predicted)"


@dataclass(frozen=True, eq=False)
class Divergence(Perplexity):
    """How far a model's predictions are from the reference's, position by position; all arrays have n
    entries.

    nll_base: −ln p(t).  kld: Σ p(v)·(ln p(v) − ln q(v)), in nats.  p_diff: q(t) − p(t).  top_base, top: the
    token that each would have said.  p_top_base: p(top_base).  p_top: q(top).  place: where in the text the
    predicted token stands.
    """

    nll_base: np.ndarray
    kld: np.ndarray
    p_diff: np.ndarray
    top_base: np.ndarray
    top: np.ndarray
    p_top_base: np.ndarray
    p_top: np.ndarray
    place: np.ndarray

    @property
    def base(self) -> Perplexity:
        """The reference's own perplexity: "Mean PPL(base)"."""
        return Perplexity(self.nll_base)

    @property
    def ln_ratio(self) -> float:
        """mean(nll − nll_base) = ln(PPL(Q)/PPL(base)). Both read the same text, so its luck cancels: see
        `ln_ratio_se`.
        """
        return float((self.nll - self.nll_base).mean())

    @property
    def ln_ratio_se(self) -> float:
        """√(se(nll)² + se(nll_base)² − 2·cov/(n − 1)), which is standard_error(nll − nll_base)."""
        return standard_error(self.nll - self.nll_base)

    @property
    def mean_kld(self) -> float:
        """mean kld: "Mean KLD"; 0 when both always say the same probabilities."""
        return float(self.kld.mean())

    @property
    def kld_se(self) -> float:
        return standard_error(self.kld)

    def kld_percentile(self, percent: float) -> float:
        """The kld that `percent` of the positions stay below: sorted, at place percent/100·(n − 1), linear
        between two: "99.0% KLD".
        """
        return float(np.percentile(self.kld, percent))

    @property
    def top1(self) -> float:
        """Share of positions, 0 to 1, at which both would have said the same token: "Same top p"."""
        return float((self.top == self.top_base).mean())

    @property
    def top1_se(self) -> float:
        """√(top1·(1 − top1)/(n − 1))."""
        return float(np.sqrt(self.top1 * (1 - self.top1) / (self.n - 1))) if self.n > 1 else float("nan")

    @property
    def mean_p_diff(self) -> float:
        """mean(q(t) − p(t)), as a share of 1: below 0, the right token became less likely: "Mean Δp"."""
        return float(self.p_diff.mean())

    @property
    def rms_p_diff(self) -> float:
        """√mean((q(t) − p(t))²), as a share of 1: "RMS Δp"."""
        return float(np.sqrt((self.p_diff**2).mean()))

    @property
    def rms_p_diff_se(self) -> float:
        """standard_error(p_diff²) / (2·rms_p_diff)."""
        return standard_error(self.p_diff**2) / (2 * self.rms_p_diff) if self.rms_p_diff else 0.0

    def __repr__(self) -> str:
        return (
            f"PPL = {self.ppl:.4f} +/- {self.ppl_se:.5f}, KLD = {self.mean_kld:.6f} +/- {self.kld_se:.6f}, "
            "99 % of them below "
            f"{self.kld_percentile(99):.4f}, same top token {100 * self.top1:.2f} % ({self.n:,} tokens "
            "predicted)")


def standard_error(values: np.ndarray) -> float:
    """√((mean(x²) − mean(x)²) / (n − 1)): the uncertainty of a mean of n values (mean_and_uncertainty); NaN
    for a single one.
    """
    return float(values.std() / np.sqrt(len(values) - 1)) if len(values) > 1 else float("nan")


def joined(parts: list[Divergence]) -> Divergence:
    """The positions of several chunks as one."""
    return type(parts[0])(*(np.concatenate([getattr(part, field.name) for part in parts])
                            for field in fields(parts[0])))
