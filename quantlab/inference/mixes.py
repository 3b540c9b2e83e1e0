"""Any mix of types for a model's matrices: how large it is, and how far its predictions move.

    bench = MixBench("tiny", text)
    bench.nbytes({"blk.0.attn_v.weight": "Q6_K", ...}), bench.measure({...}).mean_kld

Only the roundings are kept, once for each tensor and type, so that a mix that differs in one role costs one
role.  Lesson: 05.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np

from ..formats.table import FORMATS
from ..models.families import role_and_layer
from ..models.progress import Progress, watched
from ..models.recipe_rules import PROGRAMS
from ..models.recipes import recipe
from ..models.resolve import open_weights
from ..models.source import Model
from ..models.types import tensor_nbytes
from ..words import one_of
from .chunks import checked_n_ctx, chunks_of
from .load import load_lm
from .quality import Divergence, Reference, standard_error
from .stored import Matrix, all_rounded

ROUNDED_KEPT = 1 << 30  # bytes of rounded tensors that are kept, counted as float32
NOISE = 2               # a difference below so many standard errors is a tie
#: What a matrix may be rounded to, from few bits to many; "F16" leaves it as it is.
TYPES = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "F16")
#: llama.cpp's mixes whose sizes are budgets.
BUDGETS = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_M")
READ = 2048             # tokens of the text that are read; half of them are predicted


class Gap(NamedTuple):
    """Mean difference of two KLDs on the same text, and its standard error."""

    mean: float
    se: float

    @property
    def is_tie(self) -> bool:
        """Whether the difference is within the noise of this text: under two standard errors."""
        return not abs(self.mean) > NOISE * self.se


def gap(a: np.ndarray, b: np.ndarray) -> Gap:
    """How much larger the KLDs `a` are than `b`, position by position: the luck of the text, which both
    share, cancels.
    """
    return Gap(float((a - b).mean()), standard_error(a - b))


class MixBench:
    """A model, a text, and the mixes tried on them.

    model: as `load_lm` takes it.  text: what to predict.  chunks: so many chunks of it are read (as many as
    2,048 tokens fill).  matrices: name -> shape (ggml's order) of what can be quantized.  roles: role -> its
    matrices' names.  own: name -> type and shape of every tensor in the file.  path, n_weights: of the file.
    Raises ValueError as `load_lm` and `Reference` do.
    """

    def __init__(self, model, text: str, *, chunks: int | None = None):
        with open_weights(model) as source:
            self.own, self.name, self.lm = source.types, source.name, load_lm(source)
            self.path, self.n_weights = source.gguf.paths[0], source.n_weights
            self.mixes = {ftype: _recipe(ftype, source) for ftype in PROGRAMS["llama.cpp"].offered}
        # the matrices: what any mix quantizes
        quantized = {name for types in self.mixes.values() for name, qtype in types.items()
                     if FORMATS[qtype].block_size > 1}
        self.matrices = {name: shape for name, (_, shape) in self.own.items() if name in quantized}
        self.roles: dict[str, list[str]] = {}
        for name in self.matrices:
            self.roles.setdefault(role_and_layer(name)[0], []).append(name)
        chunks = chunks or max(READ // checked_n_ctx(self.lm, None), 1)
        self.text, self.skipped = text, 0
        self.n_chunks = len(chunks_of(self.lm, text, chunks=chunks))
        self._rounded: OrderedDict[tuple[str, str], Matrix] = OrderedDict()

    @cached_property
    def reference(self) -> Reference:
        """The model as it is, on the text; computed when first asked for."""
        whole = Reference(self.lm, self.text, chunks=self.skipped + self.n_chunks)
        if len(whole.chunks) <= self.skipped:
            raise ValueError(
                f"the text has {len(whole.chunks)} chunks; there are none after the first {self.skipped}")
        whole.chunks = whole.chunks[self.skipped :]
        return whole

    def elsewhere(self) -> "MixBench":
        """The same bench on the next chunks of the text; the roundings are shared."""
        other = copy(self)
        other.skipped = self.skipped + self.n_chunks
        vars(other).pop("reference", None)
        return other

    @property
    def n_predicted(self) -> int:
        """How many tokens are predicted for a measurement."""
        n_ctx = checked_n_ctx(self.lm, None)
        return self.n_chunks * (n_ctx - 1 - n_ctx // 2)

    def budgets(self) -> list[str]:
        """The mixes of BUDGETS that this model can have."""
        return [ftype for ftype in BUDGETS if self.mixes.get(ftype)]

    def alike(self, qtype: str) -> dict[str, str]:
        """Every matrix in one type, embeddings too, as `llama-quantize --pure`."""
        return {name: fitting(qtype, shape) for name, shape in self.matrices.items()}

    def mix(self, ftype: str) -> dict[str, str]:
        """What llama.cpp's mix of this name gives to each matrix. ValueError where it cannot be had."""
        types = self.mixes[one_of(f"mix of {self.name} called", ftype, filter(self.mixes.get, self.mixes))]
        return {name: types[name] for name in self.matrices}

    def nbytes(self, types: Mapping[str, str]) -> int:
        """Bytes of all tensors of the file, those included that are never quantized."""
        return sum(tensor_nbytes(shape, self._stored(name, types.get(name, "F16")))
                   for name, (_, shape) in self.own.items())

    def measure(self, types: Mapping[str, str], progress: Callable[[Progress], object] | None = None,
                cancel=None) -> Divergence:
        """How far the predictions move when each matrix is rounded to its type; matrices not named stay as
        they are.  progress, cancel: as in `perplexity`, and heeded while matrices are rounded, too.
        """
        tick = watched({"mix": self.reference.n_tokens}, "tokens", progress, cancel)
        weights = self._all_rounded({name: qtype for name, qtype in types.items() if qtype != "F16"},
                                    lambda step: tick("mix", 0, f"{100 * step.done // step.total} % rounded"))
        return self.reference.divergence(self.lm.with_weights(weights),
                                         lambda n: tick("mix", n, "the text is read"))

    def _stored(self, name: str, qtype: str) -> str:
        return self.own[name][0] if qtype == "F16" or name not in self.matrices else qtype

    def _all_rounded(self, types: Mapping[str, str], progress: Callable) -> dict[str, Matrix]:
        new = {name: qtype for name, qtype in types.items() if (name, qtype) not in self._rounded}
        made = all_rounded(self.lm.weights, new, progress)
        self._rounded |= {(name, qtype): made[name] for name, qtype in new.items()}
        for at in types.items():
            self._rounded.move_to_end(at)
        weights = {name: self._rounded[name, qtype] for name, qtype in types.items()}
        while len(self._rounded) > 1 and self._kept() > ROUNDED_KEPT:
            self._rounded.popitem(last=False)
        return weights

    def _kept(self) -> int:
        return 4 * sum(prod(matrix.shape) for matrix in self._rounded.values())


def fitting(qtype: str, shape: tuple[int, ...]) -> str:
    """The type itself, or what llama.cpp takes where rows are no whole number of its blocks (Q4_K: Q5_0)."""
    if shape[0] % FORMATS[qtype].block_size == 0:
        return qtype
    other = PROGRAMS["llama.cpp"].fallbacks.get(qtype, "F16")
    return other if shape[0] % FORMATS[other].block_size == 0 else "F16"


def _recipe(ftype: str, source: Model) -> dict[str, str]:
    try:
        return recipe(ftype, source)
    except ValueError:              # rows that llama-quantize refuses
        return {}
