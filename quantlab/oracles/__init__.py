"""Floor 5, the oracles: llama.cpp's own planner on a virtual card and hollow files, for tests, benches and
those who ask. Nothing on a learner's way imports this room; it needs the `oracles` extra.

    from quantlab import oracles
    oracles.measure("llama3.1:8b", "Q4_K_M", n_ctx=32768).card      # bytes, as llama.cpp adds them up
"""

from importlib import import_module

__all__ = ["OracleError", "Planned", "measure", "measure_all"]


def __getattr__(name: str):
    """Load the planner on first use, as its libraries are an extra."""
    if name not in __all__:
        raise AttributeError(f"module 'quantlab.oracles' has no attribute {name!r}")
    return getattr(import_module(".planner", __name__), name)
