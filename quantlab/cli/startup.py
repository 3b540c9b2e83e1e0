"""What a kernel of `quantlab lab` runs before the first cell (PYTHONSTARTUP): names that other cells make are
asked for in words.

After a kernel has been restarted the pictures of a lesson still stand there, and the next cell finds no `ql`.
"""

from types import TracebackType
from typing import Any

ABOVE = "run the first cell of this section, or all cells above: Run, then Run All Above Selected Cell."
#: What the first cell of each section imports; without these nobody needs to see where it went wrong.
IMPORTED = ("ql", "np", "pd")


def sentence(name: str) -> str:
    """What to do about a name that is not there yet."""
    return f"No cell that has run since this kernel started makes `{name}`. Is it spelled so? If so: {ABOVE}"


def say_it(shell: Any, kind: type[NameError], error: NameError, trace: TracebackType,
           tb_offset: int | None = None) -> list[str]:
    """IPython's handler of a NameError: the sentence, and for other names the traceback, too."""
    words = [sentence(error.name or "?")]
    if error.name not in IMPORTED:
        words += shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)
    shell._showtraceback(kind, error, words)
    return words


def install(shell: Any) -> None:
    shell.set_custom_exc((NameError,), say_it)


if "get_ipython" in globals():
    install(globals()["get_ipython"]())
