"""The exercises of lessons 15, 16 and 18, in which the learner writes a line of ggml's decoder and of
llama.cpp's recipe, and feeds an error back; each usual mistake is told from the others.
"""

from ..models.recipe_rules import CONDITIONS, RAISED, Place
from .feedback import Feedback, check_function, check_number

#: Why -> the function that makes this mistake.
DECODING_MISTAKES = {
    "The minimum is subtracted, not added.":
        lambda d, dmin, scale, minimum, code: d * scale * code + dmin * minimum,
    "The minimum has a scale of its own: dmin.":
        lambda d, dmin, scale, minimum, code: d * scale * code - minimum,
    "The minimum's scale is dmin, not d.":
        lambda d, dmin, scale, minimum, code: d * scale * code - d * minimum,
    "The minimum is missing.": lambda d, dmin, scale, minimum, code: d * scale * code,
    "The sub-scale is a small whole number: d makes the step of it.":
        lambda d, dmin, scale, minimum, code: scale * code - dmin * minimum,
    "The sub-block's own scale is missing: the step is d times scale.":
        lambda d, dmin, scale, minimum, code: d * code - dmin * minimum,
    "The code is missing: the step is taken code times.":
        lambda d, dmin, scale, minimum, code: d * scale - dmin * minimum,
    "The code multiplies the step only: the minimum is the same for all codes.":
        lambda d, dmin, scale, minimum, code: (d * scale - dmin * minimum) * code,
    "The sub-block's own minimum is missing: dmin is multiplied by it.":
        lambda d, dmin, scale, minimum, code: d * scale * code - dmin,
    "Q4_K's codes run from 0 to 15: there are no 8 to take away.":
        lambda d, dmin, scale, minimum, code: d * scale * (code - 8) - dmin * minimum,
    "The minimum is taken away after the multiplication, not from the code.":
        lambda d, dmin, scale, minimum, code: d * scale * (code - dmin * minimum),
    "The two terms have changed places.":
        lambda d, dmin, scale, minimum, code: dmin * minimum - d * scale * code}


def check_weight_of_q4_k(answer: object) -> Feedback:
    """Lesson 15: the weight from d, dmin, the sub-block's scale and minimum, and the code."""
    return check_function(
        answer, lambda d, dmin, scale, minimum, code: d * scale * code - dmin * minimum,
        [(0.5, 0.25, 3, 2, 4), (0.5, 0.25, 3, 2, 0), (0.001, 0.01, 63, 17, 15), (0.25, 1.0, 1, 0, 9)],
        mistakes=DECODING_MISTAKES,
        because=lambda d, dmin, scale, minimum, code:
            f"The step is {d} · {scale}, taken {code} times, less {dmin} · {minimum}.",
        praise="Two products and a subtraction: that is all that a graphics card does for each weight.")


#: Why -> the function that makes this mistake.
RULE_MISTAKES = {
    "The last eighth is missing.": lambda i, n: i < n // 8 or (i - n // 8) % 3 == 2,
    "The first eighth is missing.": lambda i, n: i >= 7 * n // 8 or (i - n // 8) % 3 == 2,
    "Every third layer between the two is missing.": lambda i, n: i < n // 8 or i >= 7 * n // 8,
    "No layer is raised: one of the three conditions is enough, so join them by `or`.":
        lambda i, n: i < n // 8 and i >= 7 * n // 8 and (i - n // 8) % 3 == 2,
    "Every third layer is counted from the end of the first eighth: n // 8 is missing.":
        lambda i, n: i < n // 8 or i >= 7 * n // 8 or i % 3 == 2,
    "The remainder is 2, not 0: the third of three.":
        lambda i, n: i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 0,
    "The remainder is 2, not 1: the third of three.":
        lambda i, n: i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 1,
    "`/` keeps the fraction: C divides whole numbers as `//` does.":
        lambda i, n: i < n / 8 or i >= 7 * n / 8 or (i - n / 8) % 3 == 2,
    "C works out 7 * n first and divides then: 7 * n // 8.":
        lambda i, n: i < n // 8 or i >= 7 * (n // 8) or (i - n // 8) % 3 == 2,
    "The last eighth begins at 7 * n // 8, not one later: `>=`.":
        lambda i, n: i < n // 8 or i > 7 * n // 8 or (i - n // 8) % 3 == 2,
    "The first eighth ends before layer n // 8: `<`.":
        lambda i, n: i <= n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2,
    "The rule is turned over: these are the layers that are not raised.":
        lambda i, n: not (i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2),
    "32 layers are built in: let n_layer decide.": lambda i, n: i < 4 or i >= 28 or (i - 4) % 3 == 2,
    "Every layer is raised: look at the signs.": lambda i, n: True}


def _why_raised(i_layer: int, n_layer: int) -> str:
    """Which of the rule's conditions a layer meets, in a sentence."""
    first, last = n_layer // 8, 7 * n_layer // 8
    if i_layer < first or i_layer >= last:
        side, layers = ("first", f"0 to {first - 1}") if i_layer < first else ("last", f"{last} and later")
        return f"It is in the {side} eighth, layers {layers}."
    after = (i_layer - first) % 3 + 1
    return (f"It is between layers {first} and {last}, and number {after} of its three after the first "
            f"eighth: {'raised' if after == 3 else 'not raised'}.")


def check_more_bits(answer: object) -> Feedback:
    """Lesson 16: which layers llama.cpp raises, `use_more_bits` in its source; models of 5 to 80 layers."""
    def use_more_bits(i_layer: int, n_layer: int) -> bool:
        return CONDITIONS[RAISED](Place(i_layer, n_layer, True, False, 1, 0, False, False))

    examples = [(i, n) for n in (32, 30, 5, 80) for i in range(n)]
    return check_function(answer, use_more_bits, examples, mistakes=RULE_MISTAKES,
                          because=_why_raised,
                          praise="Layer by layer the rule of llama.cpp, for models of 5 to 80 layers.")


#: The exercise of lesson 18: two weights in steps, and the correlation of their inputs.
FIRST, SECOND, CORRELATION = 2.4, 1.3, 0.8


def check_moved_weight(answer: object) -> Feedback:
    """Lesson 18: what the second of two weights is moved to once the first is rounded."""
    error = FIRST - round(FIRST)
    move = CORRELATION * error
    hints = {SECOND: "That is the second weight as it was. The first one's error moves it.",
             move: "That is how far it moves. Add it to the second weight.",
             error: "That is the error of the first weight. How much of it reaches the second?",
             SECOND - move: "It moves the other way: the first weight became smaller, the second grows.",
             SECOND + error: "That would be a correlation of 1. Here it is 0.8.",
             SECOND + error / CORRELATION: "You divided by the correlation: multiply by it.",
             SECOND + CORRELATION**2 * error: "The correlation comes once, not twice.",
             SECOND + CORRELATION: "The correlation is multiplied with the error of the first weight.",
             SECOND + CORRELATION * FIRST: "The error of the first weight counts, not the weight itself.",
             CORRELATION * SECOND: "The second weight is kept, and something is added to it.",
             CORRELATION * (SECOND + error): "Only the error is multiplied by the correlation.",
             FIRST + CORRELATION * (SECOND - 1): "The weights have changed places: 2.4 is rounded first.",
             SECOND + CORRELATION * (1 - error):
                 "The first weight is rounded to 2: its error is 0.4, not 0.6.",
             SECOND - CORRELATION * (1 - error):
                 "2.4 is rounded to 2, the nearest step, not to 3.",
             2: "That is the step that it is rounded to afterwards. What is it before that?",
             1: "That is its nearest step without error feedback."}
    return check_number(answer, SECOND + move, hints, unit="steps", rel_tol=1e-3,
                        start="The first weight is rounded to 2. How large is its error, and how much of it "
                              "does the second one take over?",
                        praise="1.62 is rounded to 2, in place of 1: the sum of both errors is smaller.")
