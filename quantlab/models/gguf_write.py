"""The header of a new GGUF file: the source's metadata byte for byte, the few keys that change, and the new
tensor list.

With `gguf`'s writer, 150,000 words would be decoded into Python objects and encoded again: a second of
processor time, where all of SmolLM2 is quantized in two. The checked walker knows where each key begins and
ends, so what does not change is copied as it stands (0.04 s), and nothing changes by accident. Layout:
ggml/docs/gguf.md; the tests read the result with `gguf`.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .gguf_cursor import Cursor, GGUFArray, shown
from .gguf_header import MAGIC
from .types import ARRAY, STRING, TENSOR_TYPES, UINT32, VALUE_TYPES, tensor_nbytes

VERSION = 3
TYPE_NUMBERS = {name: number for number, name in TENSOR_TYPES.items()}


@dataclass(frozen=True)
class NewTensor:
    """A tensor as it will stand in the new file; `shape` in ggml's order (row length first)."""

    name: str
    shape: tuple[int, ...]
    qtype: str

    @property
    def nbytes(self) -> int:
        return tensor_nbytes(self.shape, self.qtype)


def raw_pairs(metadata: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """(key, key and value as they stand) for each of `count` entries of a file's metadata, which must have
    been checked before.
    """
    cursor = Cursor(metadata)
    for i in range(count):
        start = cursor.at
        key = cursor.string(f"key {i} of the metadata")
        value_type = cursor.number("I", f"type of {shown(key)}")
        if value_type == STRING:
            cursor.step(cursor.number("Q", shown(key)), shown(key))
        elif value_type == ARRAY:
            GGUFArray.skip(cursor, key)
        else:
            cursor.step(VALUE_TYPES[value_type][2], shown(key))
        yield key, metadata[start : cursor.at]


def pair(key: str, value: int | str | list[str]) -> bytes:
    """A key with a number (UINT32, as llama-quantize writes all of its own), a string, or a list of strings.
    """
    if isinstance(value, list):
        return _string(key) + struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(_string, value))
    if isinstance(value, str):
        return _string(key) + struct.pack("<I", STRING) + _string(value)
    return _string(key) + struct.pack("<II", UINT32, value)


def header(pairs: Iterable[bytes], tensors: list[NewTensor], alignment: int) -> bytes:
    """All that stands before the weights, padded to `alignment` bytes (gguf_write_to_buf).

    The data of the tensors follow in the same order, each padded likewise.
    """
    pairs, infos, offset = list(pairs), [], 0
    for tensor in tensors:
        dimensions = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        infos.append(_string(tensor.name) + dimensions + struct.pack("<IQ", TYPE_NUMBERS[tensor.qtype],
                                                                     offset))
        offset += tensor.nbytes + padding(tensor.nbytes, alignment)
    head = b"".join([MAGIC, struct.pack("<IQQ", VERSION, len(tensors), len(pairs)), *pairs, *infos])
    return head + bytes(padding(len(head), alignment))


def padding(nbytes: int, alignment: int) -> int:
    """How many bytes are missing to a multiple of `alignment` (GGML_PAD)."""
    return -nbytes % alignment


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw
