"""The exercises about running models (lessons 07, 09, 14, 17, 19): clocks, a Modelfile, times that add up,
how far two distributions are apart, and what a token reads of a mixture.
"""

import numpy as np

from ..lab.modelfile import ModelfileError, parse_modelfile
from ..lab.records import recorded
from .feedback import NOT_STARTED, Feedback, check_number


def check_tokens_per_second(answer: object) -> Feedback:
    """Lesson 07: the speed of the cold q8_0 run, from the server's counters."""
    run = next(r for r in recorded("clock")["runs"] if r["turn"] == "cold" and "q8_0" in r["quantization"])
    counters = run["counters"]
    count, seconds = counters["eval_count"], counters["eval_duration"] / 1e9
    expected, prompt = count / seconds, counters["prompt_eval_count"]
    hints = {run["wall_tokens_per_second"]:
                 "That is the stopwatch: loading and reading the prompt are in it.",
             expected / 1e9: "Durations are in nanoseconds.",
             1 / expected: "Those are seconds per token: turn it over.",
             (count + prompt) / seconds: "The prompt's tokens were read, not written.",
             count / (run["time"] - counters["load_duration"] / 1e9):
                 "The loading is out, but reading the prompt is still in.",
             prompt / (counters["prompt_eval_duration"] / 1e9): "That is how fast the prompt was read.",
             count / (counters["prompt_eval_duration"] / 1e9):
                 "Those are the tokens written over the time for reading: take eval_duration.",
             count / (counters["load_duration"] / 1e9): "That is the time for loading: take eval_duration.",
             count: "Those are all its tokens: divide them by the seconds.",
             seconds: "Those are the seconds: how many tokens came in each?",
             expected / 1e3: "Durations are in nanoseconds: 10⁹ of them make a second, not 10¹².",
             expected / 1e6: "Durations are in nanoseconds, not in thousandths.",
             expected * 1e3: "Durations are in nanoseconds: 10⁹ of them make a second, not 10⁶."}
    return check_number(answer, expected, hints, rel_tol=5e-3, unit="tokens/s",
                        start="Divide eval_count by the seconds of eval_duration.",
                        praise="Tokens written over the time it took to write them; nothing else belongs in "
                               "there.")


#: Three tokens that may come next, before and after: the exercise of lesson 17.
BEFORE, AFTER = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.3, 0.2])


def check_divergence(answer: object) -> Feedback:
    """Lesson 17: the KL divergence of (0.5, 0.3, 0.2) from (0.7, 0.2, 0.1), in nats."""
    p, q = BEFORE, AFTER
    terms = p * np.log(p / q)
    expected, back = float(terms.sum()), float((q * np.log(q / p)).sum())
    hints = {back: "p and q have changed places: the original's probabilities weigh the sum.",
             -back: "The fraction is turned over, and so are the weights: p ln (p/q).",
             expected / np.log(2): "Those are bits, from log2. Nats come from ln, `np.log`.",
             expected / np.log(10): "That is with log10. Nats come from ln, `np.log`.",
             float(terms.mean()): "That is the mean of three terms. Add them up: p is the weight already.",
             float(np.log(p / q).sum()): "Each term has a weight: p ln (p/q).",
             float(abs(terms).sum()): "Terms below 0 count as they are: without their sign the sum is wrong.",
             float(terms[0]): "That is the first token alone. Add the other two.",
             float(terms[:2].sum()): "The third token is missing.",
             float(abs(p - q).sum()): "Those are the differences. The divergence compares by a logarithm.",
             float(abs(p - q).max()): "That is the largest difference. The divergence compares by a "
                                      "logarithm.",
             float(((p - q) ** 2).sum()): "Those are squared differences. The divergence compares by a "
                                          "logarithm.",
             float(-(p * np.log(q)).sum()): "That is the cross-entropy. Take off the entropy of p, "
                                            "−Σ p ln p.",
             float(-(p * np.log(p)).sum()): "That is the entropy of p: how unsure the original is by itself.",
             float((p * (p / q)).sum()): "The logarithm is missing.",
             float(np.exp(expected)): "One step too many: leave it as a logarithm."}
    return check_number(answer, expected, hints, unit="nats", rel_tol=5e-3,
                        start="For each of the three tokens work out p ln (p/q), then add them up.",
                        praise="About 0.085 nats: the words that the original would write become 8 % less "
                               "likely, on average.")


def check_modelfile(answer: object) -> Feedback:
    """Lesson 09: a Modelfile with a base, a SYSTEM text, temperature 0 and a stop word."""
    if answer is ...:
        return NOT_STARTED
    if not isinstance(answer, str):
        return Feedback("wrong kind", f"A Modelfile is a text in quotes, not {type(answer).__name__}.")
    try:
        found = parse_modelfile(answer)
    except ModelfileError as error:
        why = str(error)
        return Feedback("not yet", f"No model can be made from it. {why[:1].upper()}{why[1:]}")
    there = {"a SYSTEM line": found.system, "PARAMETER temperature": "temperature" in found.parameters,
             "PARAMETER stop": "stop" in found.parameters}
    if missing := [words for words, given in there.items() if not given]:
        return Feedback("not yet", f"It is a valid Modelfile; still missing: {', '.join(missing)}.")
    if (temperature := found.parameters["temperature"]) != 0:
        return Feedback("almost", f"At temperature {temperature:g} the choice of a word is left to "
                                  "chance. At which value is it never?")
    return Feedback("correct", f"A model on {found.base} that always says the same thing. Paste it into the "
                               "explorer and press Create.")


def check_split_speed(answer: object) -> Feedback:
    """Lesson 14: 8 GB a token of which 2 GB lie in main memory at 50 GB/s, the rest on a card at 400 GB/s;
    tokens a second at most.
    """
    seconds = 6 / 400 + 2 / 50
    hints = {400 / 8: "That is with everything on the card.",
             50 / 8: "That is with everything in main memory.",
             (0.75 * 400 + 0.25 * 50) / 8: "You took the mean of the speeds. Add up the times instead.",
             seconds: "Those are the seconds for one token: turn it over.",
             400 / 6: "The card waits for the part in main memory.",
             50 / 2: "That is the part in main memory alone; the card takes its time, too.",
             (400 / 6 + 50 / 2) / 2: "You took the mean of two speeds. Add up the times instead.",
             400 / 6 + 50 / 2: "You added speeds. Add up the times instead.",
             (400 + 50) / 8: "You added the bandwidths. Add up the times instead.",
             (400 + 50) / 2 / 8: "You took the mean of the bandwidths. Add up the times instead.",
             1 / (6 / 50 + 2 / 400): "The two parts have changed places: 6 GB lie on the card.",
             6 / 400: "Those are the seconds on the card alone.",
             2 / 50: "Those are the seconds in main memory alone.",
             1000 * seconds: "Those are thousandths of a second for one token: how many fit into a second?",
             1 / (6 / 400): "The card waits for the part in main memory.",
             8 / (400 + 50): "Those are seconds for a token, with both working at the same time. They wait."}
    return check_number(answer, 1 / seconds, hints, rel_tol=0.011, unit="tokens/s",
                        start="How many seconds does each part take? Add them up.",
                        praise="15 ms on the card, 40 ms in main memory: a quarter of the bytes takes three "
                               "quarters of the time.")


def check_experts_read(answer: object) -> Feedback:
    """Lesson 19: GB of experts that a token of gpt-oss-20b reads: 24 layers, 4 of 32 experts, each with three
    matrices of 2,880 x 2,880 weights in 4.25 bits.
    """
    layers, used, experts, weights, bits = 24, 4, 32, 3 * 2880 * 2880, 4.25
    expected = layers * used * weights * bits / 8 / 1e9
    hints = {expected * experts / used: "Those are all the experts, and a token uses 4 of 32. (Or bits: a "
                                        "byte has 8 of them.)",
             expected / layers: "That is one layer. There are 24 of them.",
             expected / used: "That is one expert of each layer. A token uses 4.",
             expected / 3: "That is one matrix of each expert. There are three.",
             expected * 1e9: "That is in bytes. Divide by 10⁹.",
             expected * 1e3: "That is in MB: 1,000 of them make a GB.",
             expected * 1e9 / 2**30: "That is in GiB: a GB has 10⁹ bytes.",
             expected * 4 / bits: "You counted the codes. A block of MXFP4 has a scale, too.",
             expected * 16 / bits: "That is with 16 bits for each weight: these have 4.25.",
             expected * (experts - used) / used: "Those are the experts that sleep.",
             expected * 8 / bits: "That is with a byte for each weight: these have 4.25 bits.",
             layers * used * weights / 1e9: "Those are weights, in billions. How many bytes do they take?",
             layers * experts * weights / 1e9: "Those are all weights of the experts, in billions.",
             weights * bits / 8 / 1e9: "That is one expert of one layer.",
             used * weights * bits / 8 / 1e9: "That is one layer. There are 24 of them."}
    return check_number(answer, expected, hints, unit="GB", rel_tol=5e-3,
                        start="How many weights has an expert? Four of them work in each of 24 layers.",
                        praise="1.27 GB of 10.15 GB of experts: an eighth, as 4 of 32 is an eighth.")
