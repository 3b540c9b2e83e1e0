"""What stands on the page of an exhibit: HTML and controls, without what differs from run to run."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import ipywidgets as widgets

import quantlab as ql

NO_CONTROL = (widgets.HTML, widgets.Label, widgets.FloatProgress, widgets.IntProgress, widgets.Output)
PAINT = re.compile(r' (?:fill|stroke|style|class|opacity|fill-opacity|stroke-opacity|stop-color)="[^"]*"')
FRAME = re.compile(r'^<div class="ql-frame"[^>]*>|(?<=</svg>)</div>$')
MOST_STOPS = 8          # of a menu or slider that are kept in words


def walk(widget, hidden: bool = False) -> Iterator[tuple[widgets.Widget, bool]]:
    """(widget, whether it cannot be seen) of a tree, outside first."""
    layout = getattr(widget, "layout", None)
    hidden = hidden or (layout is not None and (layout.display == "none" or layout.visibility == "hidden"))
    yield widget, hidden
    for child in getattr(widget, "children", ()):
        yield from walk(child, hidden)


def controls_of(root) -> dict[str, tuple[widgets.Widget, bool]]:
    """Everything that can be pressed, typed into or dragged, and whether it is hidden, by its words.

    A second one of the same words is called "... (2)".
    """
    found: dict[str, tuple[widgets.Widget, bool]] = {}
    for widget, hidden in walk(root):
        has_value = isinstance(widget, widgets.DOMWidget) and hasattr(widget, "value")
        if isinstance(widget, NO_CONTROL) or not (has_value or isinstance(widget, widgets.Button)):
            continue
        named = (getattr(widget, name, None) for name in ("description", "placeholder", "tooltip"))
        words = name = next((words.strip(": ") for words in named if words), "?")
        count = 2
        while name in found:
            name, count = f"{words} ({count})", count + 1
        found[name] = widget, hidden
    return found


def hand_of(root):
    """The widget that tells of clicks and keys in the picture; None when there is none."""
    return next((widget for widget, _ in walk(root) if getattr(widget, "listens", None)), None)


# ---- HTML

def pieces_of(root) -> dict[str, list[str]]:
    """All HTML that can be seen: "svg", "table" and "text", each sorted."""
    found: dict[str, list[str]] = {"svg": [], "table": [], "text": []}
    for widget, hidden in walk(root):
        if isinstance(widget, widgets.HTML | widgets.Label) and not hidden and widget.value:
            html = FRAME.sub("", widget.value.strip())
            kind = "svg" if "<svg" in html else "table" if html.startswith("<table") else "text"
            found[kind].append(same_names(html) if kind == "svg" else plain(html))
    return {kind: sorted(piece for piece in pieces if piece) for kind, pieces in found.items()}


def same_names(svg: str) -> str:
    """The ids of a picture numbered: each widget makes them its own."""
    for number, name in enumerate(dict.fromkeys(re.findall(r'\sid="([^"]+)"', svg))):
        svg = re.sub(rf'(["#]){re.escape(name)}(?=["\)])', rf"\g<1>id{number}", svg)
    return no_paths(svg)


def plain(html: str) -> str:
    """Words and marks of a piece of HTML; boxes, classes and styles may change."""
    html = re.sub(r"</?(?:div|span)\b[^>]*>", " ", html)
    html = re.sub(r'\s(?:class|style|id)="[^"]*"', "", html)
    for mark, meant in (("&nbsp;", " "), ("&#x27;", "'"), ("&quot;", '"')):
        html = html.replace(mark, meant)
    return no_paths(" ".join(html.split()))


def no_paths(text: str) -> str:
    """Without a folder of this machine."""
    for path, words in ((str(Path.cwd()), "HERE"), (str(Path(ql.__file__).parent), "PACKAGE")):
        text = text.replace(path, words)
    return text


def fingerprint(pieces: list[str]) -> str:
    """words.shapes.all: which of them changed tells what kind of change it was."""
    if not pieces:
        return ""
    text = "\n".join(pieces)
    words = " ".join(re.findall(r">([^<]+)<", text))
    return f"{digest(words)}.{digest(PAINT.sub('', text))}.{digest(text, 10)}"


def digest(text: str, length: int = 6) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def clipped(text: str, length: int = 240) -> str:
    return text if len(text) <= length else f"{text[:length]}… {len(text)} {digest(text)}"


# ---- controls

def stops_of(widget) -> list[str] | None:
    """The words of a menu's or slider's choices; None for other controls."""
    labels = getattr(widget, "_options_labels", None)
    return None if labels is None else list(labels)


def state_of(widget, hidden: bool) -> dict:
    """What a control shows: its kind, value, stops, and whether it can be used."""
    state = {"kind": widget._view_name.removesuffix("View")}
    if (stops := stops_of(widget)) is not None:
        state["value"] = list(widget.label) if isinstance(widget.label, tuple) else widget.label
        state["options"] = stops
        if len(stops) > MOST_STOPS:
            state["options"] = [*stops[:2], f"… {len(stops)} in all, {digest(repr(stops))}", stops[-1]]
    elif hasattr(widget, "value"):
        state["value"] = round(widget.value, 9) if isinstance(widget.value, float) else widget.value
    limits = {name: getattr(widget, name, None) for name in ("min", "max", "step")}
    state |= {name: limit for name, limit in limits.items() if limit is not None}
    if widget.tooltip and widget.tooltip != widget.description:
        state["tooltip"] = widget.tooltip
    if getattr(widget, "button_style", ""):
        state["style"] = widget.button_style
    marks = {"disabled": getattr(widget, "disabled", False), "hidden": hidden,
             "waits": not getattr(widget, "continuous_update", True)}       # for Enter, or for the release
    return state | {name: True for name, on in marks.items() if on}


def page_of(root, pieces: dict[str, list[str]]) -> dict:
    """Everything that is kept of how an exhibit stands; each control as "[its words]"."""
    hand = hand_of(root)
    now = {"finding": no_paths(root.finding),
           "svg": fingerprint(pieces["svg"]), "table": fingerprint(pieces["table"]),
           "text": clipped(" | ".join(pieces["text"])),
           "touch": f"{hand.label} [{hand.listens}]" if hand else ""}
    return now | {f"[{name}]": state_of(*control) for name, control in controls_of(root).items()}
