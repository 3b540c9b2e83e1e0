"""Which recorded cases `make test` repeats, and how much of each; `make bench-full` repeats all.

Presets and moves of a case are left after the last that is the first of a kind: a control of that exhibit
which no earlier case has set, a button that none has pressed, a key or a click that none has told.
"""

from functools import cache

from tests import thinned
from tests.thinned import one_of_each, some

from .cases import cases
from .recording import load

LEAST = 1           # preset and move of each case, new or not


def chosen(*families: str) -> list[str]:
    """Of memory every exhibit once, and each third of the calls with other arguments; of the others all."""
    of_memory = cases("memory")
    left = {*of_memory} - {*one_of_each(of_memory, exhibit), *some(of_memory, 3)}
    return [name for name in cases(*families) if name not in left]


def exhibit(name: str) -> str:
    return name.partition("(")[0]


@cache
def repeated() -> dict[str, dict[str, int]]:
    """Case -> how many of its recorded presses of presets, and of its moves, are made again."""
    seen, found = set(), {}
    for name in chosen():
        found[name] = {}
        for step in ("presets", "moves"):
            kinds = [kind(name, action) for action, _ in load()[name].get(step, [])]
            new = [number for number, one in enumerate(kinds, 1) if one not in seen]
            most = len(kinds) if thinned.WHOLE else min(len(kinds), max([LEAST, *new]))
            found[name][step] = most
            seen.update(kinds[:most])
    return found


def kind(name: str, action: list) -> tuple:
    """What a move is, of this exhibit: a click anywhere is one kind, whatever value is set another."""
    how, what = action[:2]
    return exhibit(name), how, "" if how == "click" else what
