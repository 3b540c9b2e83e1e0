"""A large model in several types: its picture is that of a small one, made in a thread that can be stopped.
"""

import threading

import pytest

from quantlab.exhibits import in_a_thread
from quantlab.exhibits.in_a_thread import STOPPED, InTypes
from quantlab.exhibits.next_token import explore_next_token
from quantlab.exhibits.recital import explore_recital
from quantlab.inference import load, stored
from quantlab.inference.in_types import model_in_types
from tests.inference.conftest import smollm_f16  # noqa: F401
from tests.inference.test_compare import folder  # noqa: F401

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def large(monkeypatch):
    """The tiny model counts as a large one, and what is quantized is written to a file."""
    monkeypatch.setattr(in_a_thread, "SMALL_MODEL", 0)
    monkeypatch.setattr(load, "can_be_kept", lambda n_weights: False)
    model_in_types.cache_clear()
    yield
    model_in_types.cache_clear()


@pytest.mark.parametrize(("explore", "moves"), [
    (explore_next_token, [{"qtype": "Q2_K"}, {"prompt": "Now is the winter of"}, {"place": 2}]),
    (explore_recital, [{"qtype": "Q4_0"}, {"qtype": "Q2_K", "passage": 3},
                       {"own": "My horse", "passage": -1}])])
def test_a_large_model_comes_to_the_pictures_of_a_small_one(explore, moves, large, monkeypatch):
    shown = explore()
    assert "is a large model" in shown.finding or not shown.working
    findings = []
    for move in moves:
        shown.set(**move)
        shown.wait()
        findings.append(shown.finding)
    assert not shown.working and shown.buttons["cancel"].disabled
    monkeypatch.setattr(in_a_thread, "SMALL_MODEL", 2e7)
    monkeypatch.setattr(load, "can_be_kept", stored.can_be_kept)
    model_in_types.cache_clear()
    small = explore()
    assert "cancel" not in small.buttons
    for move, finding in zip(moves, findings, strict=True):
        small.set(**move)
        assert small.finding.split(":")[0] == finding.split(":")[0]


def test_a_move_while_it_works_is_drawn_too(large):
    shown = explore_next_token()
    for qtype in ("Q2_K", "Q4_0", "Q8_0"):
        shown.set(qtype=qtype)                                  # the thread looks again before it ends
    shown.set(prompt="O Romeo, Romeo! wherefore art thou")
    shown.wait()
    assert "Q8_0" in shown.picture.svg and "wherefore" in shown.picture.svg and not shown.working


@pytest.mark.parametrize("explore", [explore_next_token, explore_recital])
def test_cancel_while_it_is_written_leaves_no_file_and_the_next_move_begins_again(
        explore, smollm_f16, folder, monkeypatch):  # noqa: F811
    monkeypatch.setattr(load, "can_be_kept", lambda n_weights: False)
    writing, heard = threading.Event(), InTypes._heard

    def waiting(self, step):
        heard(self, step)
        writing.set()
        self.cancel.wait(60)
    monkeypatch.setattr(InTypes, "_heard", waiting)
    shown = explore(smollm_f16, qtype="Q4_0")
    assert writing.wait(120), "the mix was never written"
    assert list(folder.glob("*.part")) and "<progress" in shown.status.value
    assert not shown.buttons["cancel"].disabled
    shown.buttons["cancel"].click()
    shown.wait()
    assert shown.finding == STOPPED and not list(folder.iterdir())
    monkeypatch.setattr(InTypes, "_heard", heard)
    shown.set(qtype="F16")
    shown.wait(300)
    assert shown.finding != STOPPED and "F16" in shown.picture.svg


def test_the_button_recites_a_large_model_again_but_not_twice_at_a_time(large, monkeypatch):
    shown = explore_recital(qtype="Q4_K")
    shown.wait()
    assert "recorded" in shown.picture.svg.lower()
    begun, go_on, drawn = threading.Event(), threading.Event(), shown.facts

    def slow(**values):
        begun.set()
        go_on.wait(60)
        return drawn(**values)
    monkeypatch.setattr(shown, "facts", slow)
    shown.buttons["Recite it here"].click()
    assert begun.wait(60)
    shown.buttons["Recite it here"].click()
    assert "One thing after the other" in shown.status.value
    go_on.set()
    shown.wait()
    assert "Recited on this computer" in shown.picture.svg
