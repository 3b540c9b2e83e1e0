"""The stage: what all exhibits share. Handles under a picture, its finding and table, a line that says what
goes on, presets and a reset, one task at a time in a thread, and mouse and keys in the picture.

A picture is an SVG string that is replaced on every move: an inline matplotlib figure would take ten times as
long.
"""

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import ipywidgets as widgets

from ..canvas.style import Picture, own_names
from ..canvas.svg import captioned
from ..words import html_table, prose
from .aims import Targets
from .controls import control, follow_each_other, in_a_row, markup, press_button, shown_as, toggle
from .exhibit import Exhibit
from .handles import Button, Panel
from .keys import STEPS, along, turned
from .share import again, source
from .touchable import Touch, Touchable, framed

TABLE = "As table"
SETTLED = 0.15          # seconds after which a hand has come to rest
BUSY = "One thing after the other: press Cancel, or wait for the answer."


class Stage(Touchable):
    """An exhibit on stage: `draw(**facts(**values))` is its picture, `values` being what the handles say.

    exhibit: its handles and all that stands around its picture, as data.
    A ValueError of `facts` or `draw` is shown as a sentence in place of the picture; any other error is a bug
    and surfaces.
    """

    #: Page Up moves the handle `pages` by so many of its stops; whether the last stop is followed by the
    #: first.
    page_up, around = 1, False
    #: The handle that arrows, Home and End move, and by how many of its stops; a click on cell i of the
    #: picture puts it on its stop i.
    arrows = ""
    steps: Mapping[str, int] = STEPS
    #: Handles that only follow the others: "Copy as code" leaves them out.
    followers: Collection[str] = ()
    #: Whether a line says what goes on though no button starts a task.
    tells = False
    children: tuple[widgets.Widget, ...]

    def __init__(self, exhibit: Exhibit):
        self.exhibit, self.draw, self.pages = exhibit, exhibit.draw, exhibit.pages
        self.cancel = threading.Event()
        self.thread: threading.Thread | None = None
        self.later: asyncio.TimerHandle | None = None
        self._tallest = 0
        self._first: dict[str, Any] = {}
        self.targets = Targets()
        self.controls = {handle.name: control(handle, exhibit.width, exhibit.label_width)
                         for handle in exhibit.handles}
        self.tasks = [button.name for button in exhibit.buttons if button.task]
        self.initial, self._held = self.values(), False
        for name, link in exhibit.links.items():
            follow_each_other(name, self.controls, link, self.place)
        self.view, self.status, self.opened, self.words = (markup() for _ in range(4))
        self.panels = dict(exhibit.panels)
        self.view.add_class("ql-view")
        self.picture = exhibit.first or self._drawn()
        self.buttons = self._made(exhibit.buttons, exhibit.presets)
        self.pieces = {name: markup() for name in exhibit.pieces}
        self.named = {**self.controls, **self.buttons, **self.pieces}
        placed = [list(row) for row in exhibit.rows or [list(self.controls)]]
        elsewhere = {name for row in [*placed, *exhibit.below] for name in row}
        placed.append([name for name in self.buttons if name not in elsewhere])
        *lines, last = self._in_rows(placed)
        lines += [markup(f'<span class="ql-note">{prose(exhibit.note)}</span>')] if exhibit.note else []
        said = [self.status] if self.tasks or self.tells else []
        body = [*lines, *said, self.view, last] if exhibit.form_first else [self.view, *said, *lines, last]
        touch = [Touch(exhibit.label, exhibit.keys, self.touched)] if exhibit.keys else []
        body += [self.opened, self.words, *self._in_rows(exhibit.below), *touch]
        super().__init__(body, self.controls)
        if self.draw:
            # each handle redraws at once; other exhibits wait for a button
            self.add_class("ql-moving")
        for widget in self.controls.values():
            widget.observe(self.moved, names="value")
        self.busy(False)
        self.show(self.picture)

    # ---- handles

    def values(self) -> dict[str, Any]:
        """What the handles say now, by name. A browser answers 12.000000000000002 for 12: that tail is cut
        off.
        """
        values = {name: control.value for name, control in self.controls.items()}
        return {name: round(value, 9) if isinstance(value, float) else value
                for name, value in values.items()}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Handles that move within are not drawn."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    def place(self, **values) -> None:
        """Move several handles without drawing."""
        with self.held():
            for name, value in values.items():
                self.controls[name].value = value

    def set(self, **values) -> None:
        """Move several handles and draw once."""
        self.place(**values)
        self.redraw()

    def at(self, **values) -> "Stage":
        """The exhibit with its handles there: what "Copy as code" writes."""
        self.set(**values)
        return self

    def aim(self, *numbers: str) -> "Stage":
        """Targets under the exhibit, by their numbers in `data/targets.toml`, such as "00-1". One that the
        learner has reached stays reached.  ValueError for a number that there is not.
        """
        self.targets.add(numbers, self.gauges())
        self.children = (*self.children, self.targets)
        return self

    def gauges(self) -> dict[str, Any]:
        """What targets are measured by: the values of the handles, and the numbers of the picture."""
        return {**self.values(), **self.picture.numbers}

    def made_by(self, call: str) -> None:
        super().made_by(call)
        self._first = self.values()

    def code(self) -> str:
        moved = {name: value for name, value in self.values().items()
                 if value != self._first.get(name) and name not in self.followers}
        return again(self.call, moved)

    def to_share(self, picture: Picture) -> Picture:
        settings = [f"{widget.description}: {shown_as(widget)}" for widget in self.controls.values()]
        return captioned(picture, [" · ".join(settings), source(self.code().splitlines()[-1])])

    def offer(self, name: str, stops: Sequence, value: object) -> None:
        """Give a menu or a slider other stops, without drawing; it stands at `value`."""
        with self.held():
            self.controls[name].options = stops
            self.controls[name].value = value

    def reset(self) -> None:
        """Back to the first picture."""
        self.set(**self.initial)

    def moved(self, change) -> None:
        """A handle has moved: draw, unless several are being moved. Where a kernel waits for the next,
        what takes long follows when the hand has rested.
        """
        if self._held:
            return
        try:
            kernel = asyncio.get_running_loop() if self.exhibit.rough else None
        except RuntimeError:
            kernel = None
        if kernel is None:
            self.redraw()
            return
        self._settle()
        self.show(self.exhibit.picture(self.values(), self.facts, rough=True))
        self.later = kernel.call_later(SETTLED, self.redraw)

    # ---- the picture

    def facts(self, *_: Any, **values: Any) -> Mapping[str, Any]:
        """What `draw` is told for these values of the handles."""
        return values

    def redraw(self) -> None:
        """Draw the picture of the present values."""
        self._settle()
        if self.draw and not self._held:
            self.show(self._drawn())

    def _settle(self) -> None:
        """What was to be drawn later is not."""
        if self.later is not None:
            self.later.cancel()
            self.later = None

    def show(self, picture: Picture) -> None:
        """Put a picture on stage: its drawing, its finding, its table. The page must not jump while dragging:
        the view grows for a taller picture and never shrinks.
        """
        self.picture = picture
        self._tallest = max(self._tallest, picture.height) if self.draw else picture.height
        self.view.value = framed(own_names(picture.svg, self.view.model_id), picture.width, self._tallest)
        if self.tasks and not self.draw:
            self.reveal(TABLE, bool(picture.table))
        self._write_panels()
        self.say(picture.finding, *self.targets.look(self.gauges()))

    def still(self) -> Picture:
        return self.picture

    def still_html(self) -> str:
        return super().still_html() + self.targets.value

    def host(self, *guests: "Stage") -> None:
        """Other exhibits at the end of this one, in place of those that were there."""
        self.children = (*(child for child in self.children if not isinstance(child, Stage)), *guests)

    def _drawn(self) -> Picture:
        return self.exhibit.picture(self.values(), self.facts)

    def _write_panels(self) -> None:
        """What the pressed buttons open: the exhibit's own panels, and the table."""
        values, open_now = self.values(), [words for words in self.panels if self.buttons[words].value]
        self.opened.value = "".join(self.panels[words].shown(values) for words in open_now
                                    if words != TABLE)
        self.words.value = self.panels[TABLE].html(values) if TABLE in open_now else ""

    # ---- buttons

    def _made(self, buttons: Sequence[Button], presets: Mapping[str, Mapping]) -> dict[str, widgets.Widget]:
        """The exhibit's own buttons, its presets, Reset, and the table."""
        made: dict[str, widgets.Widget] = {button.name: press_button(button) for button in buttons}
        for words, values in presets.items():
            set_all = partial(self.set, **values)
            made[words] = press_button(Button(words, words, f"Set the handles: {words}", set_all))
        if self.draw and self.controls:
            made["Reset"] = press_button(Button("Reset", "Reset", "Back to the first picture", self.reset))
        if self.picture.table or self.tasks:
            self.panels[TABLE] = Panel("The same facts in words and numbers",
                                       lambda _values: html_table(self.picture.table))
        made |= {words: toggle(words, panel.tip, self._write_panels) for words, panel in self.panels.items()}
        return made

    def reveal(self, name: str, seen: bool = True) -> None:
        """Show or hide a handle, a button or a piece of HTML."""
        self.named[name].layout.display = "" if seen else "none"

    def _in_rows(self, rows: Sequence[Sequence[str]]) -> list[widgets.Widget]:
        return [in_a_row(self.named[name] for name in row) for row in rows]

    # ---- the line that says what goes on, and the one task

    def tell(self, words: str, busy: bool = False, share: float | None = None) -> None:
        """One line of what goes on, as `prose`.  share: how much of it is done, from 0 to 1, as a bar."""
        bar = "" if share is None else f'<progress max="1" value="{share:.3f}"></progress> '
        said = bar + "⏳ " * busy + (prose(words) or "&nbsp;")
        self.status.value = f'<div class="ql-answer">{said}</div>'

    @property
    def working(self) -> bool:
        """Whether a task runs."""
        return self.thread is not None and self.thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread, or at once where there are none (WebAssembly); ValueErrors and OSErrors
        become sentences. Nothing happens while one runs.
        """
        if self.working:
            self.tell(BUSY)
            return
        self.cancel.clear()

        def task():
            try:
                work()
            except (ValueError, OSError) as error:          # OSError: a file that cannot be read or written
                self.tell(str(error))
                self.say(str(error))
            finally:
                if self.thread in (None, threading.current_thread()):   # else the next one has begun
                    self.busy(False)

        self.thread = threading.Thread(target=task, daemon=True)
        self.busy(True)
        try:
            self.thread.start()
        except RuntimeError:                # no threads here
            self.thread = None
            task()

    def stop(self) -> None:
        """Ask the task to end; what is finished stays."""
        self.cancel.set()

    def busy(self, busy: bool) -> None:
        """Which buttons can be pressed while a task runs."""
        for name in self.tasks:
            self.buttons[name].disabled = busy
        if "cancel" in self.buttons:
            self.buttons["cancel"].disabled = not busy

    # ---- mouse and keys in the picture

    def touched(self, message: Mapping) -> None:
        """A click or a key in the picture, as `Touch` tells it."""
        key = str(message.get("key", ""))
        if self.pages and key in ("PageUp", "PageDown"):
            self.set(**{self.pages: turned(key, self.controls[self.pages].value, self._stops(self.pages),
                                           self.page_up, self.around)})
        elif key:
            self.pressed(key)
        elif "cell" in message:
            self.clicked(int(message["cell"]))

    def pressed(self, key: str) -> None:
        """A key in the picture: it moves the handle `arrows`, unless the exhibit knows better."""
        if self.arrows:
            stops = self._stops(self.arrows)
            self.clicked(along(key, stops.index(self.controls[self.arrows].value), len(stops), self.steps))

    def clicked(self, cell: int) -> None:
        """A click on cell number `cell` of the picture: the handle `arrows` goes to that stop, or the last.
        """
        if self.arrows:
            stops = self._stops(self.arrows)
            self.set(**{self.arrows: stops[min(max(cell, 0), len(stops) - 1)]})

    def _stops(self, name: str) -> list:
        """The values on which a menu or a slider can stand, in its order."""
        control = self.controls[name]
        if isinstance(control, widgets.IntSlider):
            return [*range(control.min, control.max + 1, control.step)]
        return [stop[1] if isinstance(stop, tuple) else stop for stop in control.options]
