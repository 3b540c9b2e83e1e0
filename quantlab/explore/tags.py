"""Type any model tag and see what its letters say."""

import ipywidgets as widgets

from ..models.tags import names_a_quantization, read_tag
from ..views.style import Picture
from ..views.tags import draw_tag
from .base import Explorer

EXAMPLES = ("llama3.1:8b-instruct-q4_K_M", "llama3.2:3b-instruct-q8_0", "llama3.2", "mixtral:8x7b-instruct-v0.1-q5_K_S", "gemma3:4b-it-qat")


def explore_tag(name: str = EXAMPLES[0]) -> Explorer:
    """A box for a model name: its pieces, and what each of them means. Asks no server: whether it exists is another question."""
    box = widgets.Text(value=name, description="model name", continuous_update=True, style=dict(description_width="90px"),
                       layout=dict(width="460px"))
    return Explorer(_draw, {"name": box}, presets={example: {"name": example} for example in EXAMPLES[1:]},
                    note="Letters only: whether such a model exists is for the next section.")


def _draw(name: str) -> Picture:
    pieces = read_tag(name.strip())
    if not names_a_quantization(pieces):
        finding = f"“{name.strip()}” does not say its quantization: the maintainers chose it"
    elif any(piece.kind == "family" for piece in pieces):
        bits = next(piece.text for piece in pieces if piece.kind == "bits")
        mixed = any(piece.kind == "mix" for piece in pieces)
        finding = f"{bits}-bit codes, a way to pack them" + (", and a mix: which tensors get more bits" if mixed else ", and no mix")
    else:
        finding = next(f"“{piece.text}”: {piece.meaning}" for piece in pieces if piece.kind == "bits")
    return draw_tag(name.strip(), pieces, finding=finding, subtitle="family : size - variant - quantization, and only the family is needed",
                    table=(("Letters", "Meaning"), *((piece.text, piece.meaning) for piece in pieces)))
