"""What ships is explained: each data file has its section, with source and date, and the whole stays small."""

from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "quantlab" / "data"


def test_every_data_file_has_a_section():
    headings = {line.removeprefix("## ").strip() for line in (DATA / "README.md").read_text().splitlines() if line.startswith("## ")}
    shipped = {path.name + "/" * path.is_dir() for path in DATA.iterdir() if path.suffix != ".md" and path.name != "__pycache__"}
    assert shipped == headings


def test_the_data_stays_under_two_megabytes():
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 2e6
