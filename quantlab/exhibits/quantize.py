"""A file of the learner's own: from which file it was made, how large it is, what Ollama says of it and what
the model answers.

Lesson 09's second explorer: any mix of llama.cpp from a 16-bit model, made here, run by Ollama, and asked
something.
"""

import re
import time
from collections.abc import Mapping
from pathlib import Path

import ipywidgets as widgets

from ..canvas.answers import shown, wrapped
from ..canvas.style import BLUE, GREY, MUTE, ORANGE, SOFT, WIDTH, Picture, Table
from ..canvas.svg import line, page, rect, text
from ..lab.custom import create_custom_model
from ..lab.records import provenance, recorded
from ..models.plan import written_ftypes
from ..models.progress import Cancelled
from ..models.source import open_model
from ..models.types import FTYPES
from ..models.writer import quantize_model
from .workbench import NAMED, WIDE, Workbench, button, installed_models, row

MARGIN, LEFT, LEADING, MOST_LINES = 16, 128, 17, 12


def draw_own_file(run: Mapping[str, object], notice: str = "") -> Picture:
    """Two bars, a few lines of `ollama show`, and the answer.

    run: source, source_bytes, ftype, file_type, bytes, seconds, name, level (Ollama's word for the
    quantization), parameters, architecture; imatrix, a file's name, if one was used; and question and answer
    once there are any.
    notice: a line that must be seen, such as when it was recorded.
    """
    body, y = [], 70
    for words in wrapped(notice, 116, 3) if notice else ():
        body += [rect(MARGIN, y - 2, 4, 16, ORANGE, radius=0), text(MARGIN + 14, y + 10, words, size=11)]
        y += 16
    y += 6 if notice else 0
    for name, count, tone in (("16-bit source", run["source_bytes"], GREY),
                              (run["ftype"], run["bytes"], BLUE)):
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
    finding = f"Ollama runs our {run['ftype']} file" + (" and names it" if known
                                                        else ", and calls its quantization “unknown”")
    made = f"{run['ftype']} with {shown(run['imatrix'], 24)}" if "imatrix" in run else run["ftype"]
    subtitle = f"{shown(run['source'], 50)} as {made}: written in {run['seconds']:.1f} s, then made a model by “ollama create”."
    return page(int(y) + 8, body, finding=finding, subtitle=subtitle, table=_table(run))


def _bar(name: str, count: float, full: float, tone: str, y: float) -> list[str]:
    width = (WIDTH - MARGIN - LEFT - 90) * min(count / full, 1)
    return [text(LEFT - 8, y + 17, name, size=12, anchor="end"), rect(LEFT, y, width, 24, tone, radius=3),
            text(LEFT + width + 8, y + 17, f"{count / 1e6:,.1f} MB", bold=True)]


def _told(run: Mapping[str, object], y: float) -> list[str]:
    """The server's own words, and where the last of them comes from."""
    rows = (("architecture", run["architecture"]), ("parameters", run["parameters"]),
            ("quantization", run["level"]))
    body = [rect(MARGIN, y, WIDTH - 2 * MARGIN, 102, SOFT, radius=6),
            text(MARGIN + 12, y + 20, f"$ ollama show {shown(run['name'], 60)}", size=12, fill=MUTE,
                 mono=True)]
    body += [text(MARGIN + 12, y + 40 + LEADING * i, f"{name:16}{shown(words, 40)}".replace(" ", "\u00a0"),
                  size=12, mono=True) for i, (name, words) in enumerate(rows)]
    no_name = "Ollama has no name for this number" if run[
        "level"] == "unknown" else "Ollama knows this number"
    said = f"The file says general.file_type = {run['file_type']}: {run['ftype']} in llama.cpp's list. {no_name}."
    return [*body, rect(MARGIN, y + 62, 4, LEADING, ORANGE, radius=0),
            text(MARGIN + 12, y + 93, said, size=12)]


def _table(run: Mapping[str, object]) -> Table:
    keys = ("source", "source_bytes", "ftype", "file_type", "bytes", "seconds", "name", "architecture",
            "parameters", "level")
    rows = [(key, shown(str(run[key]), 100)) for key in (*keys, "imatrix", "question", "answer")
            if key in run]
    return (("what", "value"), *rows)


MOST_TOKENS = 200       # a small model may never come to an end


def explore_quantize(source: str | None = None, ftype: str = "IQ4_XS", imatrix: str | None = None,
                     **options) -> "QuantizeLab":
    """Quantize a 16-bit model to any mix of llama.cpp, give the file to Ollama, see what it says of it, and
    ask it something.

    source: a GGUF path or a pulled model with 16 or 32 bits.  imatrix: the path of llama.cpp's GGUF file,
    which the smallest mixes need.
    options: Ollama's, for the answers (num_thread, ...).  Without a server a recorded run is shown.
    Raises ValueError for an ftype that is not written here.
    """
    if str(ftype).upper() not in written_ftypes():
        raise ValueError(f"ftype {ftype!r} is not written here; there are {', '.join(written_ftypes())}")
    return QuantizeLab(str(source or ""), ftype.upper(), str(imatrix or ""), options)


class QuantizeLab(Workbench):
    """`made` holds what is drawn: the file, what the server says of it, question and answer."""

    def __init__(self, source: str, ftype: str, imatrix: str, options: dict):
        self.options, self.live, self.made, self.model = options, False, {}, None
        runs = recorded("own_file")["runs"]
        self.runs = {run["ftype"]: run for run in runs}
        self.source = widgets.Text(value=source, description="From",
                                   placeholder="a GGUF file, or a pulled model with 16 bits",
                                   layout=dict(width="450px"), style=NAMED)
        self.ftype = widgets.Dropdown(options=written_ftypes(), value=ftype, description="ftype",
                                      layout=dict(width="280px"), style=NAMED)
        self.imatrix = widgets.Text(value=imatrix, description="imatrix",
                                    placeholder="a GGUF file; most mixes need none",
                                    layout=dict(width="450px"), style=NAMED)
        self.make = button("Quantize and create", "Write the file, then let Ollama make a model of it",
                           self.press_make)
        self.stop = button("Cancel", "Stop; nothing is left of a file that is not whole",
                           lambda: self.cancel.set())
        self.question = widgets.Text(value=runs[0]["question"], description="Ask it",
                                     layout=dict(width="600px"), style=NAMED)
        self.ask = button("Ask", "Send the question to your model", self.press_ask)
        controls = {"source": self.source, "ftype": self.ftype, "imatrix": self.imatrix, "make": self.make,
                    "cancel": self.stop, "question": self.question, "ask": self.ask}
        rows = [row([self.source, self.ftype]), row([self.imatrix]), row([self.make, self.stop]),
                row([self.question, self.ask])]
        super().__init__(controls, rows, draw_own_file(self.runs.get(ftype, runs[0]), provenance("own_file")))
        self.status.layout = dict(WIDE)
        self.ftype.observe(lambda _change: self._show_recorded(), names="value")
        self.look()

    def look(self) -> None:
        """Find the server; without one show the recorded run."""
        installed, why = installed_models(self.server)
        self.live = bool(installed)
        self._busy(False)
        if not self.live:
            self.tell(f"{why} You see what was recorded earlier, for {', '.join(self.runs)}.")
            return
        wide = [name for label, name in installed if re.search(r" (F16|F32)\b", label)]
        self.source.value = self.source.value or next(iter(wide), "")
        advice = "" if self.source.value else " It needs a model with 16 bits: `ollama pull smollm2:135m-instruct-fp16` (0.27 GB)."
        self.tell(f"Ollama answers at {self.server.address}. Below is a recorded run.{advice}")

    def press_make(self) -> None:
        """What Quantize and create does."""
        if not self.live:
            self.look()
        elif not self.source.value.strip():
            self.tell("Name a GGUF file or a pulled model with 16 bits first.")
        else:
            self.start(self._make)

    def press_ask(self) -> None:
        """What Ask does."""
        if not self.live:
            self.look()
        elif self.model is None:
            self.tell("Make the model first.")
        else:
            self.start(self._ask)

    def _make(self) -> None:
        source, ftype, imatrix = self.source.value.strip(), self.ftype.value, self.imatrix.value.strip()
        stem = re.sub(r"[^\w.-]+", "-", Path(source).name.removesuffix(".gguf"))
        path, start = Path(f"{stem}-{ftype}.gguf").absolute(), time.monotonic()
        try:
            with open_model(source) as model:
                quantize_model(model, path, ftype, imatrix or None, cancel=self.cancel,
                               progress=lambda progress: self.tell(str(progress), busy=True))
                source_bytes = sum(part.stat().st_size for part in model.file.paths)
        except Cancelled:
            self.tell("Stopped. Nothing is left of the file.")
            return
        seconds, name = time.monotonic() - start, f"my-{stem}-{ftype}".lower()
        self.model = create_custom_model(name, f"FROM {path}", server=self.server,
                                         progress=lambda step: self.tell(step, busy=True))
        details = self.server.show(name)["details"]
        number = next(number for number, known in FTYPES.items() if known == ftype)
        self.made = {"source": source, "source_bytes": source_bytes, "ftype": ftype, "file_type": number,
                     "bytes": path.stat().st_size, "seconds": seconds, "name": name,
                     "level": details["quantization_level"], "parameters": details["parameter_size"],
                     "architecture": details["family"], **({"imatrix": Path(imatrix).name} if imatrix
                                                           else {})}
        self.draw(draw_own_file(self.made))
        self.tell(f"{name} was made from {path.name}. Ollama keeps a copy of its own, so the file can go.")

    def _ask(self) -> None:
        self.tell(f"{self.model.name} is thinking", busy=True)
        answer = self.model.ask(self.question.value, options={"num_predict": MOST_TOKENS, **self.options},
                                cancel=self.cancel)
        self.made |= {"question": self.question.value, "answer": answer}
        self.draw(draw_own_file(self.made))
        self.tell("")

    def _show_recorded(self) -> None:
        """Without a server the menu shows one recorded run after the other."""
        if self.live:
            return
        if self.ftype.value in self.runs:
            self.draw(draw_own_file(self.runs[self.ftype.value], provenance("own_file")))
            self.tell("")
        else:
            self.tell(
                f"{self.ftype.value} was not recorded; there are {', '.join(self.runs)}. With Ollama you "
                "can make it.")

    def _busy(self, busy: bool) -> None:
        self.make.disabled, self.ask.disabled, self.stop.disabled = busy, busy, not busy
