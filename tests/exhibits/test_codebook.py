"""Lesson 12: the errors under the rulers are those of gguf's reader, targets are measured by what is drawn,
and the share of rounded eights that are entries is counted a second way.
"""

import gguf
import numpy as np
import pytest

import quantlab as ql
from quantlab.exhibits.codebook import BOOKS
from quantlab.formats.grid import codebook
from quantlab.lessons.answers_weights import rounded_eights_in_the_book


def test_the_errors_under_the_rulers_are_those_of_what_gguf_reads():
    rows = ql.sample_weights().reshape(-1, 256)
    told = {row[0]: row[2] for row in ql.plot_levels(errors=True).picture.table[1:]}
    assert told.pop("NF4") == "–"
    for name, words in told.items():
        stored = np.frombuffer(ql.quantize(rows, name).tobytes(), np.uint8).reshape(len(rows), -1)
        back = gguf.dequantize(stored, gguf.GGMLQuantizationType[name])
        error = np.sqrt(np.mean((back - rows) ** 2, dtype=float)) / rows.std(dtype=float)
        assert words == f"{100 * error:.1f} %", name


def test_without_a_wish_for_them_no_error_is_told():
    shown = ql.plot_levels().picture
    assert "off by" not in shown.svg + shown.finding and {len(row) for row in shown.table} == {2}


def test_a_format_whose_blocks_the_weights_do_not_fill_has_no_error():
    told = {row[0]: row[2] for row in ql.plot_levels(np.linspace(-1, 1, 96), errors=True).picture.table[1:]}
    assert told["TQ2_0"] == "–" != told["Q4_0"]


@pytest.mark.parametrize("book", BOOKS)
def test_what_targets_are_measured_by_is_what_is_drawn(book):
    shown, eights = ql.explore_codebook(book=book), ql.sample_weights().reshape(-1, 8)
    for eight in range(0, 64, 3):
        shown.set(eight=eight)
        numbers, x = shown.picture.numbers, eights[eight].astype(float)
        stored = np.array([float(row[2]) for row in shown.picture.table[1:]])
        assert numbers["wrong_signs"] == ((stored < 0) != (x < 0)).sum()
        size = np.abs(x)
        off = np.sqrt(((size - np.abs(stored)) ** 2).sum() / (size**2).sum())
        if not numbers["wrong_signs"]:
            assert numbers["off"] == pytest.approx(off, abs=2e-3)


def test_a_third_of_the_rounded_eights_are_entries_counted_one_by_one():
    weights, entries = np.abs(ql.sample_weights()).reshape(-1, 16), set()
    for entry in codebook("IQ2_XS").tolist():
        entries.add(tuple({8: 1, 25: 3, 43: 5}[number] for number in entry))
    met = 0
    for group in weights:
        steps = 5 * group / group.max()
        rounded = [min((1, 3, 5), key=lambda step, size=size: abs(step - size)) for size in steps]
        met += (tuple(rounded[:8]) in entries) + (tuple(rounded[8:]) in entries)
    share = met / (2 * len(weights))
    assert share == pytest.approx(rounded_eights_in_the_book()["share"], abs=1e-3)
    assert 0.3 < share < 0.4
