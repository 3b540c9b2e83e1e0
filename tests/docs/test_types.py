"""docs/types.md has every type and every mix, as the package's tables say them."""

from pathlib import Path

from quantlab.formats.table import FORMATS
from quantlab.models.recipe_rules import GONE, USUAL
from tools import type_tables


def test_the_page_is_what_the_tables_say():
    assert type_tables.main(["--check"]) == 0


def test_a_page_that_is_behind_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(type_tables, "PAGE", tmp_path / "types.md")
    assert type_tables.main(["--check"]) == 1 and "make api" in capsys.readouterr().err
    assert type_tables.main([]) == type_tables.main(["--check"]) == 0


def test_every_type_and_every_mix_has_its_row():
    lines = type_tables.PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ")[0].removeprefix("| ") for line in lines]
    assert set(FORMATS) | {*USUAL, "COPY"} <= set(rows)
    assert all(any(row.startswith(name) for row in rows) for name in GONE)
    readme = (Path(type_tables.PAGE).parent.parent / "README.md").read_text(encoding="utf-8")
    assert "docs/types.md" in readme
