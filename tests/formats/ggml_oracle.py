"""ggml's own C as the oracle, through ctypes: libggml-python's shared object (an SSE2 build), and the newer
one within xllamacpp. Linux x86-64 only.
"""

import ctypes
from importlib.util import find_spec
from pathlib import Path

import numpy as np

REASON = "libggml-python is not installed (there is one for Linux x86-64: pip install -e '.[oracles]')"
#: enum ggml_type
NUMBER = dict(F32=0, F16=1, Q4_0=2, Q4_1=3, Q5_0=6, Q5_1=7, Q8_0=8, Q2_K=10, Q3_K=11, Q4_K=12, Q5_K=13,
              Q6_K=14, IQ2_XXS=16, IQ2_XS=17, IQ3_XXS=18, IQ1_S=19, IQ4_NL=20, IQ3_S=21, IQ2_S=22, IQ4_XS=23,
              IQ1_M=29, BF16=30, TQ1_0=34, TQ2_0=35, MXFP4=39, NVFP4=40, Q1_0=41, Q2_0=42)


#: Types that are written as a newer ggml writes them. IQ1_S both write alike (test_reference.py), with the
#: tables of IQ1_M: to work them out takes a library 13 seconds.
NEWER = {"IQ1_M": "0.26.0", "IQ1_S": "0.26.0"}


def _load(package: str, path: str):
    """The C functions inside a package's shared object; None where it is not installed."""
    found = find_spec(package)
    if found is None or found.origin is None:
        return None
    library = ctypes.CDLL(str(Path(found.origin).parent / path))
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [ctypes.c_int, pointer, pointer, count, count, count, pointer]
    library.ggml_row_size.restype = ctypes.c_size_t
    library.ggml_row_size.argtypes = [ctypes.c_int, count]
    library.ggml_quantize_requires_imatrix.restype = ctypes.c_bool
    library.ggml_version.restype = ctypes.c_char_p
    return library


GGML = _load("libggml", "lib64/libggml-base.so")
#: ggml's version -> its functions: the pinned byte truth, and what stands in the pinned llama.cpp.
LIBRARIES = {"0.20.2": GGML, "0.26.0": _load("xllamacpp", "xllamacpp.abi3.so")}


def quantize(x: np.ndarray, qtype: str, imatrix: np.ndarray | None = None,
             reference: str | None = None) -> np.ndarray:
    """(rows, n) float32 -> (rows, bytes of a row) uint8: ggml_quantize_chunk.  reference: a ggml version."""
    library = LIBRARIES[reference or NEWER.get(qtype, "0.20.2")]
    x = np.ascontiguousarray(x, np.float32)
    rows, n = x.shape
    out = np.zeros((rows, library.ggml_row_size(NUMBER[qtype], n)), np.uint8)
    # named: it has to live during the call
    weights = None if imatrix is None else np.ascontiguousarray(imatrix, np.float32)
    library.ggml_quantize_chunk(NUMBER[qtype], x.ctypes.data, out.ctypes.data, 0, rows, n, None
                                if imatrix is None else weights.ctypes.data)
    return out


def dequantize(raw: np.ndarray, qtype: str, n: int) -> np.ndarray:
    """Bytes of rows -> (rows, n) float32: dequantize_row_*."""
    raw = np.ascontiguousarray(raw)
    out = np.empty((raw.size // GGML.ggml_row_size(NUMBER[qtype], n), n), np.float32)
    if qtype in ("F16", "BF16"):
        function = getattr(GGML, f"ggml_{'fp16' if qtype == 'F16' else 'bf16'}_to_fp32_row")
    else:
        name = qtype[:-1].lower() + "K" if qtype.endswith("_K") else qtype.lower()
        function = getattr(GGML, f"dequantize_row_{name}")
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64], None
    function(raw.ctypes.data, out.ctypes.data, out.size)
    return out
