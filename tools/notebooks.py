"""Execute lessons under the reference profile and write them back clean: outputs kept, nothing of this
machine.

    python tools/notebooks.py            all lessons and the glossary
    python tools/notebooks.py 01 06      those whose names start so
    python tools/notebooks.py --check    only say which files are not clean (pre-commit)
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
KEPT_CELL_METADATA = {"tags", "jupyter"}
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


def clean(notebook, stem: str):
    """Stable cell ids, no widget state, no random ids, no versions; execution counts and outputs stay."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"{stem[:2]}-{i:02d}"
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items()
                                            if k in KEPT_CELL_METADATA})
        for output in cell.get("outputs", []):
            output.pop("transient", None)
            if WIDGET in output.get("data", {}):
                output["data"][WIDGET]["model_id"] = cell["id"]      # otherwise a new random one at every run
    return notebook


def execute(path: Path) -> None:
    os.environ["QUANTLAB_PROFILE"] = "reference"
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", store_widget_state=False,
                   resources={"metadata": {"path": str(path.parent)}}).execute()
    nbformat.write(clean(notebook, path.stem), path)


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    chosen = [a for a in arguments if not a.startswith("-")]
    dirty = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if chosen and not path.name.startswith(tuple(chosen)):
            continue
        if not check:
            print(path.name, flush=True)
            execute(path)
        elif nbformat.writes(clean(nbformat.read(path, as_version=4),
                                   path.stem)).strip() != path.read_text().strip():
            dirty.append(path.name)
    if dirty:
        print("not clean, run `make notebooks`:", *dirty)
    return bool(dirty)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
