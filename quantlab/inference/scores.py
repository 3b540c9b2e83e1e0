"""The numbers that llama.cpp's `perplexity` prints, as formulas over what each predicted token gave.

p(t) is what the reference says of the token that follows, q(t) what the model under test says, and v runs over the whole vocabulary. A
position gives its negative log-likelihoods −ln q(t) and −ln p(t), its divergence and whether both would have said the same; all
statistics are sums over positions, in float64.  llama.cpp: tools/perplexity/perplexity.cpp.  Lesson: 07.
"""

from dataclasses import dataclass, fields

import numpy as np


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
        """exp(mean nll): as unsure as somebody who guesses among so many equally likely tokens. "Final estimate: PPL"."""
        return float(np.exp(self.nll.mean()))

    @property
    def ppl_se(self) -> float:
        """ppl · standard_error(nll): the printed "+/-", how far another text of this kind might lie."""
        return self.ppl * standard_error(self.nll)

    def __repr__(self) -> str:
        return f"PPL = {self.ppl:.4f} +/- {self.ppl_se:.5f} ({self.n:,} tokens predicted)"


@dataclass(frozen=True, eq=False)
class Divergence(Perplexity):
    """How far a model's predictions are from the reference's, position by position; all arrays have n entries.

    nll_base: −ln p(t).  kld: Σ p(v)·(ln p(v) − ln q(v)), in nats.  p_diff: q(t) − p(t).  top_base, top: the token that each would have
    said.  p_top_base: p(top_base).  p_top: q(top).  place: where in the text the predicted token stands.
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
        """mean(nll − nll_base) = ln(PPL(Q)/PPL(base)). Both read the same text, so its luck cancels: see `ln_ratio_se`."""
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
        """The kld that `percent` of the positions stay below: sorted, at place percent/100·(n − 1), linear between two: "99.0% KLD"."""
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
        return (f"PPL = {self.ppl:.4f} +/- {self.ppl_se:.5f}, KLD = {self.mean_kld:.6f} +/- {self.kld_se:.6f}, 99 % of them below "
                f"{self.kld_percentile(99):.4f}, same top token {100 * self.top1:.2f} % ({self.n:,} tokens predicted)")


def standard_error(values: np.ndarray) -> float:
    """√((mean(x²) − mean(x)²) / (n − 1)): the uncertainty of a mean of n values (mean_and_uncertainty); NaN for a single one."""
    return float(values.std() / np.sqrt(len(values) - 1)) if len(values) > 1 else float("nan")


def joined(parts: list[Divergence]) -> Divergence:
    """The positions of several chunks as one."""
    return type(parts[0])(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(parts[0])))
