"""Variants of a model measured on one text, each against the file's own weights; what was measured is
remembered.

A measurement is a small JSON file in the user's own cache folder, named after everything its numbers depend
on: the model's files, the text, the settings, and the code that measures. A changed file, text or line of
that code is another name, so nothing stale is ever read. A measurement that is damaged, or cannot be written,
is as
good as none: it is made again.
"""

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from functools import cache, cached_property, partial
from pathlib import Path

import numpy as np

from ..models.progress import Cancelled, watched
from ..models.source import Model
from ..models.whole_file import whole_file
from .chunks import Text, checked_text, held_out_text
from .llama import LanguageModel
from .load import load_lm
from .quality import Reference, Tick
from .recital import count_recited, knows_passages, read_passages

USUAL_CHUNKS = 16       # of the held-out text: 4,096 tokens of the tiny model
STOPPED = "stopped before it was measured"
PACKAGE = Path(__file__).resolve().parent.parent
#: The code that the numbers come from.
CODE = ("formats/*.py", "inference/*.py", "models/recipe*.py", "models/plan.py", "models/gguf_*.py")
CACHE_VARIABLE = "QUANTLAB_CACHE"


class ModelOnText:
    """An open model and a text, on which variants of the model are measured.

    text: a str or token numbers; without one the first `chunks` (16) chunks of Shakespeare's scenes that the
    tiny model never saw.  n_ctx, chunks: see `perplexity`.  cache: see `Measurements`.
    """

    def __init__(self, model: Model, text: Text | None = None, *, n_ctx: int | None = None,
                 chunks: int | None = None, cache=True):
        self.text = checked_text(held_out_text() if text is None else text)
        self.model, self.n_ctx = model, n_ctx
        self.chunks = USUAL_CHUNKS if text is None and chunks is None else chunks
        self.recites = knows_passages(model.metadata)
        self.measured = Measurements(cache)

    @cached_property
    def reference(self) -> Reference:
        """The file's own weights on the text, loaded when something has to be measured. Raises ValueError for
        a model or a text that will not do.
        """
        return Reference(load_lm(self.model), self.text, n_ctx=self.n_ctx, chunks=self.chunks)

    @cached_property
    def _common(self) -> dict:
        """What every number here depends on."""
        text = self.text if isinstance(self.text, str) else self.text.tolist()
        return {"files": files_digest(self.model.gguf.paths), "text": digest(text), "n_ctx": self.n_ctx,
                "chunks": self.chunks, "passages": digest(read_passages()) if self.recites else None,
                "code": code_digest()}

    def known(self, variant: dict) -> dict | None:
        """The numbers of a variant that was measured before, or None."""
        return self.measured.get(self._common | variant)

    def measure(self, variant: dict, load: Callable[[], LanguageModel], *, recite: bool = True,
                tick: Tick | None = None) -> dict:
        """The numbers of a variant, which are remembered.  variant: what tells it from others, in JSON's
        types.
        load: gives its model.  recite: whether a model that knows the passages is asked for them.
        """
        if (before := self.known(variant)) is not None:
            return before
        self.reference.prepare()
        start = time.perf_counter()
        lm = load()
        row = self.reference.divergence(lm, tick).numbers()
        if recite and self.recites:
            found = count_recited(lm)
            row |= {"recited": found[True][0], "passages": found[True][1], "controls": found[False][0]}
        row["seconds"] = time.perf_counter() - start
        self.measured.put(self._common | variant, row)
        return row

    def fill(self, rows: list[dict], name: Callable[[dict], str], variant: Callable[[dict], dict],
             load: Callable[[dict], LanguageModel], progress, cancel, recite: bool = True) -> None:
        """Measure one row of a table after the other; each gets its numbers, or an "error" that says why not.

        Rows that have an error already are left alone.  name, variant, load: what a row is called, what tells
        it from others, and its model (see `measure`).  Where `progress`, `cancel` or Ctrl-C stops the run,
        the rows that are finished stay, and the others say so.  Raises ValueError for a model or a text that
        will not do.
        """
        todo = [row for row in rows if "error" not in row]
        try:
            left = {name(row): 0 if self.known(variant(row)) else self.reference.n_tokens for row in todo}
            tick = watched(left, "tokens", progress, cancel)
            for row in todo:
                def told(n: int, words: str = name(row)) -> None:
                    tick(words, n, words)
                try:
                    row |= self.measure(variant(row), partial(load, row), recite=recite, tick=told)
                except ValueError as error:
                    row["error"] = str(error)
        except (Cancelled, KeyboardInterrupt):
            for row in todo:
                row.setdefault("error", "" if "kld" in row else STOPPED)


def as_table(rows: list[dict], columns: tuple[str, ...], whole: tuple[str, ...]):
    """The rows as a pandas table with these columns; `whole`: whole numbers, of which some may be missing."""
    import pandas as pd

    table = pd.DataFrame([{"error": ""} | row for row in rows]).reindex(columns=columns)
    return table.astype(dict.fromkeys(whole, "Int64"))


# ---- what is remembered

class Measurements:
    """What was measured, by key.  folder: True for the user's own folder, a path, or None (False) to remember
    nothing.
    """

    def __init__(self, folder=True):
        self.folder = cache_folder() if folder is True else Path(folder).expanduser() if folder else None

    def get(self, key: dict) -> dict | None:
        """What was put under this key; None when nothing was, or when the file is damaged."""
        if self.folder is None:
            return None
        try:
            found = json.loads((self.folder / f"{digest(key)}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or found.get("key") != key or not isinstance(found.get("value"), dict):
            return None
        return found["value"] if found.get("check") == digest(found["value"]) else None

    def put(self, key: dict, value: dict) -> None:
        """Remember a value of plain numbers and words; whole or not at all, and not where nothing can be
        written.
        """
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with whole_file(self.folder / f"{digest(key)}.json") as write:
                write(json.dumps({"key": key, "value": value, "check": digest(value)}, indent=1).encode())
        except (OSError, ValueError):
            return


def cache_folder() -> Path:
    """The user's folder for measurements: what QUANTLAB_CACHE says, or where the system keeps such files."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "quantlab" / "quality"


def digest(value) -> str:
    """32 hexadecimal digits for anything JSON can hold, an array, or bytes."""
    if isinstance(value, np.ndarray):
        value = f"{value.dtype} {value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    raw = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(raw).hexdigest()[:32]


def files_digest(paths) -> str:
    """The digest of a model's files."""
    return digest([sha256(path) for path in paths])


def sha256(path) -> str:
    """A file's SHA-256, 64 hexadecimal digits. A blob of Ollama's store bears them in its name; other files
    are read once a session.
    """
    return _sha256(str(path), os.stat(path).st_size, os.stat(path).st_mtime_ns)


@cache
def _sha256(path: str, _size: int, _changed: int) -> str:
    if named := re.fullmatch(r"sha256[-:]([0-9a-f]{64})", Path(path).name):
        return named[1]
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def code_digest() -> str:
    """The digest of the code that encodes, runs and measures: with another line of it, everything is measured
    anew.
    """
    files = sorted(path for pattern in CODE for path in PACKAGE.glob(pattern))
    return digest(b"".join(path.relative_to(PACKAGE).as_posix().encode()
                           + path.read_bytes().replace(b"\r\n", b"\n") for path in files))
