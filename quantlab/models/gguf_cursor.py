"""A finger moving through the bytes of a GGUF file, which never reads past the end and never believes a
length.
"""

import struct
from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .types import ARRAY, BOOL, STRING, VALUE_TYPES

if TYPE_CHECKING:
    import numpy as np

LENGTH = struct.Struct("<Q")
# in all arrays of one header; the largest vocabularies have half a million, merges included
MOST_STRINGS = 2**24
LONGEST_ODD = 2**20     # bytes of a text that is none: four letters each when escaped


def shown(value: object) -> str:
    """`value` as it may stand in a sentence: quoted, escaped, and no longer than 60 characters."""
    text = repr(value[:61] if isinstance(value, str) else value)
    return text if len(text) <= 64 else text[:60] + "..."


class Cursor:
    """Reads little-endian values from `data` (bytes or mmap) at `at`, and says what was missing when the file
    ends.
    """

    def __init__(self, data, at: int = 0):
        self.data, self.at, self.size, self.strings = data, at, len(data), 0

    def take(self, n_bytes: int, what: str) -> bytes:
        """The next bytes. Raises ValueError when the file ends before them."""
        return self.data[self.step(n_bytes, what) : self.at]

    def step(self, n_bytes: int, what: str) -> int:
        """Move over `n_bytes` and return where they began; the one place where the end of the file is
        checked.
        """
        if n_bytes > self.size - self.at:
            raise ValueError(f"the file ends at byte {self.size}, in the middle of {what}: "
                             f"{n_bytes} bytes were announced at byte {self.at}, {self.size - self.at} are "
                             "left")
        start, self.at = self.at, self.at + n_bytes
        return start

    def number(self, code: str, what: str):
        """One little-endian number; `code` as in `struct`."""
        packed = struct.Struct("<" + code)
        return packed.unpack_from(self.data, self.step(packed.size, what))[0]

    def count(self, what: str, smallest: int) -> int:
        """A 64-bit count of things that take at least `smallest` bytes each, compared with what is left."""
        count = self.number("Q", what)
        self.bound(what, count, smallest)
        return count

    def bound(self, what: str, count: int, smallest: int) -> None:
        """Raises ValueError when `count` things of at least `smallest` bytes cannot follow."""
        if count * smallest > self.size - self.at:
            raise ValueError(f"{what} of {count} is impossible: only {self.size - self.at} bytes are left, "
                             f"and each takes at least {smallest}")

    def string(self, what: str) -> str:
        """A length and so many bytes of UTF-8; ggml reads any bytes, so what is none is shown escaped
        ("\\xff"), up to LONGEST_ODD of them.
        """
        length = self.number("Q", f"the length of {what}")
        start, cut = self.step(length, what), ""
        if length > LONGEST_ODD and not self._is_text(start):
            cut, length = f" … {length} bytes", LONGEST_ODD
        return self.data[start : start + length].decode("utf-8", "backslashreplace") + cut

    def _is_text(self, start: int) -> bool:
        """Whether all bytes from `start` up to the finger are UTF-8, a stretch at a time."""
        decoder = getincrementaldecoder("utf-8")()
        try:
            for at in range(start, self.at, LONGEST_ODD):
                decoder.decode(self.data[at : min(at + LONGEST_ODD, self.at)])
            return not decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False

    def skip_strings(self, count: int, what: str) -> None:
        """Move over `count` strings: the checks of `string`, in one tight loop (a vocabulary has 150,000).

        Raises ValueError when the file ends before them, or when this header has had more than MOST_STRINGS.
        """
        self.strings += count
        if self.strings > MOST_STRINGS:
            raise ValueError(
                f"{what} brings the header to {self.strings} strings; no model has more than {MOST_STRINGS}")
        at = before = self.at
        last, length_at = self.size - LENGTH.size, LENGTH.unpack_from
        for _ in range(count):
            if at > last:
                break
            before, at = at, at + LENGTH.size + length_at(self.data, at)[0]
        else:
            if at <= self.size:
                self.at = at
                return
        self.at = at if at <= self.size else before
        # the same string again, to say what is missing
        self.step(self.number("Q", f"the length of {what}"), what)

    def scalar(self, value_type: int, key: str):
        """One number or truth value of a gguf value type; a truth value is any byte but 0, as in ggml."""
        if value_type not in VALUE_TYPES:
            raise ValueError(f"{shown(key)} has value type {value_type}, which GGUF does not have (0 to 12)")
        value = self.number(VALUE_TYPES[value_type][1], shown(key))
        return bool(value) if value_type == BOOL else value


class GGUFArray:
    """An array in the metadata, not decoded yet: `len(array)` is free, `array.decode()` reads it from the
    file.
    """

    def __init__(self, data, key: str, value_type: int, count: int, start: int):
        self._data, self._key, self._type, self._count, self._start = data, key, value_type, count, start

    @classmethod
    def skip(cls, cursor: Cursor, key: str) -> "GGUFArray":
        """The array that begins at the cursor, which is then moved behind it: by arithmetic, except for
        strings.
        """
        value_type = cursor.number("I", f"type of the elements of {shown(key)}")
        if value_type == ARRAY:
            raise ValueError(f"{shown(key)} is an array of arrays, which ggml does not read either")
        if value_type != STRING and value_type not in VALUE_TYPES:
            raise ValueError(
                f"{shown(key)} is an array of type {value_type}, which GGUF does not have (0 to 12)")
        size = LENGTH.size if value_type == STRING else VALUE_TYPES[value_type][2]
        count = cursor.count(f"the length of {shown(key)}", size)
        array = cls(cursor.data, key, value_type, count, cursor.at)
        if value_type == STRING:
            cursor.skip_strings(count, shown(key))
        else:
            cursor.step(count * size, shown(key))
        return array

    @property
    def type(self) -> str:
        """The value type of the elements in GGUF's name: "STRING", "INT32"."""
        return "STRING" if self._type == STRING else VALUE_TYPES[self._type][0]

    def decode(self) -> "np.ndarray | list[str]":
        """The elements: a list of str, or a NumPy array.  Raises ValueError when the file was closed."""
        if getattr(self._data, "closed", False):
            raise ValueError(f"the file is closed: open it again to read {shown(self._key)}")
        cursor = Cursor(self._data, self._start)
        if self._type == STRING:
            return [cursor.string(f"element {i} of {shown(self._key)}") for i in range(self._count)]
        import numpy as np

        code, size = VALUE_TYPES[self._type][1:]
        raw = cursor.take(self._count * size, shown(self._key))
        numbers = np.frombuffer(raw, np.dtype(code).newbyteorder("<"))
        return numbers.astype(bool) if self._type == BOOL else numbers

    def first(self, count: int) -> "GGUFArray":
        """The array of its first `count` elements."""
        return GGUFArray(self._data, self._key, self._type, min(count, self._count), self._start)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator:
        return iter(self.decode())

    def __repr__(self) -> str:
        return f"<array of {self._count} {self.type}>"
