"""A model split over several GGUF files (`name-00001-of-00003.gguf`), opened as if they lay end to end in
one.

The first part has the metadata; each part lists its own tensors and says which part it is (`split.no`, from
0), how many there are (`split.count`) and how many tensors they have together (`split.tensors.count`).
Source: llama.cpp's llama-model-loader.cpp and tools/gguf-split.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from .gguf_cursor import shown
from .gguf_file import GGUFFile
from .gguf_header import TensorInfo

NO, COUNT, TENSORS = "split.no", "split.count", "split.tensors.count"
MOST_PARTS = 65535                                          # split.count is a 16-bit number
_NAME = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.gguf)", re.IGNORECASE | re.DOTALL)


class SplitFile(GGUFFile):
    """Several open GGUF files as one. Places (`infos[...].offset`, `bytes_at`) count through all files in
    order.

    files: the open parts, whose counts agree.  `metadata` and `parts` are the first file's, `paths` names
    all.  Raises ValueError when a tensor is in two parts or their number is not the announced one.
    """

    def __init__(self, files: list[GGUFFile]):
        first = files[0]
        self._files, self._starts = files, [0, *accumulate(file.size for file in files)]
        self.path, self.paths, self.size = first.path, tuple(file.path for file in files), self._starts[-1]
        self.version, self.alignment, self.metadata = first.version, first.alignment, first.metadata
        self.parts, self.pairs = (*first.parts[:-1], (*first.parts[-1][:2], self.size)), first.pairs
        self.value_types, self.infos = first.value_types, {}
        for start, file in zip(self._starts, files, strict=False):
            for name, info in file.infos.items():
                if name in self.infos:
                    raise ValueError(f"{file.path.name}: tensor {shown(name)} is in an earlier part too")
                self.infos[name] = replace(info, offset=start + info.offset)
        announced = _number(first, TENSORS)
        if announced is not None and announced != len(self.infos):
            raise ValueError(
                f"{first.path.name} announces {announced} tensors, but its {len(files)} parts have "
                f"{len(self.infos)}")

    def bytes_at(self, start: int, stop: int) -> bytes:
        """A copy of the bytes from `start` up to `stop`, counted through all parts."""
        return b"".join(file.bytes_at(first, last) for file, first, last in self._among(start, stop))

    def part_of(self, info: TensorInfo) -> int:
        """Which of `paths` a tensor lies in, counted from 0."""
        return bisect_right(self._starts, info.offset) - 1

    def let_go(self, start: int, stop: int) -> None:
        """Give the memory of these mapped bytes back, counted through all parts."""
        for file, first, last in self._among(start, stop):
            file.let_go(first, last)

    def _among(self, start: int, stop: int) -> Iterator[tuple[GGUFFile, int, int]]:
        """(part, its first byte, the byte after its last) for the parts in which these bytes are."""
        for begin, file in zip(self._starts, self._files, strict=False):
            if begin < stop and start < begin + file.size:
                yield file, max(start - begin, 0), min(stop - begin, file.size)

    def close(self) -> None:
        """Let go of all parts."""
        for file in self._files:
            file.close()


def open_gguf(path) -> GGUFFile:
    """The GGUF file at `path`; when it is the first part of a split model, all parts as one (a SplitFile).

    Raises ValueError for what is no readable GGUF file, for a later part, and for parts that are missing or
    of another model.
    """
    # closes what was opened when a later part is refused: Windows locks open files
    with ExitStack() as opened:
        first = GGUFFile(path)
        opened.callback(first.close)
        others = other_parts(first)
        if not others:
            opened.pop_all()
            return first
        files = [first]
        for part in others:
            files.append(GGUFFile(part))
            opened.callback(files[-1].close)
            _check_part(files[-1], len(files) - 1, first)
        whole = SplitFile(files)
        opened.pop_all()
        return whole


def other_parts(first: GGUFFile) -> list[Path]:
    """Where the second and later parts are; empty for a file that is not split. Raises ValueError in words.
    """
    name, count = first.path.name, _number(first, COUNT) or 1
    number = _number(first, NO) or 0
    if count == 1:
        return []
    if not 0 <= number < count <= MOST_PARTS:
        raise ValueError(f"{name}: {COUNT} is {count} and {NO} is {number}, which cannot be")
    if first.goes_on:
        raise ValueError(
            f"{name} is made of the parts of a split model, joined end to end as by `cat`, though each has a "
            "header of its own: fetch them again and open the first, the others beside it, or join them with "
            "`llama-gguf-split --merge FIRST NEW`")
    named = _NAME.fullmatch(name)
    if number:
        hint = f": open {_part(first.path, named, 1, count).name}" if named else ", which has all metadata"
        raise ValueError(
            f"{name} is part {number + 1} of a model split in {count}; the first part must be opened{hint}")
    if named is None or (int(named[2]), int(named[3])) != (1, count):
        raise ValueError(
            f"{name} is part 1 of a model split in {count}: its name must end in -00001-of-{count:05}.gguf, "
            "or the others cannot be found")
    paths = [_part(first.path, named, part, count) for part in range(2, count + 1)]
    missing = [part.name for part in paths if not part.is_file()]
    if missing:
        raise ValueError(
            f"{name} is part 1 of {count}, and {len(missing)} of the others "
            f"{'is' if len(missing) == 1 else 'are'} "
            f"missing beside it: {', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}")
    return paths


def part_paths(path: Path, count: int) -> list[Path]:
    """The paths of the parts of a new split file: "name.gguf" -> "name-00001-of-00003.gguf" and so on."""
    stem = path.name.removesuffix(".gguf")
    return [path.with_name(f"{stem}-{part:05}-of-{count:05}.gguf") for part in range(1, count + 1)]


def _part(path: Path, named: re.Match, number: int, count: int) -> Path:
    return path.with_name(f"{named[1]}-{number:05}-of-{count:05}{named[4]}")


def _check_part(part: GGUFFile, number: int, first: GGUFFile) -> None:
    """`part` says of itself that it is number `number` (from 0) of the same model as `first`."""
    for key, wanted in ((NO, number), (COUNT, _number(first, COUNT)), (TENSORS, _number(first, TENSORS))):
        if (found := _number(part, key)) != wanted:
            raise ValueError(
                f"{part.path.name} is not the part that its name says: {key} is {found}, {wanted} was "
                "expected")
    arch, wanted = (file.metadata.get("general.architecture") for file in (part, first))
    if arch not in (None, wanted):
        raise ValueError(
            f"{part.path.name} is of another model: a {shown(arch)}, the first part is a {shown(wanted)}")


def _number(file: GGUFFile, key: str) -> int | None:
    value = file.metadata.get(key)
    if value is not None and type(value) is not int:
        raise ValueError(f"{file.path.name}: {key} is {shown(value)}; a whole number is needed")
    return value
