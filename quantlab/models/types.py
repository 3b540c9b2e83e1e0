"""The numbers that stand for types inside a GGUF file: value types, tensor types, and whole-file mixes
(ftypes).

Sources: ggml.h (enum ggml_type), gguf.h (enum gguf_type), llama.h (enum llama_ftype). Block sizes are not
here: they are facts of the formats (quantlab.formats.sizes); only the plain integers of ggml, which no format
encodes, are.
"""

from functools import cache

from ..formats.sizes import BLOCKS

#: gguf value type -> (name, struct code, bytes); strings and arrays carry their own length.
VALUE_TYPES = {0: ("UINT8", "B", 1), 1: ("INT8", "b", 1), 2: ("UINT16", "H", 2), 3: ("INT16", "h", 2),
               4: ("UINT32", "I", 4), 5: ("INT32", "i", 4), 6: ("FLOAT32", "f", 4), 7: ("BOOL", "B", 1),
               10: ("UINT64", "Q", 8), 11: ("INT64", "q", 8), 12: ("FLOAT64", "d", 8)}
UINT16, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 2, 4, 5, 6, 7, 8, 9

#: ggml's number of a tensor type -> its name.
TENSOR_TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
                10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS",
                17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
                23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16",
                34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0", 42: "Q2_0"}
#: Numbers that once had a meaning.
REMOVED_TENSOR_TYPES = {4: "Q4_2", 5: "Q4_3", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8",
                        36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8"}
#: Ollama's first gpt-oss files gave MXFP4 the free number 4, with its codes in another order (see
#: gguf_file.py).
OLLAMA_MXFP4, OLLAMA_MXFP4_ARCHITECTURES = 4, ("gptoss", "gpt-oss")
#: Not quantization formats, so not in FORMATS: NumPy type of one element.
PLAIN_TYPES = {"I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "F64": "<f8"}

#: llama.cpp's number of a whole-file mix (`general.file_type`) -> its name.
FTYPES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
          12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
          19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
          26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
          36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0"}


def ftype_name(number: object) -> str:
    """The name of `general.file_type`; "unknown" when the file does not say or says a number nobody knows."""
    return FTYPES.get(number, "unknown") if type(number) is int else "unknown"


def ftype_number(name: str) -> int:
    """The `general.file_type` of a mix, or of a file of one type: one of Q4_K is called Q4_K_M, as
    llama-quantize does.
    """
    called = (name.upper(), f"{name.upper()}_M", f"{name.upper()}_MOE")
    return next(number for number, known in FTYPES.items() if known in called)


def bits_per_weight(nbytes: float, n_weights: int) -> float:
    """8 × bytes / weights; NaN where there are no weights: a file may have a tensor of shape (0,) as a mark.
    """
    return 8 * nbytes / n_weights if n_weights else float("nan")


@cache
def block_of(qtype: str) -> tuple[int, int]:
    """(weights per block, bytes per block) of a tensor type's name; a plain integer is a block of one.

    Raises ValueError for a type that no table has.
    """
    if qtype in PLAIN_TYPES:
        return 1, int(PLAIN_TYPES[qtype][-1])
    if qtype not in BLOCKS:
        raise ValueError(f"tensor type {qtype!r} is not known here; known are {', '.join(BLOCKS)}")
    return BLOCKS[qtype]


def tensor_nbytes(shape: tuple[int, ...], qtype: str) -> int:
    """Bytes of a tensor: whole blocks per row, times rows (ggml_row_size). `shape` has the row length first.

    Raises ValueError when a row is not a whole number of blocks.
    """
    block_size, type_size = block_of(qtype)
    row = shape[0]
    if row % block_size:
        raise ValueError(f"a row of {row} weights is no whole number of {qtype} blocks of {block_size}")
    nbytes = row // block_size * type_size
    for count in shape[1:]:
        nbytes *= count
    return nbytes
