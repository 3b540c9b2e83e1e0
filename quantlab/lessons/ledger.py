"""The ledger: what you guessed, and what was true, in a file of yours, so that lesson 10 knows all lessons.

The first guess of a question in a session counts. Under the reference profile nothing is read or written: the
committed notebooks show an empty ledger, whoever executes them.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..profile import is_reference
from ..words import prose


class Guess(NamedTuple):
    question: str
    guessed: str
    true: str
    right: bool


_this_session: dict[str, Guess] = {}
_watching: list[Callable[[], None]] = []


def enter(number: str, question: str, guessed: str, true: str, right: bool) -> None:
    """Enter a guess, unless this session has one of that number already."""
    if number in _this_session:
        return
    _this_session[number] = Guess(question, guessed, true, right)
    if not is_reference():
        _keep()
    for tell in _watching:
        tell()


def on_entry(tell: Callable[[], None]) -> None:
    """`tell` is called after each entry."""
    _watching.append(tell)


def ledger_html(lesson: str, of: int) -> str:
    """The ledger of a lesson as HTML.  of: how many guesses it has."""
    found = guesses(lesson)
    where = "this lesson" if lesson else "the lessons"
    if not found:
        return (f'<div class="ql-question"><b>Your guesses.</b> {where.capitalize()} asked {of} times for a '
                "guess. What you answer is listed here, next to what is true.</div>")
    right = sum(guess.right for guess in found.values())
    rows = "".join(f"<tr><td>{prose(guess.question)}</td><td>{'✓' if guess.right else '✗'} "
                   f"{prose(guess.guessed)}</td><td>{prose(guess.true)}</td></tr>"
                   for guess in found.values())
    return (f'<div class="ql-question"><b>Your guesses.</b> {len(found)} of the {of} that {where} asked for, '
            f"{right} right.<table><tr><th>Question</th><th>You said</th><th>It is</th></tr>{rows}</table>"
            "</div>")


def _keep() -> None:
    kept = {**_kept(), **_this_session}
    file = ledger_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        rows = {key: list(guess) for key, guess in sorted(kept.items())}
        fresh.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
        fresh.replace(file)                          # all or nothing: never half a ledger
    except OSError:                                  # a disk that is full or not ours: the session remembers
        return


def guesses(lesson: str = "") -> dict[str, Guess]:
    """Number -> guess, in the order of the lessons; of one lesson, such as "05", or of all."""
    every = dict(_this_session) if is_reference() else {**_kept(), **_this_session}
    return {number: every[number] for number in sorted(every) if number.startswith(lesson)}


def ledger_file() -> Path:
    """Where the ledger lies: in $XDG_STATE_HOME, or ~/.local/state."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "quantlab" / "guesses.json"


def _kept() -> dict[str, Guess]:
    """What earlier sessions left; nothing where the file cannot be read as a ledger."""
    try:
        rows = json.loads(ledger_file().read_text("utf-8"))
        return {str(number): Guess(*guess) for number, guess in rows.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
