"""Lesson 05: where the bytes of a mix are: a bar for each role, and what the mix adds to it."""

from collections.abc import Sequence

from ..canvas.style import BITS_TONES, INK, MEANING, WIDTH, Picture, Table
from ..canvas.svg import line, page, rect, text
from ..models.recipes import tensor_rows
from ..models.types import tensor_nbytes
from ..stage.base import Stage, show
from ..words import size

LEFT, RIGHT = 112, WIDTH - 16
ROLES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "token_embd",
         "output")
NAMES = {"llama-3.1-8b": "Llama-3.1-8B", "llama-2-7b": "Llama-2-7B", "smollm2-135m": "SmolLM2-135M"}


def draw_role_bytes(rows: Sequence[tuple[str, float, float]], *, finding: str, subtitle: str,
                    names: tuple[str, str], table: Table = ()) -> Picture:
    """Bytes by role: a bar for the plain type and, behind it, what the mix adds.

    rows: (role, plain bytes, extra bytes).  names: what the two parts are called, in the legend line above
    the bars.
    """
    most = max(plain + extra for _, plain, extra in rows)
    scale = (RIGHT - LEFT - 150) / most
    body = [rect(LEFT, 74, 12, 12, BITS_TONES[4]), text(LEFT + 18, 85, names[0], size=12),
            rect(LEFT + 200, 74, 12, 12, MEANING["scale"]), text(LEFT + 218, 85, names[1], size=12)]
    for i, (role, plain, extra) in enumerate(rows):
        y = 100 + i * 28
        body += [text(LEFT - 8, y + 16, role, size=12, anchor="end"),
                 rect(LEFT, y, plain * scale, 22, BITS_TONES[4], radius=0),
                 rect(LEFT + plain * scale, y, extra * scale, 22, MEANING["scale"], radius=0),
                 text(LEFT + (plain + extra) * scale + 8, y + 16, f"{plain / 1e9:.2f} GB", size=12)]
        if extra >= 5e5:
            body.append(text(LEFT + (plain + extra) * scale + 68, y + 16, f"+ {extra / 1e9:.3f}", size=12,
                             bold=True))
    body.append(line(LEFT, 96, LEFT, 100 + len(rows) * 28, stroke=INK))
    return page(112 + len(rows) * 28, body, finding=finding, subtitle=subtitle, table=table)


def plot_bytes_by_role(model: str = "llama-3.1-8b", ftype: str = "Q4_K_M", plain: str = "Q4_K") -> Stage:
    """Where the extra bytes of a mix go: each role's bytes if all were `plain`, and what the mix adds."""
    rows = []
    for role in ROLES:
        tensors = [row for row in tensor_rows(model, ftype) if row[1] == role]
        base = sum(tensor_nbytes(row[3], plain) for row in tensors)
        rows.append((role, base, sum(row[6] for row in tensors) - base))
    extra = sum(row[2] for row in rows)
    first, second = sorted(rows, key=lambda row: -row[2])[:2]
    finding = (f"{ftype} adds {size(extra)} to plain {plain}: "
               f"{first[2] / extra:.0%} in {first[0]}, {second[2] / extra:.0%} in {second[0]}")
    table = (("Role", f"all {plain}", f"{ftype} adds"), *((role, size(base), size(more))
                                                          for role, base, more in rows))
    return show(draw_role_bytes(rows, finding=finding,
                                subtitle=f"{NAMES.get(model, model)}, bytes of all layers together",
                                names=(f"if every tensor were {plain}", f"what {ftype} adds"), table=table))
