"""Which ggml is written: 0.20.2, the byte truth of this package, or what llama-quantize writes today.

ggml's encoders change now and then. Everything here is byte for byte ggml 0.20.2's, unless a newer one is
asked
for: `quantize(x, "Q4_K", imatrix, reference="0.26.0")`. DIFFERENCES has all that is known to be different
between the two; on all other types, and without importances, both write the same bytes. IQ1_M alone is always
written as in the newer one.
"""

from ..words import one_of

#: The versions of ggml that can be asked for; the first is what is written otherwise.
REFERENCES = ("0.20.2", "0.26.0")

_CLAMPED = ("With importances, where few weights of a group matter: the search for a scale and a minimum "
            "(make_qkx3_quants) takes a better minimum for all later candidates. It may come so close to "
            "the largest weight that a candidate's codes are beyond 2^22 or infinite. 0.20.2 rounds them, "
            "whereby they wrap around, and then cuts them off at 0 and the highest code; 0.26.0 cuts them "
            "off first.")
_SUMS = ("Mostly where weights are equal, else in one block of 4,000: the sums for each pair of cuts are "
         "taken from running sums (llama.cpp's pull request 28706, in ggml from 0.25.1 on), where 0.20.2 "
         "adds them up anew. Rounding then chooses another of two cuts that are equally good. Always "
         "written as in 0.26.0.")
#: type -> what ggml 0.26.0 does otherwise than 0.20.2, and when.
DIFFERENCES = {**dict.fromkeys(("Q4_1", "Q5_1", "Q2_K", "Q4_K", "Q5_K"), _CLAMPED), "IQ1_M": _SUMS}


def options(qtype: str, reference: str) -> dict[str, bool]:
    """What the encoder of a type is told for that reference.  ValueError for a version that is not known."""
    newer = REFERENCES.index(one_of("ggml reference", reference, REFERENCES)) > 0
    return {"clamped": True} if newer and DIFFERENCES.get(qtype) is _CLAMPED else {}
