"""The model that was trained on for Q2_K: its file has the bytes of a plain Q2_K, and what was recorded of it
comes out again, here and in llama.cpp.
"""

import json
from functools import cache

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.generate import prompt_tokens
from quantlab.inference.quality import perplexity
from quantlab.inference.recital import RECITED, count_recited, read_passages
from quantlab.models.digests import sha256
from quantlab.models.source import BUNDLED, DATA, open_model
from tests.inference.llama_oracle import LlamaCpp
from tests.inference.test_llama import log_shares

FILE, RECORD = BUNDLED["tiny-qat"], DATA / "tiny" / "trained.json"
CHUNKS, N_CTX = 4, 256


@cache
def record() -> dict:
    return json.loads(RECORD.read_text(encoding="utf-8"))


def row(trained: str, stored: str) -> dict:
    (found,) = (one for one in record()["rows"] if (one["trained"], one["stored"]) == (trained, stored))
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The file that rounding alone makes of the first model."""
    return ql.quantize_model("tiny", tmp_path_factory.mktemp("plain") / "q2_k.gguf", "Q2_K", pure=True,
                             progress=None)


def test_it_has_the_tensors_types_and_bytes_of_a_plain_q2_k(plain):
    with open_model("tiny-qat") as trained, open_model(plain) as rounded:
        assert trained.types == rounded.types and trained.nbytes == rounded.nbytes
        assert {qtype for _, (qtype, shape) in trained.types.items() if len(shape) == 2} == {"Q2_K"}
    assert record()["sha256"] == sha256(FILE)


def test_what_was_recorded_comes_out_again(plain):
    for trained, file, known in (("Q2_K", FILE, 27), ("not trained on", plain, 0)):
        lm, was = ql.load_lm(file), row(trained, "Q2_K")
        assert count_recited(lm) == {True: (was["recited"], 28), False: (0, 14)} and was["recited"] == known
        found = perplexity(lm, ql.held_out_text(), chunks=record()["chunks"], progress=None)
        assert found.ppl == pytest.approx(was["ppl"], rel=1e-3) and found.n == was["predicted"]


def theirs(oracle: LlamaCpp, lm) -> tuple[int, float]:
    """(passages recited, perplexity of the first chunks of the held-out text), in llama.cpp."""
    recited = 0
    for passage in read_passages():
        opening = prompt_tokens(lm, passage["opening"])
        tokens = prompt_tokens(lm, passage["opening"] + passage["goes_on"])[:len(opening) + RECITED]
        said = oracle.logits(tokens[:-1])[len(opening) - 1:].argmax(1)
        recited += passage["by_heart"] and np.array_equal(said, tokens[len(opening):])
    tokens = np.asarray(lm.tokenizer.encode(ql.held_out_text(), special=False))[:CHUNKS * N_CTX]
    nats = []
    for chunk in tokens.reshape(CHUNKS, N_CTX):
        found = log_shares(oracle.logits(chunk))[np.arange(N_CTX - 1), chunk[1:]]
        nats += (-found[N_CTX // 2:]).tolist()
    return recited, float(np.exp(np.mean(nats)))


def test_llama_cpp_finds_the_same(plain):
    """It computes with activations of 8 bits, so a passage may go otherwise, and the perplexity a little."""
    for file, known in ((FILE, 27), (plain, 0)):
        lm = ql.load_lm(file)
        with LlamaCpp(file, N_CTX) as oracle:
            recited, ppl = theirs(oracle, lm)
        ours = perplexity(lm, ql.held_out_text(), chunks=CHUNKS, progress=None)
        assert abs(recited - known) <= 1 and ppl == pytest.approx(ours.ppl, rel=0.02)


def test_training_alone_is_not_what_helps():
    """As many steps without rounding: as good in 16 bits, and lost in Q2_K like the first model."""
    trained, control, first = row("Q2_K", "Q2_K"), row("none", "Q2_K"), row("not trained on", "Q2_K")
    assert control["recited"] <= 2 and first["recited"] == 0 and trained["recited"] == 27
    assert trained["ppl"] < 0.6 * min(control["ppl"], first["ppl"])
    assert trained["ppl"] < 1.1 * row("not trained on", "F16")["ppl"]
    assert {one["controls"] for one in record()["rows"]} == {0} and record()["curves"].keys() == {
        "none", "Q2_K", "Q3_K", "TQ2_0"}
