"""The error heatmap and the scale search, swept through every stop; what they say is held against the formats
themselves.
"""

import re

import numpy as np
import pytest

from quantlab.basics.sample import sample_weights
from quantlab.exhibits.book_search import search_book
from quantlab.exhibits.errors import explore_error_map
from quantlab.exhibits.search import explore_scale_search
from quantlab.exhibits.search_facts import SEARCHES, one_scale, scale_and_minimum
from quantlab.formats.cfloat import mean_square
from quantlab.formats.grid import codebook
from quantlab.formats.grid_search import SEARCHES as BOOKS
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


@pytest.mark.parametrize("qtype", [*SEARCHES, *BOOKS])
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


@pytest.mark.parametrize("qtype", BOOKS)
def test_the_kept_entries_of_a_book_are_those_that_the_encoder_stores(qtype):
    """Scale and entries of every group of several blocks, with importances that differ: what is drawn as kept
    stands in the block, and it is the nearest of those that were compared.
    """
    search, imatrix = BOOKS[qtype], np.random.default_rng(5).exponential(size=256).astype(np.float32)
    per = len(search.grid.columns)
    for row in sample_weights().reshape(-1, 256)[[0, 7, 100]]:
        stored = quantize(row[None], qtype, imatrix)
        entries = codebook(qtype)[FORMATS[qtype].layout.unpack(stored.blocks)["grid"][0]]
        w = imatrix * np.sqrt(mean_square(row[None], search.spread) + row * row)
        kinds = np.unique(codebook(qtype))
        for start in range(0, 256, per):
            first = start // search.group * search.group
            group = slice(first, first + search.group)
            found = search_book(qtype, row[group], w[group], start - first)
            kept = found.entries[0]
            assert found.first == start - first and (2 * np.searchsorted(kinds, entries[start // per]) + 1
                                                     == kept.numbers).all()
            near = [entry for entry in found.entries if not entry.steps]
            assert not found.compared or all(kept.distance <= entry.distance for entry in near)
            assert found.compared or (kept.numbers == found.rounded).all()
        least = found.land.tried_error.min()
        assert found.land.tried_error[found.land.best] == pytest.approx(least, rel=1e-5)


def test_a_sign_that_is_turned_over_is_told_from_the_others():
    """Seven minus signs among eight: IQ2_XS turns the least of them over, IQ2_S has a bit for each."""
    x = -np.linspace(1, 2, 16).astype(np.float32)
    x[7] = 0.1
    negative = {qtype: (search_book(qtype, x, np.ones(16), 0).sizes < 0).tolist()
                for qtype in ("IQ2_XS", "IQ2_S")}
    assert negative == {"IQ2_XS": [False] * 7 + [True], "IQ2_S": [False] * 8}


@pytest.mark.parametrize("qtype", BOOKS)
def test_a_book_for_weights_of_which_the_only_one_does_not_matter(qtype):
    x = np.zeros(256, np.float32)
    x[3] = 1
    widget = explore_scale_search(x, qtype)
    widget.set(group=0, far=0)
    zero = "IQ2_XXS counts this group as zero: there is nothing to search for"
    assert widget.finding == zero if qtype == "IQ2_XXS" else "No candidate does better" in widget.finding
    assert "nan" not in widget.picture.svg.lower()
    x[3] = 0
    assert "all its weights are zero" in explore_scale_search(x, qtype).finding


def test_the_picture_of_a_book_shows_the_rounding_the_kept_entry_and_those_compared():
    widget = explore_scale_search(qtype="IQ3_S")
    widget.set(group=7, picked=20)
    at = next(i for i, row in enumerate(widget.picture.table) if row[0] == "entry")
    kept, *others = widget.picture.table[at + 1 :]
    assert kept[0] == "9 5 5 3" and kept[2] == "kept: tried with 15.2 to 16.8 steps" and len(others) == 6
    assert [float(row[1]) for row in others] == sorted(float(row[1]) for row in others)
    assert "of 18 entries the nearest is kept" in widget.finding
    assert "no entry of the book" in widget.picture.svg
    widget.set(qtype="IQ2_S", group=6, picked=7)
    assert widget.finding.endswith("the rounded weights are an entry")
    assert "an entry of the book" in widget.picture.svg
