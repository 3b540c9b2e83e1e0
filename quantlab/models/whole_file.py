"""A file that appears whole or not at all, however its writing ends.

The bytes go to `NAME.xxxxxxxx.part` in the same folder; once the disk has confirmed them (fsync), the file takes its name, in one
step (os.replace). An error or Ctrl-C removes the part. After a power cut or kill -9 it may stay behind, under a name that nobody
takes for the whole file; it can be deleted.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def check_place(path: Path, sources: Iterable[Path]) -> None:
    """ValueError in words unless a file can be put at `path`: its folder exists, and nothing is in the way, such as one of `sources`."""
    try:
        if path.is_dir():
            raise ValueError(f"{path} is a folder: give the file a name too")
        if not path.parent.is_dir():
            raise ValueError(f"there is no folder {path.parent}: make it first")
        if path.exists() and any(path.samefile(source) for source in sources):
            raise ValueError(f"source and destination are the same file, {path}: nothing is rewritten in place")
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is a device or the like, which a file cannot replace")
    except OSError as error:
        raise ValueError(f"{path} cannot be reached: {error.strerror}") from None


def check_room(path: Path, nbytes: int) -> None:
    """ValueError in words unless the disk has room for a file of `nbytes` bytes, beside what has its name now."""
    free = shutil.disk_usage(path.parent).free
    if nbytes > free:
        raise ValueError(f"{path.name} would have {nbytes / 1e6:,.1f} MB, but {path.parent} has room for {free / 1e6:,.1f} MB")


@contextmanager
def whole_file(path: Path) -> Iterator[Callable[[bytes], None]]:
    """A function that writes bytes, one piece after the other; at the end of the `with` block they are the file `path`.

    A file that had this name before is replaced, and stays whole until then. Raises ValueError when the folder cannot be written to,
    and OSError, with what was to be written and why it stopped, when the disk is full or fails.
    """
    part = path.with_name(f"{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        part.touch(exist_ok=False)
    except OSError as error:
        raise ValueError(f"no file can be made in {path.parent}: {error.strerror}") from None
    try:
        with open(part, "wb", buffering=0) as file:
            yield lambda data: _write(file, data, path)
            with _in_words(path):
                os.fsync(file.fileno())
        with _in_words(path):
            os.replace(part, path)          # on Windows: not while anybody has a file of this name open
            _settle(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _write(file, data: bytes, path: Path) -> None:
    left = memoryview(data)
    with _in_words(path):
        while len(left):
            left = left[file.write(left):]


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Errors of the disk say which file is concerned, and that nothing is left of it."""
    try:
        yield
    except OSError as error:
        why = "another program has it open" if isinstance(error, PermissionError) else error.strerror
        raise type(error)(error.errno, f"{path} could not be written: {why}; nothing was left behind") from None


def _settle(folder: Path) -> None:
    """Make the new name last through a power cut, where folders can be synchronized at all (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
