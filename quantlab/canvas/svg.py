"""The few SVG shapes all views are made of, as strings. Numbers in pixels; y grows downwards.

Strings and not a drawing library: one redraw takes under a millisecond, so a dragged slider feels instant.
Every text is escaped here, so a view may draw what a model or a file says.

Small parts of a picture that can be touched: surfaces that take clicks, and characters in their cells.
"""

from collections.abc import Iterable, Sequence
from html import escape
from textwrap import wrap

from .style import FONT, INK, LINE, MUTE, PAPER, SMALL, SOFT, TEXT, TITLE, VERMILION, WIDTH, Picture, Table


def text(x: float, y: float, words: object, *, size: float = TEXT, fill: str = INK, anchor: str = "start",
         bold: bool = False, mono: bool = False) -> str:
    """Words with their baseline at (x, y); anchor is "start", "middle" or "end"."""
    family = ' font-family="DejaVu Sans Mono, monospace"' if mono else ""
    weight = ' font-weight="bold"' if bold else ""
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    look = _paint(fill) + place + family + weight
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{look}>{escape(str(words))}</text>'


def quiet(x: float, y: float, words: object, *, size: float = SMALL, anchor: str = "start",
          bold: bool = False) -> str:
    """Small grey words beside what matters: units, legends, remarks."""
    return text(x, y, words, size=size, fill=MUTE, anchor=anchor, bold=bold)


def fact_lines(x: float, right: float, y: float, rows: Iterable[tuple[str, str]],
               step: float = 20) -> list[str]:
    """Lines of facts: what it is, in grey from x on, and its value in bold up to `right`."""
    return [quiet(x, y + step * i, what, size=12) + text(right, y + step * i, value, size=12, anchor="end",
                                                         bold=True) for i, (what, value) in enumerate(rows)]


def swatches(x: float, y: float, entries: Iterable[tuple[str, str]]) -> list[str]:
    """What the colours mean, side by side from x on, on the baseline y: (colour or "" for hollow, words)."""
    shapes = []
    for colour, words in entries:
        shapes += [rect(x, y - 10, 11, 11, colour or SOFT, stroke="none" if colour else INK),
                   quiet(x + 17, y, words)]
        x += 34 + 6.6 * len(words)
    return shapes


def runs(x: float, y: float, parts: Iterable[tuple[str, str, str]], *, size: float = TEXT) -> str:
    """A line of differently set words, each part beginning where the one before it ends: (words, colour,
    how).

    how: "bold", "underline", both with a space between, or "" for plain.
    """
    looks = {"bold": ' font-weight="bold"', "underline": ' text-decoration="underline"'}
    spans = [f'<tspan{_paint(fill)}{"".join(looks[name] for name in how.split())}>{escape(words)}</tspan>'
             for words, fill, how in parts]
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" xml:space="preserve">{"".join(spans)}</text>'


def rect(x: float, y: float, width: float, height: float, fill: str, *, stroke: str = "none",
         stroke_width: float = 1, radius: float = 2, opacity: float = 1, title: str = "") -> str:
    """A filled box; `title` is shown when the mouse rests on it. A negative size is drawn as zero."""
    tip = f"<title>{escape(title)}</title>" if title else ""
    fade = f' opacity="{opacity:g}"' if opacity != 1 else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
        f' rx="{radius:g}"'
        f'{_paint(fill, stroke, stroke_width)}{fade}>{tip}</rect>')


def tiles(xs: Iterable[float], y: float, width: float, height: float, fill: str, *, radius: float = 2,
          opacity: float = 1) -> str:
    """Equal boxes in a row, each with its left edge at its own x, as one shape."""
    r = min(radius, width / 2, height / 2)
    box = (f"h{width - 2 * r:.1f}q{r:g} 0 {r:g} {r:g}v{height - 2 * r:.1f}q0 {r:g} {-r:g} "
           f"{r:g}h{2 * r - width:.1f}"
           f"q{-r:g} 0 {-r:g} {-r:g}v{2 * r - height:.1f}q0 {-r:g} {r:g} {-r:g}z"
           if r else f"h{width:.1f}v{height:.1f}h{-width:.1f}z")
    fade = f' opacity="{opacity:g}"' if opacity != 1 else ""
    return f'<path d="{"".join(f"M{x + r:.1f} {y:.1f}{box}" for x in xs)}"{_paint(fill)}{fade}/>'


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = LINE, width: float = 1,
         dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    look = _paint("none", stroke, width) + dashes
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{look}/>'


def circle(x: float, y: float, radius: float, fill: str, *, stroke: str = "none", opacity: float = 1) -> str:
    fade = f' fill-opacity="{opacity:g}"' if opacity != 1 else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"{_paint(fill, stroke)}{fade}/>'


def polyline(points: Iterable[tuple[float, float]], *, stroke: str = INK, width: float = 1.5) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}"{_paint("none", stroke, width)}/>'


def _paint(fill: str, stroke: str = "none", width: float = 1) -> str:
    """Plain colours as attributes, which are short and quick to apply; a theme's variables as the style they
    must be.
    """
    wanted = {"fill": fill} | ({"stroke": stroke} if stroke != "none" else {})
    themed = ";".join(f"{what}:{colour}" for what, colour in wanted.items() if colour.startswith("var("))
    plain = "".join(f' {what}="{colour}"' for what, colour in wanted.items() if not colour.startswith("var("))
    thick = f' stroke-width="{width:g}"' if stroke != "none" and width != 1 else ""
    return plain + thick + (f' style="{themed}"' if themed else "")


def hatching(name: str = "over", colour: str = VERMILION) -> str:
    """A pattern for what does not fit: use it as fill `url(#over)`. Goes before the shapes that use it."""
    return (f'<defs><pattern id="{name}" width="7" height="7" patternUnits="userSpaceOnUse"'
            f' patternTransform="rotate(45)"><rect width="7" height="7" style="fill:{PAPER}"/>'
            f'<rect width="3" height="7" fill="{colour}"/></pattern></defs>')


def page(height: int, body: Iterable[str], *, finding: str, subtitle: str = "", width: int = WIDTH,
         table: Table = (), role: str = "img") -> Picture:
    """The finished picture: the finding as its title, a quiet subtitle, and the shapes of `body` below y =
    70.

    role: "group" for a picture with parts that a screen reader may name by themselves.
    """
    head = [text(16, 30, finding, size=_title_size(finding, width), bold=True)]
    if subtitle:
        head.append(text(16, 52, subtitle, size=max(9, min(12, (width - 32) / (0.6 * len(subtitle)))),
                         fill=MUTE))
    return Picture(_sheet(width, height, finding, [*head, *body], role), finding, width, height, table)


def notice(words: str, advice: str) -> Picture:
    """A picture that is only a sentence, for what cannot be drawn, and what to do about it; both wrapped."""
    lines, more = wrap(words, 80), wrap(advice, 105)[:6]
    body = [text(16, 30 + 22 * i, line, size=15, bold=True) for i, line in enumerate(lines)]
    top = 30 + 22 * len(lines)
    body += [text(16, top + 18 * i, line, size=12, fill=MUTE) for i, line in enumerate(more)]
    height = top + 2 + 18 * max(len(more), 1)
    return Picture(_sheet(WIDTH, height, words, body), words, WIDTH, height)


def captioned(picture: Picture, lines: Iterable[str]) -> Picture:
    """The picture with small lines below it: what one should know of it elsewhere."""
    told = [part for words in lines for part in wrap(words, 110)]
    body = [quiet(16, picture.height + 17 * (i + 1), words) for i, words in enumerate(told)]
    height = picture.height + 17 * len(told) + 10
    shapes = [picture.svg, *body]
    sheet = _sheet(picture.width, height, picture.finding, shapes)
    return Picture(sheet, picture.finding, picture.width, height)


def _sheet(width: int, height: int, finding: str, shapes: Iterable[str], role: str = "img") -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}"'
        f' role="{role}" aria-label="{escape(finding)}" font-family="{FONT}">{"".join(shapes)}</svg>')


def _title_size(words: str, width: int) -> float:
    """The title's font size: 18 px, or as much smaller as the sentence needs to stay inside (bold is 0.66 em
    wide).
    """
    return max(11, min(TITLE, (width - 32) / (0.66 * max(len(words), 1))))


def spot(x: float, y: float, width: float, height: float, **hooks: object) -> str:
    """An invisible box over what can be clicked; hooks become its data attributes, which `stage/touch.js`
    reads.

    first, bits: the box holds so many bits side by side, the first in reading order is number `first` of the
    block.
    weight, weights: the box holds so many weights, the first is number `weight`.
    """
    data = "".join(f' data-{name}="{value}"' for name, value in hooks.items())
    return (f'<rect class="ql-spot" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
            f' fill-opacity="0"{data}/>')


def touchable(shapes: Iterable[str], **hooks: object) -> str:
    """Shapes that take clicks together: a row of equal cells, from the first one's left edge to the last
    one's right.

    first, cells: so many cells side by side, the first one is number `first`.  tips: what the mouse is told
    of each, as runs of equal words ("Q6_K*4 Q4_K*2"); a second list after "|".
    """
    data = "".join(f' data-{name}="{escape(str(value))}"' for name, value in hooks.items())
    return f'<g class="ql-spot"{data} pointer-events="all">{"".join(shapes)}</g>'


def here(words: str, shape: str) -> str:
    """The shape that frames the chosen part of a picture, with what a screen reader says when the choice
    moves there.
    """
    return f'<g id="here" data-here="" role="img" aria-label="{escape(words)}">{shape}</g>'


def characters(places: Sequence[tuple[float, str]], y: float, size: float, ink: str, *,
               bold: bool = False) -> str:
    """Single characters, each centred at its own x: (x, character).  One shape where `text` for each would be
    dozens.
    """
    xs, words = " ".join(f"{x:.1f}" for x, _ in places), escape("".join(word for _, word in places))
    look = f' text-anchor="middle"{_paint(ink)}' + (' font-weight="bold"' if bold else "")
    return f'<text x="{xs}" y="{y:.1f}" font-size="{size:g}"{look}>{words}</text>'


def panel(lines: Sequence[str], y: float, height: float) -> list[str]:
    """Lines about the chosen part on a quiet panel as wide as the picture, the first one bold."""
    return [rect(16, y, WIDTH - 32, height, SOFT, radius=6), rect(16, y, 4, height, INK, radius=0),
            *(text(32, y + 20 + 19 * i, words, size=13 if i == 0 else 12, bold=i == 0)
              for i, words in enumerate(lines))]


def bracket(x: float, width: float, y: float, ink: str) -> str:
    """A flat bracket under `width` pixels, open above."""
    return f'<path d="M{x + 1:.1f} {y}v4h{width - 2:.1f}v-4" style="stroke:{ink};fill:none"/>'
