"""A language model in several types: quantized when it is first wanted, kept as long as there is room for it.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache

from ..formats.table import FORMATS
from ..inference.llama import LanguageModel
from ..inference.load import load_lm
from ..inference.recital import knows_passages
from ..models.recipes import recipe
from ..models.source import Model, open_model
from ..models.types import tensor_nbytes
from ..stage.legacy import Explorer, show
from .file import draw_refusal

#: From many bits to few, as a slider shows them.
TYPES = ("F16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "IQ4_XS", "Q3_K", "Q2_K")
ROOM = 400e6            # bytes of float32 weights that are kept; the last model stays in any case


class LmStock:
    """`reference` is the model as its file is; `at(qtype)` the same with every matrix in one type, as
    `llama-quantize --pure` would.

    model: what `open_model` takes, or an open Model, which must stay open.
    own: the file's own mix, such as "F16".  n_weights: how many.  digest: SHA-256 of the file, in
    hexadecimal.
    knows_passages: whether it is the tiny Llama, in one type or another.
    Raises ValueError, in words, for a model that cannot be opened or run.
    """

    def __init__(self, model="tiny"):
        with nullcontext(model) if isinstance(model, Model) else open_model(model) as opened:
            self.reference = load_lm(opened)
            self.name, self.own, self.n_weights = opened.name, opened.ftype, opened.n_weights
            self.nbytes, self.path, self.knows_passages = opened.nbytes, opened.file.paths[0], knows_passages(
                opened.metadata)
            self._shapes = {name: shape for name, (_, shape) in opened.types.items()}
            self._types = {qtype: recipe(qtype, opened, pure=True) for qtype in TYPES}
        self.source, self.seconds = model, {}
        self._made: dict[str, LanguageModel] = {}

    @property
    def title(self) -> str:
        """The model's name for a sentence."""
        return "the tiny Llama" if self.name == "tiny" else self.name.rsplit("/", 1)[-1]

    @property
    def digest(self) -> str:
        return file_digest(str(self.path))

    def nbytes_at(self, qtype: str) -> int:
        """Bytes of all tensors with every matrix in this type."""
        return sum(tensor_nbytes(self._shapes[name], chosen) for name, chosen in self._types[qtype].items())

    def size_words(self, qtype: str) -> str:
        """The type's bits per weight, and the bytes of all tensors in MB: "3.44 bits per weight, 1.8 MB"."""
        return f"{FORMATS[qtype].bpw:.3g} bits per weight, {self.nbytes_at(qtype) / 1e6:,.1f} MB"

    def ready(self, qtype: str) -> bool:
        """Whether `at` answers at once."""
        return qtype == self.own or qtype in self._made

    def at(self, qtype: str, tell: Callable[[str], None] = lambda words: None) -> LanguageModel:
        """The model in this type; `tell` hears what is going on while it is made."""
        if qtype == self.own:
            return self.reference
        if qtype not in self._made:
            tell(f"Quantizing {in_millions(self.n_weights)} weights to {qtype} …")
            start = time.perf_counter()
            made = load_lm(self.source, qtype, pure=True)
            self.seconds[qtype] = time.perf_counter() - start
            while self._made and 4 * self.n_weights * (len(self._made) + 1) > ROOM:
                # the one that was not wanted for the longest time
                self._made.pop(next(iter(self._made)))
            self._made[qtype] = made
        self._made[qtype] = self._made.pop(qtype)
        return self._made[qtype]


@lru_cache(maxsize=2)
def stock_of(model="tiny") -> LmStock:
    """The stock of a model, shared by all explorers of a notebook."""
    return LmStock(model)


def stock_or_refusal(model, qtype: str, need: str, call: str) -> LmStock | Explorer:
    """The stock of a model, or a picture that says why it cannot be run: `need` in its title, `call` as what
    does work.

    ValueError for a type that is not one of TYPES.
    """
    if qtype not in TYPES:
        raise ValueError(f"no type {qtype!r} here; there are {', '.join(TYPES)}")
    try:
        return stock_of(model)
    except ValueError as error:
        return show(draw_refusal(f"{need} a language model that can be run here",
                                 f"{error} {call}() takes the tiny Llama."))


@lru_cache(maxsize=8)
def file_digest(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def in_millions(count: int) -> str:
    """4,184,064 -> "4.2 million"."""
    return f"{count / 1e9:.2f} billion" if count >= 1e9 else f"{count / 1e6:.1f} million"
