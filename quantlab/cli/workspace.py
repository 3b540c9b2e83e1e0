"""The learner's own copies of the lessons: made once, never overwritten unasked, replaced only with a backup.
"""

import hashlib
import json
import shutil
from datetime import datetime
from pathlib import Path

FOLDER = "my_notebooks"
ORIGINS = ".origins.json"      # digest of the lesson each copy was made from


def project_root() -> Path:
    """The folder that holds `notebooks/`: where the command runs, or the checkout the package was installed
    from.

    FileNotFoundError with what to do when there is neither.
    """
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / "notebooks" / "00_start_here.ipynb").is_file():
            return folder
    raise FileNotFoundError(
        f"No lessons here: {Path.cwd()} has no folder 'notebooks' with 00_start_here.ipynb. "
        "Change into the quantlab folder that you cloned, then try again.")


def lessons(root: Path) -> list[Path]:
    return sorted((root / "notebooks").glob("[0-9]*.ipynb"))


def prepare(root: Path) -> tuple[Path, list[str]]:
    """Copy the lessons that are not there yet; returns the folder and messages about lessons that changed
    since.
    """
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    origins, messages = _origins(folder), []
    for lesson in lessons(root):
        copy, digest = folder / lesson.name, _digest(lesson)
        if not copy.exists():
            _copy(lesson, copy)
            origins[lesson.name] = digest
        elif origins.get(lesson.name) != digest:
            messages.append(f"{lesson.name} has a newer version; yours is kept. Bring the new one: "
                            f"python -m quantlab reset {lesson.name[:2]}")
    (folder / ORIGINS).write_text(json.dumps(origins, indent=1))
    return folder, messages


def reset(root: Path, chosen: list[str]) -> list[str]:
    """Fresh copies of the chosen lessons (by the start of their names; all when empty); yours move to a
    backup folder.

    ValueError when a chosen name fits no lesson.  Returns what was done, as sentences.
    """
    everything = lessons(root)
    wanted = [lesson for lesson in everything if not chosen or lesson.name.startswith(tuple(chosen))]
    for name in chosen:
        if not any(lesson.name.startswith(name) for lesson in everything):
            raise ValueError(
                f"no lesson's name starts with {name!r}; there are {', '.join(p.stem for p in everything)}")
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    origins, backup, messages = _origins(folder), folder / f"before-{datetime.now():%Y-%m-%d-%H%M%S}", []
    for lesson in wanted:
        copy = folder / lesson.name
        if copy.exists() and _digest(copy) != _digest(lesson):
            backup.mkdir(exist_ok=True)
            shutil.move(copy, backup / lesson.name)
            messages.append(f"{lesson.name}: fresh copy; yours is now {FOLDER}/{backup.name}/{lesson.name}")
        _copy(lesson, copy)
        origins[lesson.name] = _digest(lesson)
    (folder / ORIGINS).write_text(json.dumps(origins, indent=1))
    return messages or ["All copies were fresh already."]


def _copy(lesson: Path, copy: Path) -> None:
    """Under the final name only when whole."""
    half = copy.with_suffix(".part")
    shutil.copyfile(lesson, half)
    half.replace(copy)


def _origins(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / ORIGINS).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
