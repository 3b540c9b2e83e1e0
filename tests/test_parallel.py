"""How tests are shared among processes, and that what they start ends with them."""

import signal
import subprocess
import sys
import time

import nbval.kernel
import psutil
import pytest

from tests.parallel import TRIES, UNITS, place, pytest_configure, unit
from tests.posix import posix_only

SERVER = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
STARTS = f"""
import subprocess, sys, time
from tests.guard import Guard
server = subprocess.Popen([sys.executable, "-c", {SERVER!r}])
Guard(server)
print(server.pid, flush=True)
time.sleep(60)
"""


def test_what_shares_a_server_is_one_unit_and_every_other_file_is_its_own():
    assert unit("tests/server/test_tiny_live.py::test_a") == unit(
        "tests/browser/test_lab_live_in_browser.py::test_b[x::y]") == "ollama"
    assert unit("tests/browser/test_map_in_browser.py::test_c") == "explorers"
    assert unit("notebooks/04_quantization_types.ipynb::Cell 3") == "notebooks/04_quantization_types.ipynb"
    assert [place("tests/server/test_tiny_live.py::t"), place("tests/basics/test_affine.py::t")] == [
        0,
        len(UNITS),
    ]


@pytest.mark.parametrize(("words", "dies", "starts"),
                         [("Kernel died before replying", TRIES - 1, TRIES),
                          ("Kernel died before replying", TRIES, None), ("no such kernel", 1, None)])
def test_a_kernel_whose_ports_were_taken_is_started_again_and_nothing_else_is(
    monkeypatch, words, dies, starts
):
    tried = []

    def start(**settings):
        tried.append(settings)
        if len(tried) <= dies:
            raise RuntimeError(words)
        return len(tried)

    monkeypatch.setattr(nbval.kernel, "start_new_kernel", start)
    pytest_configure(None)
    if starts:
        assert nbval.kernel.start_new_kernel(kernel_name="python") == starts and tried == [
            {"kernel_name": "python"}] * starts
    else:
        with pytest.raises(RuntimeError, match=words):
            nbval.kernel.start_new_kernel(kernel_name="python")
        assert len(tried) == (TRIES if "died" in words else 1)


@posix_only
def test_a_killed_test_process_takes_its_servers_along():
    with subprocess.Popen([sys.executable, "-c", STARTS], stdout=subprocess.PIPE, text=True) as run:
        server = psutil.Process(int(run.stdout.readline()))
        end = time.monotonic() + 30
        while not (children := server.children()) and time.monotonic() < end:
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        assert children and psutil.wait_procs([server, *children], timeout=30)[1] == []
