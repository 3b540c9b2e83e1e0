"""Multiple-choice questions: a prediction before an experiment, the quiz at the end of a lesson, and the
final one of lesson 10.

Every option has something to say, right or wrong, and the first answer counts. Numbers in the answers are
computed where they stand, from the tables that the lessons use. Below a lesson's quiz stands the ledger: what
you guessed in it, what was true, and which targets you reached.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..formats.table import FORMATS
from ..memory.rule import recommend_quantization
from ..models.recipes import tensor_list
from ..stage import ledger
from ..stage.aims import aims
from ..stage.base import Touchable, markup
from ..stage.question import LETTERS, MultipleChoice
from ..stage.still import SILENT, figure
from ..words import one_of
from .predictions import judged, prediction, written


def predict(question: str, options: Sequence[str] | None = None, answer: int = 0,
            why: str = "") -> MultipleChoice:
    """A guess before the experiment: what you chose gets its own explanation, and the first choice counts.

    question: the number of a guess of the lessons, such as "05-2" (lesson 05, its second), or a question of
    your own with options, the index of the true one, and what to say about it.
    Raises ValueError for an unknown number and where `answer` is not an index of `options`.
    """
    if options is None:
        found = prediction(question)
        return MultipleChoice(found.question, [words for words, _ in found.options],
                              lambda index: judged(question, found, index), kind="Predict")
    _check_index("answer", answer, options)

    def judge(index: int) -> tuple[str, str]:
        if index == answer:
            return "right", f"That is what happens. {why}"
        truth = f"it is {LETTERS[answer]}, {options[answer]!r}"
        return "chosen", f"You guessed {options[index]!r}; {truth}. {why}"

    return MultipleChoice(question, options, judge, kind="Predict")


@dataclass(frozen=True)
class Question:
    """A question and its options as (text, explanation); `right` is the index of the right one."""

    text: str
    options: Sequence[tuple[str, str]]
    right: int

    def __post_init__(self):
        _check_index("right", self.right, self.options)


class Quiz(Touchable):
    """Questions below each other, a score line that counts the first answer to each, and the ledger of a
    lesson's guesses ("" for all lessons, None for no ledger).
    """

    def __init__(self, questions: Sequence[Question], lesson: str | None = None):
        self.questions, self.lesson = questions, lesson
        self.asked = [self._ask(i, question) for i, question in enumerate(questions)]
        self.line, self.guesses = markup(), markup()
        super().__init__([*self.asked, self.line, *([] if lesson is None else [self.guesses])])
        self.say(f"A quiz of {len(questions)} questions. " + "  ".join(a.finding for a in self.asked))
        self._write()
        ledger.on_entry(self._write_guesses)
        self._write_guesses()

    @property
    def score(self) -> int:
        """How many questions were answered right at the first attempt."""
        return sum(a.first == q.right for a, q in zip(self.asked, self.questions, strict=True))

    def still_html(self) -> str:
        told = "".join(asked.told() for asked in self.asked)
        return figure(told + self.line.value + self.guesses.value, SILENT)

    def _ask(self, number: int, question: Question) -> MultipleChoice:
        def judge(index: int) -> tuple[str, str]:
            self._write()
            return ("right" if index == question.right else "wrong"), question.options[index][1]

        return MultipleChoice(question.text, [words for words, _ in question.options], judge,
                              kind=f"Question {number + 1}")

    def _write(self) -> None:
        left = sum(a.first is None for a in self.asked)
        words = f"{self.score} of {len(self.asked)} right at the first attempt; {left} still open."
        self.line.value = f'<div class="ql-question"><b>Score.</b> {words}</div>'
        if not left:
            self.say(words)

    def _write_guesses(self) -> None:
        if self.lesson is not None:
            asked, given = (sum(number.startswith(self.lesson) for number in table)
                            for table in (written(), aims()))
            self.guesses.value = ledger.ledger_html(self.lesson, asked, given)


def quiz(*questions: Question | str) -> Quiz:
    """Show the quiz of a lesson, quiz("05"), with what you guessed in it; or a quiz of your own questions.

    ValueError without questions, and for a lesson that has none.
    """
    if not questions:
        raise ValueError("a quiz needs at least one question, got 0")
    if isinstance(questions[0], str):
        lesson = one_of("lesson with a quiz", questions[0], of_lessons())
        return Quiz([Question(row["question"], [(text, why) for text, why in row["options"]], row["right"])
                     for row in of_lessons()[lesson]], lesson)
    return Quiz([question for question in questions if isinstance(question, Question)])


@cache
def of_lessons() -> dict[str, list[dict]]:
    """Lesson -> the rows of its quiz."""
    return tomllib.loads((files("quantlab") / "data" / "quizzes.toml").read_text(encoding="utf-8"))


def _check_index(name: str, index: int, options: Sequence) -> None:
    if not 0 <= index < len(options):
        raise ValueError(f"{name}={index} is not the index of one of the {len(options)} options (0 to "
                         f"{len(options) - 1})")


def final_quiz() -> Quiz:
    """The quiz of lesson 10: ten questions, a score, an explanation behind every option, and the ledger of
    all lessons.
    """
    return Quiz([*_on_weights(), *_on_files(), *_on_practice()], "")


def _on_weights() -> list[Question]:
    q4_0 = FORMATS["Q4_0"]
    return [
        Question("What does quantizing a weight store?", [
            ("a float with fewer digits",
             "That is what F16 and BF16 are: still floats. Quantizing drops the exponent of each weight."),
            ("a small whole number, and a scale it shares with others",
             "Yes: weight = scale × whole number. The scale is where the exponent went."),
            ("an index into a list of all weights",
             "Codebook formats do come close to this, but the list has 16 or a few hundred entries, not all "
             "weights."),
        ], 1),
        Question("One scale for a whole tensor, and one weight 50 times larger than the rest. "
                 "What happens?", [
            ("only that weight is stored badly",
             "It is the only one stored well: the scale was made for it."),
            ("the file grows", "The size does not depend on the values at all."),
            ("nearly all other weights become zero",
             "Yes, the llama of lesson 00: a step is now larger than they are."),
        ], 2),
        Question("How many bits does a weight cost in Q4_0?", [
            ("4", "You forgot the scale: 16 bits for every 32 weights."),
            (f"{q4_0.bpw:g}", f"Yes: {q4_0.type_size} bytes for {q4_0.block_size} weights."),
            ("5", "That would be a scale for every 16 weights."),
        ], 1),
    ]


def _on_files() -> list[Question]:
    q4_k, mix = FORMATS["Q4_K"], tensor_list("llama-3.1-8b", "Q4_K_M")
    mix_bpw = 8 * mix.nbytes.sum() / mix.n_weights.sum()
    raised = mix[(mix.role == "attn_v") & (mix.type == "Q6_K")]
    return [
        Question("How many bits does a weight cost in a Q4_K_M file of Llama-3.1-8B, on average?", [
            ("4", "No tensor of the file is that small: even Q4_K carries scales."),
            (f"{q4_k.bpw:g}",
             "That is Q4_K, the type of most tensors. The file is a mix with larger types in it."),
            (f"{mix_bpw:.2f}",
             "Yes: Q4_K for most tensors, Q6_K for some, and the average counts all of them."),
        ], 2),
        Question("What does the M in Q4_K_M raise?", [
            ("all attention tensors to 5 bits", "Some tables say so; no file looks like this."),
            (f"attn_v and ffn_down, in {len(raised)} of 32 layers, to Q6_K",
             "Yes. And the output tensor is Q6_K in every K-quant."),
            ("nothing, M is the size of the model",
             "The model's size is in the tag before it, such as 8b. S and M are recipes."),
        ], 1),
        Question("Where do you find what a model file is made of?", [
            ("in the header of the GGUF file: a name, a shape and a type for each tensor",
             "Yes, and it can be read without loading a single weight."),
            ("in its tag", "The tag is a name somebody gave. It is usually right; the file always is."),
            ("only its maker knows", "The file says all of it: lesson 03 reads it byte by byte."),
        ], 0),
    ]


def _on_practice() -> list[Question]:
    return [
        Question("What does the rule of thumb say for a 7B model on an 8 GB card?", [
            (recommend_quantization(8, 7),
             "Yes: 7 × 0.625 × 1.2 is 5.25 GB. It leaves the context out, so look at lesson 06 before you "
             "trust it."),
            ("q8_0", "7 × 1.0 × 1.2 is 8.4 GB: over by a little."),
            ("f16", "7 × 2.0 × 1.2 is 16.8 GB: twice the card."),
        ], 0),
        Question("Your model fits, but long chats do not. What grew?", [
            ("the weights", "They are the same from the first token to the last."),
            ("the KV cache: keys and values of every token in the context",
             "Yes. Its size is exact arithmetic, and storing it as q8_0 nearly halves it."),
            ("the GGUF file", "Nothing writes to it."),
        ], 1),
        Question("One prompt, by the clock: the Q4 file writes 21 tokens/s, the Q8 file 25. "
                 "Which is faster?", [
            ("the Q8 file", "Perhaps. But the clock includes loading the model, and one run is noise."),
            ("the Q4 file", "The numbers say the opposite, and even they prove little."),
            ("cannot tell",
             "Yes: take eval_count / eval_duration from the server, warm up first, and repeat."),
        ], 2),
        Question("Which quantization should you use?", [
            ("always Q4_K_M", "A good first try. Then check memory (06) and your own prompts (07)."),
            ("the largest that fits",
             "Often fine for quality; but it leaves no room for context, and it is slower."),
            ("start with Q4_K_M, see what fits, and let your own prompts decide",
             "Yes. That is this workbook in a line."),
        ], 2),
    ]
