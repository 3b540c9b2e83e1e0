"""The header of a GGUF file: read from a file that nobody vouches for (`read_header`), and made for a new one
(`header_bytes`).

A file says how long its own parts are, and a broken or hostile one lies. So every count is compared with the
bytes that are left before anything is looped over or allocated, sizes are Python's integers (which never
wrap), types are checked before values, and long arrays are stepped over and decoded only when somebody asks.

A new header keeps the source's metadata byte for byte, but for the few keys that change: with `gguf`'s writer
150,000 words would be decoded into Python objects and encoded again, a second of processor time, where all of
SmolLM2 is quantized in two. The tests read the result with `gguf`.
Layout: ggml/docs/gguf.md. Lesson: 03_gguf_and_tags.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from .gguf_cursor import Cursor, GGUFArray, shown
from .types import (
    ARRAY,
    BOOL,
    FLOAT32,
    OLLAMA_MXFP4,
    OLLAMA_MXFP4_ARCHITECTURES,
    REMOVED_TENSOR_TYPES,
    STRING,
    TENSOR_TYPES,
    UINT32,
    VALUE_TYPES,
    tensor_nbytes,
)

MAGIC, VERSION = b"GGUF", 3
TYPE_NUMBERS = {name: number for number, name in TENSOR_TYPES.items()}
SMALLEST_KEY_VALUE = 8 + 1 + 4 + 1              # bytes: key length, a letter, type, value
# bytes: name length, n_dims, type, offset; a name may be empty, and a single number has no dimensions
SMALLEST_TENSOR_INFO = 8 + 4 + 4 + 8
MOST_DIMENSIONS, MOST_WEIGHTS = 4, 2**60
LONGEST_NAME = 63                               # bytes (GGML_MAX_NAME holds a NUL, too)
DEFAULT_ALIGNMENT = 32
#: The largest models have 2,000 tensors and 60 pairs. With these limits no header takes over 64 MB, however
#: long the file.
MOST_TENSORS = MOST_VALUES = 65536

#: First bytes of what people open by mistake.
OTHER_FILES = {b"ggml": "an old GGML file from before GGUF", b"lmgg": "an old GGML file from before GGUF",
               b"fmgg": "an old GGML file from before GGUF", b"tjgg": "an old GGML file from before GGUF",
               b"PK\x03\x04": "a ZIP archive (PyTorch saves weights so)",
               b"vers": "perhaps a Git LFS pointer", b"<!DO": "a web page", b"<htm": "a web page",
               b"FUGG": "GGUF with its bytes in the wrong order"}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a file: `shape` in ggml's order (row length first; a dimension may be 0, which leaves a
    name without weights), `offset` in bytes from the file's first.
    """

    name: str
    shape: tuple[int, ...]
    qtype: str
    offset: int
    nbytes: int
    ollama_order: bool = False      # MXFP4 as Ollama's first gpt-oss files have it

    @property
    def n_weights(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Header:
    """What stands before the weights. `metadata`: key -> value (arrays as GGUFArray); `tensors`: name ->
    TensorInfo.

    parts: the file's four stretches, (name, first byte, byte after the last), in order.  pairs: key of the
    metadata -> its first byte and the byte after its value.  value_types: key -> GGUF's number of its type.
    """

    version: int
    alignment: int
    metadata: dict[str, Any]
    tensors: dict[str, TensorInfo]
    parts: tuple[tuple[str, int, int], ...]
    pairs: dict[str, tuple[int, int]]
    value_types: dict[str, int]


def read_header(data) -> Header:
    """The header of the GGUF file whose bytes are `data` (bytes or mmap, or a Cursor at their start).

    Raises ValueError, with what was found and where, for anything that is not whole and consistent.
    """
    cursor = data if isinstance(data, Cursor) else Cursor(data)
    version = _magic_and_version(cursor)
    n_tensors = _count(cursor, "tensor count", SMALLEST_TENSOR_INFO, MOST_TENSORS)
    n_values = _count(cursor, "metadata count", SMALLEST_KEY_VALUE, MOST_VALUES)
    metadata_at = cursor.at
    metadata, pairs, value_types = _metadata(cursor, n_values)
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    infos_at = cursor.at
    cursor.bound("tensor count", n_tensors, SMALLEST_TENSOR_INFO)
    early_ollama = metadata.get("general.architecture") in OLLAMA_MXFP4_ARCHITECTURES
    raw = [_tensor_info(cursor, early_ollama) for _ in range(n_tensors)]
    data_at = min(-(-cursor.at // alignment) * alignment, cursor.size)
    tensors = _placed(raw, data_at, alignment, cursor.size)
    parts = (("header", 0, metadata_at), ("metadata", metadata_at, infos_at),
             ("tensor list", infos_at, data_at), ("weights", data_at, cursor.size))
    return Header(version, alignment, metadata, tensors, parts, pairs, value_types)


def _magic_and_version(cursor: Cursor) -> int:
    magic = cursor.take(4, "the first four bytes, which must be 'GGUF'")
    if magic != MAGIC:
        guess = OTHER_FILES.get(magic)
        if guess is None and cursor.data[8:9] == b"{":
            guess = "a safetensors file"
        raise ValueError(
            f"not a GGUF file: it starts with {magic!r}" + (f", so it is {guess}" if guess else "")
        )
    version = cursor.number("I", "version")
    if version in (2, 3):
        return version
    if version == 1:
        raise ValueError("GGUF version 1 (August 2023) is not read any more; fetch or convert the model anew")
    if (swapped := struct.unpack(">I", struct.pack("<I", version))[0]) <= 0xFFFF:
        raise ValueError(f"a big-endian GGUF file (version {swapped}); only little-endian ones are read")
    raise ValueError(f"GGUF version {version} is unknown; versions 2 and 3 are read")


def _count(cursor: Cursor, what: str, smallest: int, most: int) -> int:
    count = cursor.count(what, smallest)
    if count > most:
        raise ValueError(f"{what} of {count}: no model comes near the {most} that are read here")
    return count


def _metadata(cursor: Cursor, count: int) -> tuple[dict, dict, dict]:
    """Key -> value, -> its place, -> the number of its type."""
    metadata: dict[str, Any] = {}
    pairs, value_types = {}, {}
    for i in range(count):
        start = cursor.at
        key = cursor.string(f"key {i} of the metadata")
        if not key:
            raise ValueError(f"key {i} of the metadata is empty")
        if key in metadata:
            raise ValueError(f"the metadata has the key {shown(key)} twice")
        value_type = cursor.number("I", f"type of {shown(key)}")
        metadata[key] = _value(cursor, key, value_type)
        if key == "general.alignment":
            _check_alignment(metadata[key], value_type, cursor.size)
        pairs[key], value_types[key] = (start, cursor.at), value_type
    return metadata, pairs, value_types


def _value(cursor: Cursor, key: str, value_type: int) -> Any:
    if value_type == STRING:
        return cursor.string(shown(key))
    if value_type == ARRAY:
        return GGUFArray.skip(cursor, key)
    return cursor.scalar(value_type, key)


def _check_alignment(alignment: Any, value_type: int, size: int) -> None:
    if value_type != UINT32:
        raise ValueError(
            f"general.alignment is {shown(alignment)}, of value type {value_type}; ggml reads type {UINT32} "
            "(UINT32) only")
    if not 1 <= alignment <= size or alignment & (alignment - 1):
        raise ValueError(f"general.alignment is {alignment}; a power of two is needed, and no more than the "
                         f"{size} bytes of the file")


def _tensor_info(cursor: Cursor, early_ollama: bool) -> tuple[str, tuple[int, ...], int, int]:
    start = cursor.at
    name = cursor.string("the name of a tensor")
    if (length := cursor.at - start - 8) > LONGEST_NAME:
        raise ValueError(f"tensor {shown(name)} has a name of {length} bytes; {LONGEST_NAME} are the most")
    n_dims = cursor.number("I", f"dimensions of {shown(name)}")
    if n_dims > MOST_DIMENSIONS:
        raise ValueError(f"tensor {shown(name)} has {n_dims} dimensions; 0 to {MOST_DIMENSIONS} are possible")
    shape = tuple(cursor.number("Q", f"shape of {shown(name)}") for _ in range(n_dims)) or (1,)
    number = cursor.number("I", f"type of {shown(name)}")
    if number not in TENSOR_TYPES and not (early_ollama and number == OLLAMA_MXFP4):
        gone = REMOVED_TENSOR_TYPES.get(number)
        raise ValueError(f"tensor {shown(name)} has type {number}, which "
                         + (f"was {gone} and has been removed from ggml" if gone else "ggml does not have"))
    return name, shape, number, cursor.number("Q", f"offset of {shown(name)}")


def _placed(raw: list, data_at: int, alignment: int, size: int) -> dict[str, TensorInfo]:
    """The tensors with their place in the file, once each place is known to be theirs alone."""
    tensors: dict[str, TensorInfo] = {}
    for name, shape, number, offset in raw:
        qtype = TENSOR_TYPES.get(number, "MXFP4")
        if name in tensors:
            raise ValueError(f"two tensors are called {shown(name)}")
        if offset % alignment:
            raise ValueError(f"tensor {shown(name)} starts at {offset}, which is no multiple of {alignment}")
        if prod(max(n, 1) for n in shape) > MOST_WEIGHTS:
            raise ValueError(f"tensor {shown(name)} of shape {shape} is larger than any can be")
        try:
            nbytes = tensor_nbytes(shape, qtype)
        except ValueError as error:
            raise ValueError(f"tensor {shown(name)}: {error}") from None
        if data_at + offset + nbytes > size:
            raise ValueError(
                f"tensor {shown(name)} would end at byte {data_at + offset + nbytes}, but the file has "
                f"{size}: an unfinished download, or a wrong header")
        tensors[name] = TensorInfo(name, shape, qtype, data_at + offset, nbytes, number == OLLAMA_MXFP4)
    ordered = sorted(tensors.values(), key=lambda tensor: (tensor.offset, tensor.nbytes))
    for before, after in pairwise(ordered):
        if before.offset + before.nbytes > after.offset:
            raise ValueError(
                f"tensors {shown(before.name)} and {shown(after.name)} overlap at byte {after.offset}")
    expected = data_at
    for tensor in tensors.values():
        if tensor.offset != expected:
            raise ValueError(
                f"tensor {shown(tensor.name)} starts at {tensor.offset - data_at}, but the one listed before "
                f"it ends at {expected - data_at}: ggml reads tensors that follow each other only")
        expected += tensor.nbytes + padding(tensor.nbytes, alignment)
    return tensors


# ---- a new header

def pair(key: str, value, kind: int | None = None) -> bytes:
    """A key with a number (a whole one as UINT32, as llama-quantize writes all of its own, unless `kind` says
    another type; else as FLOAT32), a truth, a string, or a list of strings.
    """
    if isinstance(value, list):
        return _string(key) + struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(_string, value))
    if isinstance(value, str):
        return _string(key) + struct.pack("<I", STRING) + _string(value)
    kind = kind or (BOOL if isinstance(value, bool) else FLOAT32 if isinstance(value, float) else UINT32)
    return _string(key) + struct.pack("<I" + VALUE_TYPES[kind][1], kind, value)


def header_bytes(pairs: Iterable[bytes], tensors: Iterable[tuple[str, tuple[int, ...], str]],
                 alignment: int) -> bytes:
    """All that stands before the weights, padded to `alignment` bytes (gguf_write_to_buf).

    tensors: (name, shape in ggml's order, type) of each; their data follow in the same order, each padded
    likewise.  ValueError for a name that ggml could not read.
    """
    pairs, infos, offset = list(pairs), [], 0
    for name, shape, qtype in tensors:
        if (length := len(name.encode())) > LONGEST_NAME:
            raise ValueError(f"tensor {shown(name)} has a name of {length} bytes; ggml opens no file with "
                             f"more than {LONGEST_NAME}")
        dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        infos.append(_string(name) + dimensions + struct.pack("<IQ", TYPE_NUMBERS[qtype], offset))
        nbytes = tensor_nbytes(shape, qtype)
        offset += nbytes + padding(nbytes, alignment)
    head = b"".join([MAGIC, struct.pack("<IQQ", VERSION, len(infos), len(pairs)), *pairs, *infos])
    return head + bytes(padding(len(head), alignment))


def padding(nbytes: int, alignment: int) -> int:
    """How many bytes are missing to a multiple of `alignment` (GGML_PAD)."""
    return -nbytes % alignment


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw
