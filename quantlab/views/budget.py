"""Spend your bits: the roles of a mix as a bar against a budget, and where the mix stands between those to beat."""

from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

from .numbers import size
from .plane import Axis, Label, along, beside, frame, spread
from .style import BITS_TONES, BLUE, GREEN, GREY, INK, MUTE, PAPER, SOFT, VERMILION, WIDTH, Picture, ink_on
from .svg import circle, hatching, line, page, polyline, rect, text

LEFT, RIGHT = 16, WIDTH - 16
BAR_TOP, BAR = 92, 38
PLOT_LEFT, PLOT_TOP, PLOT_BOTTOM = 76, 204, 436


class Part(NamedTuple):
    """The matrices of one role: bytes, nominal bits (the tone), what stands on it ("v 4") and the whole in words."""

    role: str
    nbytes: float
    bits: int
    words: str
    said: str


class Mark(NamedTuple):
    """A mix in the plane. kind: "alike" (all matrices in one type), "mix" (llama.cpp's), "tried" (yours, earlier), "best", "now".

    kld: None while it is being measured.
    """

    name: str
    nbytes: float
    kld: float | None
    kind: str


def draw_budget(parts: Sequence[Part], budget: tuple[str, float], marks: Sequence[Mark], lines: Sequence[tuple[str, str]], *, finding: str,
                subtitle: str, table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """A bar of all roles against the budget (name, bytes), the plane of bytes and KLD, and lines of (head, words) below."""
    body = [hatching(), *_bar(parts, budget), *_plane(marks, budget)]
    y = PLOT_BOTTOM + 60
    for head, words in lines:
        body.append(text(LEFT, y, head, size=12, bold=True))
        for part in wrap(words, 88):
            body.append(text(LEFT + 110, y, part, size=12))
            y += 19
    return page(y, body, finding=finding, subtitle=subtitle, table=table)


def _bar(parts: Sequence[Part], budget: tuple[str, float]) -> list[str]:
    name, limit = budget
    total = sum(part.nbytes for part in parts)
    scale = (RIGHT - LEFT) / max(total, 1.15 * limit)
    edge, x, shapes = LEFT + limit * scale, LEFT, []
    for part in parts:
        tone, width = BITS_TONES[part.bits], part.nbytes * scale
        shapes.append(rect(x, BAR_TOP, width - 1, BAR, tone, radius=0, title=part.said))
        fits = [words for words in (part.words, part.words.split(" ")[-1]) if words and 6.6 * len(words) + 4 < width]
        if fits:
            shapes.append(text(x + width / 2, BAR_TOP + BAR / 2 + 4, fits[0], size=11, anchor="middle", fill=ink_on(tone)))
        x += width
    words = f"budget: {name}, {size(limit)}"
    shapes += [rect(edge, BAR_TOP, x - edge, BAR, "url(#over)", radius=0, opacity=0.85, title="too much"),
               rect(LEFT - 3, BAR_TOP - 4, edge - LEFT + 3, BAR + 8, "none", stroke=INK, stroke_width=2, radius=4),
               text(edge, BAR_TOP - 10, words, size=12, bold=True, anchor="end")]
    over = total - limit
    said = f"{size(over)} too much" if over > 0 else f"{size(-over)} to spend" if over else "spent to the last byte"
    ink = VERMILION if over > 0 else INK
    return [*shapes, *_groups(parts, scale), text(RIGHT, BAR_TOP + BAR + 24, said, size=12, bold=True, fill=ink, anchor="end")]


def _groups(parts: Sequence[Part], scale: float) -> list[str]:
    """Below the bar: the first half of the roles' names, which neighbours share ("attn_")."""
    shapes, x, y, last = [], LEFT, BAR_TOP + BAR + 9, ""
    ends: dict[str, tuple[float, float]] = {}
    for part in parts:
        width = part.nbytes * scale
        group = part.role.split("_")[0] + "_" if "_" in part.role and not part.role.startswith("token") else part.role
        start = ends[group][0] if group in ends and group == last else x
        ends[group], last, x = (start, x + width), group, x + width
    for group, (start, end) in ends.items():
        if end - start > 6.2 * len(group) and group != "norms":
            shapes += [line(start + 1, y, end - 3, y, stroke=GREY),
                       text((start + end) / 2 - 1, y + 14, group, size=11, fill=MUTE, anchor="middle")]
    return shapes


def _plane(marks: Sequence[Mark], budget: tuple[str, float]) -> list[str]:
    """Bytes across, KLD down; what lies right of the budget's line is shaded."""
    name, limit = budget
    low, high = 0.6 * limit, 1.5 * limit
    near = [mark for mark in marks if low <= mark.nbytes <= high]
    known = [mark.kld for mark in near if mark.kld] or [0.001, 0.1]
    x = Axis(low / 1e6, high / 1e6, PLOT_LEFT, RIGHT)
    y = Axis(*spread(known, log=True, room=0.12), PLOT_BOTTOM, PLOT_TOP, log=True)
    edge = x(limit / 1e6)
    body = [rect(edge, PLOT_TOP, RIGHT - edge, PLOT_BOTTOM - PLOT_TOP, SOFT, radius=0),
            *frame(x, y, "size of the file, MB", "KL divergence (log scale): lower is nearer to the unquantized model"),
            line(edge, PLOT_TOP - 4, edge, PLOT_BOTTOM, stroke=INK, width=2),
            text(edge + 6, PLOT_BOTTOM - 8, "over the budget", size=11, fill=MUTE)]
    keep_clear = [(x(mark.nbytes / 1e6), y(mark.kld)) for mark in near if mark.kld]
    for kind, colour in (("alike", GREY), ("mix", BLUE)):
        path = [(x(m.nbytes / 1e6), y(m.kld)) for m in sorted(near, key=lambda m: m.nbytes) if m.kind == kind and m.kld]
        keep_clear += along(path)
        body.append(polyline(path, stroke=colour, width=1))
    order = sorted(near, key=lambda m: ("now", "best", "mix", "alike", "tried").index(m.kind))
    body += [shape for mark in reversed(order) for shape in _mark(mark, x, y)]
    labels = [Label(mark.name, x(mark.nbytes / 1e6), y(mark.kld), 8 if mark.kind == "now" else 6,
                    bold=mark.kind in ("now", "best") or mark.name == name, fill=MUTE if mark.kind == "alike" else INK)
              for mark in order if mark.kld and mark.kind != "tried"]
    return body + beside(labels, keep_clear, top=PLOT_TOP, bottom=PLOT_BOTTOM)


def _mark(mark: Mark, x: Axis, y: Axis) -> list[str]:
    at = x(mark.nbytes / 1e6)
    if mark.kld is None:
        return [line(at, PLOT_TOP, at, PLOT_BOTTOM, stroke=INK, dash="4 4"),
                text(at - 6, PLOT_TOP + 14, "measuring…", size=12, bold=True, anchor="end")]
    height = y(mark.kld) if mark.kld else PLOT_BOTTOM
    if mark.kind == "mix":
        return [rect(at - 5, height - 5, 10, 10, BLUE, radius=0)]
    if mark.kind == "now":
        return [circle(at, height, 8, INK), circle(at, height, 3.5, PAPER)]
    return [circle(at, height, {"alike": 4.5, "tried": 2.5, "best": 6}[mark.kind], {"alike": SOFT, "tried": GREY, "best": GREEN}[mark.kind],
                   stroke=GREY if mark.kind == "alike" else "none")]
