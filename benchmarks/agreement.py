"""What the benchmarks share that hold quantlab against llama.cpp: its logits, mean divergences, and the ways
in which llama.cpp computes the same in another order.

llama.cpp does not agree with itself to the last digit: another order of the same sums gives other logits. How
far these are apart is what any other program can be held against.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.quantize_model import SMOLLM2
from quantlab.inference.llama import LanguageModel
from quantlab.inference.quality import log_softmax
from tests.inference.llama_oracle import LlamaCpp

GEMMA = SMOLLM2.with_name("gemma-3-270m.Q4_K_M.gguf")
ROWS = 32           # positions looked at in float64 at a time


def theirs(file: Path, tokens: list[int], n_ctx: int = 256, **settings) -> np.ndarray:
    """llama.cpp's logits with some of its settings changed."""
    with LlamaCpp(file, n_ctx, **settings) as oracle:
        return oracle.logits(tokens)


def klds(base: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """(T,) KL divergences of (T, n_vocab) logits from others, in nats."""
    pieces = ((log_softmax(base[rows]), log_softmax(logits[rows])) for rows in pieces_of(len(base)))
    return np.concatenate([(np.exp(p) * (p - q)).sum(axis=1) for p, q in pieces])


def kld(base: np.ndarray, logits: np.ndarray) -> float:
    """Their mean, three digits."""
    return three(klds(base, logits).mean())


def nlls(logits: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(T,): minus the log-probability of the right tokens."""
    return np.concatenate([-log_softmax(logits[rows])[np.arange(len(right[rows])), right[rows]]
                           for rows in pieces_of(len(right))])


def pieces_of(n: int) -> Iterator[slice]:
    return (slice(start, start + ROWS) for start in range(0, n, ROWS))


def opening(model: LanguageModel, text: str, n: int) -> list[int]:
    """The first n tokens of a text, with the token for its beginning where the model has one."""
    tokenizer = model.tokenizer
    first = [tokenizer.bos] if tokenizer.add_bos else []
    return [*first, *tokenizer.encode(text[:8 * n], special=False)][:n]


def three(value: float) -> float:
    return float(f"{value:.3g}")
