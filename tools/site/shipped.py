"""What a page's Python needs, put beside the pages: Pyodide's files, and those modules and tables of quantlab
that the exhibits open, found out by drawing them.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from tools.pyodide import folder as pyodide_folder

ROOT = Path(__file__).resolve().parents[2]
IN_PAGE, WORKER = (Path(__file__).with_name(name) for name in ("in_page.py", "worker.js"))
FOLDER, PACKAGE = "python", "quantlab.zip"
#: Draws each call at its first values, at its presets and with its panels, where nothing but Python is
#: installed, and tells the files of quantlab that were opened for it.
TRACE = """
import json, sys
opened = set()
sys.addaudithook(lambda event, args: event == "open" and opened.add(str(args[0])))
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "quantlab", "tools"}:
            raise ImportError(f"a page's Python has no {name}")
sys.meta_path.insert(0, Refused())
from tools.site import in_page
for call in json.loads(sys.argv[1]):
    exhibit = in_page.made(call)
    in_page.drawn(call, "x", in_page.first_stops(exhibit), [*exhibit.panels])
    for values in exhibit.presets.values():
        exhibit.picture(exhibit.initial | values)
loaded = {module.__file__ for name, module in [*sys.modules.items()] if name.startswith("quantlab")}
print(json.dumps(sorted(loaded | {one for one in opened if "/quantlab/data/" in one.replace("\\\\", "/")})))
"""


def needed(calls: Iterable[str]) -> list[Path]:
    """The files of quantlab that these calls open.  ValueError for one that needs more than Python has."""
    told = subprocess.run([sys.executable, "-c", TRACE, json.dumps([*calls])], cwd=ROOT, check=False,
                          capture_output=True, text=True, env=os.environ | {"QUANTLAB_PROFILE": "reference"})
    if told.returncode:
        raise ValueError(f"a page's Python cannot draw all of it: {told.stderr.strip().splitlines()[-1]}")
    return [Path(name) for name in json.loads(told.stdout)]


def package(files: Iterable[Path]) -> bytes:
    """The modules and tables as a zip that is the same on every day."""
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for path, name in [*((path, path.relative_to(ROOT).as_posix()) for path in files),
                           (IN_PAGE, IN_PAGE.name)]:
            archive.writestr(ZipInfo(name), path.read_bytes(), ZIP_DEFLATED)
    return packed.getvalue()


def ship(site: Path, calls: Iterable[str]) -> int:
    """Put everything into the folder `python` of the site; returns the bytes that a page loads of it."""
    to = Path(shutil.copytree(pyodide_folder(), site / FOLDER))
    (to / PACKAGE).write_bytes(package(needed(calls)))
    (to / WORKER.name).write_bytes(WORKER.read_bytes())
    return sum(path.stat().st_size for path in to.iterdir())
