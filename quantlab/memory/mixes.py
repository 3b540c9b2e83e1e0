"""What a file type is made of: how many tensors of which type, and what that makes of its size. Exact, from tensor lists.

    mix("llama-3.1-8b", "Q4_K_M").bpw       # 4.89, not 4.5 and not 4
"""

from collections import Counter
from functools import cache
from typing import NamedTuple

from ..formats.table import FORMATS
from ..models.tensor_lists import tensor_rows


class Claim(NamedTuple):
    """A row of the lesson's table for a "7B" model: its size in GB and its word for the quality, as printed there."""

    size_gb: float
    quality: str
    use: str


#: The lesson's "Quantization Types Comparison", smallest file first.
LESSON_TABLE = {
    "Q4_0": Claim(3.5, "Good", "Maximum compression"),
    "Q4_K_S": Claim(3.8, "Good", "Smaller Q4"),
    "Q4_K_M": Claim(4.0, "Better", "Best balance"),
    "Q5_K_S": Claim(4.5, "Good", "Balanced Q5"),
    "Q5_K_M": Claim(4.8, "Great", "Quality priority"),
    "Q6_K": Claim(5.5, "Excellent", "Near-lossless"),
    "Q8_0": Claim(7.0, "Excellent", "Minimal loss"),
    "F16": Claim(14.0, "Original", "No compression"),
}


class Share(NamedTuple):
    """The tensors of one type: how many, their weights and bytes, bits per weight of the type, and their roles in words."""

    qtype: str
    n_tensors: int
    n_weights: int
    nbytes: int
    bpw: float
    where: str


class Mix(NamedTuple):
    """A whole file's tensors; `shares` has the type with the most bytes first."""

    model: str
    ftype: str
    n_weights: int
    nbytes: int
    shares: tuple[Share, ...]

    @property
    def bpw(self) -> float:
        """Bits per weight of the file, everything counted."""
        return 8 * self.nbytes / self.n_weights


@cache
def mix(model: str, ftype: str) -> Mix:
    """The mix of a recorded model: "llama-2-7b" or "llama-3.1-8b".  Raises ValueError for what was not recorded."""
    rows = tensor_rows(model, ftype)
    in_role = Counter(role for _name, role, *_rest in rows)
    shares = []
    for qtype in {row[4] for row in rows}:
        mine = [row for row in rows if row[4] == qtype]
        shares.append(Share(qtype, len(mine), sum(row[5] for row in mine), sum(row[6] for row in mine), FORMATS[qtype].bpw,
                            _where(Counter(row[1] for row in mine), in_role)))
    shares.sort(key=lambda share: -share.nbytes)
    return Mix(model, ftype, sum(s.n_weights for s in shares), sum(s.nbytes for s in shares), tuple(shares))


def _where(roles: Counter, in_role: Counter) -> str:
    """"output, 16 of 32 attn_v, 16 of 32 ffn_down"; long lists in one phrase."""
    words = [role if in_role[role] == 1 else f"all {role}" if count == in_role[role] else f"{count} of {in_role[role]} {role}"
             for role, count in roles.items()]
    if len(words) <= 3:
        return ", ".join(words)
    if any("norm" in role for role in roles):
        return "small vectors, such as the norms"
    matrices = sum(count for role, count in in_role.items() if "norm" not in role and role != "rope_freqs")
    return "all matrices" if roles.total() == matrices else "all other matrices"
