"""Which world the workbook shows: the learner's own machine and server, or the fixed reference.

The committed notebooks are executed under `QUANTLAB_PROFILE=reference`: a fixed machine, a fixed model store,
recorded runs, and numbers rounded to digits that every processor agrees on. So their outputs can be compared
strictly. Without the variable a lesson shows what is really there, and says which of the two it shows.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

VARIABLE = "QUANTLAB_PROFILE"
REFERENCE = "reference"
#: Gives a server's answer to /api/show with `verbose`, about a pulled model whose file cannot be read. Only
#: the lab talks to servers, and the rooms below may not know it: `quantlab/__init__.py` sets this.
ask_server: Callable[[str], Mapping[str, object]] | None = None
_forced: ContextVar[bool] = ContextVar("_forced", default=False)


def is_reference() -> bool:
    """True when outputs must repeat: the committed notebooks and the tests that compare them.

    Raises ValueError for any other value than "reference", "live" or nothing: a typo must not silently mean
    "live".
    """
    if _forced.get():
        return True
    value = os.environ.get(VARIABLE, "")
    if value not in ("", "live", REFERENCE):
        raise ValueError(f"{VARIABLE}={value!r} is not a profile: use 'reference', 'live', or leave it unset")
    return value == REFERENCE


@contextmanager
def as_reference() -> Iterator[None]:
    """What is made within is the reference's, whatever the variable says; other threads go on as before."""
    before = _forced.set(True)
    try:
        yield
    finally:
        _forced.reset(before)


def stable(value: float, digits: int = 3) -> float:
    """`value` rounded to `digits` significant digits, which is what a notebook may print.

    The last bits of a float32 sum depend on the processor's vector width; three digits do not.
    """
    if not math.isfinite(value) or value == 0:
        return value
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))
