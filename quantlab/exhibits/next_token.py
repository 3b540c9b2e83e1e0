"""The next token: type a text, drag the bits, and see what the model expects to follow, beside what it
expected before. Tokens are a model's and a learner's words: they are only ever drawn as text, with spaces and
line ends made visible.  Lesson: 07.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import sqrt
from threading import Thread
from typing import NamedTuple

import numpy as np

from ..canvas.style import BLUE, INK, MEANING, MUTE, SMALL, SOFT, WIDTH, Picture
from ..canvas.svg import here, line, page, quiet, rect, text, touchable
from ..inference.generate import prompt_tokens
from ..inference.in_types import TYPES, ModelInTypes
from ..inference.llama import LanguageModel
from ..inference.quality import log_softmax
from ..profile import stable
from ..stage.base import Stage
from ..stage.exhibit import Exhibit
from ..stage.handles import slider, stops, text_line
from ..stage.share import recalled
from ..words import clipped, number, one_of, percent, printable
from .in_a_thread import InTypes
from .measuring import FEWER_BITS, SMALL_MODEL, run_or_refuse, told_against

ROWS = 9                # likeliest tokens of the reference that get a row
SIGNS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"})


# ---- facts and words

class TextToken(NamedTuple):
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


def spelling(lm: LanguageModel, token: int) -> str:
    """A token as text; bytes that are no whole character are written as numbers."""
    piece = lm.tokenizer.piece(int(token))
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return f"<{piece.hex(' ').upper()}>"


def visible(token: str, letters: int = 16) -> str:
    """The token with its spaces and line ends as signs, at most so many letters: " to" -> "␣to"."""
    words = printable(token.translate(SIGNS)) or "∅"
    return words if len(words) <= letters else words[: letters - 1] + "…"


def likeliest(p: np.ndarray, q: np.ndarray, follows: int | None, names: tuple[str, str],
              spelled: Callable[[int], str]) -> tuple[list[Chance], Chance]:
    """The likeliest tokens before, and whatever leads after or follows in the text, by their probability
    before; and all others together.

    p, q: (n_vocab,) probabilities before and after.  names: the two types.  spelled: a token's text.
    """
    lead, leads = int(p.argmax()), int(q.argmax())
    kept = {lead, leads, *([] if follows is None else [follows])}
    order = sorted({*np.argsort(-p, kind="stable")[:ROWS].tolist(), *kept}, key=lambda token: -p[token])
    while len(order) > ROWS and (spare := [token for token in order if token not in kept]):
        order.remove(spare[-1])
    where = {lead: names[0], leads: names[1]} if lead != leads else {lead: "in both"}
    rows = [Chance(spelled(token), float(p[token]), float(q[token]), where.get(token, ""), token == follows)
            for token in order]
    before, after = (max(1 - float(share[order].sum()), 0.0) for share in (p, q))
    return rows, Chance(f"{len(p) - len(order):,} others", before, after)


def _finding(p: np.ndarray, q: np.ndarray, names: tuple[str, str], spelled: Callable[[int], str]) -> str:
    (own, qtype), lead, leads = names, int(p.argmax()), int(q.argmax())
    first = f"“{visible(spelled(leads))}”"
    if qtype == own:
        return f"{own} expects {first} next, with {100 * p[leads]:.0f} %: drag the type to fewer bits"
    if lead != leads:
        return f"{qtype} would say {first}, {own} “{visible(spelled(lead))}”: another token leads"
    return f"{qtype} still says {first}: {100 * q[leads]:.0f} %, at {own} {100 * p[leads]:.0f} %"


# ---- picture

MARGIN, TOP, LETTER = 16, 74, 7.3           # LETTER: the width of one at 12 px in a font of equal widths
TALL, BOX, MOST_LINES = 30, 22, 3           # of the strip: height of its bars and boxes, lines of them
PITCH = TALL + BOX + 17                     # from one line of the strip to the next
FULL = 2.0                                  # nats at the full height of a bar
# of the probabilities: where bars begin, the longest one, height of a row, right edges of the numbers
LEFT, ROOM, ROW, COLUMNS = 166, 330, 29, (662, 744)


def draw_next_token(tokens: Sequence[TextToken], chosen: int, chances: Sequence[Chance], others: Chance,
                    names: tuple[str, str], *, finding: str, subtitle: str) -> Picture:
    """A strip of the text's tokens with what the quantization moved after each, and bars of what may follow
    the chosen one.

    chosen: number of the token after which the probabilities stand.  others: all tokens without a row,
    together.  names: the two types.
    """
    strip, y = _strip(tokens, chosen)
    bars, height = _bars(chances, others, names, y + 14)
    table = (("token", names[0], names[1], "leads", "in your text"),
             *((visible(one.token, 40), f"{one.before:.2%}", f"{one.after:.2%}", one.leads,
                "yes" * one.follows) for one in (*chances, others)),
             *((f"after {visible(one.token, 40)}", "KL divergence", f"{one.kld:.2g} nats",
                "another token" * one.flips, "") for one in tokens))
    return page(int(height), [*strip, *bars], finding=finding, subtitle=subtitle, table=table,
                role="group").telling({"nats": tokens[chosen].kld, "flips": sum(one.flips for one in tokens)})


def _strip(tokens: Sequence[TextToken], chosen: int) -> tuple[list[str], float]:
    places, first = _places(tokens, chosen)
    left_out = f" ({first} tokens before are not shown)" if first else ""
    words = (f"Your text{left_out}. Bars: KL divergence of what follows, 2 nats at full height, square-root "
             "scale. ≠ another token leads")
    body = [quiet(MARGIN, TOP + 8, words)]
    for i, (x, row, width) in places.items():
        one, bottom = tokens[i], TOP + 24 + TALL + row * PITCH
        tall, moved = TALL * min(sqrt(max(one.kld, 0) / FULL), 1), f"{number(one.kld, 2)} nats"
        shapes = [rect(x, bottom - TALL, width, TALL + BOX + 4, "none"), line(x, bottom, x + width, bottom),
                  rect(x, bottom - tall, width, tall, MEANING["error"], radius=1),
                  rect(x, bottom + 3, width, BOX, SOFT, radius=4),
                  text(x + width / 2, bottom + 18, visible(one.token), size=12, anchor="middle", mono=True)]
        if one.flips:
            shapes.append(text(x + width / 2, bottom - tall - 3, "≠", size=12, anchor="middle", bold=True))
        body.append(touchable(shapes, first=i, cells=1, tips=f"{moved}*1".replace(" ", "\u00a0")))
        if i == chosen:
            said = f"after {visible(one.token)}: {moved}{', another token leads' * one.flips}"
            body.append(here(said, rect(x - 1, bottom + 2, width + 2, BOX + 2, "none", stroke=INK,
                                        stroke_width=2.5, radius=5)))
    rows = 1 + max(row for _, row, _ in places.values())
    return body, TOP + 24 + rows * PITCH


def _places(tokens: Sequence[TextToken], chosen: int) -> tuple[dict[int, tuple[float, int, float]], int]:
    """Number of a token -> (x, line, width) and the first one shown: the lines end with the text, or with the
    chosen token.
    """
    def filled(first: int) -> dict[int, tuple[float, int, float]]:
        places, x, row = {}, float(MARGIN), 0
        for i in range(first, len(tokens)):
            width = len(visible(tokens[i].token)) * LETTER + 10
            if x + width > WIDTH - MARGIN:
                x, row = float(MARGIN), row + 1
            if row == MOST_LINES:
                break
            places[i] = (x, row, width)
            x += width + 4
        return places

    first = 0
    while (places := filled(first)) and len(tokens) - 1 not in places and first < chosen:
        first += 1
    return places, first


def _bars(chances: Sequence[Chance], others: Chance, names: tuple[str, str],
          y: float) -> tuple[list[str], float]:
    most = max(max(one.before, one.after) for one in chances)
    scale = next(full for full in (0.1, 0.25, 0.5, 1.0) if most <= full + 1e-6)
    body = [quiet(LEFT - 8, y + 12, "may come next", anchor="end"),
            quiet(LEFT, y + 12, "0"),
            quiet(LEFT + ROOM, y + 12, percent(scale), anchor="middle")]
    for name, tone, right in zip(names, (MEANING["original"], BLUE), COLUMNS, strict=True):
        body += [text(right, y + 12, name, size=12, bold=True, anchor="end"),
                 rect(right - 9.2 * len(name) - 14, y + 3, 9, 9, tone)]
    y += 20
    body += [line(LEFT, y, LEFT, y + ROW * len(chances)), line(LEFT + ROOM, y - 4, LEFT + ROOM, y)]
    for i, one in enumerate(chances):
        body += _chance(one, y + ROW * i, scale, names)
    y += ROW * len(chances)
    body += [line(MARGIN, y + 2, WIDTH - MARGIN, y + 2),
             quiet(LEFT - 8, y + 19, others.token, size=12, anchor="end"),
             *_numbers(others, y + 19, MUTE)]
    if any(one.follows for one in chances):
        body.append(quiet(LEFT, y + 19, "▸ what follows in your text"))
    return body, y + 32


def _chance(one: Chance, y: float, scale: float, names: tuple[str, str]) -> list[str]:
    before, after = (LEFT + ROOM * share / scale for share in (one.before, one.after))
    shapes = [text(LEFT - 8, y + 18, "▸ " * one.follows + visible(one.token), anchor="end", mono=True,
                   bold=bool(one.leads)),
              rect(LEFT, y + 3, before - LEFT, 11, MEANING["original"], radius=1),
              rect(LEFT, y + 15, after - LEFT, 11, BLUE, radius=1), *_numbers(one, y + 18, INK)]
    if one.leads:
        # beside the bar of the type in which it leads
        places = {names[0]: (before, 13), names[1]: (after, 25), "in both": (max(before, after), 19)}
        x, down = places[one.leads]
        words = "leads in both" if one.leads == "in both" else f"leads at {one.leads}"
        shapes.append(text(x + 6, y + down, words, size=SMALL, bold=True))
    return shapes


def _numbers(one: Chance, y: float, ink: str) -> list[str]:
    """Both probabilities, one decimal each, so that they can be compared down the column."""
    words = ["under 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %" for share in (one.before, one.after)]
    return [text(right, y, share, size=12, fill=ink, anchor="end", bold=bool(one.leads))
            for share, right in zip(words, COLUMNS, strict=True)]


# ---- handles

PROMPT = "To be, or not to be,--that is the"
KEYS = "ArrowLeft ArrowRight Home End PageUp PageDown"
LABEL = ("Your text in tokens, and what may follow. Left and right: the token before and after. Home and "
         "End: the first and the last. Page Down: fewer bits. Page Up: more bits.")
NOTE = "Type any text; ␣ is a space, ⏎ the end of a line. Click a token to see what was expected after it."


@recalled
def explore_next_token(model="tiny", prompt: str = PROMPT, *, qtype: str = "Q3_K") -> Stage:
    """What a model expects to follow your text: the probabilities of its file's own weights beside those in a
    smaller type.

    model: "tiny", a GGUF path, or a pulled model of a family that runs here.  prompt, qtype: what to begin
    with.  A model that cannot be run is said in a sentence, with what measures it instead.  Raises ValueError
    for a type that is not there.
    """
    qtype = one_of("type", qtype, TYPES)
    return run_or_refuse(model, "This needs", "explore_next_token",
                         lambda model: NextToken(model, str(prompt), qtype))


class Reading(NamedTuple):
    """A text in tokens, and what the models made of it: type -> (tokens, n_vocab) ln p."""

    text: str
    tokens: list[int]
    read: dict[str, np.ndarray]

    @property
    def last(self) -> int:
        """The last place at which the slider can stand."""
        return max(len(self.tokens), 1)


class NextToken(InTypes):
    """`reading` is the present text."""

    page_up, arrows = -1, "place"

    def __init__(self, model: ModelInTypes, prompt: str, qtype: str):
        self.lm = model
        self.reading = self._begun(prompt)
        live = model.n_weights < SMALL_MODEL            # a larger one waits for Enter
        handles = [text_line("prompt", "your text", prompt, live=live, width=740),
                   stops("qtype", "type", qtype, TYPES),
                   slider("place", "after token", self.reading.last, 1, self.reading.last)]
        super().__init__(model, Exhibit(handles, draw_next_token, presets=FEWER_BITS, keys=KEYS, label=LABEL,
                                 note=" ".join([NOTE, *told_against(model.against)]), pages="qtype",
                                 label_width=80))

    def _ipython_display_(self):
        """What is shown will be moved: a small model's other types are made ready meanwhile."""
        super()._ipython_display_()
        if not self.large:
            with suppress(RuntimeError):    # where there are no threads, each is made when it is asked for
                Thread(target=self._make_ready, daemon=True).start()

    def _make_ready(self) -> None:
        here = TYPES.index(self.controls["qtype"].value)
        for qtype in sorted(TYPES, key=lambda name: abs(TYPES.index(name) - here)):
            self.lm.at(qtype, lambda words: None)

    def _begun(self, prompt: str) -> Reading:
        """Another text, of which nothing was read yet."""
        return Reading(prompt, list(prompt_tokens(self.lm.reference, prompt)) if prompt else [], {})

    def redraw(self) -> None:
        """Draw; a new text begins at its end."""
        if not self._held and self.controls["prompt"].value != self.reading.text:
            self.reading = self._begun(self.controls["prompt"].value)
            with self.held():
                self.controls["place"].max = self.reading.last
            self.place(place=self.reading.last)
        super().redraw()

    def expected(self, reading: Reading, qtype: str) -> np.ndarray:
        """(tokens, n_vocab) ln p of what follows each token of the text."""
        if qtype not in reading.read:
            self.heed()
            reading.read[qtype] = log_softmax(self.in_type(qtype).logits(reading.tokens))
            self.tell("")
        return reading.read[qtype]

    def facts(self, prompt: str, qtype: str, place: int) -> dict:
        if not prompt:
            raise ValueError("The text is empty: type something for the model to continue")
        now = self.reading          # while a large model reads, another text may be typed
        tokens, place, names = now.tokens, min(place, now.last), (self.lm.own, qtype)
        before, after = (self.expected(now, name) for name in names)
        kld = np.maximum((np.exp(before) * (before - after)).sum(1), 0)
        flips = before.argmax(1) != after.argmax(1)
        p, q = np.exp(before[place - 1]), np.exp(after[place - 1])
        follows = tokens[place] if place < len(tokens) else None
        spelled = partial(spelling, self.lm.reference)
        chances, others = likeliest(p, q, follows, names, spelled)
        text = self.lm.reference.tokenizer.decode(tokens[:place])
        return {"tokens": [TextToken(spelled(token), float(nats), bool(flip))
                           for token, nats, flip in zip(tokens, kld, flips, strict=True)],
                "chosen": place - 1, "chances": chances, "others": others, "names": names,
                "finding": _finding(p, q, names, spelled),
                "subtitle": f"KL divergence here: {number(stable(float(kld[place - 1]), 2), 2)} nats. "
                            f"{qtype}: {self.lm.size_words(qtype)}. "
                            f"After “{clipped('…' + text[-30:] if len(text) > 31 else text, 32)}”"}
