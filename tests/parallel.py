"""How `make test` shares the tests among processes (pytest-xdist): what uses one server stays in one process,
and long work starts first.

A unit is what one process runs from beginning to end: a file (so the cells of a lesson stay in order), or all
files of a row of UNITS, which share a server, its models and a browser. Each process starts its own servers,
on free ports and in folders of its own.
"""

import gc
import os

import pytest

# In the order in which they start: those of more than a minute, and then the rest, so that no process waits
# long for the last one. Much of the first two is waiting, so other work fits beside them.
UNITS = [
    ("ollama", ("tests/server/", "tests/browser/test_lab_")),
    ("lessons", ("tests/browser/test_lessons_in_browser.py",)),
    ("formats", ("tests/formats/",)),           # the C libraries work out their tables once in a process
    ("explorers", ("tests/browser/",)),
    ("planner", ("tests/memory/test_oracle.py",)),
    ("graphs", ("tests/memory/test_graphs.py",)),
    ("one truth", ("tests/memory/test_one_truth.py",)),
    ("recorded", ("tests/exhibits/test_recorded_memory.py",)),
    ("memory", ("tests/exhibits/test_memory_explorers.py",)),
    ("gemma", ("tests/inference/test_gemma.py",)),
    ("llama", ("tests/inference/test_llama.py",)),
    ("loadable", ("tests/memory/test_loadable.py",)),
    ("advice", ("tests/memory/test_advice.py",)),
    ("install", ("tests/install/",)),
]
MOST = 6            # processes; each of them imports the libraries again
TRIES = 4           # of starting a lesson's kernel


def unit(nodeid: str) -> str:
    """The unit of a test, by its id (`tests/room/test_file.py::test_name`)."""
    for name, starts in UNITS:
        if nodeid.startswith(starts):
            return name
    return nodeid.split("::")[0]


def place(nodeid: str) -> int:
    """Where a test's unit stands in the queue; 0 starts first."""
    return next((i for i, (_, starts) in enumerate(UNITS) if nodeid.startswith(starts)), len(UNITS))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Long units first, and tests of one unit side by side. One process alone keeps the order of the files.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place(item.nodeid))


def pytest_collection_finish():
    """What was imported and collected stays: without it, a tenth of the time goes into looking for garbage
    among ten thousand tests.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """`-n auto`: one process more than there are cores, as much of the time is spent waiting for servers and
    the browser.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + 1, MOST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class UnitScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    config.option.loadscopereorder = False           # the order is that of UNITS, not the number of tests
    return UnitScheduling(config, log)


def pytest_configure(config):
    """A lesson's kernel that dies before its first word is started again on new ports, as Jupyter's own
    restarter does.

    Jupyter chooses free ports first and the kernel binds them later; with several processes another one may
    be quicker.
    """
    import nbval.kernel

    start = nbval.kernel.start_new_kernel

    def start_on_free_ports(**settings):
        for left in reversed(range(TRIES)):
            try:
                return start(**settings)
            except RuntimeError as died:
                if not left or "Kernel died" not in str(died):
                    raise

    nbval.kernel.start_new_kernel = start_on_free_ports
