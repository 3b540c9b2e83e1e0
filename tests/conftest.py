"""Fixtures that every room may use, and how the tests are shared among processes."""

import pytest

from quantlab.stage import ledger

from .ollama_fixture import gemma, gemma_tags, live, nobody, ollama, smollm
from .parallel import (
           pytest_collection_finish,
           pytest_collection_modifyitems,
           pytest_configure,
           pytest_xdist_auto_num_workers,
           pytest_xdist_make_scheduler,
)
from .statements import pytest_runtest_setup, pytest_terminal_summary

__all__ = ["gemma", "gemma_tags", "live", "nobody", "ollama", "pytest_collection_finish",
           "pytest_collection_modifyitems", "pytest_configure", "pytest_runtest_setup",
           "pytest_terminal_summary", "pytest_xdist_auto_num_workers", "pytest_xdist_make_scheduler",
           "smollm"]


@pytest.fixture(autouse=True)
def own_ledger(monkeypatch, tmp_path_factory):
    """What one test guesses and reaches is not in the next one's ledger, nor in that of whoever runs it."""
    monkeypatch.setattr(ledger.GUESSES, "session", {})
    monkeypatch.setattr(ledger.TARGETS, "session", {})
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state-of-nobody"))
