"""Spend your bits: a budget, a slider for each role, the size at once and the KL divergence a moment later.

The measuring happens in a thread and begins when the hand rests; what was measured is remembered, and what is
liked becomes a file that Ollama runs. Its facts are in budget_facts.py.  Lessons: 05, 16.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..canvas.budget import draw_budget
from ..canvas.style import Picture
from ..inference.chunks import held_out_text
from ..inference.compare import recorded_table
from ..inference.mixes import TYPES, MixBench
from ..models.progress import Cancelled
from ..models.resolve import listed_as
from ..profile import is_reference
from ..stage.base import BUSY, Stage
from ..stage.exhibit import Exhibit, refusal
from ..stage.handles import Button, menu, stops
from ..stage.share import recalled
from ..words import one_of
from .budget_facts import MIX, Game
from .budget_file import write_and_run
from .measuring import SMALL_MODEL, expected

NOTHING = "", ""        # no press yet
NOT_MEASURED = "Not measured"
STOPS = [("as in the mix", MIX), *((name, name) for name in TYPES[:-1]), ("F16: as it is", "F16")]
REST = 0.2              # seconds without a move before measuring
NEEDED = "The budget needs a language model that can be run here"
NOTE = ("“As in the mix” gives a role what llama.cpp's mix of this budget gives it, which may differ from "
        "layer to layer.")


# ---- picture

def _picture(game: Game, budget: str, values: Mapping[str, str], verdict: tuple[str, str]) -> Picture:
    parts, marks = game.parts(budget, values), game.marks(budget, values)
    picture = draw_budget(parts, (budget, game.limit(budget)), marks, game.lines(budget, verdict),
                          finding=game.finding(budget, values), subtitle=game.subtitle(),
                          table=game.table(budget, values))
    return picture.telling(game.numbers(budget, values))


# ---- handles

class BitBudget(Stage):
    """`game` knows the tries; a thread measures what the sliders show while that is not known.  verdict:
    what the last press came to, its title and words: whether the best mix holds on other text, where the file
    is, or why nothing could be measured.
    """

    tells = True

    def __init__(self, game: Game, budget: str, said: str = ""):
        self.game, self.lock, self.verdict = game, threading.RLock(), NOTHING
        handles = [menu("budget", "budget", budget, game.bench.budgets(), width=230),
                   *(stops(role, role, game.alike(budget), STOPS) for role in game.roles)]
        buttons = [Button("mix", f"llama.cpp's {budget}", "Every role as in llama.cpp's mix",
                          lambda: self._all(MIX)),
                   Button("alike", "All alike", "The largest single type that fits, for all",
                          lambda: self._all(game.alike(self.budget))),
                   Button("favoured", "Everything into attn_v + ffn_down",
                          "The others at Q2_K, these two as high as fits",
                          lambda: self.set(**game.favoured(self.budget))),
                   Button("best", "My best", "Back to your best mix within the budget", self.back_to_best),
                   Button("hold", "Does it hold?", "Measure your best on text that you did not tune it on",
                          self.hold),
                   Button("run", "Write it and run it", "Write what the sliders say as a file, and give it "
                          "to Ollama", self.run),
                   Button("cancel", "Cancel", "Stop measuring or writing; nothing is left of a file that is "
                          "not whole", self.stop)]
        super().__init__(Exhibit(handles, _picture, buttons=buttons, note=f"{NOTE} {said}".strip(), width=345,
                                 label_width=90))
        self.redraw()                           # what is not known yet is measured

    @property
    def budget(self) -> str:
        """The mix whose size is the limit."""
        return self.controls["budget"].value

    def now(self) -> tuple[str, dict[str, str]]:
        """The budget, and what the sliders say."""
        values: dict[str, Any] = self.values()
        return values.pop("budget"), values

    def facts(self, budget: str, **roles: str) -> dict:
        return dict(game=self.game, budget=budget, values=roles, verdict=self.verdict)

    def moved(self, change) -> None:
        if change.owner is self.controls["budget"]:
            self.verdict, self.buttons["mix"].description = NOTHING, f"llama.cpp's {change.new}"
        super().moved(change)

    def _all(self, value: str) -> None:
        self.set(**dict.fromkeys(self.game.roles, value))

    def back_to_best(self) -> None:
        """The sliders of your best mix within the budget; nothing happens while there is none."""
        best = self.game.best(self.budget)
        if best is not None:
            self.set(**best.values)

    def hold(self) -> None:
        """Measure your best and the mix to beat on the next part of the text."""
        if self.working:
            self.tell(BUSY)
            return
        self.cancel.clear()
        (self._hold if self.game.bench.n_weights < SMALL_MODEL else partial(self.start, self._hold))()

    def _hold(self) -> None:
        self._press("Does it hold?", lambda: self.game.hold(self.budget, **self.watch))

    def run(self) -> None:
        """Write what the sliders say as a file, and let Ollama run it; in a thread, but for a dry run."""
        (self._write if is_reference() else partial(self.start, self._write))()

    def _write(self) -> None:
        budget, values = self.now()
        types = self.game.types(budget, values)
        self._press("Your file", lambda: write_and_run(self.game.bench, types, budget, self.doing,
                                                       **self.watch))

    def _press(self, title: str, work: Callable[[], str]) -> None:
        """Do what a button says, and show what came of it."""
        try:
            words = work()
        except (ValueError, OSError, Cancelled) as error:
            words = str(error)
        with self.lock:
            if self.thread is threading.current_thread():
                self.thread = None
            self.verdict = title, words
            self.tell("")
            self.redraw()
        self.say(words)

    def doing(self, words: str) -> None:
        """What a task does now, on the page and for a screen reader."""
        self.tell(words, busy=True)
        self.say(words)

    @property
    def watch(self) -> dict[str, Any]:
        """The line on the page that hears how far a task is, and what the Cancel button sets."""
        return {"progress": lambda step: self.tell(str(step), True, step.done / max(step.total, 1)),
                "cancel": self.cancel}

    # ---- measuring

    def redraw(self) -> None:
        """Draw at once, and measure in a thread what is not known yet; one drawing after the other, whoever
        asks for it.
        """
        with self.lock:
            super().redraw()
            if not self._held and self.thread is None and self._unknown():
                self.start(self._measure)

    def _unknown(self) -> bool:
        return self.game.find(self.game.types(*self.now())) is None

    def _measure(self) -> None:
        while True:
            seen, trouble = None, ""
            while seen != (seen := self.now()):
                time.sleep(REST)
            try:
                self.game.measure(*seen, **self.watch)
            except Cancelled as error:
                trouble = f"{error}; move a slider to go on"
            except ValueError as error:             # predictions that are no numbers
                trouble = str(error)
            with self.lock:
                self.tell("")
                if trouble or self.verdict[0] == NOT_MEASURED:
                    self.verdict = (NOT_MEASURED, trouble) if trouble else NOTHING
                if trouble or not self._unknown():
                    self.thread = None
                    super().redraw()
                    return

    def wait(self, seconds: float = 60) -> None:
        """Wait until nothing is being measured."""
        thread = self.thread
        if thread is not None:
            thread.join(seconds)


@recalled
def explore_bit_budget(model: str = "tiny", budget: str = "Q3_K_M",
                       text: str | None = None) -> Exhibit | Stage:
    """A game: can you beat llama.cpp's mix with the same bytes? Give each role a type; the size and the KL
    divergence answer.

    model: "tiny", a GGUF path or a pulled model, best in 16 bits, of a family that runs here; of another one
    a sentence says what measures it instead.  budget: the mix whose size
    is the limit.
    text: what to predict; without it Shakespeare's scenes that the tiny model never saw, 1,016 predicted
    tokens of them.
    Raises ValueError, in words, for a text that will not do and for a budget that the model cannot have.
    """
    model = listed_as(model, ["tiny"])
    runs, words = expected(model)
    if not runs:
        return refusal(NEEDED, words, "explore_bit_budget() takes the tiny Llama.")
    bench = MixBench(model, held_out_text() if text is None else text)
    recorded = recorded_table("budget") if model == "tiny" and text is None else None
    return BitBudget(Game(bench, recorded), one_of("budget", budget, bench.budgets()),
                     "" if model == "tiny" else words)
