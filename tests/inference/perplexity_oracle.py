"""What `llama-perplexity` would print for logits, said again without our code: one position after the other,
sums and sums of squares.

Like the tool, it keeps the reference's log-probabilities with 16 bits each between the least likely that
counts (16 nats below the best) and the best, and leaves out what is less likely than e^-16.  llama.cpp:
tools/perplexity/perplexity.cpp.
"""

import math

import numpy as np


def log_probabilities(logits) -> list[float]:
    """ln of each probability, summed exactly."""
    z = [float(value) for value in logits]
    best = max(z)
    total = math.log(math.fsum(math.exp(value - best) for value in z))
    return [value - best - total for value in z]


def as_stored(log_p) -> list[float]:
    """The log-probabilities after a visit to the tool's file."""
    best = max(log_p)
    least = max(min(log_p), best - 16)
    step = (best - least) / 65535
    return [least + (round((value - least) / step) if value > least and step else 0) * step
            for value in log_p]


def printed(pairs, stored: bool) -> dict[str, float]:
    """The statistics by our names.  pairs: (reference's logits, the other's logits, right token) for each
    position.
    """
    nll, nll_base, klds, p_diffs, same = [], [], [], [], 0
    for base, other, right in pairs:
        ln_p, ln_q = log_probabilities(base), log_probabilities(other)
        ln_p = as_stored(ln_p) if stored else ln_p
        klds.append(math.fsum(math.exp(p) * (p - q) for p, q in zip(ln_p, ln_q, strict=True)
                              if p > -16 or not stored))
        nll.append(-ln_q[right])
        nll_base.append(-ln_p[right])
        p_diffs.append(math.exp(ln_q[right]) - math.exp(ln_p[right]))
        same += ln_p.index(max(ln_p)) == ln_q.index(max(ln_q))
    n = len(nll)
    (mean, se), (mean_base, se_base), (kld, kld_se) = map(mean_and_uncertainty, (nll, nll_base, klds))
    products = math.fsum(a * b for a, b in zip(nll, nll_base, strict=True))
    covariance = (products / n - mean * mean_base) / (n - 1)
    square, _ = mean_and_uncertainty([d * d for d in p_diffs])
    ordered = sorted(klds)
    place = 0.99 * (n - 1)
    whole, part = int(place), place - int(place)
    return {"ppl": math.exp(mean), "ppl_se": math.exp(mean) * se, "ppl_base": math.exp(mean_base),
            "ln_ratio": mean - mean_base,
            "ln_ratio_se": math.sqrt(se * se + se_base * se_base - 2 * covariance), "kld": kld,
            "kld_se": kld_se, "kld99": (1 - part) * ordered[whole] + part * ordered[min(whole + 1, n - 1)],
            "top1": same / n, "mean_p_diff": math.fsum(p_diffs) / n, "rms_p_diff": math.sqrt(square)}


def mean_and_uncertainty(values) -> tuple[float, float]:
    n = len(values)
    mean = math.fsum(values) / n
    return mean, math.sqrt(max(math.fsum(v * v for v in values) / n - mean * mean, 0) / (n - 1))


def scored(model, tokens, n_ctx: int, chunks: int) -> list[tuple[np.ndarray, int]]:
    """(logits, right token) of each position that the tool scores, from any model with `.logits(tokens)`."""
    found = []
    for start in range(0, chunks * n_ctx, n_ctx):
        chunk = tokens[start : start + n_ctx]
        logits = model.logits(chunk)
        found += [(logits[i], int(chunk[i + 1])) for i in range(n_ctx // 2, n_ctx - 1)]
    return found
