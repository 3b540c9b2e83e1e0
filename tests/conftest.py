"""Fixtures that every room may use, and how the tests are shared among processes."""

from .ollama_fixture import gemma, gemma_tags, live, nobody, ollama, smollm
from .parallel import (
           pytest_collection_modifyitems,
           pytest_configure,
           pytest_xdist_auto_num_workers,
           pytest_xdist_make_scheduler,
)
from .statements import pytest_runtest_setup, pytest_terminal_summary

__all__ = ["gemma", "gemma_tags", "live", "nobody", "ollama", "pytest_collection_modifyitems",
           "pytest_configure", "pytest_runtest_setup", "pytest_terminal_summary",
           "pytest_xdist_auto_num_workers", "pytest_xdist_make_scheduler", "smollm"]
