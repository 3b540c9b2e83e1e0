"""What was found on this machine: for a learner ("why is there no Ollama?") and for a bug report."""

import platform
import sys
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .. import __version__
from ..lab.server import LabError, Server
from ..lab.versions import SAME, differences, standing
from ..memory.machine import my_machine
from ..models.store import pulled_models, store_roots
from ..profile import is_reference
from ..words import gib, prose

PACKAGES = ("jupyterlab", "ipywidgets", "numpy", "pandas", "matplotlib", "gguf", "ollama")


@dataclass(frozen=True)
class Findings:
    """Rows of (what, what was found, what to do about it); prints as text, as HTML in a notebook, as Markdown
    for an issue.
    """

    rows: tuple[tuple[str, str, str], ...]

    def __repr__(self) -> str:
        width = max(len(what) for what, _, _ in self.rows)
        lines = [f"{what:<{width}}  {found}" + (f"\n{'':<{width}}  → {advice}" if advice else "")
                 for what, found, advice in self.rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        left = 'style="text-align:left"'
        lines = [f'<tr><th scope="row" {left}>{escape(what)}</th><td {left}>{escape(found)}'
                 + (f"<br>→ {prose(advice)}" if advice else "") + "</td></tr>"
                 for what, found, advice in self.rows]
        return f"<table>{''.join(lines)}</table>"

    def markdown(self) -> str:
        """As a Markdown table for a bug report."""
        cells = [tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows]
        return "\n".join(["| what | found | to do |", "|---|---|---|",
                          *(f"| {a} | {b} | {c} |" for a, b, c in cells)])


def doctor() -> Findings:
    """Look at Python, packages, memory, graphics cards, Ollama and its model store; never raises, never
    changes anything.
    """
    if is_reference():
        profile = ("profile", "reference: a fixed machine, so that this page repeats",
                   "run the cell yourself to see your own machine")
        server = ("Ollama", "none (reference profile)", "recorded runs are shown in lessons 07 and 09")
        return Findings((profile, *_machine(), server))
    return Findings((("quantlab", __version__, ""), *_software(), *_machine(), *_server(), *_stores()))


def _software() -> list[tuple[str, str, str]]:
    python = f"{platform.python_version()} on {platform.system()} {platform.release()} ({platform.machine()})"
    advice = "" if (3, 11) <= sys.version_info[:2] <= (3, 13) else "tested with Python 3.11 to 3.13"
    found, missing = [], []
    for package in PACKAGES:
        try:
            found.append(f"{'JupyterLab' if package == 'jupyterlab' else package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    lack = f"missing: {', '.join(missing)}; run the setup again" if missing else ""
    return [("Python", python, advice), ("packages", ", ".join(found), lack)]


def _machine() -> list[tuple[str, str, str]]:
    machine = my_machine()
    memory = f"{gib(machine.ram_bytes)}, {gib(machine.ram_free_bytes)} free"
    cards = [f"{gpu.name}: {gib(gpu.total_bytes)}, {gib(gpu.free_bytes)} free"
             for gpu in machine.gpus]
    return [("memory", memory, ""),
            ("graphics", "; ".join(cards) or "no card found",
             "" if cards else "models run on the processor; lesson 06 lets you choose a card")]


def _server() -> list[tuple[str, str, str]]:
    """Where the server is, and, for another version than the checked one, what it does otherwise."""
    server = Server()
    try:
        told = server.version()
        found = f"version {told} at {server.address}, {len(server.models())} models"
    except LabError as error:
        return [("Ollama", str(error), "lessons 07 and 09 show recorded runs until a server answers")]
    said = differences(told)
    advice = " ".join(filter(None, (server.odd, said.heading if standing(told) != SAME else "")))
    return [("Ollama", found, advice), *((f"  {one.key}", one.says, "") for one in said.statements)]


def _stores() -> list[tuple[str, str, str]]:
    rows = []
    for root in store_roots():
        try:
            if not (root / "manifests").is_dir():
                continue
            next((root / "blobs").iterdir(), None)
        except PermissionError:
            rows.append(("model store", f"{_home(root)}: not readable",
                         "it belongs to the Ollama service; its models are looked at through the server"))
        else:
            rows.append(("model store", f"{_home(root)}: {len(pulled_models([root]))} models", ""))
    return rows or [("model store", "none on this machine", "it appears with the first `ollama pull`")]


def _home(path: Path) -> str:
    """The path without the user's name, fit for a public bug report."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except ValueError:
        return str(path)
