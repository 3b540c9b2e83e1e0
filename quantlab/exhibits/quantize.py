"""A file of the learner's own: any mix of llama.cpp from a 16-bit model, made here, given to Ollama, and
asked something. Lesson 09.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..canvas.answers import MARGIN, dialogue, notice_strip, terminal
from ..canvas.style import BLUE, MEANING, WIDTH, Picture
from ..canvas.svg import page, rect, text
from ..lab.custom import create_custom_model
from ..lab.names import own_name
from ..lab.records import provenance, recorded
from ..models.progress import Cancelled
from ..models.recipe_rules import PROGRAMS
from ..models.resolve import open_weights
from ..models.types import FTYPES
from ..models.writer import quantize_model
from ..stage import handles
from ..stage.handles import Button
from ..stage.share import recalled
from ..words import clipped, one_of, size
from .ollama_lab import ModelLab

LEFT = 128
TYPES_OUTSIDE = "explore_comparison() compares, on Ollama, the types that a model is published in."
FACTS = ("source", "source_bytes", "ftype", "file_type", "bytes", "seconds", "name", "architecture",
         "parameters", "level", "imatrix", "question", "answer")


def draw_own_file(run: Mapping) -> Picture:
    """Two bars, a few lines of `ollama show`, and the answer.

    run: source, source_bytes, ftype, file_type, bytes, seconds, name, level (Ollama's word for the
    quantization), parameters, architecture; imatrix, a file's name, if one was used; question and answer once
    there are any; and notice, when it was recorded.
    """
    ftype, known = run["ftype"], run["level"] != "unknown"
    strip, top = notice_strip(run.get("notice", ""), 66)
    bars = [*_bar("16-bit source", run["source_bytes"], run["source_bytes"], MEANING["original"], top),
            *_bar(ftype, run["bytes"], run["source_bytes"], BLUE, top + 30)]
    rows = (("architecture", run["architecture"]), ("parameters", run["parameters"]),
            ("quantization", run["level"]))
    lines = [f"{name:16}{clipped(words, 40)}".replace(" ", "\u00a0") for name, words in rows]
    shown, top = terminal(f"ollama show {clipped(run['name'], 60)}", lines, {2: ""}, top + 66)
    number = text(MARGIN + 12, top + 6, f"The file says general.file_type = {run['file_type']}: {ftype} in "
                  f"llama.cpp's list. Ollama {'knows' if known else 'has no name for'} this number.", size=12)
    said, bottom = dialogue(run, top + 22)
    made = f"{ftype} with {clipped(run['imatrix'], 24)}" if "imatrix" in run else ftype
    return page(int(bottom) + 8, [*strip, *bars, *shown, number, *said],
                finding=f"Ollama runs our {ftype} file"
                        + (" and names it" if known else ", and calls its quantization “unknown”"),
                subtitle=f"{clipped(run['source'], 50)} as {made}: written in {run['seconds']:.1f} s, then "
                         "made a model by “ollama create”.",
                table=(("what", "value"), *((key, clipped(run[key], 100)) for key in FACTS if key in run)))


def _bar(name: str, nbytes: float, full: float, tone: str, y: float) -> list[str]:
    width = (WIDTH - MARGIN - LEFT - 90) * min(nbytes / full, 1)
    return [text(LEFT - 8, y + 17, name, size=12, anchor="end"), rect(LEFT, y, width, 24, tone, radius=3),
            text(LEFT + width + 8, y + 17, size(nbytes), bold=True)]


@recalled
def explore_quantize(source: str | None = None, ftype: str = "IQ4_XS", imatrix: str | None = None,
                     **options) -> "QuantizeLab":
    """Quantize a 16-bit model to any mix of llama.cpp, give the file to Ollama, see what it says of it, and
    ask it something.

    source: a GGUF path or a pulled model with 16 or 32 bits.  imatrix: the path of llama.cpp's GGUF file,
    which the smallest mixes need.
    options: Ollama's, for the answers (num_thread, ...).  Without a server a recorded run is shown.
    Raises ValueError for an ftype that there is not.
    """
    ftype = one_of("ftype", ftype, PROGRAMS["llama.cpp"].offered)
    return QuantizeLab(str(source or ""), ftype, str(imatrix or ""), options)


class QuantizeLab(ModelLab):
    """Lesson 09's second exhibit."""

    def __init__(self, source: str, ftype: str, imatrix: str, options: Mapping):
        self.plan: tuple[str, dict[str, float]] = "", {}
        self.runs = {run["ftype"]: {**run, "notice": provenance("own_file")}
                     for run in recorded("own_file")["runs"]}
        controls = [handles.text_line("source", "From", source, width=450,
                                 hint="a GGUF file, or a pulled model with 16 bits"),
                    handles.menu("ftype", "ftype", ftype, PROGRAMS["llama.cpp"].offered, width=280),
                    handles.text_line("imatrix", "imatrix", imatrix, width=450,
                                 hint="a GGUF file; most mixes need none")]
        make = [Button("make", "Quantize and create", "Write the file, then let Ollama make a model of it",
                       self.press_make, task=True)]
        run = self.runs.get(ftype, next(iter(self.runs.values())))
        super().__init__(controls, options, draw_own_file, run, make, [["source", "ftype"], ["imatrix"]])
        self.look()

    def look(self) -> None:
        """Find the server; without one show the recorded runs."""
        super().look()
        if not self.live:
            self.tell(f"{self.why} You see what was recorded earlier, for {', '.join(self.runs)}.")
            return
        wide = [model["name"] for model in self.installed if model["quantization_level"] in ("F16", "F32")]
        source = self.controls["source"].value or next(iter(wide), "")
        self.place(source=source)
        advice = "" if source else (" It needs a model with 16 bits: `ollama pull "
                                    "smollm2:135m-instruct-fp16` (0.27 GB).")
        self.tell(f"{self.answers} Below is a recorded run.{advice} {self.planned()}".strip())

    def moved(self, change) -> None:
        """What would be written is said; without a server the menu shows one recorded run after the other."""
        if not self._held and change.owner is not self.controls["question"]:
            self.redraw()

    def redraw(self) -> None:
        """Say what would be written, with or without a server; without one show the recorded run."""
        if self._held or self.working:
            return
        words, ftype = self.planned(), self.controls["ftype"].value
        if not self.live and ftype in self.runs:
            self.show(draw_own_file(self.runs[ftype]))
        elif not self.live and not words:
            words = (f"{ftype} was not recorded; there are {', '.join(self.runs)}. With Ollama you can make "
                     "it; write a source, such as tiny, to see its size.")
        self.tell(words)
        if reached := self.targets.look(self.gauges()):
            self.say("", *reached)

    def gauges(self) -> dict[str, Any]:
        """The bytes and the bits per weight of the file that would be written, too."""
        return {**super().gauges(), **self.plan[1]}

    def planned(self) -> str:
        """What Quantize and create would write, or why it cannot and what to do instead; "" without a source.
        """
        values: dict = self.values()
        self.plan = self._plan(*(values[name].strip() for name in ("source", "ftype", "imatrix")))
        return self.plan[0]

    @staticmethod
    def _plan(source: str, ftype: str, imatrix: str) -> tuple[str, dict[str, float]]:
        if not source:
            return "", {}
        try:
            with open_weights(source) as model:
                try:
                    file: Any = quantize_model(model, None, ftype, imatrix or None, dry_run=True)
                except ValueError as error:
                    return f"{str(error).rstrip('.')}. {TYPES_OUTSIDE}", {}
        except ValueError as error:
            return str(error), {}
        words = f"{clipped(source, 60)} as {ftype}: {size(file.nbytes)}, {file.bpw:.2f} bits a weight."
        return words, {"bytes": file.nbytes, "bpw": file.bpw}

    def press_make(self) -> None:
        """What Quantize and create does."""
        self.when_live(self._make, "" if self.controls["source"].value.strip()
                       else "Name a GGUF file or a pulled model with 16 bits first.")

    def _make(self) -> None:
        values = self.values()
        source, ftype, imatrix = values["source"].strip(), values["ftype"], values["imatrix"].strip()
        stem = own_name(Path(source).name)
        path, start = Path(f"{stem}-{ftype}.gguf").absolute(), time.monotonic()
        try:
            with open_weights(source) as model:
                quantize_model(model, path, ftype, imatrix or None, cancel=self.cancel,
                               progress=lambda now: self.tell(str(now), True, now.done / max(now.total, 1)))
                assert model.file, "what is not in a file is refused before"
                source_bytes = sum(part.stat().st_size for part in model.file.paths)
        except Cancelled:
            self.tell("Stopped. Nothing is left of the file.")
            return
        seconds, name = time.monotonic() - start, f"my-{stem}-{ftype}".lower()
        self.model = create_custom_model(name, f"FROM {path}", server=self.server, progress=self.step,
                                         cancel=self.cancel)
        details = self.server.show(name)["details"]
        number = next(number for number, known in FTYPES.items() if known == ftype)
        self.made = {"source": source, "source_bytes": source_bytes, "ftype": ftype, "file_type": number,
                     "bytes": path.stat().st_size, "seconds": seconds, "name": name,
                     "level": details["quantization_level"], "parameters": details["parameter_size"],
                     "architecture": details["family"]}
        if imatrix:
            self.made["imatrix"] = Path(imatrix).name
        self.show(draw_own_file(self.made))
        self.tell(f"{name} was made from {path.name}. Ollama keeps a copy of its own, so the file can go.")
