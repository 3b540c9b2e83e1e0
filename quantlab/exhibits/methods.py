"""Lesson 18: the same bytes, rounded in four ways. Choose the type and the method, and see how far the
predictions move, where the error went, and which passages are still known.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from ..canvas.recital import passage_tiles, said_lines, tile_frame
from ..canvas.style import GREY, INK, MEANING, MUTE, SOFT, Picture
from ..canvas.svg import fact_lines, line, page, quiet, rect, text
from ..inference.recorded_methods import MODELS, TEXTS
from ..methods.table import METHODS
from ..stage.base import Stage
from ..stage.exhibit import Exhibit
from ..stage.handles import menu, stops
from ..stage.share import recalled
from ..words import number, one_of, percent, size
from .methods_facts import (
    CALIBRATED,
    PLAIN,
    SHOWN,
    WIDE,
    MethodBar,
    MethodRows,
    by_heart,
    overall,
    passage_row,
    passage_said,
    recited,
)

SCENES = "scenes"
TOP, STEP = 90, 27                      # of the bars, pixels
LEFT, RIGHT = 210, 590
ROLES = TOP + 4 * STEP + 42             # where the errors by role begin
WIDTHS = (150, 440, 215)                # of both columns of errors: where each begins, how wide it is
LOOK = (15, 20, 82, 2)                  # of the text: size, line height, letters in a line, most lines


def draw_methods(rows: MethodRows, ftype: str, method: str, text: str = SCENES, passage: int = 0) -> Picture:
    """Bars of KL divergence, a bar a method; below, the errors by role and a passage, or the file's numbers.
    """
    row, bars = rows.at(ftype, method, text), rows.bars(ftype, text)
    plain = rows.at(ftype, PLAIN, text)
    tick = f"; tick: calibrated on {TEXTS[_other(text)]} instead" * any(bar.other for bar in bars)
    body = [quiet(16, TOP - 12, f"KL divergence at {ftype}, {size(plain['nbytes'])} each{tick}"),
            *_bars(bars, method)]
    numbers = {"kld": row["kld"], "share": row["kld"] / plain["kld"], "megabytes": row["nbytes"] / 1e6,
               "ppl": row["ppl"], "harm": row["kld"] / plain["kld"] - 1}
    if rows.recites:
        body += [*_roles(row["errors"], plain["errors"]), *_passage(row, passage)]
        weights, outputs = overall(row)
        numbers |= {"recited": recited(row), "weights": weights, "outputs": outputs,
                    "weights_plain": overall(plain)[0]}
        height = ROLES + 370
    else:
        body += fact_lines(16, 420, ROLES, rows.lines(row))
        height = ROLES + 130
    return page(height, body, finding=rows.finding(row), subtitle=rows.subtitle(), table=rows.table(),
                role="group").telling(numbers)


def _other(text: str) -> str:
    return next(name for name in TEXTS if name != text)


def _bars(bars: Sequence[MethodBar], method: str) -> list[str]:
    known = [one["kld"] for bar in bars for one in (bar.row, bar.other) if one]
    unit, shapes = (RIGHT - LEFT) / max(known), []
    for i, bar in enumerate(bars):
        y, chosen = TOP + STEP * i, bar.method == method
        shapes += [rect(10, y - 2, 740, STEP - 2, SOFT, radius=4)] if chosen else []
        shapes.append(text(16, y + 15, METHODS[bar.method].title, size=12, bold=chosen))
        if bar.row is None:
            shapes.append(quiet(LEFT, y + 15, "not measured"))
            continue
        kld, off = bar.row["kld"], WIDE * bar.row["kld_se"]
        shapes += [rect(LEFT, y + 3, unit * kld, 15, MEANING["error"], opacity=1 if chosen else 0.45),
                   line(LEFT + unit * (kld - off), y + 10.5, LEFT + unit * (kld + off), y + 10.5, stroke=INK,
                        width=2),
                   text(744, y + 15, f"{number(kld, 3)} ± {number(off, 1)}", size=12, anchor="end",
                        bold=chosen)]
        if bar.other is not None:
            x = LEFT + unit * bar.other["kld"]
            shapes.append(line(x, y, x, y + 21, stroke=INK, width=2))
    return shapes


def _roles(errors: Mapping, plain: Mapping) -> list[str]:
    """Both errors of each role as bars, with a tick where plain rounding is."""
    first, second, width = WIDTHS
    shapes = [quiet(first, ROLES - 10, "error of the weights"),
              quiet(second, ROLES - 10, "error of the outputs"),
              quiet(744, ROLES - 10, "tick: plain rounding", anchor="end")]
    most = [max(max(one[i] for one in (*errors.values(), *plain.values())), 1e-9) for i in (0, 1)]
    for row, (role, pair) in enumerate(errors.items()):
        y = ROLES + 20 * row
        shapes.append(text(16, y + 12, role, size=12))
        for i, left in enumerate((first, second)):
            end, tick = (left + width * one[i] / most[i] for one in (pair, plain[role]))
            shapes += [rect(left, y + 2, end - left, 12, (GREY, MEANING["error"])[i]),
                       line(tick, y - 1, tick, y + 17, stroke=INK, width=2),
                       text(left + width + 48, y + 12, percent(pair[i]), size=11, anchor="end")]
    return shapes


def _passage(row: Mapping, passage: int) -> list[str]:
    wrote, should = passage_said(row, passage)
    y, (_, leading, _, most) = ROLES + 172, LOOK
    shapes = [quiet(16, y, "it goes on, always with its likeliest token:", size=12),
              *said_lines(wrote, 30, y + 20, LOOK, (MUTE, INK, MEANING["error"]), "bold underline"),
              line(19, y + 8, 19, y + 12 + leading * most, stroke=INK, width=3)]
    y += 32 + leading * most
    shapes += [quiet(16, y, "Shakespeare:", size=12),
               *said_lines(should, 30, y + 18, (12, 16, 100, 2), (MUTE, MUTE, MUTE), "")]
    tiles = passage_row(row)
    key = (f"{recited(row)} of {len(row['passages'])} passages come whole; a number: so many words, then a "
           "wrong one. Click a tile.")
    shapes += [quiet(16, y + 62, key),
               passage_tiles(tiles, y + 70), tile_frame(tiles, passage, y + 70)]
    return shapes


# ---- handles

KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End PageUp PageDown"
LABEL = ("Methods of rounding at one type. Left and right: the next {what}. Page Up and Page Down: more or "
         "fewer bits.")
NOTE = "All files of a type have the same size, but for the header, and run in the same programs."


class MethodsLab(Stage):
    """Arrows walk through the passages, or through the methods of a model that knows none."""

    page_up = -1

    def __init__(self, exhibit: Exhibit, recites: bool):
        self.arrows = "passage" if recites else "method"
        super().__init__(exhibit)


@recalled
def explore_methods(model: str = "tiny", *, ftype: str = "", method: str = PLAIN) -> MethodsLab:
    """Four ways to round to the same bytes, as recorded: how far the predictions move, where the error went,
    and which passages are still known.

    model: "tiny", "smollm2" or "gemma3".  ftype: the type to begin with; method: "nearest", "importance",
    "scaling" or "feedback".  Raises ValueError for others.
    """
    rows = MethodRows(one_of("model", model, MODELS))
    ftype = one_of("type", ftype, rows.ftypes) if ftype else next(
        name for name in rows.ftypes if name.startswith("Q3_K"))
    handles = [stops("ftype", "type", ftype, rows.ftypes),
               menu("method", "method", one_of("method", method, SHOWN),
                    [(METHODS[name].title, name) for name in SHOWN])]
    if len(rows.texts) > 1:
        handles.append(menu("text", "calibrated on", SCENES, [(TEXTS[name], name) for name in rows.texts]))
    if rows.recites:
        handles.append(menu("passage", "passage", 0, [(one["opening"] + " …", i)
                                                      for i, one in enumerate(by_heart())]))
    presets = {"Plain": dict(method=PLAIN), **{METHODS[name].title.capitalize(): dict(method=name)
                                               for name in CALIBRATED}}
    what = "passage" if rows.recites else "method"
    return MethodsLab(Exhibit(handles, partial(draw_methods, rows), presets=presets, note=NOTE, keys=KEYS,
                              label=LABEL.format(what=what), pages="ftype"), rows.recites)
