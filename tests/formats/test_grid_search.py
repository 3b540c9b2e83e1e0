"""The codebook types with signs: ggml's bytes, weight for weight, and why the short lists of neighbours are
enough. IQ2_XS is the worked example.
"""

import hashlib

import numpy as np
import pytest

from quantlab.formats import grid_search
from quantlab.formats.cfloat import columns, sum_in_order
from quantlab.formats.codebook import decode_iq2_xs
from quantlab.formats.table import FORMATS
from tests.formats import ggml_oracle as ggml
from tests.formats.hard_weights import FAMILIES, ROWS, TOO_LARGE, N, bell, chosen
from tests.thinned import WHOLE, some

needs_ggml = pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)
IQ2_XS = grid_search.SEARCHES["IQ2_XS"]


def many_sizes(seed: int) -> np.ndarray:
    """Every group of 16 times another power of two."""
    power = np.random.default_rng(seed).integers(-60, 40, (ROWS, N // 16))
    return np.ldexp(bell(seed), power.repeat(16, axis=1))


MORE = {"borders between levels": lambda: chosen(21, [0, 0.2, 0.4, -0.4, 0.6, 0.8, -0.8, 1]),
        "grid points times a scale": lambda: chosen(22, [1, 3, 5])
        * np.abs(bell(23)[:, ::16].repeat(16, axis=1)),
        "stored as bfloat16": lambda: (bell(24).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32),
        "around the smallest group": lambda: bell(25) * np.float32(1e-15),
        "groups of many sizes": lambda: many_sizes(26),
        "one eight among zeros": lambda: np.where(np.arange(N) % 32 < 8, bell(27), np.float32(0)),}
WEIGHTS = {**{name: make for name, make in FAMILIES.items() if name not in TOO_LARGE}, **MORE}
#: (type, importances), None for without.
MATRIX = [(qtype, kind) for qtype in (*grid_search.SEARCHES, "IQ1_S", "IQ1_M")
          for kind in (None, "even", "gaps", "none", "wild") if kind or FORMATS[qtype].imatrix != "needed"]


def importance(kind: str) -> np.ndarray:
    """(N,) float32, whole numbers times powers of two."""
    rng = np.random.default_rng(30)
    whole = rng.integers(1, 1 << 20, N).astype(np.float32)
    return {"even": np.ones(N, np.float32), "uneven": whole, "gaps": whole * (rng.integers(0, 10, N) > 2),
            "none": np.zeros(N, np.float32), "wild": np.ldexp(whole, rng.integers(-80, 40, N))}[kind]


def encode(x: np.ndarray, imatrix: np.ndarray | None, qtype: str = "IQ2_XS") -> np.ndarray:
    if imatrix is not None:
        imatrix = np.broadcast_to(imatrix, x.shape).reshape(-1, 256)
    return FORMATS[qtype].encode_blocks(x.reshape(-1, 256), imatrix)


@needs_ggml
def test_a_million_weights_of_every_kind_get_ggmls_bytes():
    imatrix = importance("uneven")
    differing = {}
    for name, make in WEIGHTS.items():
        x = make()
        theirs = ggml.quantize(x, "IQ2_XS", imatrix)
        differing[name] = int((encode(x, imatrix).view(np.uint8) != theirs.reshape(-1)).sum())
    assert differing == dict.fromkeys(WEIGHTS, 0)


@needs_ggml
@pytest.mark.parametrize(("qtype", "kind"), MATRIX)
def test_every_kind_of_weights_gets_ggmls_bytes_in_every_codebook_type(qtype, kind):
    imatrix = importance(kind) if kind else None
    small = (10.0 ** -np.arange(5, 17)).astype(np.float32)           # about where a group counts as zero
    weights = WEIGHTS | {"small groups": lambda: bell(28) * np.resize(small, (ROWS, 1))}
    weights, differing = dict(some(weights.items(), 2, MATRIX.index((qtype, kind)))), {}
    for name, make in weights.items():
        x = make()[:16:1 if WHOLE else 5]
        theirs = ggml.quantize(x, qtype, imatrix)
        differing[name] = int((encode(x, imatrix, qtype).view(np.uint8) != theirs.reshape(-1)).sum())
    assert differing == dict.fromkeys(weights, 0)


def relative_error(decoded: np.ndarray, x: np.ndarray) -> float:
    return float(np.sqrt(np.mean((decoded - x) ** 2) / np.mean(x**2)))


def test_after_an_empty_group_iq3_s_puts_all_others_where_they_are_not_looked_for():
    """ggml's own error, of which its bytes are full; the docstring says how to avoid it."""
    x = bell(8)[0, :256].copy()
    x[:32] = 0
    stored = FORMATS["IQ3_S"].encode(x[None])
    decoded = FORMATS["IQ3_S"].decode(stored)[0]
    assert relative_error(decoded, x) > 1.2
    assert not stored["qs"][0, 56:].any() and not stored["signs"][0, 28:].any()
    x[:32] = bell(8)[0, :32]
    assert relative_error(FORMATS["IQ3_S"].decode(FORMATS["IQ3_S"].encode(x[None]))[0], x) < 0.2


@needs_ggml
@pytest.mark.parametrize("gaps", [0, 3])
def test_infinite_errors_get_ggmls_bytes_where_it_writes_some(gaps):
    """Every eight of this block hits a grid point, so nothing is searched for; but a sign is paid for, and
    all prices are inf or NaN.
    """
    x = np.zeros((1, 256), np.float32)
    x[0, 0::16], x[0, 4::16], x[0, 200] = 1e-3, -1, 1e20
    imatrix = np.ones(256, np.float32) if not gaps else (np.arange(256) % gaps > 0).astype(np.float32)
    assert encode(x, imatrix).tobytes() == ggml.quantize(x, "IQ2_XS", imatrix).tobytes()


@pytest.mark.parametrize("value", [3e38, 1e16, np.inf, -np.inf, np.nan])
def test_weights_on_which_ggml_aborts_do_no_harm_to_the_others(value):
    x = bell(1)[:2].copy()
    clean = encode(x, importance("uneven"))
    x[0, 300] = value
    spoiled = encode(x, importance("uneven"))
    assert [i for i in range(len(clean)) if clean[i] != spoiled[i]] == [1]


def test_bytes_are_the_committed_ones_on_every_machine():
    """Sum, quotient and root are the same on every machine, so are the bytes; libggml agreed with these."""
    digest = hashlib.sha256()
    for make in WEIGHTS.values():
        digest.update(encode(make()[:4], importance("gaps")).tobytes())
    assert digest.hexdigest() == "eb9332a1676aeac6298efc40f29b1dff0e463b33a4744ef116b752f96d07aae1"


def test_any_number_of_blocks_gives_the_same_bytes_and_the_input_is_left_alone():
    x, imatrix = bell(2)[:2].copy(), importance("uneven")
    before = x.copy()
    whole = encode(x, imatrix)
    parts = [encode(x.reshape(-1, 256)[i : i + 1], np.resize(imatrix, (8, 256))[i]) for i in range(8)]
    assert whole.tobytes() == b"".join(part.tobytes() for part in parts)
    np.testing.assert_array_equal(x, before)


def test_a_neighbour_beyond_another_one_never_wins():
    """What the short lists leave out: with every weight clearly nearest to its own level, the whole lists
    find the same points.
    """
    grid, rng, n = IQ2_XS.grid, np.random.default_rng(4), 50_000
    levels = rng.integers(0, 3, (8, n)).astype(np.float32)
    x = 2 * (levels + rng.uniform(-0.49, 0.49, (8, n)).astype(np.float32)) + 1
    w, one = rng.random((8, n), np.float32) ** 4, np.ones(n, np.float32)
    short, searched = grid.nearest(grid.key(levels), np.ones(n, bool), x, w, one)
    whole, _ = grid.nearest(grid.key(levels), np.zeros(n, bool), x, w, one)
    np.testing.assert_array_equal(short, whole)
    assert searched.mean() > 0.9
    assert grid.counts.mean(axis=1).round(1).tolist() == [30.0, 16.4]


def test_the_neighbour_found_is_the_best_of_its_list():
    grid, rng, n = IQ2_XS.grid, np.random.default_rng(5), 300
    x, w = rng.uniform(0, 6, (8, n)).astype(np.float32), rng.random((8, n), np.float32)
    key = grid.key(np.clip(np.rint((x - 1) / 2), 0, 2).astype(np.float32))
    found, searched = grid.nearest(key, np.zeros(n, bool), x, w, np.ones(n, np.float32))
    for i in np.flatnonzero(searched):
        which = -1 - grid.where[key[i]]
        nearby = grid.neighbours[grid.starts[0, which] :][: grid.counts[0, which]]
        error = sum_in_order(w[:, i, None] * (grid.columns[:, nearby] - x[:, i, None]) ** 2)
        assert found[i] == nearby[error.argmin()]


def test_every_eight_has_an_even_number_of_minus_signs_and_the_least_important_pays():
    x = np.float32([[-3, 2, 2, 2, 2, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]]).T
    size, signs = grid_search.even_signs(x, np.ones_like(x))
    assert signs[:, 0].tolist() == [0b100001, 0]
    assert size[:8, 0].tolist() == [3, 2, 2, 2, 2, -1, 2, 2]


def test_the_search_beats_the_first_scale_and_shows_its_landscape():
    size, w, trace = np.abs(columns(bell(6)[:4], 16)), np.ones((16, 256), np.float32), []
    fit = grid_search.best_fit(IQ2_XS, size, w, trace)
    errors = np.array([error for _, _, _, error in trace])
    assert errors.shape == (19, 256)
    q = np.concatenate([IQ2_XS.grid.columns[:, eight] for eight in fit.point])
    final = ((fit.scale * q - size) ** 2).sum(axis=0)
    assert final.mean() < errors.min(axis=0).mean() < 0.95 * errors[9].mean()


def test_importance_moves_the_error_to_where_it_does_not_matter():
    x, imatrix = bell(7)[:8], np.where(np.arange(N) % 2, 100, 1).astype(np.float32)
    even, odd = (np.square(decode_iq2_xs(encode(x, imatrix)).reshape(x.shape) - x)[:, k::2].mean()
                 for k in (0, 1))
    assert odd < 0.6 * even
    assert FORMATS["IQ2_XS"].bpw == 2.3125
