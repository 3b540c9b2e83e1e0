"""The exercises about blocks and bits (lessons 00 to 03, 05, 11, 12): each check computes the right answer
from the package, and knows the usual wrong ones with the hint that belongs to each. By number they stand in
exercises.py.
"""

import numpy as np

from ..formats.table import FORMATS
from ..words import GB, GIB
from .feedback import Feedback, check_function, check_number


def check_bits_per_pixel(answer: object) -> Feedback:
    """Lesson 00: bits per pixel with 4-bit codes and a scale of 16 bits for every 16 pixels."""
    hints = {4: "You counted the codes. What else is in the block?",
             FORMATS["Q4_0"].bpw: "That is with a scale for every 32 pixels, as above.",
             4 + 1 / 16: "A scale takes 16 bits, not one.",
             16 * 4 + 16: "Those are the bits of the block. Share them among its 16 pixels.",
             16 * 4: "Those are the codes of the whole block. Add the scale, then take one pixel's share.",
             4 + 16: "You gave every pixel a scale of its own. 16 of them share one.",
             (16 * 4 + 16) / 32: "Those are the bits of this block over 32 pixels. It has 16.",
             4 + 2 / 16: "The scale has 2 bytes; here bits are counted.",
             4 + 32 / 16: "A scale takes 16 bits, not 32.",
             16 / 16: "That is one pixel's share of the scale. Add the bits of its code.",
             16: "Those are the bits of the scale. Add 16 codes, then take one pixel's share.",
             32 * 4 + 16: "That is a block of 32 pixels. Here it has 16.",
             (32 * 4 + 16) / 16: "You counted 32 codes. The block has 16.",
             (16 * 4 + 16) / 8: "Those are the bytes of the block. Make them bits, and share them."}
    return check_number(answer, (16 * 4 + 16) / 16, hints, unit="bits",
                        start="Add up the bits of one block: 16 codes and one scale.",
                        praise="5 bits: smaller blocks protect better and cost more.")


def check_q4_0_gigabytes(answer: object) -> Feedback:
    """Lesson 01: 8 billion weights as Q4_0, in GB."""
    nbytes = 8e9 * FORMATS["Q4_0"].bpw / 8
    hints = {4: "You counted the codes. Every 32 of them have a scale, too.",
             8 * nbytes / GB: "Those are gigabits: a byte has 8 bits.",
             nbytes: "Right, but in bytes.",
             nbytes / GIB: "Right, but in GiB; a GB is 10⁹ bytes.",
             32: "That is FP32.",
             16: "That is 16 bits a weight.",
             4 * GB / GIB: "You counted the codes, and in GiB.",
             5: "That is Q4_1, 20 bytes a block, or 5 bits: Q4_0 has 18 bytes for 32 weights.",
             FORMATS["Q4_0"].bpw / 8: "Those are the bytes of one weight.",
             FORMATS["Q4_0"].type_size: "Those are the bytes of one block.",
             nbytes / 32: "Those are the bytes of one weight in 32.",
             FORMATS["Q8_0"].bpw: "That is Q8_0.",
             8 * nbytes: "Those are bits. A byte has 8 bits, a GB 10⁹ bytes.",
             round(nbytes / GIB, 1): "Right, but in GiB, and rounded; a GB is 10⁹ bytes.",
             8: "That is a byte a weight. How many bits does Q4_0 take?",
             0.5: "Those are the scales. Each weight has a code of 4 bits, too.",
             7e9 * 4 / 8 / GB: "That is for 7 billion weights, and without the scales.",
             7e9 * 4.5 / 8 / GB: "That is for 7 billion weights. Here there are 8."}
    return check_number(answer, nbytes / GB, hints, unit="GB",
                        start="Begin with the bits of one weight, its share of the scale included.",
                        praise="4.5 GB: billions of weights times bits per weight, divided by 8.")


#: Why -> the function that makes this mistake.
PRICE_MISTAKES = {
    "The scale is missing: a block has 16 bits more than its codes.": lambda bits, block_size: bits,
    "Every weight got a scale of its own: the 16 bits are shared by the block.":
        lambda bits, block_size: bits + 16,
    "Those are the bits of the whole block: share them among its weights.":
        lambda bits, block_size: bits * block_size + 16,
    "`//` throws the fraction away: divide by `/`.": lambda bits, block_size: bits + 16 // block_size,
    "That is a scale of 32 bits: here it has 16.": lambda bits, block_size: bits + 32 / block_size,
    "Two bytes are 16 bits: all must be in bits.": lambda bits, block_size: bits + 2 / block_size,
    "The share is turned over: 16 bits for block_size weights.":
        lambda bits, block_size: bits + block_size / 16,
    "Blocks of 32 are built in: let block_size decide.": lambda bits, block_size: bits + 16 / 32,
    "Codes of 4 bits are built in: let bits decide.": lambda bits, block_size: 4 + 16 / block_size,
    "Those are bytes: a byte has 8 bits.": lambda bits, block_size: (bits + 16 / block_size) / 8,
    "The two arguments have changed places.": lambda bits, block_size: block_size + 16 / bits,
    "A scale takes 16 bits, not one.": lambda bits, block_size: bits + 1 / block_size,
    "That is right for Q4_0 alone: let bits and block_size decide.": lambda bits, block_size: 4 + 16 / 32,
    "A scale takes 16 bits, not 8.": lambda bits, block_size: bits + 8 / block_size,
    "That is the scale's share alone: add the bits of the code.": lambda bits, block_size: 16 / block_size,
    "Only the scale is shared: `bits + 16 / block_size` needs no brackets.":
        lambda bits, block_size: (bits + 16) / block_size,
    "The scale costs bits: add its share, do not take it off.":
        lambda bits, block_size: bits - 16 / block_size,
    "Code and scale are both stored: add them, do not multiply.":
        lambda bits, block_size: bits * 16 / block_size,
    "`2**bits` is how many codes there are. A code takes `bits` bits.":
        lambda bits, block_size: 2**bits + 16 / block_size,
    "Those are the bytes of the whole block: make them bits, and share them among its weights.":
        lambda bits, block_size: (bits * block_size + 16) / 8}


def check_bits_per_weight(answer: object) -> Feedback:
    """Lesson 02: codes of `bits` bits and a 16-bit scale per block."""
    return check_function(
        answer, lambda bits, block_size: bits + 16 / block_size,
        [(4, 32), (8, 32), (4, 64), (3, 16), (4, 4096)], mistakes=PRICE_MISTAKES,
        because=lambda bits, block_size: f"{bits} bits of the code, and 16 / {block_size} of the scale.",
        praise="This is the price of every plain format: Q4_0 is (4, 32), Q8_0 is (8, 32).")


def check_q4_0_bytes(answer: object) -> Feedback:
    """Lesson 03: a tensor of 384 × 384 weights in Q4_0, in bytes."""
    q4_0, weights = FORMATS["Q4_0"], 384 * 384
    blocks = weights // q4_0.block_size
    expected = blocks * q4_0.type_size
    hints: dict[float, str] = {
        weights // 2: "Those are the codes alone. Each block of 32 weights has a scale, too.",
        weights * 4: "That is F32: four bytes a weight.",
        expected * 8: "Those are bits.",
        blocks * FORMATS["Q8_0"].type_size: "That is Q8_0, 34 bytes a block.",
        blocks: "That is the number of blocks. How many bytes does one have?",
        weights: "That is the number of weights, a byte each.",
        weights * 2: "That is F16: two bytes a weight.",
        blocks * FORMATS["Q4_1"].type_size: "That is Q4_1, 20 bytes a block.",
        blocks * 2: "Those are the scales alone. Each block has 16 bytes of codes, too.",
        384 * 18: "You took 384 blocks, one a row. A row of 384 weights has 12.",
        384 // 32 * 18: "That is one row. There are 384.",
        expected / 1000: "Right, but in KB. The question asks for bytes.",
        expected / 1024: "Right, but in KiB. The question asks for bytes.",
        q4_0.type_size: "That is one block. How many are there?"}
    return check_number(answer, expected, hints, exact=True, unit="bytes",
                        start="Count the blocks of 32 weights first.",
                        praise=f"{blocks:,} blocks of 18 bytes: {expected:,}, as the file's own tensor list "
                               "says.")


def check_q6_k_bits(answer: object) -> Feedback:
    """Lesson 05: bits per weight of a Q6_K super-block."""
    q6_k = FORMATS["Q6_K"]
    hints = {6: "You counted the codes. What do the scales cost?",
             6.5: "The float16 scale of the whole super-block is missing.",
             q6_k.type_size:
                 "Those are the bytes of the super-block. Make them bits, and share them among 256 weights.",
             6.0625: "You counted one float16. There are 16 sub-scales, too.",
             256 * 6: "Those are the codes of the whole block.",
             8 * q6_k.type_size: "Those are the bits of the whole block: share them among its 256 weights.",
             8 * q6_k.type_size / 32: "You shared the block among 32 weights. It has 256.",
             (256 * 6 + 8 + 16) / 256: "There are 16 sub-scales, not one.",
             (256 * 6 + 16 * 8 + 32) / 256: "The float has 16 bits, not 32.",
             (6 + 8 + 16) / 3: "That is the mean of three widths. Count how often each comes.",
             q6_k.type_size / 256: "Those are bytes per weight."}
    return check_number(answer, q6_k.bpw, hints, rel_tol=1e-6, unit="bits",
                        start="Add up the bits of one super-block, then share them among its 256 weights.",
                        praise="(256 · 6 + 16 · 8 + 16) / 256: Q6_K is 6.5625 bits a weight, not 6.")


def check_best_scale(answer: object) -> Feedback:
    """Lesson 11: the least-squares scale of three weights whose codes are given, the last one counting
    twice.
    """
    codes, weights, counts = np.array([2, -1, 4]), np.array([0.21, -0.12, 0.38]), np.array([1, 1, 2])
    above, below = (counts * weights * codes).sum(), (counts * codes * codes).sum()
    hints = {(weights * codes).sum() / (codes * codes).sum():
                 "You let all three count alike. The last one matters twice, in both sums.",
             above / (counts * abs(codes)).sum(): "Below stands the square of each code.",
             0.38 / 4:
                 "That is the plain scale: it makes the largest weight exact and forgets the others.",
             above: "That is the sum above. Divide it by the sum below.",
             below: "That is the sum below.",
             below / above: "That is turned over: the codes' sum stands below.",
             float((counts * weights * codes).sum() / (codes * codes).sum()):
                 "The importance is in the sum above only. It belongs into both.",
             float((weights * codes).sum() / below):
                 "The importance is in the sum below only. It belongs into both.",
             (0.21 / 2 + 0.12 + 0.38 / 4) / 3: 
                 "That is the mean of what each would like. Weigh them by the squares of the codes.",
             (0.42 - 0.12 + 3.04) / below:
                 "The second weight and its code are both negative: their product is not.",
             above / (4 - 1 + 32): "The square of a negative code is positive, too.",
             float(abs(weights).sum() / abs(codes).sum()): 
                 "You divided sums of weights by sums of codes. Multiply each weight by its code first.",
             3 * above / below: "A division by the number of weights is not in the formula."}
    return check_number(answer, above / below, hints, rel_tol=2e-3,
                        start="Two sums and a division: weight times code above, code times code below.",
                        praise="0.0968: between what the three would like, and closest to what the "
                               "important one wants.")


def check_iq2_xs_bits(answer: object) -> Feedback:
    """Lesson 12: bits per weight of an IQ2_XS block."""
    form = FORMATS["IQ2_XS"]
    hints = {(32 * 9 + 32 * 7) / 256: "Entries and signs are there. What do the scales cost?",
             8 * form.type_size: "Those are the bits of the block.",
             form.type_size: "Those are the bytes of the block.",
             form.bpw - 16 / 256: "The float16 scale of the whole block is missing.",
             form.bpw - 64 / 256: "The sub-scales are missing.",
             form.bpw + 32 / 256: "Seven bits of signs, not eight: the eighth sign follows from the others.",
             32 * 9 / 256: "Those are the entries alone.",
             (16 + 32 * 9 + 16 * 4) / 256: "The signs are missing: 32 times 7 bits.",
             (16 + 32 * 7 + 16 * 4) / 256: "The entries are missing: 32 times 9 bits.",
             (16 + 32 * 9 + 32 * 7 + 4) / 256: "There are 16 sub-scales, not one.",
             (16 + 9 + 32 * 7 + 16 * 4) / 256: "There are 32 entries, not one.",
             8 * form.type_size / 32: "You shared the block among 32 weights. It has 256.",
             form.type_size / 256: "Those are bytes per weight.",
             (16 + 9 + 7 + 4) / 4: "That is the mean of four widths. Count how often each comes."}
    return check_number(answer, form.bpw, hints, rel_tol=1e-6, unit="bits",
                        start="Add up the bits of the block: 16, then 32 times 9, 32 times 7 and 16 times 4.",
                        praise="592 bits for 256 weights: 2.3125.")
