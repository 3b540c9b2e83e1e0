"""Exhibits where no compiled module but NumPy and pandas can be loaded, no file can be mapped and no thread
begun, as in WebAssembly: they show what they show elsewhere. (`make site-check` runs all of them there.)
"""

import subprocess
import sys

import pytest

#: What is missing there; a file cannot be mapped, nor a thread be started.
BARE = """
import mmap, sys, threading
for name in ("psutil", "tokenizers", "resvg_py", "ollama", "ssl", "fcntl"):
    sys.modules[name] = None
class Unmapped(mmap.mmap):
    def __new__(cls, *given, **named):
        raise OSError("mmap is unavailable")
def start(self):
    raise RuntimeError("can't start new thread")
mmap.mmap, threading.Thread.start = Unmapped, start
"""


def bare(code: str) -> str:
    """What a fresh interpreter prints that has no more than WebAssembly has."""
    done = subprocess.run([sys.executable, "-c", BARE + code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.parametrize("call", ["explore_file()", "explore_memory()", "explore_comparison()",
                                  "explore_votes()", 'explore_recital(qtype="Q3_K")', "explore_llama()"])
def test_what_is_drawn_is_what_is_drawn_elsewhere(call):
    code = f"""
from tests.exhibits import recording, sampled
old = recording.load()[{call!r}]
old |= {{step: old[step][:most] for step, most in sampled.repeated()[{call!r}].items()}}
recording.bundle = lambda root: old["bundle"]          # a saved notebook has a PNG, which needs resvg
print(recording.differences(old, recording.record({call!r}, old)))"""
    assert bare(code) == "[]"


def test_a_task_is_done_at_once_where_there_are_no_threads():
    assert bare("""
from quantlab.stage.base import Stage
from quantlab.stage.exhibit import Exhibit
stage, done = Stage(Exhibit()), []
stage.start(lambda: done.append(1))
print(done, stage.working)""") == "[1] False"


def test_a_server_cannot_be_asked_and_that_is_said():
    assert bare("""
from quantlab.lab.server import LabError, Server
try:
    Server("http://example.org").version()
except LabError as error:
    print(error.kind, error)""") == "down No server can be asked from here: this Python cannot load ssl."


def test_weights_are_kept_where_nobody_says_what_is_free():
    assert bare("""
from quantlab.inference.stored import can_be_kept
print(can_be_kept(10**6), can_be_kept(2**62))""") == "True False"
