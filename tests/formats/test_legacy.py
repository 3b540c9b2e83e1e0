"""The five plain formats are ggml's, byte for byte: against the C library, and everywhere against committed digests."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from quantlab.basics.sample import sample_weights
from quantlab.formats.tensor import dequantize, quantize
from tests.formats import ggml_oracle as ggml
from tests.formats.hard_weights import FAMILIES

LEGACY = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
DIGESTS = Path(__file__).with_name("digests.json")
needs_ggml = pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)


def test_the_hard_weights_are_a_million():
    assert sum(make().size for make in FAMILIES.values()) == 1 << 20
    assert all(np.isfinite(make()).all() for make in FAMILIES.values())


@needs_ggml
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("qtype", LEGACY)
def test_bytes_are_ggmls_on_hard_weights(qtype, family):
    x = FAMILIES[family]()
    assert quantize(x, qtype).tobytes() == ggml.quantize(x, qtype).tobytes()


@needs_ggml
@pytest.mark.parametrize("qtype", LEGACY)
def test_bytes_are_ggmls_on_a_million_bell_shaped_weights(qtype):
    x = np.random.default_rng(2026).standard_normal((256, 4096), dtype=np.float32) * np.float32(0.05)
    assert quantize(x, qtype).tobytes() == ggml.quantize(x, qtype).tobytes()


@needs_ggml
@pytest.mark.parametrize("qtype", LEGACY)
def test_bytes_are_ggmls_on_real_weights(qtype):
    x = sample_weights()
    assert quantize(x, qtype).tobytes() == ggml.quantize(x, qtype).tobytes()


@needs_ggml
@pytest.mark.parametrize("n_blocks", [1, 2, 3, 1023, 1025])
@pytest.mark.parametrize("qtype", LEGACY)
def test_any_number_of_blocks_gives_the_same_bytes(qtype, n_blocks):
    x = np.resize(FAMILIES["bell"](), (1, n_blocks * 32))
    assert quantize(x, qtype).tobytes() == ggml.quantize(x, qtype).tobytes()


def digests() -> dict[str, dict[str, str]]:
    return {qtype: {name: hashlib.sha256(quantize(make(), qtype).tobytes()).hexdigest() for name, make in FAMILIES.items()}
            for qtype in LEGACY}


def test_bytes_are_the_committed_ones_on_every_machine():
    """Rewrite with `python -m tests.formats.test_legacy`, only where libggml agrees."""
    assert digests() == json.loads(DIGESTS.read_text())


def hand_made(qtype: str) -> bytes:
    """A block with d = 2 (m = 1), weight j of code j."""
    d, m = np.float16(2).tobytes(), np.float16(1).tobytes()
    low = bytes(j % 16 | (j + 16) % 16 << 4 for j in range(16))
    fifth = (0xFFFF0000).to_bytes(4, "little")
    return {"Q4_0": d + low, "Q4_1": d + m + low, "Q5_0": d + fifth + low, "Q5_1": d + m + fifth + low,
            "Q8_0": d + bytes(range(32))}[qtype]


@pytest.mark.parametrize(("qtype", "expected"), [
    ("Q4_0", [2 * (j % 16 - 8) for j in range(32)]), ("Q4_1", [2 * (j % 16) + 1 for j in range(32)]),
    ("Q5_0", [2 * (j - 16) for j in range(32)]), ("Q5_1", [2 * j + 1 for j in range(32)]),
    ("Q8_0", [2 * j for j in range(32)])])
def test_a_block_made_by_hand_decodes_as_the_formula_says(qtype, expected):
    assert dequantize(hand_made(qtype), qtype, (32,)).tolist() == expected


def test_all_zero_weights_give_a_negative_zero_scale_in_q4_0_as_in_c():
    assert quantize(np.zeros((1, 32), np.float32), "Q4_0").tobytes()[:3] == b"\x00\x80\x88"


if __name__ == "__main__":
    DIGESTS.write_text(json.dumps(digests(), indent=1) + "\n")
