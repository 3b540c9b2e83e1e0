"""The ledger: what you guessed, what was true, and which targets you reached, in files of yours, so that
lesson 10 knows all lessons.

The first guess of a question in a session counts; a target that was reached stays reached. Under the
reference profile nothing is read or written: the committed notebooks show an empty ledger, whoever executes
them.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakMethod

from ..profile import is_reference
from ..words import prose


class Guess(NamedTuple):
    question: str
    guessed: str
    true: str
    right: bool


class Reached(NamedTuple):
    task: str


Row = TypeVar("Row", Guess, Reached)
_watching: list[WeakMethod] = []


class Book(Generic[Row]):
    """Rows by number: those of this session, and those that earlier ones left in a file."""

    def __init__(self, name: str, row: type[Row]):
        self.name = name
        self.row: type[Row] = row
        self.session: dict[str, Row] = {}

    @property
    def file(self) -> Path:
        """In $XDG_STATE_HOME, or ~/.local/state."""
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        return base / "quantlab" / self.name

    def enter(self, number: str, row: Row) -> None:
        """Enter a row, unless this session has one of that number already."""
        if number in self.session:
            return
        self.session[number] = row
        if not is_reference():
            self._keep()
        for watcher in list(_watching):
            if tell := watcher():
                tell()
            else:
                _watching.remove(watcher)

    def rows(self, lesson: str = "") -> dict[str, Row]:
        """Number -> row, in the order of the lessons; of one lesson, such as "05", or of all."""
        every = self.session if is_reference() else {**self._kept(), **self.session}
        return {number: every[number] for number in sorted(every) if number.startswith(lesson)}

    def _keep(self) -> None:
        rows = {number: list(row) for number, row in sorted({**self._kept(), **self.session}.items())}
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.file.with_name(f"{self.name}.{os.getpid()}")
            fresh.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
            fresh.replace(self.file)        # all or nothing: never half a ledger
        except OSError:                     # a disk that is full or not ours: the session remembers
            return

    def _kept(self) -> dict[str, Row]:
        """What earlier sessions left; nothing where the file cannot be read as a ledger."""
        try:
            rows = json.loads(self.file.read_text("utf-8"))
            return {str(number): self.row(*row) for number, row in rows.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


GUESSES, TARGETS = Book("guesses.json", Guess), Book("targets.json", Reached)


def on_entry(tell: Callable[[], None]) -> None:
    """`tell`, a method, is called after each entry, as long as its object lives."""
    _watching.append(WeakMethod(tell))


def ledger_html(lesson: str, guesses: int, targets: int) -> str:
    """The ledger of a lesson ("" for all) as HTML.  guesses, targets: how many it has."""
    where = "this lesson" if lesson else "the lessons"
    return (f'<div class="ql-question">{_guessed(where, GUESSES.rows(lesson), guesses)}'
            f"{_reached(TARGETS.rows(lesson), targets)}</div>")


def _guessed(where: str, found: dict[str, Guess], of: int) -> str:
    if not found:
        return (f"<b>Your guesses.</b> {where.capitalize()} asked you to guess {of} times. Your answers "
                "appear here, beside the true ones.")
    right = sum(guess.right for guess in found.values())
    rows = "".join(f"<tr><td>{prose(guess.question)}</td><td>{'✓' if guess.right else '✗'} "
                   f"{prose(guess.guessed)}</td><td>{prose(guess.true)}</td></tr>"
                   for guess in found.values())
    return (f"<b>Your guesses.</b> {len(found)} of the {of} that {where} asked for, {right} right."
            f"<table><tr><th>Question</th><th>You said</th><th>It is</th></tr>{rows}</table>")


def _reached(found: dict[str, Reached], of: int) -> str:
    if not of:
        return ""
    listed = "".join(f"<li>✓ {prose(row.task)}</li>" for row in found.values())
    return f"<p><b>Your targets.</b> {len(found)} of {of} reached.</p>" + f"<ul>{listed}</ul>" * bool(listed)
