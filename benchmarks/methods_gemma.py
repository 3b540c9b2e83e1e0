"""Gemma 3 270M's files of two types by every method, in llama.cpp and Ollama: see methods.py."""

from benchmarks.methods import trial
from tools.record_methods import MODELS

GOALS = {"from_llama_cpp_times_its_own": 1.5, "same_order": 2, "answers_as_here": 4}


def main() -> dict:
    """Q4_0 and Q2_K."""
    return trial("gemma3", MODELS["gemma3"]._replace(ftypes=("Q4_0", "Q2_K")), GOALS)
