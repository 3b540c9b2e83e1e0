"""An exhibit is taken along as code that makes it again, and stays as a still where no kernel is."""

import json
import re
from html import unescape

import numpy as np
import pytest

import quantlab as ql
from quantlab.canvas.style import WIDTH
from quantlab.stage.share import as_code
from tests.stage.test_base import size_of_png

EXHIBITS = ["ql.explore_memory('qwen3:8b', 12)", "ql.explore_bits()", "ql.explore_model_map()",
            "ql.explore_fit(8, params_b=7)", "ql.explore_block(qtype='Q8_0')", "ql.explore_llama()"]


def moved(exhibit):
    """The exhibit with each slider and menu one stop further."""
    for name in list(exhibit.controls):
        try:
            stops = exhibit._stops(name)
        except AttributeError:                                     # a text has no stops
            continue
        value = exhibit.controls[name].value
        exhibit.controls[name].value = stops[(stops.index(value) + 1) % len(stops)]
    return exhibit


@pytest.mark.parametrize("call", EXHIBITS)
def test_code_makes_the_same_picture_again(call):
    first = eval(call)
    assert first.code() == f"import quantlab as ql\n\n{call}"
    exhibit = moved(first)
    again = eval(exhibit.code().splitlines()[-1])
    assert again.values() == exhibit.values() and again.finding == exhibit.finding
    assert again.picture.svg == exhibit.picture.svg


def test_what_has_no_short_form_is_three_dots():
    assert as_code(np.zeros(3)) == "..." and as_code(("a", 1)) == "('a', 1)" and as_code(None) == "None"
    assert ql.explore_bits(np.linspace(-1, 1, 64)).call == "ql.explore_bits(...)"


def test_a_shared_picture_says_settings_and_source():
    exhibit = ql.explore_memory("llama3.1:8b", 8).at(n_ctx=16384)
    shared = exhibit.to_share(exhibit.still())
    words = [unescape(line) for line in re.findall(r"<text[^>]*>([^<]*)", shared.svg)]
    assert any("context, tokens: 16,384" in line for line in words)
    assert words[-1] == f"quantlab {ql.__version__}: ql.explore_memory('llama3.1:8b', 8).at(n_ctx=16384)"
    assert shared.height > exhibit.picture.height and shared.width == WIDTH
    exhibit.assistant.send = lambda message, buffers=None: sent.append((message, buffers))
    sent: list = []
    exhibit.heard({"copy": "picture"})
    exhibit.heard({"copy": "code"})
    exhibit.heard({"ping": 1})
    (picture, (png,)), (code, _), (here, _) = sent
    assert picture == {"copied": "picture"} and size_of_png(png) == (2 * WIDTH, 2 * shared.height)
    assert code["text"] == exhibit.code() and here == {"here": True}


def test_the_still_follows_and_cannot_be_markup(capsys):
    guess = ql.predict("Is `<b>` bold?", ["<script>", "no"], answer=1, why="Escaped.")
    assert "<code>&lt;b&gt;</code>" in guess.still_html() and "<script>" not in guess.still_html()
    assert "<b>A · " not in guess.still_html()
    guess.choose(0)
    assert "<b>A · &lt;script&gt;</b>" in guess.still_html() and "it is B" in guess.still_html()
    quiz = ql.final_quiz()
    assert quiz.still_html().count("<p><b>Question ") == len(quiz.asked)


def test_what_is_displayed_is_a_still_and_then_the_view(monkeypatch):
    shown = []
    for name in ("display", "update_display"):
        monkeypatch.setattr(f"quantlab.stage.touchable.{name}", lambda data, **how: shown.append((data, how)))
    exhibit = ql.explore_bits()
    exhibit._ipython_display_()
    exhibit.set(bits=2)
    exhibit.heard({"rested": True})
    (still, named), (view, _), (later, again) = shown
    assert f'alt="{still["text/plain"]}"' in still["text/html"] and "run this cell" in still["text/html"]
    assert list(view) == ["application/vnd.jupyter.widget-view+json"]
    assert named["display_id"] == again["display_id"] and later["text/plain"].startswith("2 bits")
    assert json.dumps(shown[0][0])
