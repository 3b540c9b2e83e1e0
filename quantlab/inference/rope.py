"""RoPE: a token's place is told by turning its queries and keys, each pair of columns at a speed of its own.

Models are stretched to longer texts by turning more slowly: all pairs alike (linear), the slow pairs more
than the fast ones (YaRN), or each pair by a number of its own (Llama 3.1's `rope_freqs`, Phi's longrope).

llama.cpp's processor code works out each angle from that of the pair before, in float32, and the errors add
up: far from the beginning they show. `turns` can do the same, for comparisons with it.
Sources: llama.cpp's ggml_rope_ext (rope_yarn, ggml_rope_yarn_corr_dims, ggml_rope_cache_init),
llama-context.cpp (the attention factor).
"""

from dataclasses import dataclass

import numpy as np

Turns = tuple[np.ndarray, np.ndarray]       # cosine and sine, (T, 1, pairs) each


@dataclass(frozen=True)
class Stretching:
    """How positions are stretched.  factor: by how much.  yarn: only the slow pairs, by YaRN.

    n_ctx_original: the context before it was stretched.  attention: what cosine and sine are multiplied with.
    fast, slow: pairs that turn more often than `fast` times in n_ctx_original stay, those that turn fewer
    than `slow` times are stretched in full.  log_multiplier: of YaRN's attention factor (Mistral).
    """

    factor: float = 1.0
    yarn: bool = False
    n_ctx_original: int = 0
    attention: float = 1.0
    fast: float = 32.0
    slow: float = 1.0
    log_multiplier: float = 0.0

    @property
    def magnitude(self) -> float:
        """What cosine and sine are multiplied with, before a layer's own share of YaRN."""
        if not self.yarn:
            return self.attention
        over = _grown(self.factor, self.log_multiplier) if self.log_multiplier else 1.0
        return self.attention * _grown(self.factor) / over / (1 + 0.1 * np.log(self.factor))


@dataclass(frozen=True, eq=False)
class Rope:
    """What turns.  halves: pairs are (i, i + n_rot / 2), not the neighbours (2i, 2i + 1).

    speeds: (n_rot / 2,) float64, the angle of each pair a position.  magnitude: of cosine and sine.
    scale, kept: how the speeds were stretched: times `scale`, but for the share of each pair that was kept.
    """

    halves: bool
    speeds: np.ndarray
    magnitude: float = 1.0
    scale: float = 1.0
    kept: np.ndarray | float = 0.0

    def turns(self, positions: np.ndarray, slower: np.ndarray | float = 1.0, in_steps: bool = False) -> Turns:
        """Cosine and sine of the angles at each position.  slower: what a pair's speed is divided by.
        in_steps: with the rounding of llama.cpp's processor code.
        """
        angles = (self._in_steps(positions, slower) if in_steps
                  else positions[:, None, None] * (self.speeds / slower))
        cos, sin = np.cos(angles), np.sin(angles)
        if self.magnitude != 1:
            cos, sin = cos * self.magnitude, sin * self.magnitude
        return cos.astype(np.float32), sin.astype(np.float32)

    def _in_steps(self, positions: np.ndarray, slower: np.ndarray | float) -> np.ndarray:
        """(T, 1, pairs): the angles, each made from the one before in float32."""
        scale, kept = np.float32(self.scale), np.float32(self.kept)
        factors = np.empty((len(positions), 1, len(self.speeds)), np.float32)
        factors[..., 0] = positions[:, None]
        factors[..., 1:] = (self.speeds / ((1 - self.kept) * self.scale + self.kept))[1:2]   # the step
        angles = np.multiply.accumulate(factors, axis=-1) / np.float32(slower)
        return (angles * scale * (1 - kept) + angles * kept).astype(np.float64)

    def rotate(self, x: np.ndarray, turns: Turns) -> np.ndarray:
        """Turn each pair of every head, as a point in a plane; columns beyond n_rot stay.

        x: (T, heads, head_dim).
        """
        (cos, sin), half = turns, len(self.speeds)
        turning = x[..., :2 * half]
        if self.halves:
            one, other = turning[..., :half], turning[..., half:]
            parts = [one * cos - other * sin, one * sin + other * cos, x[..., 2 * half:]]
            return np.concatenate(parts, axis=-1)
        one, other = turning[..., 0::2], turning[..., 1::2]
        y = np.stack([one * cos - other * sin, one * sin + other * cos], axis=-1).reshape(turning.shape)
        return y if x.shape == y.shape else np.concatenate([y, x[..., 2 * half:]], axis=-1)


def rope(base: float, n_rot: int, halves: bool, stretch: Stretching, local: bool = False) -> Rope:
    """Pair i of n_rot / 2 turns by position * base^(-2i / n_rot), stretched.

    local: of a layer that keeps its own pace, though the model was stretched by YaRN.
    """
    speeds = base ** (-np.arange(0, n_rot, 2) / n_rot)
    factor, magnitude = 1.0 if local else stretch.factor, stretch.magnitude
    if stretch.yarn:
        magnitude *= 1 + 0.1 * np.log(factor)
        kept = _kept(base, n_rot, stretch)
        return Rope(halves, speeds * ((1 - kept) / factor + kept), float(magnitude), 1 / factor, kept)
    return Rope(halves, speeds / factor, float(magnitude), 1 / factor)


def _kept(base: float, n_rot: int, stretch: Stretching) -> np.ndarray:
    """(pairs,): 1 for a pair that keeps its speed, 0 for one that is stretched in full."""
    def pair(turns: float) -> float:
        """The pair, as a fraction, that turns so often in the original context."""
        return n_rot * np.log(stretch.n_ctx_original / (turns * 2 * np.pi)) / (2 * np.log(base))

    low, high = max(0, np.floor(pair(stretch.fast))), min(n_rot - 1, np.ceil(pair(stretch.slow)))
    return 1 - np.clip((np.arange(n_rot // 2) - low) / max(0.001, high - low), 0, 1)


def _grown(factor: float, multiplier: float = 1.0) -> float:
    """YaRN's attention factor: longer texts need sharper attention."""
    return 1.0 if factor <= 1 else 0.1 * multiplier * np.log(factor) + 1
