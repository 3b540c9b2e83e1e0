"""Float formats against the machine's own: NumPy's float16 and float32, and gguf's table of FP8 E4M3."""

import gguf
import numpy as np
import pytest

from quantlab.basics.floats import FLOATS, float_anatomy


def same(a: float, b: float) -> bool:
    return np.float64(a).tobytes() == np.float64(b).tobytes() or (a != a and b != b)


def test_every_fp16_code_decodes_as_numpy_and_encodes_back():
    expected = np.arange(65536, dtype=np.uint16).view(np.float16).astype(float)
    for code, value in enumerate(expected):
        assert same(FLOATS["FP16"].decode(code), value)
        if value == value:
            assert FLOATS["FP16"].encode(value) == code


def test_fp8_e5m2_is_the_upper_byte_of_fp16():
    halves = (np.arange(256, dtype=np.uint16) << 8).view(np.float16).astype(float)
    assert all(same(FLOATS["FP8 E5M2"].decode(code), halves[code]) for code in range(256))


def test_bf16_is_the_upper_half_of_fp32():
    with np.errstate(invalid="ignore"):
        floats = (np.arange(65536, dtype=np.uint32) << 16).view(np.float32).astype(float)
    assert all(same(FLOATS["BF16"].decode(code), floats[code]) for code in range(65536))


def test_fp8_e4m3_has_ggufs_values_and_tops_out_at_448():
    e4m3 = FLOATS["FP8 E4M3"]
    table = np.asarray(gguf.quants.NVFP4.ue4m3_to_fp32(np.arange(127, dtype=np.uint8)), float) / UE4M3_FACTOR
    assert [e4m3.decode(code) for code in range(127)] == table.tolist()
    assert e4m3.largest == 448 and np.isnan(e4m3.decode(127)) and np.isnan(e4m3.decode(255))
    # the tie goes to the even mantissa, which is the largest
    assert e4m3.encode(464.0) == e4m3.encode(448.0)
    assert np.isnan(e4m3.decode(e4m3.encode(465.0)))


#: ggml stores NVFP4's scales so that E4M3's values come out halved (its codes are doubled).
UE4M3_FACTOR = 0.5


def hard_values() -> np.ndarray:
    rng = np.random.default_rng(17)
    wide = rng.standard_normal(4000) * 10.0 ** rng.integers(-48, 39, 4000)
    edges = [0.0, -0.0, 65504, 65519.99, 65520, -65520, 2**-24, 2**-25, 2**-25 * 1.001, 2**-149, 2**-150,
             3.4028236e38, 1e300, np.inf]
    return np.concatenate([wide, edges])


@pytest.mark.parametrize(("name", "machine"), [("FP16", np.float16), ("FP32", np.float32)])
def test_encoding_rounds_as_the_machine_does(name, machine):
    with np.errstate(over="ignore"):
        for value in hard_values():
            assert float_anatomy(value, name).code == int(machine(value).view(f"u{machine().nbytes}")), value


def test_bf16_rounds_to_nearest_with_ties_to_even():
    bits = np.random.default_rng(3).integers(0, 0x7F7F0000, 5000, dtype=np.uint32)
    bits[:1000] = bits[:1000] & 0xFFFF0000 | 0x8000                       # exact ties
    expected = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    assert [FLOATS["BF16"].encode(float(v)) for v in bits.view(np.float32)] == expected.tolist()


def test_anatomy_takes_a_number_apart():
    tenth = float_anatomy(-0.1, "FP16")
    assert (tenth.sign, tenth.exponent, tenth.mantissa) == ("1", "01011", "1001100110")
    assert tenth.value == float(np.float16(-0.1)) and tenth.error == tenth.value + 0.1


def test_bad_names_and_codes_are_refused():
    with pytest.raises(ValueError, match="FP12"):
        float_anatomy(1, "FP12")
    with pytest.raises(ValueError, match="65536"):
        FLOATS["FP16"].decode(65536)
