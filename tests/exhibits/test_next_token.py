"""The next token: probabilities and divergence are those of the two models' own logits, for any text at every
type.
"""

import re

import numpy as np
import pytest

from quantlab.exhibits.next_token import PROMPT, explore_next_token
from quantlab.inference.in_types import TYPES, model_in_types
from quantlab.inference.load import load_lm


def softmax(logits):
    z = np.exp(logits.astype(np.float64) - logits.max())
    return z / z.sum()


@pytest.mark.parametrize("place", [3, 12])
def test_the_numbers_are_those_of_the_logits(place):
    explorer = explore_next_token(qtype="Q3_K")
    explorer.set(place=place)
    own, small = load_lm("tiny"), load_lm("tiny", "Q3_K", pure=True)
    tokens = own.tokenizer.encode(PROMPT)[:place]
    p, q = softmax(own.logits(tokens)[-1]), softmax(small.logits(tokens)[-1])
    kld = float((p * np.log(p / q)).sum())
    assert float(re.search(r"here: ([\d.]+) nats", explorer.view.value)[1]) == pytest.approx(kld, rel=0.06)
    rows = [row for row in explorer.picture.table[1:] if row[1].endswith("%")]
    shares = [[float(words.rstrip("%")) / 100 for words in row[1:3]] for row in rows]
    assert shares[0][0] == pytest.approx(p.max(), abs=1e-3)
    np.testing.assert_allclose([sum(column) for column in zip(*shares, strict=True)], [1, 1], atol=2e-3)
    leader = own.tokenizer.decode([int(q.argmax())]).strip()
    assert leader in re.search(r"(?:would|still) say[s]? “([^”]*)”", explorer.finding)[1]


def test_the_file_itself_is_no_way_from_itself_and_fewer_bits_are_farther():
    explorer, mean = explore_next_token(), {}
    for qtype in TYPES:
        explorer.set(qtype=qtype)
        steps = [row for row in explorer.picture.table if row[1] == "KL divergence"]
        mean[qtype] = np.mean([float(row[2].split()[0]) for row in steps])
    assert mean["F16"] == 0 < mean["Q8_0"] < mean["Q6_K"] < mean["Q4_K"] < mean["Q2_K"]
    explorer.set(qtype="F16")
    assert "≠<" not in explorer.view.value and "leads in both" in explorer.view.value


def test_a_new_text_begins_at_its_end_and_every_token_can_be_chosen():
    explorer = explore_next_token()
    tokens = model_in_types("tiny").reference.tokenizer.encode("Now is the winter of our")
    explorer.controls["prompt"].value = "Now is the winter of our"
    place = explorer.controls["place"]
    assert place.max == place.value == len(tokens)
    seen = set()
    for i in range(len(tokens)):
        explorer.touched({"cell": i})
        assert place.value == i + 1 and ("▸ what follows" in explorer.view.value) == (i + 1 < len(tokens))
        seen.add(explorer.view.value)
    assert len(seen) == len(tokens)
    for key, at in (("Home", 1), ("ArrowLeft", 1), ("ArrowRight", 2), ("End", len(tokens)),
                    ("ArrowRight", len(tokens))):
        explorer.touched({"key": key})
        assert place.value == at
    explorer.touched({"key": "PageDown"})
    assert explorer.controls["qtype"].value == "Q2_K"
    explorer.buttons["Reset"].click()
    assert explorer.controls["prompt"].value == PROMPT and explorer.controls["qtype"].value == "Q3_K"
    assert place.value == place.max


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "日本 🦙 é", " ", "\n\n", "x", "<|endoftext|>",
                                  "a\x00b", "\u202e abc"])
def test_any_text_is_drawn_as_text(text):
    explorer = explore_next_token(prompt=text)
    explorer.buttons["As table"].value = True
    assert "nats" in explorer.view.value and "<script" not in explorer.view.value + explorer.words.value


def test_no_text_and_too_much_text_are_sentences():
    explorer = explore_next_token()
    explorer.controls["prompt"].value = ""
    assert explorer.finding.startswith("The text is empty")
    explorer.controls["prompt"].value = "word " * 400
    assert re.search(r"longer than the \d+ that tiny was trained with", explorer.finding)
    explorer.controls["prompt"].value = "O Romeo"
    assert "“" in explorer.finding
    assert explore_next_token(prompt="").finding.startswith("The text is empty")


def test_what_cannot_be_is_said():
    assert "needs a language model" in explore_next_token("sample").finding
    with pytest.raises(ValueError, match=r"no type 'Q4_K_M' here; the nearest are Q4_K,.*; there are F16"):
        explore_next_token(qtype="Q4_K_M")
