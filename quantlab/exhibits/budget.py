"""Spend your bits: a budget, a slider for each role, the size at once and the KL divergence a moment later.

The measuring happens in a thread and begins when the hand rests; what was measured is remembered.
"""

import threading
import time

import ipywidgets as widgets

from ..canvas.style import Picture
from ..inference.chunks import held_out_text
from ..inference.compare import recorded_table
from ..inference.mixes import TYPES, MixBench
from ..stage.legacy import Explorer, button
from .budget_facts import MIX, Game, draw_budget

REST = 0.2              # seconds without a move before measuring
NAMED = dict(description_width="90px")
NOTE = "“As in the mix” gives a role what llama.cpp's mix of this budget gives it, which may differ from layer to layer."


def explore_bit_budget(model: str = "tiny", budget: str = "Q3_K_M", text: str | None = None) -> "BitBudget":
    """A game: can you beat llama.cpp's mix with the same bytes? Give each role a type; the size and the KL
    divergence answer.

    model: "tiny", a GGUF path or a pulled F16 model of the llama architecture.  budget: the mix whose size is
    the limit.
    text: what to predict; without it Shakespeare's scenes that the tiny model never saw, 1,016 predicted
    tokens of them.
    Raises ValueError, in words, for a model that cannot be run and for a budget that it cannot have.
    """
    bench = MixBench(model, held_out_text() if text is None else text)
    if budget.upper() not in bench.budgets():
        raise ValueError(f"no budget {budget!r} for {bench.name}; there are {', '.join(bench.budgets())}")
    return BitBudget(Game(bench, recorded_table("budget") if model == "tiny" and text is None else None),
                     budget.upper())


class BitBudget(Explorer):
    """`game` knows the tries; `thread` measures what the sliders show while that is not known."""

    def __init__(self, game: Game, budget: str):
        self.game, self.lock, self.thread, self.verdict = game, threading.RLock(), None, ""
        stops = [("as in the mix", MIX), *((name, name) for name in TYPES[:-1]), ("F16: as it is", "F16")]
        controls = {"budget": widgets.Dropdown(options=game.bench.budgets(), value=budget,
                                               description="budget", style=NAMED, layout=dict(width="230px"))}
        controls |= {role: widgets.SelectionSlider(options=stops, value=game.alike(budget), description=role,
                                                   style=NAMED, layout=dict(width="345px"))
                     for role in game.roles}
        controls["budget"].observe(lambda change: self._other_budget(change.new), names="value")
        super().__init__(self._draw, controls, note=NOTE)

    def redraw(self, _change=None) -> None:
        """Draw at once, and measure in a thread what is not known yet; one drawing after the other, whoever
        asks for it.
        """
        with self.lock:
            super().redraw()
            if not self._held and self.thread is None and self._unknown():
                self.thread = threading.Thread(target=self._measure, daemon=True)
                self.thread.start()

    def wait(self, seconds: float = 60) -> None:
        """Wait until nothing is being measured."""
        thread = self.thread
        if thread is not None:
            thread.join(seconds)

    # ---- the buttons

    def _buttons(self, presets) -> dict[str, widgets.Widget]:
        made = {f"llama.cpp's {self.budget}": ("Every role as in llama.cpp's mix", lambda: self._all(MIX)),
                "All alike": ("The largest single type that fits, for all",
                              lambda: self._all(self.game.alike(self.budget))),
                "Everything into attn_v + ffn_down": ("The others at Q2_K, these two as high as fits",
                                                      lambda: self.set(**self.game.favoured(self.budget))),
                "My best": ("Back to your best mix within the budget", self.back_to_best),
                "Does it hold?": ("Measure your best on text that you did not tune it on", self.hold)}
        buttons = {words: button(words, tooltip, lambda _b, press=press: press()) for words,
                   (tooltip, press) in made.items()}
        self.mix_button = next(iter(buttons.values()))
        return buttons | super()._buttons(presets)

    @property
    def budget(self) -> str:
        """The mix whose size is the limit."""
        return self.controls["budget"].value

    def _all(self, value: str) -> None:
        self.set(**dict.fromkeys(self.game.roles, value))

    def _other_budget(self, budget: str) -> None:
        self.verdict, self.mix_button.description = "", f"llama.cpp's {budget}"

    def back_to_best(self) -> None:
        """The sliders of your best mix within the budget; nothing happens while there is none."""
        best = self.game.best(self.budget)
        if best is not None:
            self.set(**best.values)

    def hold(self) -> None:
        """Measure your best and the mix to beat on the next part of the text."""
        try:
            self.verdict = self.game.hold(self.budget)
        except ValueError as error:
            self.verdict = str(error)
        self.redraw()
        self.say(self.verdict)

    # ---- measuring

    def _unknown(self) -> bool:
        values = self.values()
        return self.game.find(self.game.types(values.pop("budget"), values)) is None

    def _measure(self) -> None:
        while True:
            seen = None
            while seen != (seen := self.values()):
                time.sleep(REST)
            values, trouble = dict(seen), ""
            try:
                self.game.measure(values.pop("budget"), values)
            except ValueError as error:             # predictions that are no numbers
                trouble = str(error)
            with self.lock:
                self.verdict = trouble or self.verdict
                if trouble or not self._unknown():
                    self.thread = None
                    super().redraw()
                    return

    # ---- the picture

    def _draw(self, budget: str, **roles: str) -> Picture:
        game = self.game
        return draw_budget(game.parts(budget, roles), (budget, game.limit(budget)), game.marks(budget, roles),
                           game.lines(budget, self.verdict), finding=game.finding(budget, roles),
                           subtitle=self._subtitle(), table=game.table(budget, roles))

    def _subtitle(self) -> str:
        recorded = f"grey and blue marks recorded {self.game.recorded['date']}" if self.game.recorded else "every mark measured here"
        unseen = " of text that it never saw" if self.game.recorded else ""
        return f"{self.game.bench.name}: {self.game.bench.n_predicted:,} predicted tokens{unseen}; {recorded}"


