"""What a model expects next: the probabilities of the likeliest tokens before and after quantization, and the
text they follow.

Tokens are a model's and a learner's words: they are only ever drawn as text, with spaces and line ends made
visible.

The next token: type a text, drag the bits, and see what the model expects to follow, beside what it expected
before.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np

from ..canvas.answers import printable, shown
from ..canvas.style import BLUE, GREY, INK, MUTE, SMALL, SOFT, VERMILION, WIDTH, Picture
from ..canvas.svg import here, line, page, rect, text, touchable
from ..inference.generate import prompt_tokens
from ..inference.quality import log_softmax
from ..profile import stable
from ..stage.legacy import Explorer, Touch, markup
from ..words import number
from .lm_stock import TYPES, LmStock, stock_or_refusal

MARGIN, TOP, LETTER = 16, 74, 7.3           # LETTER: the width of one at 12 px in a font of equal widths
TALL, BOX, MOST_LINES = 30, 22, 3           # of the strip: height of its bars and boxes, lines of them
PITCH = TALL + BOX + 17                     # from one line of the strip to the next
FULL = 2.0                                  # nats at the full height of a bar
# of the probabilities: where bars begin, the longest one, height of a row
LEFT, ROOM, ROW = 166, 330, 29
SIGNS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"})


class Step(NamedTuple):
    """A token of the text, and what follows it: the KL divergence in nats, and whether another token leads
    than before.
    """

    token: str
    kld: float
    flips: bool


class Chance(NamedTuple):
    """A token that may follow: its probability before and after, where it leads ("", "in both", a type's
    name), whether it does follow.
    """

    token: str
    before: float
    after: float
    leads: str = ""
    follows: bool = False


def visible(token: str, letters: int = 16) -> str:
    """The token with its spaces and line ends as signs, at most so many letters: " to" -> "␣to"."""
    words = printable(token.translate(SIGNS)) or "∅"
    return words if len(words) <= letters else words[: letters - 1] + "…"


def draw_next_token(steps: Sequence[Step], chosen: int, chances: Sequence[Chance], others: Chance,
                    names: tuple[str, str], *, finding: str, subtitle: str) -> Picture:
    """A strip of the text's tokens with what the quantization moved after each, and bars of what may follow
    the chosen one.

    chosen: number of the token after which the probabilities stand.  others: all tokens without a row,
    together.  names: the two types.
    """
    strip, y = _strip(steps, chosen)
    bars, height = _bars(chances, others, names, y + 14)
    table = (("token", names[0], names[1], "leads", "in your text"),
             *((visible(one.token, 40), f"{one.before:.2%}", f"{one.after:.2%}", one.leads, "yes"
                if one.follows else "") for one in (*chances, others)),
             *((f"after {visible(step.token, 40)}", "KL divergence", f"{step.kld:.2g} nats", "another token"
                if step.flips else "", "") for step in steps))
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
                  rect(x, bottom - tall, width, tall, VERMILION, radius=1),
                  rect(x, bottom + 3, width, BOX, SOFT, radius=4),
                  text(x + width / 2, bottom + 18, visible(step.token), size=12, anchor="middle", mono=True)]
        if step.flips:
            shapes.append(text(x + width / 2, bottom - tall - 3, "≠", size=12, anchor="middle", bold=True))
        tip = f"{number(step.kld, 2)} nats".replace(" ", "\u00a0")
        body.append(touchable(shapes, first=i, cells=1, tips=f"{tip}*1"))
        if i == chosen:
            said = f"after {visible(step.token)}: {number(step.kld, 2)} nats{', another token leads' if step.flips else ''}"
            body.append(here(said, rect(x - 1, bottom + 2, width + 2, BOX + 2, "none", stroke=INK,
                                        stroke_width=2.5, radius=5)))
    rows = 1 + max(row for _, row, _ in places.values())
    return body, TOP + 24 + rows * PITCH


def _places(steps: Sequence[Step], chosen: int) -> tuple[dict[int, tuple[float, int, float]], int]:
    """Number of a token -> (x, line, width) and the first one shown: the lines end with the text, or with the
    chosen token.
    """
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


def _bars(chances: Sequence[Chance], others: Chance, names: tuple[str, str], y: float) -> tuple[list[str],
                                                                                                float]:
    most = max(max(one.before, one.after) for one in chances)
    scale = next(full for full in (0.1, 0.25, 0.5, 1.0) if most <= full + 1e-6)
    body = [text(LEFT - 8, y + 12, "may come next", size=SMALL, fill=MUTE, anchor="end"),
            text(LEFT, y + 12, "0", size=SMALL, fill=MUTE),
            text(LEFT + ROOM, y + 12, f"{scale:.0%}".replace("%", " %"), size=SMALL, fill=MUTE,
                 anchor="middle")]
    for name, tone, right in ((names[0], GREY, 662), (names[1], BLUE, 744)):
        body += [text(right, y + 12, name, size=12, bold=True, anchor="end"),
                 rect(right - 9.2 * len(name) - 14, y + 3, 9, 9, tone)]
    y += 20
    body += [line(LEFT, y, LEFT, y + ROW * len(chances)), line(LEFT + ROOM, y - 4, LEFT + ROOM, y)]
    for i, one in enumerate(chances):
        body += _chance(one, y + ROW * i, scale, names)
    y += ROW * len(chances)
    body += [line(MARGIN, y + 2, WIDTH - MARGIN, y + 2),
             text(LEFT - 8, y + 19, others.token, size=12, anchor="end", fill=MUTE),
             *_numbers(others, y + 19, MUTE)]
    if any(one.follows for one in chances):
        body.append(text(LEFT, y + 19, "▸ what follows in your text", size=SMALL, fill=MUTE))
    return body, y + 32


def _chance(one: Chance, y: float, scale: float, names: tuple[str, str]) -> list[str]:
    ends = [LEFT + ROOM * share / scale for share in (one.before, one.after)]
    label = ("▸ " if one.follows else "") + visible(one.token)
    shapes = [text(LEFT - 8, y + 18, label, anchor="end", mono=True, bold=bool(one.leads)),
              rect(LEFT, y + 3, ends[0] - LEFT, 11, GREY, radius=1),
              rect(LEFT, y + 15, ends[1] - LEFT, 11, BLUE, radius=1), *_numbers(one, y + 18, INK, one.leads)]
    if one.leads:
        words = "leads in both" if one.leads == "in both" else f"leads at {one.leads}"
        x = max(ends[0] if one.leads == names[0] else ends[1], *(ends if one.leads == "in both" else ()),
                LEFT) + 6
        shapes.append(text(x, y + (13 if one.leads == names[0] else 25 if one.leads == names[1] else 19),
                           words, size=SMALL, bold=True))
    return shapes


def _numbers(one: Chance, y: float, ink: str, leads: str = "") -> list[str]:
    return [text(right, y, _percent(share), size=12, fill=ink, anchor="end", bold=bool(leads))
            for share, right in ((one.before, 662), (one.after, 744))]


def _percent(share: float) -> str:
    return "under 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"


ROWS = 9                # likeliest tokens of the reference that get a row
SMALL_MODEL = 2e7       # weights; a larger model waits for Enter before it reads a new text
NAMED = dict(description_width="80px")
PROMPT = "To be, or not to be,--that is the"
KEYS = "ArrowLeft ArrowRight Home End PageUp PageDown"
LABEL = (
    "Your text in tokens, and what may follow. Left and right: the token before and after. Home and End: "
    "the first and the last. "
    "Page Down: fewer bits. Page Up: more bits.")
NOTE = "Type any text; ␣ is a space, ⏎ the end of a line. Click a token to see what was expected after it."


def explore_next_token(model="tiny", prompt: str = PROMPT, *, qtype: str = "Q3_K") -> Explorer:
    """What a model expects to follow your text: the probabilities of its file's own weights beside those in a
    smaller type.

    model: "tiny", or any llama model that `open_model` opens.  prompt, qtype: what to begin with.
    A model that cannot be run is said in a sentence. Raises ValueError for a type that is not there.
    """
    stock = stock_or_refusal(model, qtype, "This needs", "explore_next_token")
    return NextToken(stock, str(prompt), qtype) if isinstance(stock, LmStock) else stock


class NextToken(Explorer):
    """`read` holds what the models made of the present text: type -> (tokens, n_vocab) ln p."""

    def __init__(self, stock: LmStock, prompt: str, qtype: str):
        self.stock, self.status, self.read, self.text, self.tokens = stock, markup("&nbsp;"), {}, None, []
        live = stock.n_weights < SMALL_MODEL
        controls = {"prompt": widgets.Text(value=prompt, description="your text", continuous_update=live,
                                           style=NAMED, layout=dict(width="740px")),
                    "qtype": widgets.SelectionSlider(options=TYPES, value=qtype, description="type",
                                                     style=NAMED, layout=dict(width="360px")),
                    "place": widgets.IntSlider(1, min=1, max=1, description="after token", style=NAMED,
                                               layout=dict(width="360px"))}
        self._fit_slider(prompt, controls["place"])
        super().__init__(self._draw, controls, note=NOTE,
                         presets={"4 bits": {"qtype": "Q4_K"}, "3 bits": {"qtype": "Q3_K"},
                                  "2 bits": {"qtype": "Q2_K"}})
        view, *others = self.children
        self.children = (view, self.status, *others, Touch(LABEL, KEYS, self.touched))

    def tell(self, words: str) -> None:
        """A line of what goes on; the words are our own."""
        self.status.value = f'<span class="ql-note">{words or "&nbsp;"}</span>'

    def redraw(self, change=None) -> None:
        """Draw; a new text begins at its end."""
        if not self._held and self.controls["prompt"].value != self.text:
            self._held = True
            self._fit_slider(self.controls["prompt"].value, self.controls["place"])
            self._held = False
        super().redraw(change)

    def _fit_slider(self, prompt: str, place: widgets.IntSlider) -> None:
        """A stop for each token of the text; what was read of another text is let go."""
        self.read, self.text = {}, prompt
        self.tokens = list(prompt_tokens(self.stock.reference, prompt)) if prompt else []
        place.max = max(len(self.tokens), 1)
        place.value = place.max

    # ---- what the models expect

    def expected(self, qtype: str) -> np.ndarray:
        """(tokens, n_vocab) ln p of what follows each token of the text."""
        if qtype not in self.read:
            lm = self.stock.at(qtype, self.tell)
            self.read[qtype] = log_softmax(lm.logits(self.tokens))
            self.tell("")
        return self.read[qtype]

    def token(self, number: int) -> str:
        """A token as text; bytes that are no whole character are written as numbers."""
        piece = self.stock.reference.tokenizer.piece(int(number))
        try:
            return piece.decode()
        except UnicodeDecodeError:
            return f"<{piece.hex(' ').upper()}>"

    def _draw(self, prompt: str, qtype: str, place: int) -> Picture:
        if not prompt:
            raise ValueError("The text is empty: type something for the model to continue")
        before, after = self.expected(self.stock.own), self.expected(qtype)
        kld = np.maximum((np.exp(before) * (before - after)).sum(1), 0)
        flips = before.argmax(1) != after.argmax(1)
        steps = [Step(self.token(token), float(kld[i]), bool(flips[i]))
                 for i, token in enumerate(self.tokens)]
        at = place - 1
        follows = self.tokens[place] if place < len(self.tokens) else None
        p, q = np.exp(before[at]), np.exp(after[at])
        chances, others = self._chances(p, q, follows, qtype)
        text = self.stock.reference.tokenizer.decode(self.tokens[: place])
        subtitle = (
            f"KL divergence here: {number(stable(steps[at].kld, 2), 2)} nats. {qtype}: "
            f"{self.stock.size_words(qtype)}. "
            f"After “{shown('…' + text[-30:] if len(text) > 31 else text, 32)}”")
        return draw_next_token(steps, at, chances, others, (self.stock.own, qtype), subtitle=subtitle,
                               finding=self._finding(p, q, qtype))

    def _chances(self, p: np.ndarray, q: np.ndarray, follows: int | None, qtype: str) -> tuple[list[Chance],
                                                                                               Chance]:
        """The likeliest tokens before, and whatever leads after or follows in the text, by their probability
        before.
        """
        wanted = {*np.argsort(-p, kind="stable")[:ROWS].tolist(), int(q.argmax()),
                  *([follows] if follows is not None else [])}
        order = sorted(wanted, key=lambda token: -p[token])
        while len(order) > ROWS and (spare := [token for token in order[1:]
                                               if token not in (int(q.argmax()), follows)]):
            order.remove(spare[-1])
        lead, leads = int(p.argmax()), int(q.argmax())
        where = {lead: self.stock.own, leads: qtype} if lead != leads else {lead: "in both"}
        rows = [Chance(self.token(token), float(p[token]), float(q[token]), where.get(token, ""),
                       token == follows) for token in order]
        rest = [max(1 - float(share[order].sum()), 0.0) for share in (p, q)]
        return rows, Chance(f"{len(p) - len(order):,} others", *rest)

    def _finding(self, p: np.ndarray, q: np.ndarray, qtype: str) -> str:
        lead, leads, own = int(p.argmax()), int(q.argmax()), self.stock.own
        first = f"“{visible(self.token(leads))}”"
        if qtype == own:
            return f"{own} expects {first} next, with {100 * p[leads]:.0f} %: drag the type to fewer bits"
        if lead != leads:
            return f"{qtype} would say {first}, {own} “{visible(self.token(lead))}”: another token leads"
        return f"{qtype} still says {first}: {100 * q[leads]:.0f} %, at {own} {100 * p[leads]:.0f} %"

    # ---- mouse and keys in the picture

    def touched(self, message: dict) -> None:
        """A click on a token or a key in the picture, as `Touch` tells it."""
        place, most = self.controls["place"].value, self.controls["place"].max
        if message.get("key") in ("PageUp", "PageDown"):
            stop = TYPES.index(self.controls["qtype"].value) + (1 if message["key"] == "PageDown" else -1)
            self.set(qtype=TYPES[min(max(stop, 0), len(TYPES) - 1)])
            return
        steps = {"ArrowLeft": place - 1, "ArrowRight": place + 1, "Home": 1, "End": most}
        self.set(place=min(max(int(message["cell"]) + 1 if "cell" in message else steps[message["key"]], 1),
                           most))
