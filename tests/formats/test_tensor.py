"""Whole tensors: any shape, the bytes of a file, pieces, and refusals that name the number."""

import tracemalloc
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from quantlab.basics.sample import PATH, sample_weights
from quantlab.formats.table import FORMATS
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
        expected = gguf.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(back, expected.reshape(tensor.shape[::-1]))


def test_more_bits_mean_less_error_on_real_weights():
    x = sample_weights()
    error = {q: np.sqrt(np.mean((quantize(x, q).dequantize() - x) ** 2))
             for q in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "F16")}
    assert error["Q4_0"] > error["Q4_1"] > error["Q5_0"] > error["Q5_1"] > error["Q8_0"] > error["F16"] > 0


@pytest.mark.parametrize("make", [lambda x: x.astype(np.float64), lambda x: np.asfortranarray(x),
                                  lambda x: x[:, ::-1][:, ::-1], lambda x: x.byteswap().view(">f4")])
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


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_writes_and_reads_the_same_bytes(pool):
    x = np.random.default_rng(4).standard_normal((600, 512), dtype=np.float32)
    imatrix = np.random.default_rng(5).random(512)
    with pool(2) as executor:
        for qtype, weights in (("Q4_0", imatrix), ("Q4_K", None), ("Q8_0", None)):
            spread, here = quantize(x, qtype, weights, executor=executor), quantize(x, qtype, weights)
            assert spread.tobytes() == here.tobytes()
            np.testing.assert_array_equal(spread.dequantize(executor), here.dequantize())
            np.testing.assert_array_equal(dequantize(here.tobytes(), qtype, x.shape, executor=executor),
                                          here.dequantize())


@pytest.mark.parametrize("n", [512, 1 << 19])       # many rows to a piece, many pieces to a row
def test_memory_stays_small_whatever_the_size(n):
    x = np.asfortranarray(np.random.default_rng(6).standard_normal(1 << 23, dtype=np.float32).reshape(-1, n))
    imatrix = np.ones(n)
    quantize(x[:, :512].copy(), "Q4_0", np.ones(512))
    tracemalloc.start()
    try:
        stored = quantize(x, "Q4_0", imatrix)
        extra = tracemalloc.get_traced_memory()[1] - stored.nbytes
    finally:
        tracemalloc.stop()
    assert extra < 16e6 < x.nbytes


def test_a_row_longer_than_a_piece_has_one_mean_square():
    """Importances of the plain formats depend on the whole row, wherever it is cut."""
    x = np.random.default_rng(8).standard_normal((2, 1 << 17), dtype=np.float32)
    imatrix = np.random.default_rng(9).random(1 << 17, dtype=np.float32)
    whole = FORMATS["Q4_0"].encode(x, imatrix)
    assert quantize(x, "Q4_0", imatrix).tobytes() == whole.tobytes()
    assert quantize(x[:, :512], "Q4_0", imatrix[:512]).tobytes() != whole.reshape(2, -1)[:, :16].tobytes()


@pytest.mark.parametrize("qtype", ["TQ2_0", "MXFP4", "NVFP4", "Q8_0"])
def test_types_that_take_no_imatrix_ignore_it_as_ggml_does(qtype):
    x = sample_weights().reshape(-1, 256)
    assert quantize(x, qtype, np.linspace(0, 9, 256)).tobytes() == quantize(x, qtype).tobytes()


@pytest.mark.parametrize("qtype", ["Q4_0", "Q8_0", "Q4_K", "Q6_K"])
def test_nonfinite_weights_are_written_only_when_asked_for(qtype):
    x = np.ones((2, 256), np.float32)
    x[1, 3] = np.inf
    with pytest.raises(ValueError, match=r"x\[1, 3\] is inf$"):
        quantize(x, qtype)
    assert quantize(x, qtype,
                    allow_nonfinite=True).tobytes()[: len(quantize(x[:1], qtype).tobytes())] == quantize(
                        x[:1], qtype).tobytes()


@pytest.mark.parametrize(("call", "words"), [
    (lambda: quantize(spoiled(np.nan), "Q4_0"), r"x\[1, 40\] is nan"),
    (lambda: quantize(spoiled(-np.inf), "Q8_0"), r"x\[1, 40\] is -inf"),
    (lambda: quantize(spoiled(1e39), "Q8_0"), r"x\[1, 40\] is 1e\+39"),
    (lambda: quantize(np.zeros((2, 100)), "Q4_0"),
     r"row of 100 .* blocks of 32; that length fits F32, F16, BF16"),
    (lambda: quantize(np.zeros((2, 96)), "Q4_K"), r"row of 96 .* Q4_K blocks of 256; .* Q4_0"),
    (lambda: quantize(np.float32(1), "Q4_0"), "single number"),
    (lambda: quantize(np.array(["a"]), "Q4_0"), "real numbers"),
    (lambda: quantize(np.zeros((4, 64)), "Q4_0", imatrix=np.ones(32)),
     r"one number per column: 64 of them, got float64 of shape \(32,\)"),
    (lambda: quantize(np.zeros((4, 64)), "Q4_0", imatrix=1.0), "one number per column: 64 of them"),
    (lambda: quantize(np.zeros(32), "Q4_1", imatrix=-np.arange(32)), r"imatrix\[1\] is -1"),
    (lambda: quantize(np.zeros(32), "Q8_0", imatrix=np.full(32, np.nan)), r"imatrix\[0\] is nan"),
    (lambda: quantize(np.zeros(32), "Q5_0", imatrix=np.full(32, 1e39)), r"imatrix\[0\] is 1e\+39"),
    (lambda: quantize(np.zeros(256), "IQ2_XS"),
     "IQ2_XS is only written with an importance matrix, as in ggml"),
    (lambda: quantize(np.zeros(256), "IQ1_S"),
     "IQ1_S is only written with an importance matrix, as in ggml"),
    (lambda: quantize(np.zeros(256), "Q4_K", reference="0.25"),
     "no ggml reference '0.25' here.*0.20.2, 0.26.0"),
    (lambda: quantize(np.full(256, np.inf), "IQ2_XS", np.ones(256), allow_nonfinite=True),
     r"x\[0\] is inf, and ggml itself aborts"),
    (lambda: dequantize(b"123", "Q4_0", (2, 32)), r"2 blocks of 18 bytes = 36 bytes, got 3"),
    (lambda: dequantize(bytes(36), "Q4_0", (-2, 32)), "positive"),
    (lambda: dequantize(bytes(18), "Q4_0", (33,)), "row of 33"),
    (lambda: dequantize(bytes(18), "Q4_0", (1 << 62, 32)), "got 18"),
])
def test_bad_input_is_refused_with_the_number(call, words):
    with pytest.raises(ValueError, match=words):
        call()
