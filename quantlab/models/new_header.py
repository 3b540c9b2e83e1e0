"""What a quantized file says about itself: the key-value pairs of the source as they stand, and the few that
llama-quantize sets, in its order.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .gguf_cursor import GGUFArray, shown
from .gguf_header import pair
from .imatrix_file import Imatrix
from .recipe_rules import COPY
from .source import Model
from .types import FTYPES, INT32, UINT16, ftype_number
from .wishes import Wishes

QUANTIZATION_VERSION = 2        # ggml.h: GGML_QNT_VERSION
VERSION, FILE_TYPE = "general.quantization_version", "general.file_type"
REQUANTIZED = "quantlab.requantized_from"
#: By what method a file was rounded, and what text its calibration had read.
METHOD, CALIBRATION = "quantlab.method", "quantlab.calibration"
SPLIT = ("split.no", "split.count", "split.tensors.count")
IMATRIX = tuple(f"quantize.imatrix.{key}" for key in ("file", "dataset", "entries_count", "chunks_count"))
MADE = {*IMATRIX, REQUANTIZED, METHOD, CALIBRATION}     # how the source was made, and not the new file
FIXED = ("general.architecture", "general.alignment", *SPLIT)
GUESSED = 1024                  # llama.h: LLAMA_FTYPE_GUESSED
LONGEST = 127                   # bytes of a key or of a text that llama-quantize takes
KINDS: dict[str, Callable[[str], Any]] = {
    "int": int, "float": float, "bool": {"true": True, "false": False}.__getitem__, "str": str}


def as_override(given: Mapping | Iterable[str] | None) -> dict[str, int | float | bool | str]:
    """Key -> its new value, from {key: value} or from texts such as "llama.rope.freq_base=float:500000", as
    `llama-quantize --override-kv` takes them.  ValueError, in words, for what such a value cannot be.
    """
    if given is None:
        return {}
    pairs = given.items() if isinstance(given, Mapping) else map(_read, [given] if isinstance(given, str)
                                                                 else given)
    return {key: _checked(key, value) for key, value in pairs}


def _read(words: str) -> tuple[str, int | float | bool | str]:
    key, _, rest = str(words).partition("=")
    kind, _, value = rest.partition(":")
    try:
        return key, KINDS[kind](value)
    except (KeyError, ValueError):
        raise ValueError(f"override_kv: {shown(words)} is no KEY=TYPE:VALUE; such as "
                         "tokenizer.ggml.add_bos_token=bool:false (int, float, bool or str)") from None


def _checked(key: object, value):
    if not isinstance(key, str) or not 0 < len(key.encode()) <= LONGEST:
        raise ValueError(f"override_kv: {shown(key)} is no key of 1 to {LONGEST} bytes")
    if key in FIXED:
        raise ValueError(f"override_kv: {key} cannot be changed: all the rest of the file depends on it")
    if not isinstance(value, bool | int | float | str):
        raise ValueError(f"override_kv: {key} cannot be {shown(value)}: give a number, a truth or a text")
    if type(value) is int and not 0 <= value < 2**32:
        raise ValueError(f"override_kv: {key} cannot be {value}: llama-quantize writes whole numbers from 0 "
                         f"to {2**32 - 1:,}")
    if isinstance(value, float) and not abs(value) < 2**128:
        raise ValueError(f"override_kv: {key} cannot be {value}: a 32-bit number is written")
    if isinstance(value, str) and len(value.encode()) > LONGEST:
        raise ValueError(f"override_kv: the text for {key} has {len(value.encode())} bytes; llama-quantize "
                         f"takes {LONGEST}")
    return value


def new_metadata(model: Model, ftype: str, imatrix: Imatrix | None, requantized: bool, wishes: Wishes,
                 override: Mapping[str, object]) -> dict[str, bytes]:
    """Key -> the whole pair as it is written, in the order of the new file.

    requantized: whether a quantized tensor is quantized again.
    """
    copied = ftype == COPY
    dropped = {VERSION, FILE_TYPE, *SPLIT} | (set() if copied else MADE)
    pairs = {key: model.gguf.bytes_at(*place) for key, place in model.gguf.pairs.items()
             if key not in dropped}
    own = {VERSION: QUANTIZATION_VERSION, FILE_TYPE: _file_type(model) if copied else ftype_number(ftype)}
    new: dict[str, object] = {key: value for key, value in own.items() if key not in override}
    new |= override
    if imatrix is not None and not copied:
        new |= imatrix.metadata()
    if wishes.pruned:
        _check_per_layer(model)
        new[f"{model.metadata['general.architecture']}.block_count"] = _layers_left(model, wishes)
    if mark := "" if copied else _mark(model, requantized):
        new[REQUANTIZED] = mark
    for key, value in new.items():
        pairs.pop(key, None)            # a key that is set anew moves to the end
        pairs[key] = pair(key, value)
    return pairs


def split_pairs(number: int, count: int, n_tensors: int) -> Iterator[bytes]:
    """The keys of one part of a split file: its number from 0, how many parts, how many tensors in all."""
    yield from (pair(key, value, kind) for key, value, kind in
                zip(SPLIT, (number, count, n_tensors), (UINT16, UINT16, INT32), strict=True))


def _layers_left(model: Model, wishes: Wishes) -> int:
    return model.counts.n_layer - len(wishes.pruned)


def _check_per_layer(model: Model) -> None:
    """ValueError where the metadata has a number for each layer: llama-quantize leaves such lists as they
    are, and the file cannot be loaded.
    """
    n = model.counts.n_layer
    for key, value in model.metadata.items():
        if isinstance(value, GGUFArray) and len(value) == n and not key.startswith("tokenizer."):
            raise ValueError(f"prune_layers: {key} of {model.name} has a number for each of the {n} layers, "
                             "which llama-quantize would leave as they are: no program could load the file")


def _file_type(model: Model) -> int:
    """The `general.file_type` of the source; where it has none, llama.cpp's guess: the most frequent type."""
    said = model.metadata.get(FILE_TYPE)
    if type(said) is int:
        return said
    most = Counter(qtype for qtype, _ in model.types.values()).most_common(1)
    known = most[0][0] if most else "F32"
    return GUESSED + (ftype_number(known) if {known, f"{known}_M"} & {*FTYPES.values()} else 0)


def _mark(model: Model, requantized: bool) -> str:
    """What the file was quantized from, in the end from which types; "" for a first quantization."""
    before = model.metadata.get(REQUANTIZED)
    said = [before] if isinstance(before, str) else []
    return ", ".join([*said, model.ftype] if requantized else said)

