"""Variants of a model measured on one text, each against the file's own weights; what was measured is
remembered.

The numbers depend on the model's files, the text, the settings and the code that measures; these are the name
under which they are remembered (remembered.py).
"""

import time
from collections.abc import Callable
from functools import cached_property, partial

from ..models.progress import Cancelled, watched
from ..models.source import Model
from .chunks import Text, checked_text, held_out_text
from .llama import LanguageModel
from .load import load_lm
from .quality import Reference, Tick
from .recital import count_recited, knows_passages, read_passages
from .remembered import Measurements, code_digest, digest, files_digest

USUAL_CHUNKS = 16       # of the held-out text: 4,096 tokens of the tiny model
STOPPED = "stopped before it was measured"


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
