"""How far two models' next-token probabilities lie apart, from the top 20 of each: a lower bound of the Kullback-Leibler divergence.

Tokens that both report are kept, all others of each model become one tail. Merging outcomes can only lower the divergence (the
data processing inequality), so the result is never above the true value, whatever the models think beyond their top 20. How much
of the reference's probability was seen is the coverage.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHOWN_FROM = 0.80       # mean coverage below which the number is not shown
TINY = 1e-5             # probabilities come with an error of about 1e-7: a tail below this joins a token


@dataclass(frozen=True)
class Position:
    """One token place: kl in nats (a lower bound), coverage between 0 and 1."""

    kl: float
    coverage: float


def top_tokens(reported: Sequence[Mapping]) -> dict[bytes, float]:
    """{token's bytes: probability} from Ollama's top_logprobs.  Tokens that cannot be told apart (half of a letter, the same bytes
    twice) are left out, so that they count for the tail: matched wrongly they would break the bound."""
    keys = [_key(entry) for entry in reported]
    count = Counter(keys)
    return {key: math.exp(min(float(entry["logprob"]), 0.0)) for key, entry in zip(keys, reported, strict=True)
            if count[key] == 1 and b"\xef\xbf\xbd" not in key}


def kl_at_least(reference: Mapping, candidate: Mapping) -> Position:
    """Lower bound of KL(reference || candidate).  Both: {token: probability} of the tokens each model reported."""
    bins = [(reference[token], candidate[token]) for token in reference.keys() & candidate.keys()]
    bins = [(p, q) for p, q in bins if p > 0 and q > 0]
    coverage = sum(p for p, _ in bins)
    tail = (max(1 - coverage, 0.0), max(1 - sum(q for _, q in bins), 0.0))
    if min(tail) < TINY and bins:       # too small to divide by: join it with the smallest token, which is again only merging
        bins.sort()
        tail, bins = (tail[0] + bins[0][0], tail[1] + bins[0][1]), bins[1:]
    kl = sum(p * math.log(p / q) for p, q in [*bins, tail] if p > 0 and q > 0)
    return Position(max(kl, 0.0), min(coverage, 1.0))


def _key(entry: Mapping) -> bytes:
    """A token by its bytes, where the server sends them, else by its text."""
    raw = entry.get("bytes")
    return bytes(raw) if raw else str(entry.get("token", "")).encode("utf-8", "surrogatepass")
