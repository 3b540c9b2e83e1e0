"""Fixtures that every room may use."""

from .ollama_fixture import live, nobody, ollama, smollm

__all__ = ["live", "nobody", "ollama", "smollm"]
