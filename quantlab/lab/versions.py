"""What Ollama does, said with versions: one table, quantlab/data/ollama.csv, and its sentences for the server
at hand.

    about_ollama("long_prompt", "logprobs")     # true for your 0.34.2; an older server gets its own sentences

CHECKED is the version whose statements were all looked up: on a real server (tests/server) or in its source,
as the column `checked` says. A newer server is taken to be like it, an older one gets what its version did.
A server that names no release is taken for CHECKED, and that is said.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

from ..models.catalog import rows_of
from ..profile import is_reference
from ..words import one_of, prose

if TYPE_CHECKING:
    from .server import Server

CHECKED, OLDEST = "0.34.2", "0.12.5"          # OLDEST: the sources that were read go back to it
NEWER, OLDER, ANCIENT, SAME, UNKNOWN = "newer", "older", "ancient", "same", "unknown"


@dataclass(frozen=True)
class Statement:
    """A sentence about Ollama.  since: the first version it is true of, "" for as far back as was looked;
    until: the first version that does otherwise, "" for none yet.  refused: "yes" where these versions refuse
    what the key names.  checked: "server" for a test on the real one, else where it was read.
    """

    key: str
    since: str
    until: str
    refused: str
    says: str
    checked: str

    def holds(self, version: str) -> bool:
        """Whether it is true of a version, such as "0.17.4"."""
        at = release(version) or release(CHECKED) or ()
        return (release(self.since) or ()) <= at and (not self.until or at < (release(self.until) or ()))


def release(version: str) -> tuple[int, ...] | None:
    """Its numbers, to compare: "v0.17.4-rc1" -> (0, 17, 4); None for what names no release, such as "0.0.0",
    the version of a build of one's own.
    """
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)(?![\w.]*\.\d)", version.strip())
    numbers = tuple(map(int, found.groups())) if found else ()
    return numbers if any(numbers) else None


#: Every statement, in the order of the table.
STATEMENTS: tuple[Statement, ...] = tuple(Statement(**row) for row in rows_of("ollama.csv"))
#: The keys that `about_ollama` takes.
KEYS: tuple[str, ...] = tuple(dict.fromkeys(statement.key for statement in STATEMENTS))


def statement(key: str, version: str = CHECKED) -> Statement | None:
    """What is true of `version` about `key`; None where nothing is known of one so old.  ValueError for an
    unknown key.
    """
    key = one_of("statement about Ollama", key, KEYS)
    return next((one for one in STATEMENTS if one.key == key and one.holds(version)), None)


def says(key: str) -> str:
    """The sentence about `key` that is true of CHECKED."""
    found = statement(key)
    assert found, "each key has a row without an end"
    return found.says


def standing(version: str) -> str:
    """How `version` stands to the one that was checked: NEWER, OLDER, ANCIENT (older than OLDEST), SAME or
    UNKNOWN.
    """
    at, checked, oldest = release(version), release(CHECKED), release(OLDEST)
    if at is None or checked is None or oldest is None:
        return UNKNOWN
    return SAME if at == checked else NEWER if at > checked else OLDER if at >= oldest else ANCIENT


def why_refused(key: str, version: str) -> str:
    """Why `version` does not take what `key` names, and what to do instead; "" where it takes it."""
    found = statement(key, version)
    if not found or not found.refused:
        return ""
    when = f"since {found.since}" if found.since else f"before {found.until}"
    return f"{found.says} So it is in every Ollama {when}; yours is {version}."


@dataclass(frozen=True)
class About:
    """Statements for one server.  version: what it calls itself, "" where none was asked or answered.
    statements: those that are true of it.  today: {key: what CHECKED does instead}, where that differs.
    """

    version: str
    statements: tuple[Statement, ...]
    today: dict[str, str]

    @property
    def heading(self) -> str:
        """Of which version this is said, and why."""
        if not self.version:
            return f"Said of Ollama {CHECKED}: there was no server to ask."
        return HEADINGS[standing(self.version)].format(self.version)

    def lines(self) -> list[str]:
        """The sentences, each with what CHECKED does instead, if it does."""
        return [one.says + (f" (Ollama {CHECKED}: {self.today[one.key]})" if one.key in self.today else "")
                for one in self.statements]

    def __repr__(self) -> str:
        return "\n".join([self.heading, *(f"- {line}" for line in self.lines())])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{prose(line)}</li>" for line in self.lines())
        return f"<p>{escape(self.heading)}</p><ul>{items}</ul>"


HEADINGS = {
    SAME: "True of your Ollama {}.",
    NEWER: f"Your Ollama {{}} is newer than {CHECKED}, the last one that was checked here. It is taken to do "
           "the same.",
    OLDER: f"True of your Ollama {{}}, older than {CHECKED}, of which this workbook speaks.",
    ANCIENT: f"Your Ollama {{}} is older than {OLDEST}, the oldest whose source was read here. It is taken "
             "to do the same as that one; a newer Ollama is better.",
    UNKNOWN: f"Your Ollama calls itself {{!r}}, which is no release. It is taken to do what {CHECKED} does."}


def about_ollama(*keys: str, server: "Server | None" = None) -> About:
    """Statements about Ollama for the server at hand: what its version does, and what today's does instead.

    keys: of quantlab/data/ollama.csv, such as "long_prompt"; all of them if none is given.  server: whom to
    ask for its version, else the one that OLLAMA_HOST names. Where none answers, and in the reference
    profile, the statements of the version that was checked are shown.  ValueError for an unknown key.
    """
    version = ""
    if not is_reference():
        from .server import LabError, Server  # the sentences alone need no library that asks

        with suppress(LabError):
            version = (server or Server(timeout=10)).version()
    return said_of(version, *keys)


def said_of(version: str, *keys: str) -> About:
    """The same for a version that is known already; "" for none."""
    wanted = [one_of("statement about Ollama", key, KEYS) for key in keys or KEYS]
    found = tuple(one for key in wanted if (one := statement(key, version)))
    now = {key: says(key) for key in wanted}
    return About(version, found, {one.key: now[one.key] for one in found if one.says != now[one.key]})


def differences(version: str) -> About:
    """What an older server does otherwise; no statements for one that was checked, or newer."""
    said = said_of(version)
    return replace(said, statements=tuple(one for one in said.statements if one.key in said.today))
