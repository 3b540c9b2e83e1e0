"""What ships is explained: each data file has its section, with source and date, and the whole stays small.
"""

import json
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "quantlab" / "data"


def test_every_data_file_has_a_section():
    headings = {line.removeprefix("## ").strip() for line in (DATA / "README.md").read_text().splitlines()
                if line.startswith("## ")}
    shipped = {path.name + "/" * path.is_dir() for path in DATA.iterdir() if path.suffix != ".md"
               and path.name != "__pycache__"}
    assert shipped == headings


def test_the_data_stays_small():
    """15 MB, of which the tiny Llama has 8.4, the one with experts 2.4, the one trained for Q2_K 1.4."""
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 15e6


def test_the_held_out_text_holds_none_of_the_passages():
    held_out = (DATA / "tiny" / "held_out.txt").read_text()
    passages = json.loads((DATA / "tiny" / "passages.json").read_text())
    assert len(held_out) > 100_000
    assert [sum(row["by_heart"] == kind for row in passages) for kind in (True, False)] == [28, 14]
    assert [row["opening"] for row in passages if row["opening"] in held_out] == []
