"""Which permission is missing when a file may not be read: the folder on the way to it, its owner and its mode."""

import os
import stat
from pathlib import Path


def denied(path) -> str:
    """Why `path` may not be read by this user, in words: the first place on the way to it that is closed.

    On Linux and macOS: the missing letter (x to enter a folder, r to list a folder or read a file), mode and owner,
    and the group that would open it. On Windows, and where access lists decide, only that it is denied.
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
    except (OSError, KeyError, NotImplementedError):        # no such names on Windows, none for an unknown number
        return f"permission {letter} is missing on {place}"
    words = f"permission {letter} is missing on {place} ({stat.filemode(status.st_mode)} {owner}:{group})"
    opens = stat.S_IRGRP if letter == "r" else stat.S_IXGRP
    return f"{words}; members of the group {group} have it" if status.st_mode & opens and group != "root" else words
