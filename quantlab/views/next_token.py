"""What a model expects next: the probabilities of the likeliest tokens before and after quantization, and the text they follow.

Tokens are a model's and a learner's words: they are only ever drawn as text, with spaces and line ends made visible.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from .numbers import number
from .page import printable
from .spots import here, touchable
from .style import BLUE, GREY, INK, MUTE, SMALL, SOFT, VERMILION, WIDTH, Picture
from .svg import line, page, rect, text

MARGIN, TOP, LETTER = 16, 74, 7.3           # LETTER: the width of one at 12 px in a font of equal widths
TALL, BOX, MOST_LINES = 30, 22, 3           # of the strip: height of its bars and boxes, lines of them
PITCH = TALL + BOX + 17                     # from one line of the strip to the next
FULL = 2.0                                  # nats at the full height of a bar
LEFT, ROOM, ROW = 166, 330, 29              # of the probabilities: where bars begin, the longest one, height of a row
SIGNS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"})


class Step(NamedTuple):
    """A token of the text, and what follows it: the KL divergence in nats, and whether another token leads than before."""

    token: str
    kld: float
    flips: bool


class Chance(NamedTuple):
    """A token that may follow: its probability before and after, where it leads ("", "in both", a type's name), whether it does follow."""

    token: str
    before: float
    after: float
    leads: str = ""
    follows: bool = False


def visible(token: str, letters: int = 16) -> str:
    """The token with its spaces and line ends as signs, at most so many letters: " to" -> "␣to"."""
    words = printable(token.translate(SIGNS)) or "∅"
    return words if len(words) <= letters else words[: letters - 1] + "…"


def draw_next_token(steps: Sequence[Step], chosen: int, chances: Sequence[Chance], others: Chance, names: tuple[str, str], *, finding: str,
                    subtitle: str) -> Picture:
    """A strip of the text's tokens with what the quantization moved after each, and bars of what may follow the chosen one.

    chosen: number of the token after which the probabilities stand.  others: all tokens without a row, together.  names: the two types.
    """
    strip, y = _strip(steps, chosen)
    bars, height = _bars(chances, others, names, y + 14)
    table = (("token", names[0], names[1], "leads", "in your text"),
             *((visible(one.token, 40), f"{one.before:.2%}", f"{one.after:.2%}", one.leads, "yes" if one.follows else "")
               for one in (*chances, others)),
             *((f"after {visible(step.token, 40)}", "KL divergence", f"{step.kld:.2g} nats", "another token" if step.flips else "", "")
               for step in steps))
    return page(int(height), [*strip, *bars], finding=finding, subtitle=subtitle, table=table, role="group")


def _strip(steps: Sequence[Step], chosen: int) -> tuple[list[str], float]:
    places, first = _places(steps, chosen)
    left_out = f" ({first} tokens before are not shown)" if first else ""
    words = f"Your text{left_out}. Bars: KL divergence of what follows, 2 nats at full height, square-root scale. ≠ another token leads"
    body = [text(MARGIN, TOP + 8, words, size=SMALL, fill=MUTE)]
    for i, (x, row, width) in places.items():
        step, bottom = steps[i], TOP + 24 + TALL + row * PITCH
        tall = TALL * min(sqrt(max(step.kld, 0) / FULL), 1)
        shapes = [rect(x, bottom - TALL, width, TALL + BOX + 4, "none"), line(x, bottom, x + width, bottom),
                  rect(x, bottom - tall, width, tall, VERMILION, radius=1), rect(x, bottom + 3, width, BOX, SOFT, radius=4),
                  text(x + width / 2, bottom + 18, visible(step.token), size=12, anchor="middle", mono=True)]
        if step.flips:
            shapes.append(text(x + width / 2, bottom - tall - 3, "≠", size=12, anchor="middle", bold=True))
        tip = f"{number(step.kld, 2)} nats".replace(" ", "\u00a0")
        body.append(touchable(shapes, first=i, cells=1, tips=f"{tip}*1"))
        if i == chosen:
            said = f"after {visible(step.token)}: {number(step.kld, 2)} nats{', another token leads' if step.flips else ''}"
            body.append(here(said, rect(x - 1, bottom + 2, width + 2, BOX + 2, "none", stroke=INK, stroke_width=2.5, radius=5)))
    rows = 1 + max(row for _, row, _ in places.values())
    return body, TOP + 24 + rows * PITCH


def _places(steps: Sequence[Step], chosen: int) -> tuple[dict[int, tuple[float, int, float]], int]:
    """Number of a token -> (x, line, width) and the first one shown: the lines end with the text, or with the chosen token."""
    def filled(first: int) -> dict[int, tuple[float, int, float]]:
        places, x, row = {}, float(MARGIN), 0
        for i in range(first, len(steps)):
            width = len(visible(steps[i].token)) * LETTER + 10
            if x + width > WIDTH - MARGIN:
                x, row = float(MARGIN), row + 1
            if row == MOST_LINES:
                break
            places[i] = (x, row, width)
            x += width + 4
        return places

    first = 0
    while (places := filled(first)) and len(steps) - 1 not in places and first < chosen:
        first += 1
    return places, first


def _bars(chances: Sequence[Chance], others: Chance, names: tuple[str, str], y: float) -> tuple[list[str], float]:
    most = max(max(one.before, one.after) for one in chances)
    scale = next(full for full in (0.1, 0.25, 0.5, 1.0) if most <= full + 1e-6)
    body = [text(LEFT - 8, y + 12, "may come next", size=SMALL, fill=MUTE, anchor="end"), text(LEFT, y + 12, "0", size=SMALL, fill=MUTE),
            text(LEFT + ROOM, y + 12, f"{scale:.0%}".replace("%", " %"), size=SMALL, fill=MUTE, anchor="middle")]
    for name, tone, right in ((names[0], GREY, 662), (names[1], BLUE, 744)):
        body += [text(right, y + 12, name, size=12, bold=True, anchor="end"), rect(right - 9.2 * len(name) - 14, y + 3, 9, 9, tone)]
    y += 20
    body += [line(LEFT, y, LEFT, y + ROW * len(chances)), line(LEFT + ROOM, y - 4, LEFT + ROOM, y)]
    for i, one in enumerate(chances):
        body += _chance(one, y + ROW * i, scale, names)
    y += ROW * len(chances)
    body += [line(MARGIN, y + 2, WIDTH - MARGIN, y + 2), text(LEFT - 8, y + 19, others.token, size=12, anchor="end", fill=MUTE),
             *_numbers(others, y + 19, MUTE)]
    if any(one.follows for one in chances):
        body.append(text(LEFT, y + 19, "▸ what follows in your text", size=SMALL, fill=MUTE))
    return body, y + 32


def _chance(one: Chance, y: float, scale: float, names: tuple[str, str]) -> list[str]:
    ends = [LEFT + ROOM * share / scale for share in (one.before, one.after)]
    label = ("▸ " if one.follows else "") + visible(one.token)
    shapes = [text(LEFT - 8, y + 18, label, anchor="end", mono=True, bold=bool(one.leads)),
              rect(LEFT, y + 3, ends[0] - LEFT, 11, GREY, radius=1), rect(LEFT, y + 15, ends[1] - LEFT, 11, BLUE, radius=1),
              *_numbers(one, y + 18, INK, one.leads)]
    if one.leads:
        words = "leads in both" if one.leads == "in both" else f"leads at {one.leads}"
        x = max(ends[0] if one.leads == names[0] else ends[1], *(ends if one.leads == "in both" else ()), LEFT) + 6
        shapes.append(text(x, y + (13 if one.leads == names[0] else 25 if one.leads == names[1] else 19), words, size=SMALL, bold=True))
    return shapes


def _numbers(one: Chance, y: float, ink: str, leads: str = "") -> list[str]:
    return [text(right, y, _percent(share), size=12, fill=ink, anchor="end", bold=bool(leads)) for share, right in
            ((one.before, 662), (one.after, 744))]


def _percent(share: float) -> str:
    return "under 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"
