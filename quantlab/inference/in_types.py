"""A language model in several types: quantized when a type is first wanted, kept as long as there is room.

    model_in_types("tiny").at("Q3_K").generate("To be,", 8)

Lessons: 00, 07.
"""

from collections.abc import Callable
from functools import lru_cache
from threading import Lock

from ..formats.table import FORMATS
from ..models.digests import sha256
from ..models.progress import Progress
from ..models.recipes import recipe
from ..models.resolve import open_weights
from ..models.types import tensor_nbytes
from .compare import measured_against
from .llama import LanguageModel
from .load import load_lm
from .recital import knows_passages

#: From many bits to few, as a slider shows them.
TYPES = ("F16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "IQ4_XS", "Q3_K", "Q2_K")
#: What stands behind them for the tiny Llama -> the type of its blocks, and the model whose weights were
#: trained on as such blocks.
TRAINED = {"trained Q2_K": ("Q2_K", "tiny-qat")}
ROOM = 400e6            # bytes of float32 weights that are kept; the last model stays in any case


def blocks_of(stop: str) -> str:
    """The type of the blocks at a stop of the slider."""
    return TRAINED[stop][0] if stop in TRAINED else stop


class ModelInTypes:
    """`reference` is the model as its file is; `at(qtype)` the same with every matrix in one type, as
    `llama-quantize --pure` would.

    model: as `load_lm` takes it; an open Model must stay open.
    stops: the types, and what of TRAINED there is.  own: the file's own mix, such as "F16".  n_weights: how
    many.  nbytes: of all tensors in the file.
    against: see `measured_against`.  knows_passages: whether it is the tiny Llama, in one type or another.
    Raises ValueError, in words, for a model that cannot be opened or run.
    """

    def __init__(self, model="tiny"):
        with open_weights(model) as source:
            self.reference = load_lm(source)
            self.name, self.own, self.n_weights = source.name, source.ftype, source.n_weights
            self.against = measured_against(source)
            self.nbytes, self.knows_passages = source.nbytes, knows_passages(source.metadata)
            self._path = source.gguf.paths[0]
            trained = TRAINED if self.name == "tiny" else {}
            self.stops = (*TYPES, *trained)
            self._shapes = {name: shape for name, (_, shape) in source.types.items()}
            self._types = {qtype: recipe(blocks_of(qtype), source, pure=True) for qtype in self.stops}
        self._given = model
        self._made: dict[str, LanguageModel] = {}
        self._lock = Lock()

    @property
    def title(self) -> str:
        """The model's name for a sentence."""
        return "the tiny Llama" if self.name == "tiny" else self.name.rsplit("/", 1)[-1]

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return sha256(self._path)

    def nbytes_at(self, qtype: str) -> int:
        """Bytes of all tensors with every matrix in this type."""
        return sum(tensor_nbytes(self._shapes[name], chosen) for name, chosen in self._types[qtype].items())

    def size_words(self, qtype: str) -> str:
        """The type's bits per weight, and the bytes of all tensors in MB: "3.44 bits per weight, 1.8 MB"."""
        return f"{FORMATS[blocks_of(qtype)].bpw:.3g} bits per weight, {self.nbytes_at(qtype) / 1e6:,.1f} MB"

    def at(self, qtype: str, tell: Callable[[str], None] = lambda words: None, *,
           progress: Callable[[Progress], object] | None = None, cancel=None) -> LanguageModel:
        """The model in this type; `tell` hears that it is made.  progress, cancel: as in `load_lm`."""
        if qtype == self.own:
            return self.reference
        made = self._made.get(qtype)
        if made is None:
            if qtype in TRAINED:
                made = load_lm(TRAINED[qtype][1])
            else:
                tell(f"Quantizing {_in_millions(self.n_weights)} weights to {qtype} …")
                made = load_lm(self._given, qtype, pure=True, progress=progress, cancel=cancel)
        with self._lock:                            # a thread may make further types ready
            self._made.pop(qtype, None)
            while self._made and 4 * self.n_weights * (len(self._made) + 1) > ROOM:
                # the one that was not wanted for the longest time
                self._made.pop(next(iter(self._made)))
            self._made[qtype] = made
        return made


@lru_cache(maxsize=2)
def model_in_types(model="tiny") -> ModelInTypes:
    """The ModelInTypes of a model, shared by all explorers of a notebook."""
    return ModelInTypes(model)


def _in_millions(count: int) -> str:
    """4,184,064 -> "4.2 million"."""
    return f"{count / 1e9:.2f} billion" if count >= 1e9 else f"{count / 1e6:.1f} million"
