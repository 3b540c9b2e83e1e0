"""Variants of a model measured on one text, each against the file's own weights; what was measured is
remembered.

The numbers depend on the model's files, the text, the settings and the code that measures; these are the name
under which they are remembered (remembered.py).
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from functools import cached_property, lru_cache, partial
from threading import Lock

from ..formats.tensor import check_executor
from ..models.digests import digest, files_digest
from ..models.progress import Cancelled, Progress, watched
from ..models.source import Model, open_model
from .chunks import Text, Tick, checked_text, chunks_of, held_out_text
from .llama import LanguageModel
from .load import load_lm
from .quality import Reference
from .recital import count_recited, knows_passages, read_passages
from .remembered import Measurements, code_digest
from .sent import demand_same, where

USUAL_CHUNKS = 16       # of the held-out text: 4,096 tokens of the tiny model
STOPPED = "stopped before it was measured"
POLL = 0.2              # seconds between two looks at `cancel` while an executor works

Measured = tuple[dict, Callable[[], dict]]      # a row, and what gives its numbers


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
        self.measured, self._lock = Measurements(cache), Lock()

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

    def __reduce__(self):
        """For another process, which opens the model by its path; it remembers nothing on the disk."""
        text = self.text if isinstance(self.text, str) else tuple(self.text.tolist())
        return _on_text, (where(self.model.gguf.paths), text, self.n_ctx, self.chunks)

    def numbers(self, load: Callable[["ModelOnText"], LanguageModel], recite: bool = True,
                tick: Tick | None = None) -> dict:
        """The numbers of a variant.  load: gives its model.  recite: whether a model that knows the passages
        is asked for them.
        """
        with self._lock:                        # threads share the reference
            self.reference.prepare()
        start = time.perf_counter()
        lm = load(self)
        row = self.reference.divergence(lm, tick).numbers()
        if recite and self.recites:
            found = count_recited(lm)
            row |= {"recited": found[True][0], "passages": found[True][1], "controls": found[False][0]}
        return row | {"seconds": time.perf_counter() - start}

    def fill(self, rows: list[dict], name: Callable[[dict], str], variant: Callable[[dict], dict],
             load: Callable[..., LanguageModel], progress, cancel, recite: bool = True,
             executor: Executor | None = None) -> None:
        """Measure the rows of a table; each gets its numbers, or an "error" that says why not.

        Rows that have an error already are left alone.  name, variant: what a row is called, and what tells
        it from others in JSON's types.  load: gives its model, of (this, row); what it is told as `progress`
        hears how far the quantizing is, and stops it.  executor: measures a row a task.  Where `progress`,
        `cancel` or Ctrl-C stops the run, the rows that are finished stay, and the others say so; nobody waits
        for what an executor has begun.  Raises ValueError for a model or a text that will not do.
        """
        check_executor(executor)
        todo = [row for row in rows if "error" not in row]
        for row in todo:
            row |= self.known(variant(row)) or {}
        new = [row for row in todo if "kld" not in row]
        n_tokens = self._n_tokens(executor) if new else 0
        tick = watched({name(row): n_tokens for row in new}, "tokens", progress, cancel)

        def told(row: dict, n: int) -> None:
            tick(name(row), n, name(row))

        def making(row: dict, step: Progress) -> None:
            tick(name(row), 0, f"{name(row)}, {100 * step.done // step.total} % quantized")

        try:
            for row, numbers in (self._here(new, load, recite, told, making) if executor is None else
                                 self._there(executor, new, load, recite, cancel, partial(told, n=n_tokens))):
                try:
                    row |= (found := numbers())
                    self.measured.put(self._common | variant(row), found)
                except ValueError as error:
                    row["error"] = str(error)
        except (Cancelled, KeyboardInterrupt):
            for row in todo:
                row.setdefault("error", "" if "kld" in row else STOPPED)

    def _n_tokens(self, executor: Executor | None) -> int:
        """How many tokens are read for a row; where an executor reads them, nothing is loaded here."""
        if executor is None:
            return self.reference.n_tokens
        return chunks_of(load_lm(self.model, keep=False), self.text, self.n_ctx, self.chunks).size

    def _here(self, rows: list[dict], load: Callable, recite: bool, told: Callable,
              making: Callable) -> Iterator[Measured]:
        for row in rows:
            loaded = partial(load, row=row, progress=partial(making, row))
            yield row, partial(self.numbers, loaded, recite, partial(told, row))

    def _there(self, executor: Executor, rows: list[dict], load: Callable, recite: bool, cancel,
               told: Callable) -> Iterator[Measured]:
        """The rows in the order in which they are finished."""
        sent = {executor.submit(self.numbers, partial(load, row=row), recite): row for row in rows}
        left = set(sent)
        try:
            while left:
                done, left = wait(left, POLL, FIRST_COMPLETED)
                yield from ((sent[future], future.result) for future in done)
                for future in done:
                    told(sent[future])
                if cancel is not None and cancel.is_set():
                    raise Cancelled(STOPPED)
        finally:
            for future in left:
                future.cancel()


@lru_cache(maxsize=1)
def _on_text(same: tuple[str, str, str], text: Text, n_ctx: int | None, chunks: int | None) -> ModelOnText:
    """What another process has sent: the next time it is there already, its reference computed."""
    demand_same(*same)
    return ModelOnText(open_model(same[0]), text, n_ctx=n_ctx, chunks=chunks, cache=None)


def as_table(rows: list[dict], columns: tuple[str, ...], whole: tuple[str, ...]):
    """The rows as a pandas table with these columns; `whole`: whole numbers, of which some may be missing."""
    import pandas as pd

    table = pd.DataFrame([{"error": ""} | row for row in rows]).reindex(columns=columns)
    return table.astype(dict.fromkeys(whole, "Int64"))
