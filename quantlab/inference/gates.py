"""What lets a signal pass: in the feed-forward part SiLU, GELU, or gpt-oss's clamped gate; in attention the
shares that softmax gives, and the cap that keeps scores small.

    GATES["silu"](gate, up)

llama.cpp's processor code looks GELU up in a table of 65,536 float16 numbers, one for each float16 input.
`GATES["gelu"]` computes it in float32, as the models were trained; GATES_OF_LLAMA_CPP has the table, for
comparisons with llama.cpp.  Sources: ggml's vec.h (ggml_vec_geglu_f32), ops.cpp (ggml_swiglu_oai).
"""

from functools import cache

import numpy as np

CLAMPED_AT, STEEPNESS = np.float32(7), np.float32(1.702)        # llama-graph.cpp: LLM_FFN_SWIGLU_OAI_MOE


def silu(x: np.ndarray) -> np.ndarray:
    """x times the logistic function of x."""
    with np.errstate(over="ignore"):          # exp(-x) may be infinite: then the result is 0, as it should be
        return x / (1 + np.exp(-x))


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the share of a normal distribution below x, in its usual approximation by tanh."""
    inner = np.float32(0.79788456080286535588) * x * (1 + np.float32(0.044715) * x * x)
    return np.float32(0.5) * x * (1 + np.tanh(inner))


def tabled_gelu(x: np.ndarray) -> np.ndarray:
    """GELU as llama.cpp's processor code has it: of x in float16, in float16."""
    return _table()[x.astype(np.float16).view(np.uint16)]


@cache
def _table() -> np.ndarray:
    """(65536,) float32: GELU of every float16 number, by its bits."""
    with np.errstate(all="ignore"):           # some of the bits are infinite, or no numbers
        inputs = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
        return gelu(inputs).astype(np.float16).astype(np.float32)


def clamped_gate(gate: np.ndarray, up: np.ndarray) -> np.ndarray:
    """gpt-oss: no signal beyond 7, and a steeper gate; what is to pass is counted from 1."""
    gate, up = np.minimum(gate, CLAMPED_AT), np.clip(up, -CLAMPED_AT, CLAMPED_AT)
    with np.errstate(over="ignore"):
        return gate / (1 + np.exp(-STEEPNESS * gate)) * (up + 1)


#: Family.gate -> the function of gate and signal, (T, n_ff) each.
GATES = {"silu": lambda gate, up: silu(gate) * up, "gelu": lambda gate, up: gelu(gate) * up,
         "clamped": clamped_gate}
GATES_OF_LLAMA_CPP = {**GATES, "gelu": lambda gate, up: tabled_gelu(gate) * up}
REFERENCES = {"exact": GATES, "llama.cpp": GATES_OF_LLAMA_CPP}


def capped(x: np.ndarray, cap: float) -> np.ndarray:
    """x, softly kept between -cap and cap; 0: as it is."""
    return np.tanh(x / np.float32(cap)) * np.float32(cap) if cap else x


def softmax(scores: np.ndarray, sinks: np.ndarray | None = None) -> np.ndarray:
    """Scores -> shares that add up to 1, along the last axis; done in place.  sinks: one more score, whose
    share nobody gets.
    """
    most = scores.max(axis=-1, keepdims=True)
    if sinks is not None:
        most = np.maximum(most, sinks)
    scores -= most
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    scores /= total if sinks is None else total + np.exp(sinks - most)
    return scores
