"""Cards that are not NVIDIA's: what llama.cpp lays out otherwise on them than the CUDA layout that is counted
here. One table, quantlab/data/backends.csv, each row with the file of llama.cpp that says so.

    backend_of("Apple M4 16GB")                 # "Metal"
    layout_notes("Radeon RX 7900 XTX")[0]       # "counted as for CUDA; Vulkan, on such a card, differs:"

Nothing of it was measured here. On AMD's cards ROCm runs the CUDA code itself (ggml-hip), Vulkan code of its
own; Ollama has both.
"""

from functools import cache

from ..models.catalog import rows_of
from .cards import card_named

#: What a card's name begins with -> the program that llama.cpp runs on it.
MAKERS = {"Radeon": "Vulkan", "Instinct": "Vulkan", "Intel": "Vulkan"}
COUNTED = "counted as for CUDA; {}, on such a card, lays some things out otherwise:"
ROCM = "With ROCm instead of Vulkan an AMD card runs the CUDA code itself, as counted (ggml-hip)."


def backend_of(card: str) -> str:
    """"CUDA", "Metal" or "Vulkan" for a name of GPUS.  Raises ValueError for another."""
    known = card_named(card)
    if known.kind == "unified":
        return "Metal"
    return MAKERS.get(card.partition(" ")[0], "CUDA")


@cache
def layout_notes(card: str) -> tuple[str, ...]:
    """What differs from the count on this card, in sentences; none on NVIDIA's."""
    backend = backend_of(card)
    found = [row["says"] for row in rows_of("backends.csv") if row["backend"] == backend]
    if not found:
        return ()
    rocm = [ROCM] if card.startswith(("Radeon", "Instinct")) else []
    return (COUNTED.format(backend), *found, *rocm)
