"""The tiny Llama trained on for few bits: quantization-aware training (QAT).

In each step the model is run with the very weights that a file of the type would hold, quantized and decoded
by quantlab. The gradient is taken there and moves the exact weights behind them, as if rounding were not
there (a straight-through estimator: Bengio et al., arXiv:1308.3432; for transformers: LLM-QAT,
arXiv:2305.17888). "none" rounds nothing and is the control: the same batches, the same rates, as many steps.

    python tools/train_tiny_llama.py --folder /tmp/tiny --round Q2_K       # every matrix in this type
    python tools/train_tiny_llama.py --folder /tmp/tiny --round TQ2_0      # ternary: as the mix of this name

A checkpoint is written every 25 steps; the same command goes on from there.
"""

import json
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tiny_model import load, loss, save
from tiny_tokens import batch_of, mean_nats, prepare, windows_of

import quantlab as ql
from quantlab.inference.recital import count_recited

STEPS, WARM_UP, RATE, BETA1, BETA2 = 450, 20, 1e-3, 0.9, 0.98
NONE = "none"
TERNARY = ("TQ1_0", "TQ2_0")
FIRST_BATCH = 100_000       # so that no batch of the first training is read again
SAVED_EVERY, JUDGED_EVERY = 25, 50
BLOCK = 256


def types_of(name: str, weights: dict) -> dict[str, str]:
    """Matrix -> its type.  name: a type, which every matrix gets; a ternary one, whose mix keeps the word
    vectors in more bits, as BitNet does; "none" for no type at all.
    """
    if name == NONE:
        return {}
    chosen = ql.recipe(name, "tiny", pure=name not in TERNARY)
    return {matrix: chosen[f"{matrix}.weight"] for matrix, w in weights.items() if w.ndim == 2}


def ternary(w: np.ndarray) -> np.ndarray:
    """Each weight as -d, 0 or d, the nearest of them; d is the mean magnitude of its block of 256 (BitNet
    b1.58, arXiv:2402.17764, takes that of the matrix). ggml's own d, the largest magnitude, would leave
    hardly a weight that is not 0; it keeps these as they are.
    """
    blocks = w.reshape(-1, BLOCK)
    d = np.abs(blocks).mean(axis=1, keepdims=True).astype(np.float16).astype(np.float32)
    return (np.clip(np.rint(blocks / np.maximum(d, 1e-8)), -1, 1) * d).reshape(w.shape)


def ready(w: np.ndarray, qtype: str) -> np.ndarray:
    """The weights as they are given to the encoder of a type."""
    return ternary(w) if qtype in TERNARY else w


def as_stored(weights: dict, types: dict[str, str]) -> dict[str, np.ndarray]:
    """The weights as a file of these types holds them, decoded."""
    exact = {name: np.asarray(w) for name, w in weights.items()}
    return exact | {name: ql.quantize(ready(exact[name], qtype), qtype).dequantize()
                    for name, qtype in types.items()}


@partial(jax.jit, donate_argnums=(0, 2, 3))
def adam(weights, gradient, first, second, number, rate):
    """One step of Adam (arXiv:1412.6980) on the exact weights."""
    first = {name: BETA1 * first[name] + (1 - BETA1) * g for name, g in gradient.items()}
    second = {name: BETA2 * second[name] + (1 - BETA2) * g * g for name, g in gradient.items()}
    weights = {name: w - rate * first[name] / (1 - BETA1 ** number)
               / (jnp.sqrt(second[name] / (1 - BETA2 ** number)) + 1e-8) for name, w in weights.items()}
    return weights, first, second


def rate_at(number: int, steps: int) -> float:
    """A short warm-up, then half a cosine down to a twentieth."""
    return float(RATE * min(1.0, number / WARM_UP)
                 * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * number / steps))))


def begin(checkpoint: Path) -> tuple[dict, dict, dict, int, float]:
    """Weights, Adam's two means, steps done and seconds spent: of the checkpoint, or of the shipped model."""
    if checkpoint.exists():
        saved = load(checkpoint)
        return (saved["weights"], saved["first"], saved["second"], int(saved["run"]["step"]),
                float(saved["run"]["seconds"]))
    weights = {name.removesuffix(".weight"): jnp.array(np.asarray(w))
               for name, w in ql.load_lm("tiny").weights.items()}
    zeros = partial(jax.tree.map, jnp.zeros_like)
    return weights, zeros(weights), zeros(weights), 0, 0.0


def judged(stored: dict, held_out_loss, windows: np.ndarray) -> dict:
    """What the rounded model says of text that it never saw, and what it still knows by heart."""
    lm = ql.load_lm("tiny").with_weights({f"{name}.weight": w for name, w in stored.items()})
    known = count_recited(lm)
    return {"held_out_nats": round(mean_nats(held_out_loss, stored, windows), 4),
            "recited": known[True][0], "controls": known[False][0]}


def train_rounded(folder: Path, name: str, steps: int) -> None:
    """Train on with every matrix rounded to `name`: checkpoint round-NAME.npz, log round-NAME.jsonl."""
    train, held_out, passages = prepare(folder)
    checkpoint, log = folder / f"round-{name}.npz", folder / f"round-{name}.jsonl"
    weights, first, second, done, spent = begin(checkpoint)
    types, windows = types_of(name, weights), windows_of(held_out)
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    rows = [row for row in rows if row["step"] <= done] if done else []
    at_rounded, held_out_loss = jax.jit(jax.value_and_grad(loss)), jax.jit(loss)
    if not done:
        rows = [{"step": 0, "seconds": 0} | judged(as_stored(weights, types), held_out_loss, windows)]
    began, nats = time.perf_counter(), []
    for number in range(done + 1, steps + 1):
        found, gradient = at_rounded(as_stored(weights, types),
                                     batch_of(train, passages, FIRST_BATCH + number))
        weights, first, second = adam(weights, gradient, first, second, float(number),
                                      rate_at(number, steps))
        nats.append(float(found))
        if number % SAVED_EVERY and number != steps:
            continue
        row = {"step": number, "seconds": round(spent + time.perf_counter() - began),
               "train_nats": round(float(np.mean(nats)), 4)}
        if number % JUDGED_EVERY == 0 or number == steps:
            row |= judged(as_stored(weights, types), held_out_loss, windows)
        save(checkpoint, weights=weights, first=first, second=second,
             run={"step": number, "seconds": row["seconds"]})
        rows.append(row)
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
        print(name, row, flush=True)
        nats = []
