"""The plane: values land where they should, ticks are round, and labels keep clear of points and of each
other.
"""

import re

import pytest

from quantlab.canvas.budget import BudgetMark, BudgetPart, draw_budget
from quantlab.canvas.labels import Label, beside
from quantlab.canvas.plane import Axis, spread
from quantlab.canvas.trade import Point, Scale, draw_pareto
from quantlab.exhibits.sensitivity import SensitivityFacts, draw_sensitivity


def test_a_logarithmic_axis_makes_equal_ratios_equal_lengths():
    axis = Axis(0.001, 1, 0, 300, log=True)
    assert [round(axis(value)) for value in (0.001, 0.01, 0.1, 1, 5, 0)] == [0, 100, 200, 300, 300, 0]
    assert Axis(0, 10, 300, 0)(2.5) == pytest.approx(225)


@pytest.mark.parametrize(("low", "high", "log"), [(0.00003, 0.2, True), (0.012, 0.019, True), (1, 2.5, True),
                                                  (0, 28, False), (1.2, 4.6, False)])
def test_ticks_are_few_and_inside(low, high, log):
    ticks = Axis(low, high, 0, 1, log).ticks()
    assert (
        len(ticks) <= 10
        and all(low <= tick <= high * 1.001 for tick in ticks)
        and (len(ticks) >= 2 or high / low < 2)
    )


def test_spread_leaves_room_even_for_equal_values():
    for values, log in (((3, 3), False), ((0.1, 0.1), True), ((0, 0), False), ((1, 5), False)):
        low, high = spread(values, log)
        assert low < min(values) and high > max(values)


def test_labels_do_not_cover_each_other():
    labels = [Label(f"Q4_K_{letter}", 300 + 3 * i, 200 + 2 * i) for i, letter in enumerate("SMLX")]
    boxes = []
    written = [shape for shape in beside(labels) if shape.startswith("<text")]
    for words, shape in zip((label.words for label in labels), written, strict=True):
        x, y = (float(value) for value in re.search(r'x="([\d.-]+)" y="([\d.-]+)"', shape).groups())
        boxes.append((x, y - 8, x + 0.62 * 11 * len(words), y + 2))
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_what_is_over_the_budget_is_hatched_and_unmeasured_is_said():
    parts = [BudgetPart("attn_q", 600, 4, "q 4", "Q4_K"), BudgetPart("ffn_up", 600, 8, "up 8", "Q8_0")]
    marks = [BudgetMark("Q3_K_M", 1000, 0.1, "mix"), BudgetMark("you", 1200, None, "now")]
    picture = draw_budget(parts, ("Q3_K_M", 1000), marks, [("To beat", "it")], finding="f", subtitle="s")
    hatched = re.findall(r'<rect[^>]*width="([\d.]+)"[^>]*fill="url\(#over\)"', picture.svg)
    assert float(hatched[0]) == pytest.approx(200 / 1200 * 728, abs=0.3)
    assert "200 B too much" in picture.svg and "measuring…" in picture.svg


def test_points_within_chance_stand_in_their_band():
    points = [Point("A", 2, 30, "K", "A"), Point("B", 4, -0.1, "K", "B", noise=True)]
    scale = Scale("perplexity", True, str)
    with_band = draw_pareto(points, 0, ["A"], "bits", scale, finding="f", subtitle="s")
    assert "beyond chance" in with_band.svg
    assert "beyond chance" not in draw_pareto(points[:1], 0, ["A"], "bits", scale, finding="f",
                                              subtitle="s").svg


def test_points_stand_where_their_numbers_say_and_what_is_beaten_is_hollow():
    points = [Point("Q2_K", 1, 0.4, "", "Q2_K"), Point("Q4_0", 3, 0.2, "", "Q4_0", beaten=True),
              Point("Q4_K", 2, 0.1, "", "Q4_K")]
    picture = draw_pareto(points, None, (), "MB", Scale("KLD", True, str), finding="f", subtitle="s")
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="(?:4\.5|5\.5)"', picture.svg)
    (x2, y2), (x40, y40), (x4, y4) = [(float(x), float(y)) for x, y in dots]
    assert x40 - x4 == pytest.approx(x4 - x2, abs=0.3)
    assert y4 - y40 == pytest.approx(y40 - y2, abs=0.3) and y2 < y4
    assert len(re.findall(r'r="4.5"', picture.svg)) == 1
    assert 'role="group"' not in picture.svg and 'id="here"' not in picture.svg


def test_what_a_file_says_is_escaped_in_every_picture():
    bad = "<i>&"
    point = draw_pareto([Point(bad, 1, 1, bad, bad)], 0, [bad], bad, Scale(bad, True, str), finding=bad,
                        subtitle=bad)
    rows = [{"layer": i, "role": bad, "qtype": bad, "saved": 9, "kld": 0.1, "kld_se": 0.1} for i in range(2)]
    tile = draw_sensitivity(SensitivityFacts(rows, bad, mix=bad, raised={(0, bad): bad}), (0, bad), [bad],
                            subtitle=bad)
    part = draw_budget([BudgetPart(bad, 9, 4, bad, bad)], (bad, 9), [BudgetMark(bad, 9, 0.1, "now")],
                       [(bad, bad)], finding=bad, subtitle=bad)
    for picture in (point, tile, part):
        assert bad not in picture.svg
