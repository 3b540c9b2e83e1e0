"""Guesses, quizzes and targets as HTML, from the tables and with the words of the notebook. `asked.js` lets
them be answered and keeps the answers in the reader's own browser; without a script they can be read.
"""

import json
from collections.abc import Sequence
from html import escape

import quantlab as ql
from quantlab.lessons.predictions import written
from quantlab.lessons.quiz import Quiz
from quantlab.stage.aims import Aim, aim, aims, target_html
from quantlab.stage.question import LETTERS, MARKS, MultipleChoice
from quantlab.words import aloud, prose

NOT_HERE = "<b>In the notebook:</b> {} <span>This page has not all of its handles.</span>"


def guess(number: str) -> str:
    """The guess of that number of `data/predictions.toml`."""
    return _choice(ql.predict(number), number)


def quiz(lesson: str) -> str:
    """The questions at the end of a lesson, a line for the score, and one for the guesses of the lesson."""
    asked: Quiz = ql.final_quiz() if lesson == "10" else ql.quiz(lesson)
    of = "" if lesson == "10" else lesson
    numbers = {"guesses": [number for number in written() if number.startswith(of)],
               "targets": [number for number in aims() if number.startswith(of)]}
    return ("".join(_choice(one, f"quiz-{lesson}-{i}", question.right) for i, (one, question) in
                    enumerate(zip(asked.asked, asked.questions, strict=True), 1))
            + f'<p class="ql-score" data-of="quiz-{lesson}-"></p>'
            f'<p class="ql-ledger" data-numbers="{escape(json.dumps(numbers))}"></p>')


def _choice(asked: MultipleChoice, number: str, right: int | None = None) -> str:
    """A question.  right: the index of the right option; None asks the judge."""
    told = [asked.judge(i) for i in range(len(asked.options))]
    right = [tone for tone, _ in told].index("right") if right is None else right
    options = "".join(f'<button type="button" class="ql-option" disabled>{LETTERS[i]} · {prose(words)}'
                      "</button>" for i, words in enumerate(asked.options))
    whys = "".join(f"<template>{prose(f'{MARKS[tone]} {LETTERS[i]}. {sentence}')}</template>"
                   for i, (tone, sentence) in enumerate(told))
    return (f'<div class="ql-ask" data-number="{number}" data-right="{right}" role="group" '
            f'aria-label="{escape(asked.kind)}"><p><b>{escape(asked.kind)}.</b> {prose(asked.question)}</p>'
            f'{options}<p class="ql-said" aria-live="polite"></p>{whys}</div>')


def targets(numbers: Sequence[str], reachable: Sequence[str]) -> str:
    """Targets under an exhibit.  reachable: those that the handles of the page can reach."""
    return "".join(_target(number, aim(number)) if number in reachable else
                   f'<div class="ql-aim">{NOT_HERE.format(prose(aim(number).task))}</div>'
                   for number in numbers)


def _target(number: str, found: Aim) -> str:
    said = escape(aloud(f"Target reached: {found.task} {found.reached}"))
    return (f'<div class="ql-target" data-number="{number}" data-when="{escape(json.dumps(found.when))}" '
            f'data-said="{said}">{target_html(found, False)}'
            f"<template>{target_html(found, True)}</template></div>")
