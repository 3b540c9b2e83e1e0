"""A model tag in pieces: each a coloured box, and below it what the letters mean."""

from collections.abc import Sequence

from .style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, SOFT, VERMILION, WIDTH, Picture, ink_on
from .svg import page, rect, text

COLOURS = {"maker": SOFT, "name": GREY, "size": BLUE, "variant": PURPLE, "family": VERMILION, "bits": GREEN, "scheme": SKY, "mix": ORANGE}
HEIGHT, LARGEST, ADVANCE = 330, 30, 0.602      # a letter of the monospaced font is 0.602 em wide


def draw_tag(tag: str, pieces: Sequence[tuple[str, str, str]], *, finding: str, subtitle: str,
             table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """tag: the whole name.  pieces: (letters, kind of COLOURS, meaning) from left to right; signs between them stay plain."""
    size = min(LARGEST, (WIDTH - 32) / (ADVANCE * max(len(tag), 1)))
    body, at = [], 0
    for letters, kind, _ in pieces:
        start = tag.find(letters, at)
        if start < 0:       # a part that the name leaves out, such as "latest"
            continue
        body += _plain(tag[at:start], at, size)
        tone = COLOURS.get(kind, SOFT)
        x, width = 16 + at_x(start, size), at_x(len(letters), size)
        body += [rect(x, 78, width, size * 1.5, tone, radius=3),
                 text(x, 78 + size * 1.08, letters, size=size, mono=True, fill=_ink(tone))]
        at = start + len(letters)
    body += _plain(tag[at:], at, size)
    for i, (letters, kind, meaning) in enumerate(pieces[:8]):
        y, tone = 148 + i * 23, COLOURS.get(kind, SOFT)
        width = min(max(at_x(len(letters), 13) + 14, 30), 170)
        body += [rect(16, y, width, 19, tone, radius=3), text(23, y + 14, letters[:20], size=13, mono=True, fill=_ink(tone)),
                 text(200, y + 14, meaning)]
    return page(HEIGHT, body, finding=finding, subtitle=subtitle, table=table)


def at_x(letters: int, size: float) -> float:
    return letters * size * ADVANCE


def _plain(letters: str, at: int, size: float) -> list[str]:
    return [text(16 + at_x(at, size), 78 + size * 1.08, letters, size=size, mono=True)] if letters else []


def _ink(tone: str) -> str:
    return INK if tone == SOFT else ink_on(tone)
