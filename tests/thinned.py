"""What `make test` takes of a large matrix: some members, with every kind among them. `make bench-full` runs
the whole of each matrix that is thinned here.
"""

import os
from collections.abc import Callable, Iterable

WHOLE = os.environ.get("QUANTLAB_TESTS") == "whole"


def some(members: Iterable, stride: int, start: int = 0) -> list:
    """Every `stride`-th of the members.  start: where to begin, so that the next test takes others."""
    every = list(members)
    return every if WHOLE else every[start % stride::stride]


def one_of_each(members: Iterable, kind: Callable) -> list:
    """The first member of each kind, in the order of all."""
    every, first = list(members), {}
    for member in every:
        first.setdefault(kind(member), member)
    return every if WHOLE else list(first.values())
