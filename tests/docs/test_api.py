"""docs/api.md is what the docstrings say, and the tool that writes it shows signatures as they are called."""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import quantlab as ql

ROOT = Path(__file__).resolve().parents[2]


def tool():
    spec = importlib.util.spec_from_file_location("api", ROOT / "tools" / "api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


api = tool()
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")

SAMPLE = '''
from .other import LIMIT, borrowed, Base
SECONDS = 2.5
SIZES = (1, 2)

#: name -> bytes,
#: smallest first.
TABLE: dict[str, int] = {"a": 1}
bare = 3

def ask(x, /, names: list[str], *more: int, seconds: float = SECONDS, sizes=SIZES, limit=LIMIT,
        **rest) -> "Answer":
    """Ask `x*y` for 2 * 3 < 7 (lesson 00_start_here, not 99_nothing).

        ask(1, ["*"])
    """

def silent(): pass

class Answer:
    """What came."""
    def __init__(self, text: str, *, why="no"): pass
    def words(self, n: int = 3) -> list[str]:
        """The first."""
    @property
    def length(self) -> int:
        """In
        letters."""
    def hidden(self): pass
    def _own(self): "Own."

class Late(Base):
    """Made like its base."""

@dataclass(frozen=True, kw_only=True)
class Row:
    """A row."""
    name: str
    seconds: float = SECONDS
'''
OTHER = '''
LIMIT = "all"

def borrowed(a): """From elsewhere."""

class Base:
    def __init__(self, first: int): pass
'''


@pytest.fixture
def entry(tmp_path):
    """The entry of a name in the sample, without its heading."""
    room = tmp_path / "room"
    room.mkdir()
    (room / "__init__.py").write_text('"""A room."""\nfrom .sample import TABLE\n')
    (room / "sample.py").write_text(SAMPLE)
    (room / "other.py").write_text(OTHER)
    source = api.Source(tmp_path)
    return lambda name, module="room.sample": source.entry(module, name).removeprefix(f"### {name}\n\n")


def code(signature: str, words: str) -> str:
    return f"```python\n{signature}\n```\n\n{words}\n"


def test_the_page_is_what_the_docstrings_say(capsys):
    assert api.main(["--check"]) == 0, capsys.readouterr().out


def test_a_page_that_is_behind_is_refused_with_the_line(tmp_path, monkeypatch, capsys):
    old = tmp_path / "api.md"
    monkeypatch.setattr(api, "PAGE", old)
    assert api.main(["--check"]) == 1
    old.write_text(PAGE.replace("# Public names", "# Public name", 1), encoding="utf-8")
    assert api.main(["--check"]) == 1
    assert "from line 1 on: run `make api`" in capsys.readouterr().out
    assert api.main([]) == 0 and old.read_text(encoding="utf-8") == PAGE


def test_every_public_name_stands_there_once_and_is_linked():
    headings = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert sorted(headings) == ql.__all__
    headings = re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
    anchors = [re.sub(r"[^\w-]", "", heading).lower() for heading in headings]
    assert len(anchors) == len(set(anchors))
    assert sorted(re.findall(r"\]\(#([^)]+)\)", PAGE)) == sorted(anchors)


@pytest.mark.parametrize("name", [name for name in ql.__all__ if inspect.isfunction(getattr(ql, name))])
def test_a_signature_has_the_arguments_that_python_sees(name):
    shown = re.search(rf"^### {name}\n\n```python\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)[1]
    for argument in inspect.signature(getattr(ql, name)).parameters:
        assert re.search(rf"[(\s*]{argument}\b", shown)


def test_arguments_and_defaults(entry):
    signature = ("ask(\n    x, /, names: list[str], *more: int, seconds: float = 2.5, sizes=SIZES, "
                 "limit='all', **rest,\n) -> Answer")
    link = "[00_start_here](../notebooks/00_start_here.ipynb)"
    assert entry("ask") == code(signature, f"Ask `x*y` for 2 \\* 3 \\< 7 (lesson {link}, not 99_nothing).\n\n"
                                '    ask(1, ["*"])')


def test_classes_are_shown_as_they_are_called(entry):
    assert entry("Answer") == code("class Answer(text: str, *, why='no')", "What came.") + (
        "\n- `.words(n: int = 3) -> list[str]`\n  The first.\n- `.length -> int`\n  In\n  letters.\n")
    assert entry("Late") == code("class Late(first: int)", "Made like its base.")
    assert entry("Row") == code("class Row(*, name: str, seconds: float = 2.5)", "A row.")


def test_tables_and_what_comes_from_elsewhere(entry):
    table = code("TABLE: dict[str, int]", "name -> bytes,\nsmallest first.")
    assert entry("TABLE") == entry("TABLE", "room") == table
    assert entry("borrowed") == code("borrowed(a)", "From elsewhere.")


@pytest.mark.parametrize(("name", "words"), [
    ("silent", "silent in quantlab.room.sample needs a docstring"),
    ("bare", "bare in quantlab.room.sample needs a docstring, or `#:` lines"),
    ("lost", "quantlab.room.sample defines no lost")])
def test_a_name_that_is_unexplained_or_missing_is_refused(entry, name, words):
    with pytest.raises(LookupError, match=words):
        entry(name)
