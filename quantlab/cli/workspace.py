"""The learner's own copies of the lessons: made once, never overwritten unasked, replaced only with a backup.

A copy appears whole or not at all, and a disk that runs full is a sentence with what is missing.
"""

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from ..models.whole_file import clear_abandoned, whole_file
from ..words import size

MY_NOTEBOOKS = "my_notebooks"
ORIGINS = ".origins.json"      # digest of the lesson each copy was made from


def project_root() -> Path:
    """The folder that holds `notebooks/`: where the command runs, or the checkout the package was installed
    from.

    FileNotFoundError with what to do when there is neither.
    """
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / "notebooks" / "00_start_here.ipynb").is_file():
            return folder
    raise FileNotFoundError(f"No lessons here: {Path.cwd()} has no folder 'notebooks' with "
                            "00_start_here.ipynb. Change into the quantlab folder that you cloned, then try "
                            "again.")


def originals(root: Path) -> list[Path]:
    return sorted((root / "notebooks").glob("*.ipynb"))


def prepare(root: Path) -> tuple[Path, list[str]]:
    """Copy the lessons that are not there yet; returns the folder and messages about lessons that changed
    since.  OSError in words where the disk cannot take them; what was copied stays.
    """
    folder = root / MY_NOTEBOOKS
    folder.mkdir(exist_ok=True)
    origins, messages = _origins(folder), []
    todo = [lesson for lesson in originals(root) if not (folder / lesson.name).exists()]
    _copy_all(todo, folder, lambda lesson: _write_whole(folder / lesson.name, lesson.read_bytes()))
    for lesson in originals(root):
        digest = _digest(lesson)
        if digest in (origins.get(lesson.name), _digest(folder / lesson.name)):
            origins[lesson.name] = digest
        else:
            messages.append(f"{lesson.name} has a newer version; yours is kept. Bring the new one: "
                            f"python -m quantlab reset {lesson.name[:2]}")
    _write_whole(folder / ORIGINS, json.dumps(origins, indent=1).encode())
    return folder, messages


def reset(lessons: Sequence[str] = ()) -> str:
    """Fresh copies of lessons; yours are kept in a dated folder."""
    return "\n".join(renew(project_root(), lessons))


def of_lessons(root: Path, names: Sequence[str]) -> list[Path]:
    """The lessons whose file names start with one of `names`; all when empty. ValueError for a name that fits
    none.
    """
    everything = originals(root)
    for name in names:
        if not any(lesson.name.startswith(name) for lesson in everything):
            raise ValueError(f"no lesson's name starts with {name!r}; there are "
                             f"{', '.join(lesson.stem for lesson in everything)}")
    return [lesson for lesson in everything if not names or lesson.name.startswith(tuple(names))]


def renew(root: Path, chosen: Sequence[str]) -> list[str]:
    """Fresh copies of the chosen lessons (by the start of their names; all when empty); yours move to a
    backup folder.

    ValueError when a chosen name fits no lesson, OSError as `prepare`.  Returns what was done, as sentences.
    """
    wanted = of_lessons(root, chosen)
    folder = root / MY_NOTEBOOKS
    folder.mkdir(exist_ok=True)
    origins, backup, messages = _origins(folder), folder / f"before-{datetime.now():%Y-%m-%d-%H%M%S}", []

    def put(lesson: Path) -> None:
        copy, kept = folder / lesson.name, backup / lesson.name
        try:
            with whole_file(copy) as write:
                write(lesson.read_bytes())
                if copy.exists() and _digest(copy) != _digest(lesson):
                    backup.mkdir(exist_ok=True)
                    shutil.move(copy, kept)
                    messages.append(f"{copy.name}: fresh copy; yours is now {kept.relative_to(root)}")
        except OSError:
            if kept.exists():           # the fresh one could not take its name: yours takes it again
                shutil.move(kept, copy)
            raise
        origins[lesson.name] = _digest(lesson)

    _copy_all(wanted, folder, put)
    _write_whole(folder / ORIGINS, json.dumps(origins, indent=1).encode())
    return messages or ["All copies were fresh already."]


def _copy_all(todo: Sequence[Path], folder: Path, put: Callable[[Path], None]) -> None:
    """Put each lesson into its place.  OSError says how much room is missing, before or after the disk said
    no.
    """
    taken, free = sum(lesson.stat().st_size for lesson in todo), shutil.disk_usage(folder).free
    if taken > free:
        raise OSError(errno.ENOSPC, f"the copies take {size(taken)}, {folder} has room for {size(free)}: "
                                    f"{size(taken - free)} are missing; nothing was copied")
    for number, lesson in enumerate(todo):
        clear_abandoned(folder / lesson.name)
        try:
            put(lesson)
        except OSError as error:
            rest, free = sum(one.stat().st_size for one in todo[number:]), shutil.disk_usage(folder).free
            why = str(error) if error.filename else error.strerror
            raise type(error)(error.errno, f"{why}. {number} of {len(todo)} lessons were copied; the others "
                                           f"take {size(rest)}, the disk has {size(free)} free") from None


def _write_whole(path: Path, data: bytes) -> None:
    """Under its name only when whole; nothing is left where that fails."""
    with whole_file(path) as write:
        write(data)


def _origins(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / ORIGINS).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
