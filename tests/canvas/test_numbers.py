"""Numbers are written for people: no exponents where it can be helped, no "0 %" for what is not nothing."""

import pytest

from quantlab.words import number, percent, size


@pytest.mark.parametrize(("value", "digits", "words"),
                         [(0.02921, 4, "0.02921"), (-0.08762, 4, "−0.08762"), (9.596e-6, 4, "0.000009596"),
                          (1e-6, 6, "0.000001"), (0, 4, "0"), (1.5e-40, 2, "1.5e−40"), (65504, 5, "65504"),
                          (-1234567, 3, "−1.23e+06")])
def test_number(value, digits, words):
    assert number(value, digits) == words


@pytest.mark.parametrize(("nbytes", "words"), [(18, "18 B"), (194, "194 B"), (1536, "1.54 KB"),
                                               (589824, "590 KB"), (3.9375e9, "3.94 GB"), (28e9, "28 GB"),
                                               (1.4e12, "1,400 GB")])
def test_size(nbytes, words):
    assert size(nbytes) == words


@pytest.mark.parametrize(("share", "words"), [(0, "0 %"), (1, "100 %"), (0.5, "50 %"), (0.834, "83.4 %"),
                                              (0.0123, "1.23 %"), (0.99999, "over 99.9 %"),
                                              (0.0001, "under 0.1 %")])
def test_percent(share, words):
    assert percent(share) == words
