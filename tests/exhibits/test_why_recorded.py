"""Why a recorded run is shown may be a long sentence: no exhibit that says so loses words at its edge."""

import re

import pytest

import quantlab as ql
from tests.exhibits.cases import call
from tests.exhibits.edges import faults

ASKED = "Who painted the Mona Lisa?"
EXHIBITS = ("plot_measured_speed()", "explore_comparison()", "explore_quantize()", "explore_custom_model()",
            "plot_seeds()", "plot_clock()")
#: Reasons: nobody answers at a long address, and an address that Ollama does not take.
ADDRESSES = ("http://a-machine-with-a-long-name-in-the-cellar.department.example.org.invalid:11434",
             "http://user:secret@127.0.0.1:11434")


@pytest.fixture(params=ADDRESSES)
def no_server(request, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", request.param)
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")


@pytest.mark.parametrize("exhibit", EXHIBITS)
def test_no_word_of_the_picture_leaves_it(no_server, tmp_path, monkeypatch, exhibit):
    monkeypatch.chdir(tmp_path)
    picture = call(exhibit).picture
    assert "Recorded on" in picture.svg and faults(picture) == []


@pytest.mark.parametrize("no_server", ADDRESSES[:1], indirect=True)
def test_rows_that_were_recorded_say_why_in_full(no_server):
    names = ["135m-instruct-q4_K_M", "135m-instruct-q8_0"]
    rows = ql.compare_quantizations(ASKED, "smollm2", names, options={"temperature": 0}, or_recorded=True)
    picture = ql.show_comparison(ASKED, rows).picture
    shown = " ".join(re.findall(r">([^<>]+)</text>", picture.svg))
    assert f"It is shown because no Ollama answers at {ADDRESSES[0]}." in shown and faults(picture) == []
