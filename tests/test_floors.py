"""The house stands: imports only go down and never round, libraries stay in their rooms, pictures touch no
widget, a name means one thing, and no module, function or line grows too long.
"""

import ast
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "quantlab"
FLOORS = {"profile": 0, "words": 0, "basics": 1, "formats": 1, "methods": 2, "models": 3, "canvas": 3,
          "memory": 4, "inference": 4, "lab": 4, "stage": 4, "exhibits": 5, "oracles": 5,
          "lessons": 6, "cli": 6}
#: A library -> the rooms that may know it.
OWNERS = {"ipywidgets": {"stage"}, "anywidget": {"stage"}, "traitlets": {"stage", "cli"},
          "resvg_py": {"stage"}, "httpx": {"lab"}, "ollama": {"lab"}, "matplotlib": {"canvas"},
          "tokenizers": {"inference"}, "jinja2": {"inference"}}
SHAPES = {"text", "rect", "line", "circle", "polyline", "hatching", "page"}      # only pictures draw
#: They run the learner's own code, which may raise anything.
OWN_CODE = ("lessons/feedback.py", "lab/checks.py")
MODULE_LINES, FUNCTION_LINES, COLUMNS = 350, 45, 110
CORNER = 66                         # spaces: what is pushed further right is folded where nobody reads it
DRAWING = ("canvas", "exhibits")


def faults(name: str, source: str) -> list[str]:
    """What is wrong with the module `name` ("exhibits/bits.py", a path below quantlab/) of this source text.
    """
    tree, room = ast.parse(source), name.split("/")[0].removesuffix(".py")
    known = room in FLOORS or room in ("__init__", "__main__")
    found = [] if known else [f"{room} is on no floor: add it to FLOORS"]
    if (length := len(source.splitlines())) > MODULE_LINES:
        found.append(f"{length} lines: split it at {MODULE_LINES}")
    found += [f"line {i} has {len(line)} columns" for i, line in enumerate(source.splitlines(), 1)
              if len(line) > COLUMNS]
    found += [f"line {i} begins in the corner: give the call lines of its own" for i in cornered(source)]
    for node in ast.walk(tree):
        found += [f"line {node.lineno}: {words}" for words in _node_faults(node, name, room)]
    return found + (_pictures_with_widgets(tree, name) if room in DRAWING else [])


def cornered(source: str) -> list[int]:
    """Numbers of the lines of code that begin right of CORNER."""
    return [i for i, line in enumerate(source.splitlines(), 1)
            if len(line) - len(line.lstrip()) >= CORNER and not line.lstrip().startswith("#")]


def _pictures_with_widgets(tree: ast.Module, name: str) -> list[str]:
    """A function that returns a Picture knows nothing of the stage: it can be drawn where no widget is."""
    staged = {alias.asname or alias.name for node in ast.walk(tree)
              if isinstance(node, ast.Import | ast.ImportFrom)
              for alias, (module, _) in zip(node.names, _imported(node, name), strict=True)
              if module.startswith("quantlab.stage")}
    found = []
    for owner in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
        on_stage = isinstance(owner, ast.ClassDef) and {ast.unparse(base) for base in owner.bases} & staged
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) == "Picture":
                used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & staged
                found += [
                    f"line {node.lineno}: the picture {node.name} uses {used or 'a widget: its own class'}"
                ] if used or on_stage else []
    return found


def _node_faults(node: ast.AST, name: str, room: str) -> list[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _import_faults(node, name, room)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        length = node.end_lineno - node.lineno + 1
        return [f"{node.name} has {length} lines"] if length > FUNCTION_LINES else []
    if isinstance(node, ast.ExceptHandler):
        caught = "everything" if node.type is None else ast.unparse(node.type)
        broad = node.type is None or {"Exception", "BaseException"} & {
            n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)
        }
        return [f"catches {caught}"] if broad and name not in OWN_CODE else []
    if isinstance(node, ast.Constant) and isinstance(node.value,
                                                     str) and "<svg" in node.value and room not in DRAWING:
        return [] if "`<svg" in node.value else ["writes SVG outside canvas and exhibits"]
    return []


def _import_faults(node: ast.Import | ast.ImportFrom, name: str, room: str) -> list[str]:
    found = []
    for module, words in _imported(node, name):
        library, target, *_ = [*module.split("."), ""]
        if library != "quantlab":
            if library in OWNERS and room not in OWNERS[library] | {"__init__"}:
                found.append(f"imports {library}, which only {sorted(OWNERS[library])} may know")
            continue
        target = target or words
        if target == "__version__":
            continue
        if room in FLOORS and target != room and FLOORS.get(target, 99) >= FLOORS[room]:
            found.append(
                f"{room} (floor {FLOORS[room]}) imports {target} (floor {FLOORS.get(target, 'unknown')})")
        if module == "quantlab.canvas.svg" and words in SHAPES and room not in DRAWING:
            found.append(f"draws with {words}: an exhibit should")
    return found


def _imported(node: ast.Import | ast.ImportFrom, name: str):
    """(absolute module, imported name) for each thing an import statement takes."""
    if isinstance(node, ast.Import):
        return [(alias.name, "") for alias in node.names]
    package = ["quantlab", *name.split("/")[:-1]]
    base = package[: len(package) - node.level + 1] if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    return [(module, alias.name) for alias in node.names]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_keeps_the_rules_of_the_house(path):
    assert faults(path.relative_to(PACKAGE).as_posix(), path.read_text()) == []


def sources() -> dict[str, str]:
    return {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def test_no_module_leads_back_to_itself():
    """Imports at the top of a module, without those of type checkers; `TopologicalSorter` raises CycleError.
    """
    known = {f"quantlab.{name.removesuffix('.py').replace('/', '.')}": name for name in sources()}
    needs = defaultdict(set)
    for name, source in sources().items():
        for node in ast.parse(source).body:
            for module, words in (
                _imported(node, name) if isinstance(node, ast.Import | ast.ImportFrom) else ()
            ):
                needs[name] |= {known[m] for m in (module, f"{module}.{words}") if m in known} - {name}
    assert len([*TopologicalSorter(needs).static_order()]) > 100


def test_a_public_name_means_one_thing():
    """No class or function of one module has the name of another module's; the commands are named as users
    type them.
    """
    homes = defaultdict(list)
    for name, source in sources().items():
        for node in ast.parse(source).body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if named and "cli/" not in name:
                homes[node.name].append(name)
    assert {name: rooms for name, rooms in homes.items() if len(rooms) > 1} == {}


@pytest.mark.parametrize("folder", ["tests", "tools", "benchmarks"])
def test_no_line_elsewhere_begins_in_the_corner(folder):
    found = {path.name: cornered(path.read_text(encoding="utf-8"))
             for path in (PACKAGE.parent / folder).rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_there_is_a_house():
    assert len(list(PACKAGE.rglob("*.py"))) > 20


@pytest.mark.parametrize(("name", "source"), [
    ("canvas/bars.py", "from ..stage.base import show"),
    ("canvas/bars.py", f"x = (1,\n{' ' * 66}2)"),
    ("canvas/bars.py", "from .. import stage"),
    ("canvas/bars.py", "from ..models.source import open_model"),          # the same floor
    ("basics/floats.py", "from ..formats.table import FORMATS"),
    ("formats/table.py", "def late():\n    from ..models import source"),   # hidden in a function
    ("formats/table.py", "import quantlab.models.source"),
    ("methods/table.py", "from ..models.source import open_model"),
    ("formats/table.py", "from ..methods.even import searched"),
    ("formats/table.py", "from quantlab import open_model"),              # through the front door
    ("formats/table.py", "if True:\n    import httpx"),
    ("lessons/quiz.py", "import ipywidgets as widgets"),
    ("exhibits/bits.py", "import matplotlib.pyplot as plt"),
    ("memory/rule.py", "from ollama import Client"),
    ("lab/runner.py", "from ..canvas.svg import rect"),
    ("lab/runner.py", "x = '<svg width=3>'"),
    ("lab/runner.py", "x = f'<svg width={3}>'"),
    ("garden/tree.py", "x = 1"),
    ("exhibits/bits.py", "try:\n    pass\nexcept:\n    pass"),
    ("exhibits/bits.py", "try:\n    pass\nexcept (OSError, Exception):\n    pass"),
    ("exhibits/bits.py", "\n" * 351),
    ("exhibits/bits.py", "def long():\n" + "    x = 1\n" * 45),
    ("exhibits/bits.py", f"x = '{'a' * 106}'"),
    ("exhibits/bits.py",
     "from ..stage.base import show\ndef draw() -> Picture:\n    return show(page()).picture"),
    ("exhibits/bits.py",
     "from ..stage.base import Stage\nclass Lab(Stage):\n    def draw(self) -> Picture:\n        return 1"),
])
def test_the_checker_finds_what_it_forbids(name, source):
    assert len(faults(name, source)) == 1


@pytest.mark.parametrize(("name", "source"), [
    ("exhibits/bits.py", "from ..canvas.svg import notice\nfrom ..formats.table import FORMATS"),
    ("canvas/plots.py", "from .svg import rect\nfrom ..profile import stable\nx = '<svg>'"),
    ("lab/runner.py",
     "def ask():\n    import httpx\ntry:\n    pass\nexcept (OSError, ValueError):\n    pass"),
])
def test_the_checker_allows_what_is_right(name, source):
    assert faults(name, source) == []
