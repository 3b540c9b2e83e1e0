"""What may be typed into an exercise's field, and what is refused in words."""

import pytest

import quantlab as ql
from quantlab.lessons.expression import read_expression
from quantlab.lessons.field import answer_field


@pytest.mark.parametrize(("typed", "value"), [
    ("4.5", 4.5), ("−2", -2), ("(16*4 + 16) / 16", 5.0), ("8 × 2**10", 8192), ('"Q4_0"', "Q4_0"),
    ("q4_K_M", "q4_K_M"), ("q4_K_M:latest x", "q4_K_M:latest x"), ("", ...), ("...", ...), ("1_000", 1000),
    ("[dict(n_ctx=4096), dict(type_k='q8_0'), ...]", [dict(n_ctx=4096), dict(type_k="q8_0"), ...]),
    ("{'a': 1}", {"a": 1}), ("max(1, round(2.6))", 3)])
def test_what_is_read(typed, value):
    assert read_expression(typed) == value


def test_a_function_of_the_learners_own():
    function = read_expression("lambda bits, block_size: bits + 16 / block_size")
    assert function(4, 32) == 4.5 and function(bits=8, block_size=16) == 9
    assert ql.check_bits_per_weight(function).voice == "correct"
    with pytest.raises(ValueError, match="cannot be used here"):
        read_expression("lambda x: x.__class__")(1)


@pytest.mark.parametrize("typed", [
    "__import__('os').system('ls')", "().__class__.__bases__", "open('/etc/passwd')", "[x for x in 'ab']",
    "ql.doctor()", "exec('1')", "getattr(1, 'real')", "f'{1}'", "(lambda: 1)()", "a := 1" * 20,
    "1 if 1 else 2", "9**9**9", "2**65", "'a' * 10**9", "[0] * 10**9", "1/0", "b'1'", "9" * 401, "max(open)"])
def test_what_is_refused_or_only_text(typed):
    try:
        assert read_expression(typed) == typed.strip()
    except ValueError as error:
        assert len(str(error).split()) > 3


def test_numbers_do_not_grow_without_end():
    with pytest.raises(ValueError, match="bits is not reckoned"):
        read_expression("*".join(["(10**6)**64"] * 8))


def test_a_field_says_what_the_check_says():
    field = answer_field(ql.check_bits_per_pixel, "bits_per_pixel")
    assert "bits per pixel" in field.finding
    field.box.value = "4.5"
    assert field.said.value == ql.check_bits_per_pixel(4.5)._repr_html_()
    field.box.value = "(16 * 4 + 16) / 16"
    assert "Correct" in field.said.value and field.finding.startswith("correct")
    field.box.value = "<script>alert(1)</script>"
    assert "<script" not in field.said.value
    field.box.value = "open('x')"
    assert "cannot be used here" in field.said.value
    field.box.value = ""
    field.button.click()
    assert "Not started" in field.said.value
