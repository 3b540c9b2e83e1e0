"""Guesses, quizzes and targets of the pages are those of the notebooks: the same tables, words, verdicts."""

import json
import re
from html import escape, unescape

import pytest

import quantlab as ql
from quantlab.lessons.predictions import prediction, written
from quantlab.lessons.quiz import of_lessons
from quantlab.stage.aims import aim, aims, target_html
from quantlab.words import prose
from tests.thinned import some
from tools.site import asked
from tools.site.build import ROOT
from tools.site.cells import told
from tools.site.frames import place, walked
from tools.site.lessons import in_colours, picture


def cells():
    """(lesson, text) of each code cell."""
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield path.stem[:2], "".join(cell["source"])


def test_what_a_cell_asks_is_found():
    found = told('ql.predict("05-4").then(ql.explore_sensitivity).aim("05-3")')
    assert found == (("explore_sensitivity", "ql.explore_sensitivity()"), "05-4", "", ("05-3",), True, "", "")
    assert told('ql.quiz("05")').quiz == "05" and told("ql.final_quiz()").quiz == "10"
    assert told('ql.predict("06-2").then(ql.plot_rule, quant="f16")').picture == "ql.plot_rule(quant='f16')"
    assert told('ql.predict("06-2").then(ql.plot_rule, mine)').picture == ""
    assert told('ql.explore_split("gpt-oss:20b", 12)').still == "ql.explore_split('gpt-oss:20b', 12)"
    quality = "ql.plot_quality(ql.recorded_quality('gemma3'), 'Gemma')"
    assert told(quality).still == quality and told("ql.plot_quality(mine.table(1))").still == ""
    assert told("ql.explore_model_map(mine.first)").still == told("ql.explore_llama()").still == ""
    assert told('ql.predict("mine?", ["a"], 0, "why")').guess == "" and told("%%bash").quiz == ""


def test_a_picture_that_waits_for_a_guess_is_drawn():
    calls = {found.picture for _, source in cells() if (found := told(source)).picture}
    assert len(calls) > 4
    assert f'aria-label="{escape(ql.plot_rule(quant="f16").finding)}"' in picture("ql.plot_rule(quant='f16')")


def test_a_stored_picture_wears_the_colours_of_the_page_where_it_is_still_the_same():
    call = "ql.explore_split('gpt-oss:20b', 12)"
    made = ql.explore_split("gpt-oss:20b", 12)
    html = in_colours(f"<p>before</p>{made.still_html()}", call)
    assert "<img" not in html and "var(--jp-" in html and html.startswith("<p>before</p>")
    assert f'aria-label="{escape(made.finding)}"' in html
    made.set(vram=8)
    assert in_colours(made.still_html(), call) == made.still_html(), "another state stays"


def test_every_guess_target_and_quiz_of_the_tables_is_found_in_its_lesson():
    found = [(lesson, told(source)) for lesson, source in cells()]
    assert {one.guess for _, one in found} - {""} == {*written()}
    assert {number for _, one in found for number in one.targets} == {*aims()}
    assert {one.quiz for _, one in found} - {""} == {*of_lessons(), "10"}
    assert [one for lesson, one in found if (one.guess or lesson)[:2] != lesson] == []


@pytest.mark.parametrize("number", some(sorted(written()), 6))
def test_a_guess_has_the_notebooks_options_explanations_and_the_right_one(number):
    html, there = asked.guess(number), prediction(number)
    assert re.search(r'data-right="(\d+)"', html)[1] == str(there.right)
    assert prose(there.question) in html
    notebook = ql.predict(number)
    whys = re.findall(r"<template>(.*?)</template>", html)
    for i, (words, _) in enumerate(there.options):
        notebook.choose(i)
        assert f"· {prose(words)}</button>" in html and whys[i] == prose(notebook.finding)


@pytest.mark.parametrize("lesson", some([*sorted(of_lessons()), "10"], 5))
def test_a_quiz_has_all_its_questions_and_their_right_options(lesson):
    html = asked.quiz(lesson)
    quiz = ql.final_quiz() if lesson == "10" else ql.quiz(lesson)
    right = [int(number) for number in re.findall(r'data-right="(\d+)"', html)]
    assert right == [question.right for question in quiz.questions]
    for question in quiz.questions:
        assert prose(question.text) in html


def test_a_target_carries_its_condition_and_one_out_of_reach_is_sent_to_the_notebook():
    html = asked.targets(["00-1", "02-2"], ["00-1"])
    when = json.loads(unescape(re.search(r'data-when="([^"]*)"', html)[1]))
    assert when == [list(one) for one in aim("00-1").when]
    assert target_html(aim("00-1"), True) in html and html.count("ql-target") == 1
    assert "<b>In the notebook:</b>" in html and prose(aim("02-2").task) in html


@pytest.mark.parametrize("name", ["explore_llama", "explore_types"])
def test_a_target_is_met_at_the_stops_where_the_notebook_meets_it(name):
    found = next(one for _, source in cells() if (one := told(source)).targets and name in str(one.exhibit))
    stage = eval(found.exhibit[1], {"ql": ql})
    made = walked(name, stage)
    for number in found.targets:
        stage.reset()
        stage.set(**aim(number).solution)
        stops = [axis.values.index(stage.values()[axis.name]) for axis in made.axes]
        now = {axis.name: axis.values[stop] for axis, stop in zip(made.axes, stops, strict=True)}
        assert aim(number).met(stage.gauges()) and made.reaches(aim(number))
        assert aim(number).met({**now, **made.numbers[place(made.axes, stops)]})
