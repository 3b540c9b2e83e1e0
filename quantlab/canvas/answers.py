"""What models wrote and what a server printed: as shapes of a picture, and as HTML that wraps like text.

None of it is ever markup: it is escaped here, or arrives escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape

from ..words import clipped, printable, wrapped
from .style import BLUE, GREEN, MEANING, MUTE, SOFT, VERMILION, WIDTH
from .svg import line, quiet, rect, text

MARGIN, LEADING, MOST_LINES = 16, 17, 19        # pixels, pixels from line to line, lines of one answer
CARD = f"background:{SOFT};border-radius:6px;padding:8px 12px"
NOTE = f"color:{MUTE};font-size:11px"
LINES = "line-height:1.4"       # a picture's frame has none of its own, a widget's is twice the letters
WORDS = ("white-space:pre-wrap;overflow-wrap:anywhere;max-height:16em;overflow:auto;margin:4px 0 0;"
         "font-family:inherit;font-size:12px")


# ---- shapes; each function also returns where the next shape may begin


def notice_strip(words: str, top: float) -> tuple[list[str], float]:
    """A line that must be seen, such as when a run was recorded; nothing for ""."""
    if not words:
        return [], top
    lines = wrapped(words, 116, 3)
    height = 12 + 15 * len(lines)
    strip = [rect(MARGIN, top, WIDTH - 2 * MARGIN, height, SOFT),
             rect(MARGIN, top, 4, height, MEANING["notice"], radius=0)]
    strip += [text(MARGIN + 14, top + 17 + 15 * i, words, size=11) for i, words in enumerate(lines)]
    return strip, top + height + 12


def terminal(command: str, lines: Sequence[str], marked: Mapping[int, str],
             top: float) -> tuple[list[str], float]:
    """A command and what it printed.  marked: number of a line -> what is said of it at the right edge."""
    first, height = top + 40, 34 + LEADING * len(lines)
    shapes = [rect(MARGIN, top, WIDTH - 2 * MARGIN, height, SOFT, radius=6),
              text(MARGIN + 12, top + 20, f"$ {command}", size=12, fill=MUTE, mono=True)]
    shapes += [text(MARGIN + 12, first + LEADING * i, words, size=12, mono=True)
               for i, words in enumerate(lines)]
    for i, words in marked.items():
        shapes += [rect(MARGIN, first - 12 + LEADING * i, 4, LEADING, BLUE, radius=0),
                   quiet(WIDTH - MARGIN - 12, first + LEADING * i, words, anchor="end")]
    return shapes, top + height + 12


def dialogue(run: Mapping, top: float) -> tuple[list[str], float]:
    """The question and the answer of `run`; nothing where nothing was asked."""
    if "question" not in run:
        return [], top
    lines = wrapped(run["answer"] or "(nothing)", 104, MOST_LINES)
    bottom = top + 34 + LEADING * len(lines)
    shapes = [text(MARGIN + 12, top + 18, f"You: {clipped(run['question'], 90)}", bold=True),
              line(MARGIN, top, MARGIN, bottom, stroke=BLUE, width=3)]
    shapes += [text(MARGIN + 12, top + 40 + LEADING * i, words, size=12) for i, words in enumerate(lines)]
    return shapes, bottom + 12


# ---- HTML


def answers_html(prompt: str, cards: Sequence[Mapping], expected: str = "") -> str:
    """Answers to one prompt.  cards: of quantlab.lab.side_by_side.answers; `marked` is escaped HTML with ins
    and del for words that differ; they are coloured, underlined and struck through.  expected: what makes an
    answer right, in words; then each card says whether it passed.
    """
    shown = [(card["name"], f"{card['note']} · {card['passed']}" if expected else card["note"],
              card["flags"], printable(card["marked"])
              .replace("<ins>", f'<ins style="background:{GREEN}33">')
              .replace("<del>", f'<del style="background:{VERMILION}22">')) for card in cards]
    return _side_by_side("answers", "Answers side by side", "", prompt, shown, expected)


def ballot_html(prompt: str, left: str, right: str, place: str) -> str:
    """Two answers without names.  place: "Pair 3 of 12"."""
    cards = [(side, "", (), escape(printable(words[:4000])))
             for side, words in (("Left", left), ("Right", right))]
    return _side_by_side("ballot", "Two answers", f"<b>Which is better?</b> {escape(place)}. ", prompt, cards)


def live_html(model: str, written: str) -> str:
    """What a model is writing just now: the end of it."""
    return (f'<div style="{CARD};{LINES};max-width:{WIDTH}px">'
            f'<span style="{NOTE}">{escape(clipped(model, 60))} writes</span>'
            f'<div class="ql-writes" style="{WORDS};height:5em">{escape(printable(written[-1500:]))}</div>'
            "</div>")


def notes_html(notes: Sequence[str]) -> str:
    """What preflight found and does not stop a run; "" for nothing."""
    lines = "".join(f"<li>{escape(printable(note))}</li>" for note in notes)
    return lines and (f'<div class="ql-notes" role="note" style="{NOTE};max-width:{WIDTH}px;{LINES}">'
                      f'Checked beforehand:<ul style="margin:2px 0 4px;padding-left:18px">{lines}</ul></div>')


def _side_by_side(kind: str, label: str, before: str, prompt: str,
                  cards: Sequence[tuple[str, str, Sequence[str], str]], expected: str = "") -> str:
    """Cards in a grid: three in a row, or two where that leaves none alone; fewer on a narrow page.

    cards: name, note, flags, and the answer as HTML.
    """
    least = 330 if len(cards) in (2, 4) else 230
    grid = (f"display:grid;grid-template-columns:repeat(auto-fit,minmax(min({least}px,100%),1fr));gap:12px;"
            f"max-width:{WIDTH}px")
    body = ""
    for name, note, flags, said in cards:
        flagged = f'<div style="{NOTE}">⚑ {escape(printable(", ".join(flags)))}</div>' if flags else ""
        body += (f'<div style="{CARD}"><b>{escape(clipped(name, 60))}</b>'
                 f' <span style="{NOTE}">{escape(note)}</span>{flagged}'
                 f'<div class="ql-said" style="{WORDS}">{said}</div></div>')
    wanted = f'<br><span style="{NOTE}">{escape(clipped(expected, 300))}</span>' if expected else ""
    return (f'<div class="ql-{kind}" style="{LINES}" role="group" aria-label="{label}">'
            f'<p style="margin:6px 0">{before}<b>Prompt:</b> {escape(clipped(prompt, 300))}{wanted}</p>'
            f'<div style="{grid}">{body}</div></div>')
