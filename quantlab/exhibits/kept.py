"""What a learner has set in the laboratory, kept in a file beside the results: a restarted kernel forgets,
and so should nobody have to type it again.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..models.whole_file import whole_file

FILE = "comparison-settings.json"       # in the folder of the notebook, where the results files are, too


def kept(call: str, place: Path | None = None) -> dict:
    """What was set last in the exhibit that `call` makes; {} for nothing, and for a file that is none."""
    settings = _read(place or Path(FILE)).get(call)
    return settings if isinstance(settings, dict) else {}


def keep(call: str, settings: Mapping, place: Path | None = None) -> None:
    """Write down what is set in the exhibit that `call` makes; what other exhibits have written stays.

    A folder that cannot be written is no reason to stop: then nothing is kept.
    """
    place = place or Path(FILE)
    every = _read(place)
    if every.get(call) != settings:
        with suppress(OSError, ValueError), whole_file(place) as write:
            write(json.dumps({**every, call: dict(settings)}, indent=1).encode())


def _read(place: Path) -> dict:
    try:
        found = json.loads(place.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
