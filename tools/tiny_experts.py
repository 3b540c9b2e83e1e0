"""The tiny Llama's feed-forward part cut into eight experts, and trained on until a router has learned which
two of them each token needs.

The first weights are the shipped model's: expert e has the rows e * 96 to e * 96 + 95 of gate and up, and the
same columns of down (cut from a dense model: arXiv:2110.01786; trained on from one: arXiv:2212.05055). As in
Mixtral (arXiv:2401.04088) the router's scores go through a softmax, and the shares of the best two are
divided by their sum. A small extra loss keeps the experts about equally busy (arXiv:2101.03961).

    python tools/train_tiny_llama.py --folder /tmp/tiny --experts

A checkpoint is written every 25 steps; the same command goes on from there.
"""

import json
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tiny_model import N_EMBD, N_FF, N_LAYER, SEED, load, log_loss, rms_norm, run, save
from tiny_rounding import SAVED_EVERY, adam, rate_at
from tiny_tokens import batch_of, mean_nats, prepare, windows_of

import quantlab as ql

N_EXPERT, N_USED, STEPS = 8, 2, 1200
WINDOWS = 8                 # a step: half a batch will do where the weights are another model's
WIDTH = N_FF // N_EXPERT
LOUDER = 3.0                # two of eight speak where all did: what they add starts as much larger
BALANCE = 0.02              # the weight of the extra loss
FIRST_BATCH = 200_000       # so that no batch of the other trainings is read again
JUDGED_EVERY = 150


def cut(dense: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A model with experts, by GGUF's names without ".weight", out of the one without."""
    random = np.random.default_rng(SEED)
    weights = {name: w for name, w in dense.items() if ".ffn_" not in name or name.endswith("ffn_norm")}
    for layer in range(N_LAYER):
        at = f"blk.{layer}.ffn_"
        router = random.standard_normal((N_EXPERT, N_EMBD)).astype(np.float32) * np.float32(N_EMBD ** -0.5)
        weights |= {f"{at}gate_inp": router,
                    f"{at}gate_exps": dense[f"{at}gate"].reshape(N_EXPERT, WIDTH, N_EMBD),
                    f"{at}up_exps": dense[f"{at}up"].reshape(N_EXPERT, WIDTH, N_EMBD),
                    f"{at}down_exps": LOUDER * dense[f"{at}down"].reshape(N_EMBD, N_EXPERT, WIDTH)
                                                                 .transpose(1, 0, 2)}
    return weights


def experts(weights, layer: int, h):
    """(batch, n_ctx, N_EMBD) -> what two experts make of each, and how uneven the router's choice was.

    All eight are computed, and six of them multiplied by 0: simple, and here as fast as picking.
    """
    w = {name: weights[f"blk.{layer}.ffn_{name}"]
         for name in ("gate_inp", "gate_exps", "up_exps", "down_exps")}
    shares = jax.nn.softmax(h @ w["gate_inp"].T)                    # (batch, n_ctx, N_EXPERT)
    least = jax.lax.top_k(shares, N_USED)[0][..., -1:]
    woken = jnp.where(shares >= least, shares, 0.0)
    said = (jax.nn.silu(jnp.einsum("bti,efi->btef", h, w["gate_exps"]))
            * jnp.einsum("bti,efi->btef", h, w["up_exps"]))
    said = said * (woken / woken.sum(-1, keepdims=True))[..., None]
    uneven = N_EXPERT * ((woken > 0).mean((0, 1)) / N_USED * shares.mean((0, 1))).sum()      # 1: all the same
    return jnp.einsum("btef,eof->bto", said, w["down_exps"]), uneven


def forward(weights, tokens):
    """(batch, N_CTX) tokens -> logits, and the mean unevenness of the layers."""
    uneven = []

    def feed_forward(layer, x):
        added, more = experts(weights, layer, rms_norm(x, weights[f"blk.{layer}.ffn_norm"]))
        uneven.append(more)
        return added

    return run(weights, tokens, feed_forward), sum(uneven) / N_LAYER


def loss(weights, windows):
    """Mean surprise per token, in nats, without the extra loss."""
    return log_loss(forward(weights, windows[:, :-1])[0], windows)


def trained_loss(weights, windows):
    """What training makes small, and the surprise alone."""
    logits, uneven = forward(weights, windows[:, :-1])
    nats = log_loss(logits, windows)
    return nats + BALANCE * uneven, (nats, uneven)


def train_experts(folder: Path, steps: int) -> None:
    """Checkpoint experts.npz, log experts.jsonl."""
    train, held_out, passages = prepare(folder)
    checkpoint, log = folder / "experts.npz", folder / "experts.jsonl"
    rows, done, spent = [], 0, 0.0
    if checkpoint.exists():
        saved = load(checkpoint)
        weights, first, second = saved["weights"], saved["first"], saved["second"]
        done, spent = int(saved["run"]["step"]), float(saved["run"]["seconds"])
        rows = [row for row in map(json.loads, log.read_text().splitlines()) if row["step"] <= done]
    else:
        dense = {name.removesuffix(".weight"): np.asarray(w)
                 for name, w in ql.load_lm("tiny").weights.items()}
        weights = jax.tree.map(jnp.array, cut(dense))
        first, second = jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights)
    step = jax.jit(partial(jax.value_and_grad, has_aux=True)(trained_loss))
    held_out_loss, windows = jax.jit(loss), windows_of(held_out)
    began, told = time.perf_counter(), []
    for number in range(done + 1, steps + 1):
        (_, said), gradient = step(weights, batch_of(train, passages, FIRST_BATCH + number)[:WINDOWS])
        weights, first, second = adam(weights, gradient, first, second, float(number), rate_at(number, steps))
        told.append([float(one) for one in said])
        if number % SAVED_EVERY and number != steps:
            continue
        nats, uneven = np.mean(told, axis=0)
        row = {"step": number, "seconds": round(spent + time.perf_counter() - began),
               "train_nats": round(float(nats), 4), "uneven": round(float(uneven), 4)}
        if number % JUDGED_EVERY == 0 or number == steps:
            row["held_out_nats"] = round(mean_nats(held_out_loss, weights, windows), 4)
        save(checkpoint, weights=weights, first=first, second=second,
             run={"step": number, "seconds": row["seconds"]})
        rows.append(row)
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
        print("experts", row, flush=True)
        told = []
