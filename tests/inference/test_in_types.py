"""A model in several types: made when first wanted, no more of them kept than there is room for."""

import numpy as np

from quantlab.inference.in_types import TYPES, ModelInTypes, model_in_types
from quantlab.inference.load import load_lm


def test_no_more_is_kept_than_there_is_room_for(monkeypatch):
    small, made = ModelInTypes("tiny"), []
    monkeypatch.setattr("quantlab.inference.in_types.ROOM", 4 * 2.5 * small.n_weights)
    kept = {qtype: small.at(qtype, made.append) for qtype in ("Q8_0", "Q4_0", "Q8_0", "Q6_K")}
    assert [words.split()[-2] for words in made] == ["Q8_0", "Q4_0", "Q6_K"]
    assert small.at("Q8_0", made.append) is kept["Q8_0"] and len(made) == 3
    assert small.at("Q4_0", made.append) is not kept["Q4_0"]
    assert made[3].startswith("Quantizing 4.2 million weights")


def test_each_is_the_model_with_every_matrix_in_that_type():
    stock = model_in_types("tiny")
    assert stock is model_in_types("tiny") and stock.own in TYPES and stock.at(stock.own) is stock.reference
    assert stock.nbytes_at(stock.own) == stock.nbytes
    assert stock.size_words("Q4_0").startswith("4.5 bits per weight")
    made, pure = stock.at("Q4_0").weights, load_lm("tiny", "Q4_0", pure=True).weights
    assert all(np.array_equal(values, pure[name]) for name, values in made.items())
