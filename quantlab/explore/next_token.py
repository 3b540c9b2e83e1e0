"""The next token: type a text, drag the bits, and see what the model expects to follow, beside what it expected before."""

import ipywidgets as widgets
import numpy as np

from ..inference.generate import prompt_tokens
from ..inference.quality import log_softmax
from ..profile import stable
from ..views.next_token import Chance, Step, draw_next_token, visible
from ..views.numbers import number
from ..views.page import shown
from ..views.style import Picture
from .base import Explorer, markup
from .lm_stock import TYPES, LmStock, stock_or_refusal
from .touch import Touch

ROWS = 9                # likeliest tokens of the reference that get a row
SMALL_MODEL = 2e7       # weights; a larger model waits for Enter before it reads a new text
NAMED = dict(description_width="80px")
PROMPT = "To be, or not to be,--that is the"
KEYS = "ArrowLeft ArrowRight Home End PageUp PageDown"
LABEL = ("Your text in tokens, and what may follow. Left and right: the token before and after. Home and End: the first and the last. "
         "Page Down: fewer bits. Page Up: more bits.")
NOTE = "Type any text; ␣ is a space, ⏎ the end of a line. Click a token to see what was expected after it."


def explore_next_token(model="tiny", prompt: str = PROMPT, *, qtype: str = "Q3_K") -> Explorer:
    """What a model expects to follow your text: the probabilities of its file's own weights beside those in a smaller type.

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
        controls = {
            "prompt": widgets.Text(value=prompt, description="your text", continuous_update=live, style=NAMED, layout=dict(width="740px")),
            "qtype": widgets.SelectionSlider(options=TYPES, value=qtype, description="type", style=NAMED, layout=dict(width="360px")),
            "place": widgets.IntSlider(1, min=1, max=1, description="after token", style=NAMED, layout=dict(width="360px"))}
        self._fit_slider(prompt, controls["place"])
        super().__init__(self._draw, controls, note=NOTE, presets={"4 bits": {"qtype": "Q4_K"}, "3 bits": {"qtype": "Q3_K"},
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
        steps = [Step(self.token(token), float(kld[i]), bool(flips[i])) for i, token in enumerate(self.tokens)]
        at = place - 1
        follows = self.tokens[place] if place < len(self.tokens) else None
        p, q = np.exp(before[at]), np.exp(after[at])
        chances, others = self._chances(p, q, follows, qtype)
        text = self.stock.reference.tokenizer.decode(self.tokens[: place])
        subtitle = (f"KL divergence here: {number(stable(steps[at].kld, 2), 2)} nats. {qtype}: {self.stock.size_words(qtype)}. "
                    f"After “{shown('…' + text[-30:] if len(text) > 31 else text, 32)}”")
        return draw_next_token(steps, at, chances, others, (self.stock.own, qtype), subtitle=subtitle, finding=self._finding(p, q, qtype))

    def _chances(self, p: np.ndarray, q: np.ndarray, follows: int | None, qtype: str) -> tuple[list[Chance], Chance]:
        """The likeliest tokens before, and whatever leads after or follows in the text, by their probability before."""
        wanted = {*np.argsort(-p, kind="stable")[:ROWS].tolist(), int(q.argmax()), *([follows] if follows is not None else [])}
        order = sorted(wanted, key=lambda token: -p[token])
        while len(order) > ROWS and (spare := [token for token in order[1:] if token not in (int(q.argmax()), follows)]):
            order.remove(spare[-1])
        lead, leads = int(p.argmax()), int(q.argmax())
        where = {lead: self.stock.own, leads: qtype} if lead != leads else {lead: "in both"}
        rows = [Chance(self.token(token), float(p[token]), float(q[token]), where.get(token, ""), token == follows) for token in order]
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
        self.set(place=min(max(int(message["cell"]) + 1 if "cell" in message else steps[message["key"]], 1), most))
