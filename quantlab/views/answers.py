"""Answers side by side as HTML that wraps like text. What a model wrote arrives escaped or is escaped here; nothing of it is markup."""

from collections.abc import Sequence
from html import escape

from .page import printable, shown
from .style import GREEN, MUTE, SOFT, VERMILION, WIDTH

WORDS = "white-space:pre-wrap;overflow-wrap:anywhere;max-height:16em;overflow:auto;margin:4px 0 0;font-family:inherit;font-size:12px"
SMALL = f"color:{MUTE};font-size:11px"
LINES = "line-height:1.4"      # a picture's frame has none of its own, a widget's is twice the letters
CARD = f"background:{SOFT};border-radius:6px;padding:8px 12px"


def answers_html(prompt: str, cards: Sequence[dict]) -> str:
    """Cards with a model's answer each.  cards: name, note, flags, marked (escaped HTML with ins and del for words that differ)."""
    body = "".join(f'<div style="{CARD}"><b>{escape(shown(card["name"], 60))}</b> <span style="{SMALL}">{escape(card["note"])}</span>'
                   f'{_flags(card["flags"])}<div class="ql-said" style="{WORDS}">{_toned(printable(card["marked"]))}</div></div>'
                   for card in cards)
    return (f'<div class="ql-answers" style="{LINES}" role="group" aria-label="Answers side by side">'
            f'<p style="margin:6px 0"><b>Prompt:</b> {escape(shown(prompt, 300))}</p><div style="{_grid(len(cards))}">{body}</div></div>')


def live_html(model: str, written: str) -> str:
    """What a model is writing just now."""
    return (f'<div style="{CARD};{LINES};max-width:{WIDTH}px"><span style="{SMALL}">{escape(shown(model, 60))} writes</span>'
            f'<div class="ql-writes" style="{WORDS};height:5em">{escape(printable(written[-1500:]))}</div></div>')


def notes_html(notes: Sequence[str]) -> str:
    """What preflight found and does not stop a run; "" for nothing."""
    lines = "".join(f"<li>{escape(printable(note))}</li>" for note in notes)
    return (f'<div class="ql-notes" role="note" style="{SMALL};max-width:{WIDTH}px;{LINES}">Checked beforehand:'
            f'<ul style="margin:2px 0 4px;padding-left:18px">{lines}</ul></div>') if notes else ""


def ballot_html(prompt: str, left: str, right: str, place: str) -> str:
    """Two answers without names.  place: "3 of 12"."""
    cards = "".join(f'<div style="{CARD}"><b>{side}</b><div class="ql-said" style="{WORDS}">{escape(printable(words[:4000]))}</div></div>'
                    for side, words in (("Left", left), ("Right", right)))
    return (f'<div class="ql-ballot" style="{LINES}" role="group" aria-label="Two answers"><p style="margin:6px 0"><b>Which is better?</b> '
            f'{escape(place)}. <b>Prompt:</b> {escape(shown(prompt, 300))}</p><div style="{_grid(2)}">{cards}</div></div>')


def _grid(cards: int) -> str:
    """Three beside each other, or two where that leaves none alone in its row; fewer on a narrow page."""
    least = 330 if cards in (2, 4) else 230
    return f"display:grid;grid-template-columns:repeat(auto-fit,minmax({least}px,1fr));gap:12px;max-width:{WIDTH}px"


def _flags(flags: Sequence[str]) -> str:
    return f'<div style="{SMALL}">⚑ {escape(printable(", ".join(flags)))}</div>' if flags else ""


def _toned(marked: str) -> str:
    """Colours for the marks; they are also underlined and struck through."""
    return (marked.replace("<ins>", f'<ins style="background:{GREEN}33">').replace("<del>", f'<del style="background:{VERMILION}22">'))
