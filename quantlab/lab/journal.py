"""The results file: one JSON object a line, on the disk before the next call begins, and never two runs at
once in one file.

The first line holds the plan. Every finished call is appended and synced (fsync), so a power cut or kill -9
costs at most the call that was under way. A last line without its end was torn by such a stop: it is cut off,
and its call is asked again.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..models.whole_file import fcntl

if sys.platform == "win32":
    import msvcrt

FORMAT = "quantlab comparison 1"
LOCK_BYTE = 1 << 40         # Windows locks bytes, not files: one far behind the end


class Journal:
    """A results file that this run alone may write.  Made by `open_journal`.

    records: what was there, without the first line; torn: whether a torn line was cut off.
    """

    def __init__(self, path: Path, file, records: list[dict], torn: bool):
        self.path, self._file, self.records, self.torn = path, file, records, torn

    def append(self, record: dict) -> None:
        """Write one record and wait until the disk has it.  OSError says what was to be written; no half line
        stays.
        """
        line = json.dumps(record, ensure_ascii=True, allow_nan=False).encode() + b"\n"
        left, end = memoryview(line), self._file.seek(0, os.SEEK_END)
        try:
            while len(left):
                left = left[self._file.write(left):]
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):         # where even that fails, the next run cuts the torn line off
                self._file.truncate(end)
            words = f"{self.path} could not take a result: {error.strerror}; all before it is kept"
            raise type(error)(error.errno, words) from None
        self.records.append(record)


@contextmanager
def open_journal(path: Path, head: dict) -> Iterator[Journal]:
    """The results file `path` for a run whose first line is `head` (with "plan" and "key"): made, or gone on
    with.

    ValueError when another run has it open, when it is no results file, or when it belongs to another
    comparison.
    """
    try:
        file = open(path, "a+b", buffering=0)       # noqa: SIM115 - closed below, after the lock is gone
    except OSError as error:
        raise ValueError(f"the results file {path} cannot be opened: {error.strerror}") from None
    with file:
        _lock(file, path)
        lines, torn = _whole_lines(file)
        journal = Journal(path, file, [], torn)
        if lines:
            journal.records = _records(lines, path, head["key"])
            if torn:
                file.truncate(sum(len(line) + 1 for line in lines))
        else:
            if torn and not _could_be_head(file):
                raise ValueError(f"{path} is not a results file of a comparison; give another name")
            file.truncate(0)
            journal.append({"format": FORMAT, **head})
            journal.records.clear()
        yield journal


def read_records(path: Path) -> tuple[dict, list[dict]]:
    """(the first line, all records after it) of a results file, also while a run is writing it.  A torn last
    line is left out.
    """
    try:
        with open(path, "rb") as file:
            lines, _ = _whole_lines(file)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if not lines:
        raise ValueError(f"{path} is not a results file of a comparison")
    return _json_object(lines[0], path, 1), _records(lines, path, None)


def _whole_lines(file) -> tuple[list[bytes], bool]:
    """(whole lines, whether a torn one follows)."""
    file.seek(0)
    *lines, rest = file.read().split(b"\n")
    return lines, bool(rest)


def _could_be_head(file) -> bool:
    file.seek(0)
    begin = b'{"format": "%s"' % FORMAT.encode()
    return begin.startswith(file.read(len(begin)))


def _records(lines: list[bytes], path: Path, key: str | None) -> list[dict]:
    head = _json_object(lines[0], path, 1)
    if head.get("format") != FORMAT:
        raise ValueError(f"{path} is not a results file of a comparison, or of another version; give another "
                         "name")
    if key is not None and head.get("key") != key:
        raise ValueError(f"{path} holds another comparison: other prompts, models, rounds or options. Give "
                         "another name, or the same plan.")
    return [_json_object(line, path, number) for number, line in enumerate(lines[1:], 2)]


def _json_object(line: bytes, path: Path, number: int) -> dict:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{path}, line {number}: damaged, or not a results file; nothing was changed")
    return value


def _lock(file, path: Path) -> None:
    """Held until the file is closed, also by kill -9. In WebAssembly there is nobody else to keep out."""
    try:
        if sys.platform == "win32":
            file.seek(LOCK_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        elif fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ValueError(f"another run is writing {path}: wait for it, stop it, or give another name") \
            from None
