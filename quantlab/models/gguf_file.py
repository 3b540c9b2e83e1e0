"""A GGUF file on disk: its header read and checked, its weights mapped into memory and decoded one tensor at
a time; and, where it may not be read, which permission is missing on the way to it.
"""

import mmap
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ..words import nearest
from .gguf_header import MAGIC, TensorInfo, padding, read_header
from .no_model import piece_in_words
from .types import PLAIN_TYPES

if TYPE_CHECKING:
    import numpy as np


def denied(path) -> str:
    """Why `path` may not be read by this user, in words: the first place on the way to it that is closed.

    On Linux and macOS: the missing letter (x to enter a folder, r to list a folder or read a file), mode and
    owner, and the group that would open it. On Windows, and where access lists decide, only that it is
    denied.
    """
    path = Path(os.path.abspath(path))
    for place in (*reversed(path.parents), path):
        letter, needed = ("r", os.R_OK) if place == path else ("x", os.X_OK)
        if not os.access(place, needed, effective_ids=os.access in os.supports_effective_ids):
            return f"{path} may not be read by you: {_missing(place, letter)}"
    return f"{path} may not be read by you: permission denied"


def _missing(place: Path, letter: str) -> str:
    try:
        status = place.stat()
        owner, group = place.owner(), place.group()
    # no such names on Windows, none for an unknown number
    except (OSError, KeyError, NotImplementedError):
        return f"permission {letter} is missing on {place}"
    words = f"permission {letter} is missing on {place} ({stat.filemode(status.st_mode)} {owner}:{group})"
    opens = stat.S_IRGRP if letter == "r" else stat.S_IXGRP
    helps = status.st_mode & opens and group != "root"
    return f"{words}; members of the group {group} have it" if helps else words


class GGUFFile:
    """An open GGUF file. Use it in a `with` block, or call `close()`.

    path: str or Path.  `metadata`: key -> value.  `infos`: tensor name -> TensorInfo.  `parts`, `pairs`,
    `value_types`: see Header.
    `paths`: the file's path, or those of all parts (gguf_split.py).
    Raises ValueError, with the file's name and what was found in it, for anything that is not a readable GGUF
    file.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.paths: tuple[Path, ...] = (self.path,)
        self._map = _mapped(self.path)
        try:
            header = read_header(self._map)
        except ValueError as error:
            self._map.close()
            name, piece = self.path.name, piece_in_words(self.path.name)
            raise ValueError(f"{name} is {piece}" if piece else f"{name}: {error}") from None
        self.size = len(self._map)
        self.version, self.alignment = header.version, header.alignment
        self.metadata, self.infos = header.metadata, header.tensors
        self.parts, self.pairs, self.value_types = header.parts, header.pairs, header.value_types

    def bytes_at(self, start: int, stop: int) -> bytes:
        """A copy of the file's bytes from `start` up to `stop`; shorter at the end of the file."""
        if self._map.closed:
            raise ValueError(f"{self.path.name} is closed: open it again to read weights")
        return self._map[max(start, 0) : max(stop, 0)]

    @property
    def goes_on(self) -> bool:
        """Whether another GGUF file follows in this one, behind its own last tensor: two were joined."""
        end = max((info.offset + info.nbytes for info in self.infos.values()), default=self.parts[-1][1])
        starts = end, end + padding(end, self.alignment)
        return MAGIC in (self.bytes_at(start, start + len(MAGIC)) for start in starts)

    def raw(self, name: str) -> bytes:
        """The stored bytes of one tensor."""
        info = self._info(name)
        return self.bytes_at(info.offset, info.offset + info.nbytes)

    def part_of(self, info: TensorInfo) -> int:
        """Which of `paths` a tensor lies in, counted from 0."""
        return 0

    def piece(self, name: str, start: int, stop: int) -> bytes:
        """Bytes `start` up to `stop` of one stored tensor; a pass over a whole file in pieces takes no more
        memory than a piece.
        """
        info = self._info(name)
        start, stop = info.offset + start, info.offset + min(stop, info.nbytes)
        data = self.bytes_at(start, stop)
        self.let_go(start, stop)
        return data

    def let_go(self, start: int, stop: int) -> None:
        """Give the memory of these mapped bytes back, where the system can be told (Linux); they can be read
        again.
        """
        if isinstance(self._map, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            page = start // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, page, min(stop, self.size) - page)

    def tensor(self, name: str) -> "np.ndarray":
        """One tensor as float32, decoded from its blocks. Shape: (rows, row length), NumPy's order, not
        ggml's.
        """
        info = self._info(name)
        return _decoded(info, self.raw(name), info.shape[::-1])

    def rows(self, name: str, start: int, stop: int) -> "np.ndarray":
        """Rows `start` up to `stop` of one tensor as float32, (rows, row length); the rows of stacked
        matrices are counted through all of them. The memory of the mapped bytes is given back.
        """
        info = self._info(name)
        row = info.nbytes * info.shape[0] // info.n_weights
        return _decoded(info, self.piece(name, start * row, stop * row), (stop - start, info.shape[0]))

    def _info(self, name: str) -> TensorInfo:
        if not isinstance(name, str) or name not in self.infos:
            raise ValueError(f"{self.path.name} has no tensor {name!r}, but {len(self.infos)} others"
                             f"{nearest(name, self.infos)}")
        return self.infos[name]

    def close(self) -> None:
        """Let go of the file; what was read stays."""
        self._map.close()

    def __enter__(self) -> "GGUFFile":
        return self

    def __exit__(self, *_error) -> None:
        self.close()


def _decoded(info: TensorInfo, raw: bytes, shape: tuple[int, ...]) -> "np.ndarray":
    """All or some rows of a tensor as float32 of `shape`."""
    import numpy as np

    from ..formats.tensor import dequantize

    if info.qtype in PLAIN_TYPES:
        return np.frombuffer(raw, PLAIN_TYPES[info.qtype]).astype(np.float32).reshape(shape)
    return dequantize(_ggml_order(raw) if info.ollama_order else raw, info.qtype, shape)


def _ggml_order(raw: bytes) -> bytes:
    """MXFP4 blocks of Ollama's first gpt-oss files in ggml's order (ml/backend/ggml/ggml.go does the same at
    load).

    A block is a scale and 16 bytes of two codes each. There bytes i and i + 8 hold codes 2i, 2i+1 and 2i+16,
    2i+17, low half first; ggml wants code k and code k + 16 in one byte.
    """
    import numpy as np

    blocks = np.frombuffer(raw, np.uint8).reshape(-1, 17)
    first, second = blocks[:, 1:9], blocks[:, 9:17]
    codes = np.stack([first & 15 | second << 4, first >> 4 | second & 0xF0], axis=2).reshape(-1, 16)
    return np.hstack([blocks[:, :1], codes]).tobytes()


class Whole(bytes):
    """A file's bytes where files cannot be mapped: it is read whole, and let go with its last reader."""

    closed = False

    def close(self) -> None:
        self.closed = True


Mapped = mmap.mmap | Whole


def _mapped(path: Path) -> Mapped:
    """The file mapped for reading, or read where nothing can be mapped (WebAssembly). Raises ValueError when
    there is no such file, or it is none, empty or unreadable.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError(f"{path} is not a file")
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise ValueError(f"{path.name}: the file is empty")
            try:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except OSError:
                return Whole(file.read())
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except PermissionError:
        raise ValueError(denied(path)) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
