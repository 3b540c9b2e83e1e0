"""A file that appears whole or not at all, however its writing ends.

The bytes go to `NAME.xxxxxxxx.part` in the same folder; once the disk has confirmed them (fsync), the file
takes its name, in one step (os.replace). An error or Ctrl-C removes the part. After a power cut or kill -9 it
stays behind, under a name that nobody takes for the whole file; the next run for the same file removes it. A
part that is being written is locked, and left alone.
"""

import glob
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    fcntl = import_module("fcntl")
except ImportError:         # WebAssembly; Windows, where an open file cannot be removed anyway
    fcntl = None

LONGEST = 200               # letters of a name that a part's name begins with


def as_place(name) -> Path:
    """The path of a file to be made. Raises ValueError for what cannot be one."""
    path = os.path.expanduser(os.fspath(name)) if isinstance(name, str | os.PathLike) else None
    if not path or not isinstance(path, str) or "\0" in path:
        raise ValueError(f"{name!r} is no name for a new file")
    return Path(path)


def check_place(path: Path, sources: Iterable[Path]) -> None:
    """ValueError in words unless a file can be put at `path`: its folder exists, and nothing is in the way,
    such as one of `sources`.
    """
    try:
        if path.is_dir():
            raise ValueError(f"{path} is a folder: give the file a name too")
        if not path.parent.is_dir():
            raise ValueError(f"there is no folder {path.parent}: make it first")
        if path.exists() and any(path.samefile(source) for source in sources):
            raise ValueError(
                f"source and destination are the same file, {path}: nothing is rewritten in place")
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is a device or the like, which a file cannot replace")
    except OSError as error:
        raise ValueError(f"{path} cannot be reached: {error.strerror}") from None


def clear_abandoned(path: Path) -> None:
    """Remove the parts that killed runs for this file have left; not those that are being written, nor what
    may not be removed.

    An empty one stays: it may have been made a moment ago, and be locked in the next.
    """
    for part in path.parent.glob(f"{glob.escape(path.name[:LONGEST])}.{'[0-9a-f]' * 8}.part"):
        with suppress(OSError):
            if fcntl is None:
                part.unlink()
                continue
            with open(part, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_size:
                    part.unlink()


def check_room(path: Path, nbytes: int) -> None:
    """ValueError in words unless the disk has room for a file of `nbytes` bytes, beside what has its name
    now.
    """
    free = shutil.disk_usage(path.parent).free
    if nbytes > free:
        raise ValueError(
            f"{path.name} would have {nbytes / 1e6:,.1f} MB, but {path.parent} has room for "
            f"{free / 1e6:,.1f} MB")


@contextmanager
def whole_file(path: Path) -> Iterator[Callable[[bytes], None]]:
    """A function that writes bytes, one piece after the other; at the end of the `with` block they are the
    file `path`.

    A file that had this name before is replaced, and stays whole until then. Raises ValueError when the
    folder cannot be written to, and OSError, with what was to be written and why it stopped, when the disk is
    full or fails.
    """
    part = path.with_name(f"{path.name[:LONGEST]}.{secrets.token_hex(4)}.part")
    begun = _begun(part)
    try:
        with begun as file:
            # some network disks have no locks: then nobody gets one, and nothing is cleared
            with suppress(OSError):
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX)
            yield lambda data: _write(file, data, path)
            with _in_words(path):
                os.fsync(file.fileno())
                if fcntl is None:
                    file.close()                # Windows renames no open file
                os.replace(part, path)          # there: not while anybody has a file of this name open
                _settle(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _begun(part: Path):
    """The part, open; ValueError when none can be made there."""
    try:
        return open(part, "xb", buffering=0)
    except OSError as error:
        raise ValueError(f"no file can be made in {part.parent}: {error.strerror}") from None


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
        raise type(error)(error.errno,
                          f"{path} could not be written: {why}; nothing was left behind") from None


def _settle(folder: Path) -> None:
    """Make the new name last through a power cut, where folders can be synchronized at all (not on Windows).
    """
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
