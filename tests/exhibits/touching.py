"""An exhibit under a hand: presses, moves, keys and clicks, as the browser would tell of them."""

import json
import random
import re
import threading
from collections.abc import Callable

import ipywidgets as widgets

from .cases import call
from .page import controls_of, hand_of, no_paths, page_of, pieces_of, stops_of

#: Buttons that ask a server, write a file or measure for long; and the table, which is pressed by itself.
NOT_PRESSED = re.compile("Measure here|Recite it here|Check first|Download|Add the tiny|Remove them|"
                         "Write the report|As table")
#: What is typed into a box.
TYPED = ("", "llama3.2", "To be, or not", "7F", "zz", "<b>&", "qwen3:14b-q8_0", "gemma3:4b-it-qat", "0", "é")
NUMBERS = (0.1, -3.0, 0.0, 100000.0, 7.25e-6, 65504.0, -1e39, 1.0)
PATIENCE = 60           # seconds for what an exhibit does in a thread

#: ["press", words], ["set", words, value], ["key", name] or ["click", message].
Action = list


class Hand:
    """An exhibit and how it stood when it was looked at last; `keep` gets each step's name and HTML."""

    def __init__(self, expression: str, keep: Callable[[str, dict], None] | None = None):
        self.keep, self.steps, self.others, self.page = keep, 0, threading.enumerate(), {}
        self.root = call(expression)

    def look(self, step: str) -> dict:
        """What changed on the page since the last look."""
        for thread in threading.enumerate():
            if thread not in self.others:
                thread.join(PATIENCE)
                assert not thread.is_alive(), f"a thread of this exhibit goes on after {PATIENCE} seconds"
        pieces = pieces_of(self.root)
        if self.keep:
            self.keep(f"{self.steps:02} {step}", pieces)
        before, self.page = self.page, json.loads(json.dumps(page_of(self.root, pieces)))
        self.steps += 1
        return changes(before, self.page)

    def do(self, action: Action) -> dict:
        """What an action changed on the page, and the error that it raised."""
        error = {}
        try:
            self._do(*action)
        except Exception as raised:         # whatever an exhibit raises is part of what it does
            error = {"error": said(raised)}
        return self.look(" ".join(map(str, action))) | error

    def _do(self, how: str, what, value=None) -> None:
        if how in ("key", "click"):
            hand = hand_of(self.root)
            for heard in list(hand._msg_callbacks.callbacks):   # as ipywidgets does, which only logs errors
                heard(hand, {"key": what} if how == "key" else what, [])
            return
        controls = controls_of(self.root)
        if what not in controls:
            raise LookupError(f"there is no control {what!r}; there are {', '.join(controls)}")
        control, _ = controls[what]
        if how == "press":
            for pressed in list(control._click_handlers.callbacks):
                pressed(control)
        elif (stops := stops_of(control)) is not None:
            control.index = stops.index(value)
        else:
            control.value = value

    def as_table(self, on: bool) -> dict:
        """Press or release "As table", where there is one."""
        if "As table" not in controls_of(self.root):
            return {}
        return self.do(["set", "As table", on])

    # ---- what could be done next

    def usable(self) -> dict[str, widgets.Widget]:
        return {name: control for name, (control, hidden) in controls_of(self.root).items()
                if not hidden and not getattr(control, "disabled", False) and not NOT_PRESSED.match(name)}

    def buttons(self) -> list[Action]:
        """A press of every button, the way back last."""
        names = [name for name, control in self.usable().items() if isinstance(control, widgets.Button)]
        return [["press", name] for name in sorted(names, key=lambda name: name == "Reset")]

    def draw(self, rng: random.Random) -> Action | None:
        """An action drawn by lot; None when nothing can be moved."""
        usable = self.usable()
        buttons = sorted(name for name, control in usable.items() if isinstance(control, widgets.Button))
        handles = sorted(set(usable) - set(buttons))
        chances = {"touch": 4 * bool(hand_of(self.root)), "set": 4 * bool(handles), "press": bool(buttons)}
        if not any(chances.values()):
            return None
        (kind,) = rng.choices(list(chances), list(chances.values()))
        if kind == "touch":
            return self._touch(rng)
        if kind == "press":
            return ["press", rng.choice(buttons)]
        name = rng.choice(handles)
        return ["set", name, value_for(usable[name], rng)]

    def _touch(self, rng: random.Random) -> Action:
        """A click on the picture as touch.js tells it, or a key that is listened for."""
        hand, picture = hand_of(self.root), "".join(pieces_of(self.root)["svg"])
        spots = re.findall(r'<[^>]*class="[^"]*\bql-spot\b[^>]*>', picture)
        if spots and rng.random() < 0.5:
            data = dict(re.findall(r'data-(\w+)="([^"]*)"', rng.choice(spots)))
            many = int(data.get("bits") or data.get("weights") or data.get("cells"))
            place = rng.randrange(many)
            if "cells" in data:
                return ["click", {"cell": int(data["first"]) + place}]
            if "bits" in data:
                return ["click", {"spot": int(data["first"]) + place, "single": many == 1}]
            return ["click", {"weight": int(data["weight"]) + place}]
        key = rng.choice(hand.listens.split()).replace("Space", " ")
        shift = key.startswith("Arrow") and "shift" in hand.label and rng.random() < 0.3
        return ["key", f"Shift+{key}" if shift else key]


def value_for(control, rng: random.Random):
    """A value to which a hand could set it."""
    if (stops := stops_of(control)) is not None:
        return rng.choice(stops)
    if isinstance(control.value, bool):
        return not control.value
    if isinstance(control.value, str):
        return rng.choice(TYPED)
    if getattr(control, "max", None) is None:
        return rng.choice(NUMBERS)
    step = control.step or 1
    last = int((control.max - control.min) / step + 1e-9)
    return type(control.value)(round(control.min + step * rng.randint(0, last), 9))


def changes(old: dict, new: dict) -> dict:
    """What of a page is new; of a control only what changed; None for what is gone."""
    found = {}
    for name in dict.fromkeys([*new, *old]):
        was, now = old.get(name), new.get(name)
        if was == now or (name not in old and now == ""):
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            now = {key: now.get(key) for key in {**now, **was} if was.get(key) != now.get(key)}
        found[name] = now
    return found


def said(error: BaseException) -> str:
    """Kind and words of an error; only the kind where the words are another library's or Python's own."""
    kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == "builtins")
    return f"{kind}: {no_paths(str(error))}" if isinstance(error, ValueError | LookupError) else kind
