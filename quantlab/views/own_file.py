"""A file of the learner's own: from which file it was made, how large it is, what Ollama says of it and what the model answers."""

from collections.abc import Mapping

from .page import shown, wrapped
from .style import BLUE, GREY, MUTE, ORANGE, SOFT, WIDTH, Picture
from .svg import line, page, rect, text

MARGIN, LEFT, LEADING, MOST_LINES = 16, 128, 17, 12


def draw_own_file(run: Mapping[str, object], notice: str = "") -> Picture:
    """Two bars, a few lines of `ollama show`, and the answer.

    run: source, source_bytes, ftype, file_type, bytes, seconds, name, level (Ollama's word for the quantization), parameters,
    architecture; imatrix, a file's name, if one was used; and question and answer once there are any.
    notice: a line that must be seen, such as when it was recorded.
    """
    body, y = [], 70
    for words in wrapped(notice, 116, 3) if notice else ():
        body += [rect(MARGIN, y - 2, 4, 16, ORANGE, radius=0), text(MARGIN + 14, y + 10, words, size=11)]
        y += 16
    y += 6 if notice else 0
    for name, count, tone in (("16-bit source", run["source_bytes"], GREY), (run["ftype"], run["bytes"], BLUE)):
        body += _bar(name, count, run["source_bytes"], tone, y)
        y += 30
    body += _told(run, y + 4)
    y += 116
    if run.get("answer"):
        said = wrapped(str(run["answer"]), 104, MOST_LINES)
        body += [text(MARGIN + 12, y + 18, f"You: {shown(run['question'], 90)}", bold=True),
                 line(MARGIN, y + 2, MARGIN, y + 34 + LEADING * len(said), stroke=ORANGE, width=3)]
        body += [text(MARGIN + 12, y + 40 + LEADING * i, words, size=12) for i, words in enumerate(said)]
        y += 46 + LEADING * len(said)
    known = run["level"] != "unknown"
    finding = f"Ollama runs our {run['ftype']} file" + (" and names it" if known else ", and calls its quantization “unknown”")
    made = f"{run['ftype']} with {shown(run['imatrix'], 24)}" if "imatrix" in run else run["ftype"]
    subtitle = f"{shown(run['source'], 50)} as {made}: written in {run['seconds']:.1f} s, then made a model by “ollama create”."
    return page(int(y) + 8, body, finding=finding, subtitle=subtitle, table=_table(run))


def _bar(name: str, count: float, full: float, tone: str, y: float) -> list[str]:
    width = (WIDTH - MARGIN - LEFT - 90) * min(count / full, 1)
    return [text(LEFT - 8, y + 17, name, size=12, anchor="end"), rect(LEFT, y, width, 24, tone, radius=3),
            text(LEFT + width + 8, y + 17, f"{count / 1e6:,.1f} MB", bold=True)]


def _told(run: Mapping[str, object], y: float) -> list[str]:
    """The server's own words, and where the last of them comes from."""
    rows = (("architecture", run["architecture"]), ("parameters", run["parameters"]), ("quantization", run["level"]))
    body = [rect(MARGIN, y, WIDTH - 2 * MARGIN, 102, SOFT, radius=6),
            text(MARGIN + 12, y + 20, f"$ ollama show {shown(run['name'], 60)}", size=12, fill=MUTE, mono=True)]
    body += [text(MARGIN + 12, y + 40 + LEADING * i, f"{name:16}{shown(words, 40)}".replace(" ", "\u00a0"), size=12, mono=True)
             for i, (name, words) in enumerate(rows)]
    no_name = "Ollama has no name for this number" if run["level"] == "unknown" else "Ollama knows this number"
    said = f"The file says general.file_type = {run['file_type']}: {run['ftype']} in llama.cpp's list. {no_name}."
    return [*body, rect(MARGIN, y + 62, 4, LEADING, ORANGE, radius=0), text(MARGIN + 12, y + 93, said, size=12)]


def _table(run: Mapping[str, object]) -> tuple[tuple[str, ...], ...]:
    keys = ("source", "source_bytes", "ftype", "file_type", "bytes", "seconds", "name", "architecture", "parameters", "level")
    rows = [(key, shown(str(run[key]), 100)) for key in (*keys, "imatrix", "question", "answer") if key in run]
    return (("what", "value"), *rows)
