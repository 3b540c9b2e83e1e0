"""Which type of file stands before which in `recommend`: the rule, in one place.

1. Types that broke the model when they were measured (KL divergence from its own weights of BROKEN nats a
   token or more: IQ1, the ternary ones, Q1_0 and Q2_0) come last of all, even where nothing else fits.
2. Types that fit come before types that must be split.
3. Of those that fit, the better measured comes first. Differences within two standard errors are none: then
   the one with more bits comes first. What was not measured stands behind the measured type that BEHIND
   names.
4. Of those that must be split, most layers on the card first, then more bits: speed is lost there. Where only
   experts stay in main memory, all layers are on the card, and the fewest such experts come first.

Measured: quantlab/data/tiny/quality.json, the tiny Llama in every mix, IQ1 to IQ3 and Q2_K_S with an
importance matrix, as they are made. It is one small model; that two types change places in a large one is
possible, that a broken one is better is not.
"""

import json
from functools import cache
from math import hypot

from ..models.catalog import DATA

BROKEN = 1.0            # nats a token; IQ2_XXS, the worst of the others, has 0.76
#: A type that was not measured -> the measured one behind which it stands: at least as many bits.
BEHIND = {"BF16": "F16", "MXFP4_MOE": "Q4_0"}


@cache
def _measured() -> tuple[dict, ...]:
    rows = json.loads((DATA / "tiny" / "quality.json").read_text(encoding="utf-8"))["rows"]
    return tuple(row for row in rows if not row["pure"])


@cache
def recorded_kld() -> dict[str, tuple[float, float]]:
    """ftype -> (KL divergence in nats a token, its standard error), best first."""
    found = {row["ftype"]: (row["kld"], row["kld_se"]) for row in _measured()}
    return dict(sorted(found.items(), key=lambda item: item[1]))


@cache
def with_importances() -> frozenset[str]:
    """The types that were measured as they are made: with an importance matrix."""
    return frozenset(row["ftype"] for row in _measured() if row.get("imatrix"))


@cache
def _places() -> dict[str, int]:
    """ftype -> its place; types that no measurement tells apart share one."""
    places: dict[str, int] = {}
    best, place = (0.0, 0.0), 0
    for ftype, (kld, error) in recorded_kld().items():
        if kld - best[0] > 2 * hypot(error, best[1]):
            best, place = (kld, error), place + 1
        places[ftype] = 2 * place
    return places | {ftype: places[other] + 1 for ftype, other in BEHIND.items()}


def is_broken(ftype: str) -> bool:
    """Whether the type, or the one it stands behind, was measured to break a model."""
    return recorded_kld().get(BEHIND.get(ftype, ftype), (0.0, 0.0))[0] >= BROKEN


def rank(ftype: str, bpw: float, fits: bool, layers: int) -> tuple:
    """The key to sort by, smallest first.  bpw: bits per weight; layers: how many lie on the card."""
    better = _places().get(ftype, len(recorded_kld())) if fits else -layers
    return is_broken(ftype), not fits, better, -bpw
