"""The exercises of the lessons: each check knows the right answer, computed from the package, and the usual wrong ones."""

from ..formats.table import FORMATS
from ..models.tensor_lists import tensor_list
from .feedback import Feedback, check_number

GB, GIB = 1e9, 2**30


def check_bits_per_pixel(answer: object) -> Feedback:
    """Lesson 00: 4-bit codes, and a scale of 16 bits for every 16 pixels."""
    expected = (16 * 4 + 16) / 16
    hints = {4.0: "You counted the codes. What else is in the block?", FORMATS["Q4_0"].bpw: "That is for 32 pixels a scale, as above.",
             4 + 1 / 16: "A scale takes 16 bits, not one."}
    return check_number(answer, expected, near_misses=hints, unit="bits",
                        praise="5 bits: smaller blocks shield better and cost more.")


def check_q5_k_m_bytes(answer: object) -> Feedback:
    """Lesson 10: all tensors of Llama-2-7B as Q5_K_M, in bytes."""
    tensors = tensor_list("llama-2-7b", "Q5_K_M")
    expected = int(tensors.nbytes.sum())
    hints = {expected / GB: "Right, but in GB. The question asks for bytes.", expected / GIB: "Right, but in GiB. The question asks for bytes.",
             expected * 8: "Those are bits.", int(tensors.n_weights.sum()): "That is the number of weights.",
             int(tensor_list("llama-2-7b", "Q4_K_M").nbytes.sum()): "That is Q4_K_M.",
             int(tensor_list("llama-2-7b", "Q5_K_S").nbytes.sum()): "That is Q5_K_S: the S recipe raises fewer tensors."}
    return check_number(answer, expected, near_misses=hints, rel_tol=1e-11, unit="bytes",
                        praise=f"{expected:,} bytes, {expected / GB:.2f} GB: {8 * expected / tensors.n_weights.sum():.2f} bits per weight.")
