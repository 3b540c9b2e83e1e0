"""What Ollama does, said with versions: one table, quantlab/data/ollama.csv, and its sentences for the server
at hand.

    about_ollama("long_prompt", "logprobs")     # true for your 0.34.2; an older server gets its own sentences

CHECKED is the version whose statements were all looked up: on a real server (tests/server) or in its source,
as the column `checked` says. A newer server is taken to be like it, an older one gets what its version did,
and of a server that names no release that is said.
"""

import re
from dataclasses import dataclass
from html import escape

from ..models.catalog import rows_of
from ..profile import is_reference
from ..words import one_of, prose
from .server import LabError, Server

CHECKED = "0.34.2"
NEWER, OLDER, SAME, UNKNOWN, NOBODY = "newer", "older", "same", "unknown", "nobody"


@dataclass(frozen=True)
class Statement:
    """A sentence about Ollama.  since: the first version it is true of, "" for as far back as was looked;
    until: the first version that does otherwise, "" for none yet.  checked: "server" for a test on the real
    one, else the source file.
    """

    key: str
    since: str
    until: str
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


def standing(version: str) -> str:
    """How `version` stands to the one that was checked: one of NEWER, OLDER, SAME, UNKNOWN."""
    at, checked = release(version), release(CHECKED)
    if at is None or checked is None:
        return UNKNOWN
    return SAME if at == checked else NEWER if at > checked else OLDER


@dataclass(frozen=True)
class About:
    """Statements for one server.  version: what it calls itself, "" where none was asked or answered.
    statements: those that are true of it.  differs: {key: what CHECKED does instead}.
    """

    version: str
    statements: tuple[Statement, ...]
    differs: dict[str, str]

    @property
    def heading(self) -> str:
        """Of which version this is said, and why."""
        return HEADINGS[standing(self.version) if self.version else NOBODY].format(self.version)

    def __repr__(self) -> str:
        return "\n".join([self.heading, *(f"- {line}" for line in self.lines())])

    def lines(self) -> list[str]:
        """The sentences; one that differs from today's says that, too."""
        return [one.says + (f" (Since then it changed. {self.differs[one.key]})"
                            if one.key in self.differs else "") for one in self.statements]

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{prose(line)}</li>" for line in self.lines())
        return f"<p>{escape(self.heading)}</p><ul>{items}</ul>"


HEADINGS = {
    SAME: "True of your Ollama {}:",
    NEWER: f"Your Ollama {{}} is newer than the one that was checked here, {CHECKED}; it is taken to do the "
           "same:",
    OLDER: f"True of your Ollama {{}}, which is older than {CHECKED}, the one this workbook speaks of:",
    UNKNOWN: f"Your Ollama calls itself {{!r}}, which is no release; it is taken to do what {CHECKED} does:",
    NOBODY: f"True of Ollama {CHECKED}; no server was asked:",
}


def about_ollama(*keys: str, server: Server | None = None) -> About:
    """Statements about Ollama for the server at hand: what your version does, and where it differs from the
    one that this workbook speaks of.

    keys: of quantlab/data/ollama.csv, such as "long_prompt"; all of them if none is given.  server: whom to
    ask for its version, else the one that OLLAMA_HOST names. Where none answers, and in the reference
    profile, the statements of the checked version are shown.  ValueError for an unknown key.
    """
    return said_of(_version(server), *keys)


def said_of(version: str, *keys: str) -> About:
    """The same for a version that is known already; "" for no server."""
    wanted = [one_of("statement about Ollama", key, KEYS) for key in keys or KEYS]
    found = [one for key in wanted if (one := statement(key, version))]
    today = {key: one.says for key in wanted if (one := statement(key))}
    return About(version, tuple(found),
                 {one.key: today[one.key] for one in found if one.says != today[one.key]})


def _version(server: Server | None) -> str:
    if is_reference():
        return ""
    try:
        return (server or Server(timeout=10)).version()
    except LabError:
        return ""
