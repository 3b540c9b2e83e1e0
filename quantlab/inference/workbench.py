"""One model, one text, and many variants of the model measured on it; what was measured before is remembered (cache.py).

The reference is always the file's own weights. It is loaded only when something has to be measured.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import cached_property

from ..models.source import DATA, Model, open_model
from .cache import Measured, code_digest, digest, files_digest
from .chunks import checked_text
from .load import load_lm
from .quality import Reference, Tick
from .recital import count_recited, knows_passages, read_passages
from .scores import Divergence

HELD_OUT = DATA / "tiny" / "held_out.txt"
USUAL_CHUNKS = 16       # of the held-out text: 4,096 tokens of the tiny model


def held_out_text() -> str:
    """26 scenes of Shakespeare that the bundled tiny Llama never saw: about 128,000 characters, 54,000 of its tokens."""
    return HELD_OUT.read_text(encoding="utf-8")


class Workbench:
    """Measures variants of a model on a text. Use it in a `with` block.

    model: as `load_lm` takes it.  text: a str or token numbers; without one the first `chunks` (16) chunks of Shakespeare's scenes that the
    tiny model never saw.  n_ctx, chunks: see `perplexity`.  cache: True for the user's own folder, a path, or None to remember nothing.
    """

    def __init__(self, model, text: str | Sequence[int] | None = None, *, n_ctx: int | None = None, chunks: int | None = None, cache=True):
        self.text = checked_text(held_out_text() if text is None else text)
        self._opening = nullcontext(model) if isinstance(model, Model) else open_model(model)
        self.model, self.n_ctx = self._opening.__enter__(), n_ctx
        if self.model.file is None:
            raise ValueError(f"the weights of {self.model.name} are not at hand: {self.model.why}")
        self.chunks = USUAL_CHUNKS if text is None and chunks is None else chunks
        self.recites = knows_passages(self.model.metadata)
        self.measured = Measured(cache)

    def __enter__(self) -> "Workbench":
        return self

    def __exit__(self, *error) -> None:
        self._opening.__exit__(*error)

    @cached_property
    def reference(self) -> Reference:
        """The file's own weights on the text. Raises ValueError for a model or a text that will not do."""
        return Reference(load_lm(self.model), self.text, n_ctx=self.n_ctx, chunks=self.chunks)

    @cached_property
    def _common(self) -> dict:
        """What every number here depends on."""
        text = self.text if isinstance(self.text, str) else [int(token) for token in self.text]
        return {"files": files_digest(self.model.file.paths), "text": digest(text), "n_ctx": self.n_ctx, "chunks": self.chunks,
                "passages": digest(read_passages()) if self.recites else None, "code": code_digest()}

    def known(self, variant: dict) -> dict | None:
        """The numbers of a variant that was measured before, or None."""
        return self.measured.get(self._common | variant)

    def measure(self, variant: dict, load: Callable[[], object], *, recite: bool = True, tick: Tick | None = None) -> dict:
        """The numbers of a variant, and remember them.  variant: what tells it from others, in JSON's types.  load: gives its model."""
        if (before := self.known(variant)) is not None:
            return before
        reference = self.reference
        reference.prepare()
        start = time.perf_counter()
        lm = load()
        row = numbers(reference.divergence(lm, tick))
        if recite and self.recites:
            found = count_recited(lm)
            row |= {"recited": found[True][0], "passages": found[True][1], "controls": found[False][0]}
        row["seconds"] = time.perf_counter() - start
        self.measured.put(self._common | variant, row)
        return row

    def unknown_tokens(self, variants: Iterable[dict]) -> list[int]:
        """For each variant how many tokens have to be read to measure it; 0 for one that is known."""
        return [0 if self.known(variant) is not None else self.reference.n_tokens for variant in variants]


def numbers(found: Divergence) -> dict[str, float]:
    """The statistics of a Divergence by the names of the table's columns; shares are shares of 1."""
    return {"ppl": found.ppl, "ppl_se": found.ppl_se, "ppl_base": found.base.ppl, "ln_ratio": found.ln_ratio,
            "ln_ratio_se": found.ln_ratio_se, "kld": found.mean_kld, "kld_se": found.kld_se, "kld99": found.kld_percentile(99),
            "top1": found.top1, "mean_p_diff": found.mean_p_diff, "rms_p_diff": found.rms_p_diff, "predicted": found.n}
