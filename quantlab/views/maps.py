"""Where a model's bits are: layers by roles as coloured tiles with the number on each, and bytes by role as bars."""

from collections.abc import Sequence
from typing import NamedTuple

from .style import BITS_TONES, BLUE, INK, MEANING, MUTE, SOFT, WIDTH, Picture, ink_on
from .svg import letters, line, page, rect, text

LEFT, RIGHT = 112, WIDTH - 16
STEP, TILE = 25, 22         # pixels: from row to row, height of a tile


class Tile(NamedTuple):
    """One tensor: nominal `bits` (the digit on the tile and its colour) and a `title` for the mouse."""

    bits: int
    title: str


def draw_model_map(rows: Sequence[tuple[str, Sequence[Tile]]], outside: Sequence[tuple[str, Tile]], *, finding: str,
                   subtitle: str, size: float, full: float, size_words: str, note: str,
                   table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """Layers across, roles down; below them the tensors outside the stack, and the file's size as a bar.

    rows: role and one tile per layer.  outside: role and its tile.  size, full: bytes of the file and of its bar's end.
    """
    layers = max((len(tiles) for _, tiles in rows), default=0)
    width = (RIGHT - LEFT) / max(layers, 1)
    body = [_row(role, tiles, 72 + i * STEP, width) for i, (role, tiles) in enumerate(rows)]
    y = 72 + len(rows) * STEP
    body += [text(LEFT - 8, y + 11, "layer", size=11, fill=MUTE, anchor="end")]
    body += [text(LEFT + (i + 0.5) * width, y + 11, i, size=10, fill=MUTE, anchor="middle") for i in range(0, layers, 4)]
    y += 22
    for i, (role, tile) in enumerate(outside):
        body.append(_row(role, [tile], y + i * STEP, RIGHT - LEFT, f"{tile.bits} bits"))
    y += 2 * STEP + 10      # room for two, so that the bar stays where it is
    body += _size_bar(y, size, full, size_words)
    body.append(text(LEFT, y + 46, note, size=12, fill=MUTE))
    return page(y + 60, body, finding=finding, subtitle=subtitle, table=table)


def _row(role: str, tiles: Sequence[Tile], y: float, width: float, words: str = "") -> str:
    parts = [text(LEFT - 8, y + 16, role, size=12, anchor="end")]
    digits: dict[str, list[tuple[float, str]]] = {}             # ink -> (place, digit): a row's digits are one or two shapes
    for i, tile in enumerate(tiles):
        tone = BITS_TONES.get(tile.bits, SOFT)
        ink, middle = ink_on(tone) if tone != SOFT else INK, LEFT + (i + 0.5) * width - 1
        parts.append(rect(LEFT + i * width, y, width - 2, TILE, tone, radius=3, title=tile.title))
        if len(written := words or str(tile.bits or "")) == 1 and width >= 10:
            digits.setdefault(ink, []).append((middle, written))
        elif written and (words or width >= 10):
            parts.append(text(middle, y + 15.5, written, size=11, anchor="middle", fill=ink))
    for ink, places in digits.items():
        parts.append(letters([x for x, _ in places], y + 15.5, "".join(digit for _, digit in places), size=11, fill=ink))
    return "".join(parts)


def _size_bar(y: float, size: float, full: float, words: str) -> list[str]:
    end = LEFT + (RIGHT - LEFT) * min(size / full, 1)
    inside = end - LEFT > 8.2 * len(words)
    return [text(LEFT - 8, y + 18, "file", size=12, anchor="end"), rect(LEFT, y, RIGHT - LEFT, 26, SOFT, radius=3),
            rect(LEFT, y, end - LEFT, 26, BLUE, radius=3),
            text(LEFT + 10 if inside else end + 8, y + 18, words, bold=True, fill="#ffffff" if inside else INK)]


def draw_role_bytes(rows: Sequence[tuple[str, float, float]], *, finding: str, subtitle: str, names: tuple[str, str],
                    table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """Bytes by role: a bar for the plain type and, behind it, what the mix adds.

    rows: (role, plain bytes, extra bytes).  names: what the two parts are called, in the legend line above the bars.
    """
    most = max(plain + extra for _, plain, extra in rows)
    scale = (RIGHT - LEFT - 150) / most
    body = [rect(LEFT, 74, 12, 12, BITS_TONES[4]), text(LEFT + 18, 85, names[0], size=12),
            rect(LEFT + 200, 74, 12, 12, MEANING["scale"]), text(LEFT + 218, 85, names[1], size=12)]
    for i, (role, plain, extra) in enumerate(rows):
        y = 100 + i * 28
        body += [text(LEFT - 8, y + 16, role, size=12, anchor="end"), rect(LEFT, y, plain * scale, 22, BITS_TONES[4], radius=0),
                 rect(LEFT + plain * scale, y, extra * scale, 22, MEANING["scale"], radius=0),
                 text(LEFT + (plain + extra) * scale + 8, y + 16, f"{plain / 1e9:.2f} GB", size=12)]
        if extra >= 5e5:
            body.append(text(LEFT + (plain + extra) * scale + 68, y + 16, f"+ {extra / 1e9:.3f}", size=12, bold=True))
    body.append(line(LEFT, 96, LEFT, 100 + len(rows) * 28, stroke=INK))
    return page(112 + len(rows) * 28, body, finding=finding, subtitle=subtitle, table=table)
