"""What is recited is what the model would write word for word; one pass tells as much as writing it out."""

import pytest

from quantlab.inference.generate import generate_tokens, prompt_tokens
from quantlab.inference.load import load_lm
from quantlab.inference.recital import count_recited, n_right, read_passages, recital


@pytest.fixture(scope="module")
def lm():
    return load_lm("tiny", "Q3_K", pure=True)


def own_passage(lm, opening: str, n: int = 40) -> dict:
    """A passage that this model knows by heart: what it writes itself."""
    tokens = prompt_tokens(lm, opening)
    goes_on = lm.tokenizer.decode(generate_tokens(lm, tokens, n))
    return {"opening": opening, "goes_on": goes_on, "work": "its own", "by_heart": True}


def test_the_passages_are_there_in_two_groups():
    passages = read_passages()
    assert sum(row["by_heart"] for row in passages) == 28
    assert len(passages) == len({row["opening"] for row in passages}) == 42


def test_a_table_tells_for_each_passage_how_far_it_got_and_what_was_written(lm):
    passages = read_passages()[:2] + read_passages()[-1:]
    table = recital(lm, passages)
    assert list(table.columns) == ["opening", "work", "by_heart", "right", "recited", "wrote", "should"]
    for row in table.itertuples():
        greedy, tokens, cache = [], prompt_tokens(lm, row.opening), lm.new_cache(256)
        while len(greedy) < 32:                      # generate() would stop at the end of a text
            greedy.append(int(lm.forward(greedy[-1:] or tokens, cache, last=True)[0].argmax()))
        assert row.wrote == lm.tokenizer.decode(greedy)
        assert row.recited == (row.wrote == row.should) == (row.right == 32)
        should = lm.tokenizer.encode(row.opening + row.should)[len(tokens):]
        assert greedy[: row.right] == should[: row.right]
        assert row.right == 32 or greedy[row.right] != should[row.right]


def test_what_a_model_wrote_itself_it_recites(lm):
    passage = own_passage(lm, "To be, or not to be,")
    tokens = lm.tokenizer.encode(passage["opening"] + passage["goes_on"])
    if tokens[: len(lm.tokenizer.encode(passage["opening"]))] != lm.tokenizer.encode(passage["opening"]):
        pytest.skip("this model's own text does not begin at a token's start")
    opening = lm.tokenizer.encode(passage["opening"])
    should = [int(token) for token in generate_tokens(lm, opening, 32)]
    assert n_right(lm, opening, should) == 32
    spoiled = [*should[:10], (should[10] + 1) % lm.n_vocab, *should[11:]]
    assert n_right(lm, opening, spoiled) == 10


def test_the_count_is_that_of_the_table(lm, monkeypatch):
    some = read_passages()[20:32]
    monkeypatch.setattr("quantlab.inference.recital.read_passages", lambda: some)
    table, counted = recital(lm), count_recited(lm)
    assert counted == {True: (table[table.by_heart].recited.sum(), 8),
                       False: (table[~table.by_heart].recited.sum(), 4)}


@pytest.mark.parametrize(("opening", "goes_on", "words"),
                         [("To be, or no", "t to be, that is the question", "does not end where a token"),
                          ("To be,", " or not", "32 are needed")])
def test_passages_that_cannot_be_measured_are_refused_in_words(lm, opening, goes_on, words):
    with pytest.raises(ValueError, match=words):
        recital(lm, [{"opening": opening, "goes_on": goes_on, "work": "hamlet", "by_heart": True}])
