"""Where the bytes of a mix are: a bar for each role, and what the mix adds to it."""

from collections.abc import Sequence

from .style import BITS_TONES, INK, MEANING, WIDTH, Picture
from .svg import line, page, rect, text

LEFT, RIGHT = 112, WIDTH - 16


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
