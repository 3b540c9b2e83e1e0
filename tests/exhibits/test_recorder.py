"""The recorder sees what a learner would see, and nothing of how it is built."""

import random
import re

import ipywidgets as widgets
import pytest

import quantlab as ql

from . import touching
from .cases import cases
from .page import fingerprint, page_of, pieces_of
from .recording import RECORD, differences, load, written
from .touching import Hand, changes

BAR = ('<svg><text x="1" fill="#111">{words}</text><rect id="over-{owner}" width="{width}" fill="{fill}"/>'
       '<rect fill="url(#over-{owner})"/></svg>')


class Toy(widgets.VBox):
    """A slider over a bar, as an exhibit has it."""

    def __init__(self, *, nested: bool = False, fill: str = "#0072B2", words: str = "bits"):
        self.fill, self.words, self.finding = fill, words, ""
        self.slider = widgets.IntSlider(4, min=2, max=8, description="bits:")
        self.button = widgets.Button(description="Two", tooltip="Set two bits")
        self.broken = widgets.Button(description="Broken")
        self.view, self.note = widgets.HTML(), widgets.HTML('<span class="a">A note</span>')
        self.slider.observe(lambda _change: self.draw(), names="value")
        self.button.on_click(lambda _button: setattr(self.slider, "value", 2))
        self.broken.on_click(lambda _button: [][0])
        parts = [self.view, self.slider, self.button, self.broken, self.note]
        super().__init__([widgets.HBox(parts[2:]), widgets.VBox(parts[:2])] if nested else parts)
        self.draw()

    def draw(self):
        bits = self.slider.value
        self.finding = f"{bits} bits"
        self.view.value = BAR.format(words=self.words, width=bits, fill=self.fill, owner=self.view.model_id)


def page(**more) -> dict:
    toy = Toy(**more)
    return page_of(toy, pieces_of(toy))


@pytest.fixture
def hand(monkeypatch) -> Hand:
    monkeypatch.setattr(touching, "call", lambda expression: Toy())
    made = Hand("toy()")
    made.look("first")
    return made


def test_boxes_may_be_nested_otherwise_and_ids_are_nobodys():
    assert page() == page(nested=True)
    assert list(page())[-3:] == ["[bits]", "[Two]", "[Broken]"] and page()["text"] == "A note"


@pytest.mark.parametrize(("more", "words"), [
    ({"fill": "#D55E00"}, "colours or classes"), ({"words": "bots"}, "words and shapes")])
def test_what_changed_in_a_picture_is_said(more, words):
    (found,) = differences({"first": page()}, {"first": page(**more)})
    assert found.startswith(f"first svg: other {words} (")


def test_a_step_keeps_what_it_changed(hand):
    assert hand.do(["set", "bits", 5]).items() >= {"finding": "5 bits", "[bits]": {"value": 5}}.items()
    assert hand.do(["press", "Two"])["[bits]"] == {"value": 2}
    assert hand.do(["press", "Two"]) == {}


def test_errors_are_not_swallowed(hand):
    assert hand.do(["press", "Broken"]) == {"error": "IndexError: list index out of range"}
    assert "no control 'bots'; there are bits, Two, Broken" in hand.do(["set", "bots", 3])["error"]


def test_what_is_hidden_or_disabled_is_not_used(hand):
    hand.root.button.disabled, hand.root.slider.layout.display = True, "none"
    assert hand.look("hidden") == {"[bits]": {"hidden": True}, "[Two]": {"disabled": True}}
    assert hand.buttons() == [["press", "Broken"]] and hand.draw(random.Random(1)) == ["press", "Broken"]


def test_changes_say_what_is_gone():
    old = {"a": "x", "[b]": {"value": 1, "max": 3}, "[c]": {}}
    new = {"a": "", "[b]": {"value": 1}, "table": ""}
    assert changes(old, new) == {"a": "", "[b]": {"max": None}, "[c]": None}


def test_a_move_that_ends_elsewhere_is_told_with_both_ends():
    old, new = ({"moves": [[["press", "Two"], {"finding": words}]]} for words in ("2 bits", "two bits"))
    (found,) = differences(old, new)
    assert found == 'move 1, ["press", "Two"], finding:\n    was "2 bits"\n    now "two bits"'


def test_every_exhibit_is_recorded_with_its_refusals():
    called = set(re.findall(r"\b(\w+)\(", " ".join(cases())))
    exhibit = re.compile("explore_|plot_|show_comparison|predict|quiz|final_quiz")
    exhibits = {name for name in dir(ql) if exhibit.match(name)}
    assert exhibits <= called
    assert list(load()) == cases()


def test_the_record_is_read_as_it_is_written():
    assert RECORD.read_text(encoding="utf-8") == written(load()) and len(RECORD.read_bytes()) < 1_500_000
    assert fingerprint([]) == ""
