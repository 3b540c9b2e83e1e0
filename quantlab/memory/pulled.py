"""What stands beside an estimate for a name of MODELS: where the file that `ollama pull` gets under this name
is another one than the estimate's, or has more in it. From 1 % of the file on it is said.

    pulled_notes(MODELS["llama3.2:1b"], "Q4_K_M")   # ["`ollama pull llama3.2:1b` gets a Q8_0 of 1.32 GB"]
"""

from functools import cache

from ..models.architecture import Architecture
from ..models.catalog import MODELS, PUBLISHED
from ..models.library import UNTIED, library_file, library_mix
from .weights import weight_bytes

TOLD = 0.01                 # of the file's bytes
MIXED = "Ollama's file, with {}: {:.2f} GB more than llama-quantize writes"
ENCODER = "Ollama's file also holds a picture encoder of {:.2f} GB: neither that nor its buffers are counted"
HEADER = "{:.1f} % of Ollama's file are its header (the vocabulary), which no card holds"


def pulled_notes(shape: Architecture, ftype: str) -> list[str]:
    """Sentences about the Ollama library's file; none for a shape that is no row of MODELS."""
    known = ftype and MODELS.get(shape.called) == shape
    return list(_notes(shape.called, ftype)) if known else []


@cache
def _notes(name: str, ftype: str) -> tuple[str, ...]:
    shape, pulled, encoder = MODELS[name], library_file(name), PUBLISHED[name].encoder_mb * 10**6
    found = []
    if pulled and pulled.ftype and pulled.ftype not in (ftype, shape.usual_type):
        size = f"{pulled.nbytes / 1e9:.2f} GB" if pulled.nbytes else pulled.rounded
        found.append(f"`ollama pull {name}` gets a {pulled.ftype} of {size}")
    if mix := library_mix(shape, ftype):
        more = weight_bytes(shape, ftype) - weight_bytes(shape.unnamed, ftype)
        found.append(MIXED.format(_in_words(mix), more / 1e9))
    if encoder:
        found.append(ENCODER.format(encoder / 1e9))
    if pulled and pulled.nbytes and pulled.ftype == ftype:
        header = pulled.nbytes - weight_bytes(shape, ftype) - encoder
        if header > TOLD * pulled.nbytes:
            found.append(HEADER.format(100 * header / pulled.nbytes))
    return tuple(found)


def _in_words(mix: str) -> str:
    """ "attn_v=F16 untied" in words."""
    said = {UNTIED: "an output of its own"}
    return " and ".join(said.get(word, "{} as {}".format(*word.split("=")) if "=" in word else word)
                        for word in mix.split()).replace("Q8_0 as BF16", "BF16 instead of Q8_0")
