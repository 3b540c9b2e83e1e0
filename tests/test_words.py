"""Numbers are written for people: no exponents where it can be helped, no "0 %" for what is not nothing."""

import pytest

from quantlab.words import (
    GIB,
    aloud,
    bits,
    bits_of,
    clipped,
    gib,
    html_table,
    nearest,
    number,
    one_of,
    percent,
    printable,
    prose,
    size,
    text_table,
    whole,
    wrapped,
)


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


@pytest.mark.parametrize(("nbytes", "words"), [(8 * GIB, "8.00 GiB"), (0.4 * GIB, "0.40 GiB"),
                                               (-1.5 * GIB, "-1.50 GiB"), (39 * GIB, "39.0 GiB"),
                                               (1234.5 * GIB, "1,234.5 GiB")])
def test_gib(nbytes, words):
    assert gib(nbytes) == words


@pytest.mark.parametrize(("bpw", "words"), [(4.5, "4.5"), (2.0625, "2.0625"), (16, "16"), (4.8512, "4.85"),
                                            (2.31250, "2.3125"), (3.9999, "4.00")])
def test_bits(bpw, words):
    assert bits(bpw) == words


@pytest.mark.parametrize(("qtype", "wanted"), [("Q4_K", 4), ("BF16", 16), ("IQ2_XXS", 2), ("unknown", 0)])
def test_bits_of(qtype, wanted):
    assert bits_of(qtype) == wanted


def test_nearest_names_whatever_the_case():
    assert nearest("q4_k", ["Q4_K", "BF16"]) == "; the nearest is Q4_K"
    assert nearest("q4_k_m", ["Q4_K_M", "Q4_K_S", "F16"]) == "; the nearest are Q4_K_M, Q4_K_S"
    assert nearest("xyz", ["Q4_K"]) == ""


def test_one_of_answers_as_it_is_spelled_or_refuses_with_all_names():
    assert one_of("type", "q4_k", {"Q4_K": 1, "F16": 2}) == "Q4_K"
    with pytest.raises(ValueError, match="no type 'Q4_X' here; the nearest is Q4_K; there are Q4_K, F16"):
        one_of("type", "Q4_X", ["Q4_K", "F16"])


def test_rows_become_columns_with_numbers_to_the_right():
    rows = [("what", "GiB", ""), ("weights", "10.5", "a"), ("cache", "2 GiB", "7 b"), ("a remark", "", "")]
    assert text_table(rows).splitlines() == ["what     GiB", "weights   10.5  a", "cache    2 GiB  7 b",
                                             "a remark"]
    assert text_table([]) == html_table([]) == ""
    assert "<td>&lt;b&gt;</td>" in html_table([("a",), ("<b>",)])


@pytest.mark.parametrize("wrong", [0, 9, 2.0, True, "3", None, float("nan")])
def test_what_is_no_whole_number_in_range_is_named(wrong):
    whole("n", 3, 1, 8)
    with pytest.raises(ValueError, match=r"^n=.* cannot be: give a whole number of layers, from 1 to 8$"):
        whole("n", wrong, 1, 8, "layers")


def test_text_from_outside_has_no_control_characters_left():
    assert printable("a\r\n\tb\x1b[31m\x00\ud800") == "a\n b▯[31m▯▯"
    assert clipped(" two \n lines, and more", 10) == "two lines…"
    assert clipped("short", 10) == "short"


def test_wrapped_text_keeps_indents_and_says_that_there_is_more():
    assert wrapped("if x:\n    return x", 20, 9) == ["if x:", "\u00a0\u00a0\u00a0\u00a0return x"]
    assert wrapped("a b c d e f", 3, 2) == ["a b", "c …"]
    assert wrapped("日本" * 4, 8, 9) == ["日本日本", "日本日本"], "wide letters take the room of two"


@pytest.mark.parametrize(("words", "shown", "said"), [
    ("Set *conversations* to 4.", "Set <em>conversations</em> to 4.", "Set conversations to 4."),
    ("*a b*, `*c*` and *d*", "<em>a b</em>, <code>*c*</code> and <em>d</em>", "a b, *c* and d"),
    ("`2**bits` & 7 * n // 8 * 2", "<code>2**bits</code> &amp; 7 * n // 8 * 2", "2**bits & 7 * n // 8 * 2"),
    ("n*m*k, 2**3**4, ** and *", "n*m*k, 2**3**4, ** and *", "n*m*k, 2**3**4, ** and *")])
def test_marks_of_a_sentence_are_seen_and_not_heard(words, shown, said):
    assert prose(words) == shown and aloud(words) == said
