"""Whole tensors: any shape, the bytes of a file, and refusals that name the number."""

import numpy as np
import pytest

from quantlab.basics.sample import PATH, sample_weights
from quantlab.formats.tensor import dequantize, quantize


def test_a_tensor_is_its_rows_one_after_the_other():
    x = sample_weights()[:6].reshape(2, 3, 384)
    whole = quantize(x, "Q4_0")
    assert whole.shape == (2, 3, 384) and whole.nbytes == 2304 // 32 * 18 and whole.bpw == 4.5
    assert whole.tobytes() == b"".join(quantize(row, "Q4_0").tobytes() for row in x.reshape(6, 384))
    np.testing.assert_array_equal(whole.dequantize()[1, 2], quantize(x[1, 2], "Q4_0").dequantize())


def test_the_bytes_of_the_bundled_file_decode_to_its_shape():
    import gguf

    for tensor in gguf.GGUFReader(PATH).tensors:
        back = dequantize(tensor.data.tobytes(), tensor.tensor_type.name, tensor.shape[::-1])
        np.testing.assert_array_equal(back, gguf.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1]))


def test_more_bits_mean_less_error_on_real_weights():
    x = sample_weights()
    error = {q: np.sqrt(np.mean((quantize(x, q).dequantize() - x) ** 2)) for q in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "F16")}
    assert error["Q4_0"] > error["Q4_1"] > error["Q5_0"] > error["Q5_1"] > error["Q8_0"] > error["F16"] > 0


@pytest.mark.parametrize("make", [
    lambda x: x.astype(np.float64), lambda x: np.asfortranarray(x), lambda x: x[:, ::-1][:, ::-1], lambda x: x.byteswap().view(">f4")])
def test_neither_memory_order_nor_width_changes_the_bytes(make):
    x = sample_weights()
    assert quantize(make(x), "Q5_1").tobytes() == quantize(x, "Q5_1").tobytes()


def test_the_input_is_left_alone():
    x = sample_weights()[:2]
    before = x.copy()
    for qtype in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
        quantize(x, qtype)
        np.testing.assert_array_equal(x, before)


def test_empty_tensors_stay_empty():
    nothing = quantize(np.zeros((0, 64), np.float32), "Q4_0")
    assert nothing.tobytes() == b"" and nothing.dequantize().shape == (0, 64)


def spoiled(value: float) -> np.ndarray:
    x = np.zeros((3, 64))
    x[1, 40] = x[2, 3] = value
    return x


@pytest.mark.parametrize(("call", "words"), [
    (lambda: quantize(spoiled(np.nan), "Q4_0"), r"x\[1, 40\] is nan"),
    (lambda: quantize(spoiled(-np.inf), "Q8_0"), r"x\[1, 40\] is -inf"),
    (lambda: quantize(spoiled(1e39), "Q8_0"), r"x\[1, 40\] is 1e\+39"),
    (lambda: quantize(np.zeros((2, 100)), "Q4_0"), r"row of 100 .* blocks of 32; that length fits F32, F16, BF16"),
    (lambda: quantize(np.zeros((2, 96)), "Q4_K"), r"row of 96 .* Q4_K blocks of 256; .* Q4_0"),
    (lambda: quantize(np.float32(1), "Q4_0"), "single number"),
    (lambda: quantize(np.array(["a"]), "Q4_0"), "real numbers"),
    (lambda: quantize(np.zeros(32), "Q4_0", imatrix=np.ones(32)), "not yet: Q4_0 with an importance matrix"),
    (lambda: quantize(np.zeros(256), "Q4_K"), "not yet: Q4_K"),
    (lambda: dequantize(b"123", "Q4_0", (2, 32)), r"2 blocks of 18 bytes = 36 bytes, got 3"),
    (lambda: dequantize(bytes(36), "Q4_0", (-2, 32)), "positive"),
    (lambda: dequantize(bytes(18), "Q4_0", (33,)), "row of 33"),
    (lambda: dequantize(bytes(18), "Q4_0", (1 << 62, 32)), "got 18"),
])
def test_bad_input_is_refused_with_the_number(call, words):
    with pytest.raises(ValueError, match=words):
        call()
