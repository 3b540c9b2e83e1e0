"""The error heatmap and the scale search, swept through every stop; what they say is held against the formats
themselves.
"""

import re

import numpy as np
import pytest

from quantlab.basics.sample import sample_weights
from quantlab.exhibits.errors import explore_error_map
from quantlab.exhibits.search import SEARCHES, explore_scale_search, one_scale, scale_and_minimum
from quantlab.formats.cfloat import mean_square
from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import quantize


def percent(words: str) -> float:
    return float(re.search(r"([\d.]+) %", words)[1])


def test_every_format_has_its_error_and_its_map():
    widget = explore_error_map()
    names = [name for name, _ in widget.controls["qtype"].options] if isinstance(
        widget.controls["qtype"].options[0], tuple) else list(widget.controls["qtype"].options)
    assert set(names) == {name for name, form in FORMATS.items() if form.block_size > 1}
    assert [FORMATS[n].bpw for n in names] == sorted(FORMATS[n].bpw for n in names)
    seen = set()
    for name in names:
        widget.set(qtype=name)
        assert widget.finding.startswith(name)
        seen.add(widget.view.value)
    assert len(seen) == len(names)


def test_the_errors_are_those_of_the_stored_weights():
    x = sample_weights()
    widget = explore_error_map(qtype="Q4_K")
    rows = x.reshape(-1, 256)
    error = np.sqrt(np.mean((quantize(rows, "Q4_K").dequantize() - rows) ** 2)) / x.std()
    assert percent(widget.finding) == pytest.approx(100 * error, rel=0.03)
    table = {row[0]: float(row[2]) for row in widget.picture.table[1:]}
    assert table["Q4_K"] == pytest.approx(100 * error, rel=0.01)
    # what lesson 04 says of a bit
    assert 0.45 < table["Q5_0"] / table["Q4_0"] < 0.55 and 14 < table["Q4_0"] / table["Q8_0"] < 18
    # lessons 05 and 12
    assert table["Q4_1"] > table["Q4_K"] and abs(table["IQ2_XS"] / table["Q2_K"] - 1) < 0.02
    assert table["Q2_K"] > table["Q3_K"] > table["Q4_K"] > table["Q5_K"] > table["Q6_K"] > table["Q8_0"]


def test_a_stretched_map_differs_and_a_constant_tensor_has_a_picture():
    widget = explore_error_map(qtype="Q8_0")
    before = widget.view.value
    widget.set(scale="stretched")
    assert widget.view.value != before
    assert explore_error_map(np.zeros((64, 64))).finding


def test_weights_that_fit_no_block_are_refused():
    with pytest.raises(ValueError, match="multiple of 32"):
        explore_error_map(np.zeros((3, 7)))


@pytest.mark.parametrize("qtype", SEARCHES)
def test_every_stop_of_the_search_is_drawn(qtype):
    widget, seen = explore_scale_search(qtype=qtype), set()
    for name in ("group", "picked"):
        handle = widget.controls[name]
        for stop in range(handle.min, handle.max + 1, 9):
            widget.set(**{name: stop})
            seen.add(widget.picture.svg)
    for name in ("far", "times"):
        for _, times in widget.controls[name].options:
            widget.set(**{name: times})
            seen.add(widget.picture.svg)
    assert len(seen) > 50
    assert len(widget.picture.table) > 15 and any(row[2] == "plain" for row in widget.picture.table)


def test_a_group_of_zeros_is_a_sentence():
    assert "all its weights are zero" in explore_scale_search(np.zeros(256)).finding


def test_an_unknown_search_names_those_there_are():
    with pytest.raises(ValueError, match=r"'Q8_0' here; the nearest are Q4_0, .*; there are Q2_K"):
        explore_scale_search(qtype="Q8_0")
    with pytest.raises(ValueError, match="256"):
        explore_scale_search(np.ones(100))


@pytest.mark.parametrize("qtype", ["Q4_K", "Q5_K", "Q2_K"])
def test_the_sentence_of_a_searched_group_is_about_the_scale_that_ggml_would_keep(qtype):
    from quantlab.formats.search_affine import affine

    size, nmax, factor, steps = SEARCHES[qtype]
    widget, rows = explore_scale_search(qtype=qtype), sample_weights().reshape(-1, 256)
    for group in (0, 3, 8, 13):
        widget.set(group=group)
        x = rows[group // 8].reshape(-1, size)[group % 8 * (32 // size)][:, None]
        fit = affine(x, np.sqrt(mean_square(rows[group // 8][None], factor) + x * x), nmax, *steps)
        reach = float(fit.inverse[0]) * (max(float(x.max()), 0) - float(fit.kept_min[0]))
        said = nmax if "plain scale is already" in widget.finding or "As many" in widget.finding else float(
            widget.finding.split()[0])
        assert reach == pytest.approx(said, abs=0.02)


def test_the_kept_levels_of_q4_0_are_those_that_ggml_stores_with_an_imatrix():
    """The explorer's landscape ends where the real encoder ends: same scale, up to its rounding to float16.
    """
    row = sample_weights().reshape(-1, 256)[:1]
    stored = quantize(row, "Q4_0", np.ones(256))
    for group in range(8):
        x = row[0, 32 * group : 32 * group + 32]
        land = one_scale(x, np.sqrt(mean_square(row) + x * x), 8, np.linspace(7, 9, 5))
        assert land.levels[-1] == pytest.approx(7 * float(stored.blocks["d"][group]), rel=1e-3)


@pytest.mark.parametrize("kind", ["one", "two"])
def test_no_candidate_lies_below_the_fine_sweep_at_its_place(kind):
    x = sample_weights()[3, :32]
    w = np.sqrt(np.mean(x**2) + x * x).astype(np.float32)
    steps = np.linspace(6.6, 9.4, 29)
    land = one_scale(x, w, 8, steps) if kind == "one" else scale_and_minimum(x, w, 8, (-0.9, 0.1, 18), steps)
    assert land.tried_error[land.best] == land.tried_error.min() <= land.tried_error[0]
    near = [land.error[np.abs(steps - tried).argmin()] for tried in land.tried]
    if kind == "one":
        np.testing.assert_allclose(land.tried_error, near, rtol=0.02, atol=1e-7)
    assert land.tried[0] == pytest.approx(8, rel=1e-5)
