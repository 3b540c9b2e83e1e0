"""The tiny Llama in JAX, to be trained, and its weights on the disk.

Architecture: Llama as in GGUF (RMSNorm, RoPE on interleaved pairs, grouped-query attention, SwiGLU, tied
embeddings); every row is a multiple of 256 weights long, so that K-quants fit without a fallback.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

SEED = 20261124
N_VOCAB, N_CTX, N_EMBD, N_LAYER, N_HEAD, N_HEAD_KV, N_FF = 1024, 256, 256, 5, 4, 2, 768
HEAD = N_EMBD // N_HEAD
EPS, ROPE_BASE = 1e-5, 10_000.0


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
    def feed_forward(layer, x):
        gate, up, down = (weights[f"blk.{layer}.ffn_{name}"] for name in ("gate", "up", "down"))
        h = rms_norm(x, weights[f"blk.{layer}.ffn_norm"])
        return (jax.nn.silu(h @ gate.T) * (h @ up.T)) @ down.T

    return run(weights, tokens, feed_forward)


def run(weights, tokens, feed_forward):
    """As `forward`; feed_forward: (layer, stream) -> what is added to the stream after attention."""
    x, batch = weights["token_embd"][tokens], tokens.shape[0]
    for layer in range(N_LAYER):
        w = {name: weights[f"blk.{layer}.{name}"]
             for name in ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output")}
        h = rms_norm(x, w["attn_norm"])
        q = rope((h @ w["attn_q"].T).reshape(batch, N_CTX, N_HEAD, HEAD))
        k = rope((h @ w["attn_k"].T).reshape(batch, N_CTX, N_HEAD_KV, HEAD))
        v = (h @ w["attn_v"].T).reshape(batch, N_CTX, N_HEAD_KV, HEAD)
        k, v = jnp.repeat(k, N_HEAD // N_HEAD_KV, 2), jnp.repeat(v, N_HEAD // N_HEAD_KV, 2)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * HEAD ** -0.5 + CAUSAL
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, -1), v).reshape(batch, N_CTX, N_EMBD)
        x = x + mixed @ w["attn_output"].T
        x = x + feed_forward(layer, x)
    return rms_norm(x, weights["output_norm"]) @ weights["token_embd"].T


def loss(weights, windows):
    """Mean surprise per token, in nats, over (batch, N_CTX + 1) windows."""
    return log_loss(forward(weights, windows[:, :-1]), windows)


def log_loss(logits, windows):
    """Mean surprise per token, in nats, where the windows' tokens were to be foretold."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), windows[:, 1:, None], -1).mean()


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
