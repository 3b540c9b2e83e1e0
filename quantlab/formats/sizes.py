"""How many weights a block of each type holds, in how many bytes: all that is needed to count the bytes of a
file or of a card.

Nothing here needs NumPy, so that a memory estimate runs where there is none, such as in a web page. What the
formats declare is held against this table in `tests/formats/test_sizes.py`.
Source: the block structs of ggml-common.h and the table type_traits of ggml.c.
"""

#: Tensor type -> (weights of a block, bytes of a block), in the order of FORMATS.
BLOCKS: dict[str, tuple[int, int]] = {
    "F32": (1, 4), "F16": (1, 2), "BF16": (1, 2),
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34),
    "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210),
    "IQ4_NL": (32, 18), "IQ4_XS": (256, 136), "IQ1_S": (256, 50), "IQ1_M": (256, 56),
    "IQ2_XXS": (256, 66), "IQ2_XS": (256, 74), "IQ2_S": (256, 82), "IQ3_XXS": (256, 98), "IQ3_S": (256, 110),
    "Q1_0": (128, 18), "Q2_0": (64, 18), "TQ1_0": (256, 54), "TQ2_0": (256, 66),
    "MXFP4": (32, 17), "NVFP4": (64, 36),
}
