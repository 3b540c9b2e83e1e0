"""Lesson 18: the map of the field. Names that people meet on hubs, each in terms of the mechanisms that this
package runs: what it does, which programs and cards read it, since when, and who says so.
"""

import csv
from collections.abc import Sequence
from functools import cache, partial
from typing import NamedTuple

from ..canvas.recital import FOR_TIPS
from ..canvas.style import BLUE, INK, Picture
from ..canvas.svg import circle, here, line, page, panel, quiet, rect, text, touchable
from ..methods.table import METHODS
from ..models.source import DATA
from ..stage.base import Stage
from ..stage.exhibit import Exhibit
from ..stage.handles import menu
from ..stage.share import recalled
from ..words import one_of, wrapped

#: Mechanism -> the head of its column. The last two are no ways to round.
MECHANISMS = {"nearest": "plain", "importance": "importance", "scaling": "scaling", "feedback": "feedback",
              "rotation": "rotation", "training": "training", "mix": "mix"}
ELSEWHERE = {"training": "training with rounded weights", "mix": "more bits for some matrices"}
TOP, ROW, FIRST, COLUMN = 104, 26, 275, 62
LETTERS = 108                           # of a line of the panel


class Known(NamedTuple):
    """A row of data/field.csv.  since: year and month.  mechanisms: keys of MECHANISMS.  bits: per weight."""

    name: str
    since: str
    mechanisms: tuple[str, ...]
    bits: str
    what: str
    programs: str
    hardware: str
    source: str

    @property
    def said(self) -> str:
        """What it is, in half a sentence."""
        return " and ".join(title_of_mechanism(name) for name in self.mechanisms)


@cache
def known_field() -> tuple[Known, ...]:
    """All rows, in the order of the file."""
    with (DATA / "field.csv").open(encoding="utf-8", newline="") as file:
        return tuple(Known(**row | {"mechanisms": tuple(row["mechanisms"].split())})
                     for row in csv.DictReader(file))


def title_of_mechanism(name: str) -> str:
    """A mechanism in words."""
    return ELSEWHERE.get(name) or METHODS[name].title


def draw_field(rows: Sequence[Known], name: str) -> Picture:
    """A dot for each mechanism of each name; all that is known of one below."""
    place = [row.name for row in rows].index(name)
    chosen, bottom = rows[place], TOP + ROW * len(rows)
    body = [quiet(16, TOP - 12, "name"), quiet(180, TOP - 12, "since"),
            quiet(744, TOP - 12, "bits", anchor="end")]
    for i, words in enumerate(MECHANISMS.values()):
        x = FIRST + COLUMN * i
        body += [quiet(x, TOP - 12, words, anchor="middle"), line(x, TOP - 4, x, bottom - 4)]
    for i, row in enumerate(rows):
        y = TOP + ROW * i
        shapes = [rect(10, y - 2, 740, ROW - 2, "none", radius=4), quiet(180, y + 15, row.since, size=12),
                  text(16, y + 15, row.name, size=12, bold=row is chosen),
                  text(744, y + 15, row.bits, size=12, anchor="end")]
        shapes += [circle(FIRST + COLUMN * j, y + 10, 7, BLUE, stroke=INK)
                   for j, mechanism in enumerate(MECHANISMS) if mechanism in row.mechanisms]
        tips = f"{row.name}: {row.said}".translate(FOR_TIPS) + "*1"
        body.append(touchable(shapes, first=i, cells=1, tips=tips))
    y = TOP + ROW * place
    frame = rect(10, y - 2, 740, ROW - 2, "none", stroke=INK, stroke_width=2, radius=4)
    body.append(here(f"{name}: {chosen.said}", frame))
    lines = [f"{name}, since {chosen.since}", *wrapped(chosen.what, LETTERS, 2),
             *wrapped(f"Read by: {chosen.programs}. Hardware: {chosen.hardware}.", LETTERS, 2),
             f"Source: {chosen.source}"]
    body += panel(lines, bottom + 8, 126)
    return page(bottom + 142, body, finding=f"{name} is {chosen.said}", role="group",
                subtitle=f"{len(rows)} names of hubs and papers, and what each does; since: first published",
                table=(("name", "since", "mechanisms", "bits", "what", "programs", "hardware", "source"),
                       *((row.name, row.since, row.said, *row[3:]) for row in rows))
                ).telling({"trained": int("training" in chosen.mechanisms),
                           "in_ollama": int("Ollama" in chosen.programs)})


KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End"
LABEL = "Names of quantized files and what each does. Up and down: the next name."


class FieldMap(Stage):
    """Arrows and clicks choose a name."""

    arrows = "name"


@recalled
def explore_field(name: str = "GPTQ") -> FieldMap:
    """GPTQ, AWQ, EXL3, FP8, NVFP4, QAT and others: which mechanisms each is made of, and what reads it.

    name: the one to begin with.  Raises ValueError for one that is not in the table.
    """
    rows = known_field()
    names = [row.name for row in rows]
    return FieldMap(Exhibit([menu("name", "name", one_of("name of the field", name, names), names)],
                            partial(draw_field, rows), keys=KEYS, label=LABEL,
                            note="Each line has its source in the table. Programs change quickly: read what "
                                 "yours says."))
