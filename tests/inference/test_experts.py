"""Which experts wake: those whose weights matter for a token, and no others, here and in llama.cpp."""

import shutil

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.experts import habits, routes
from quantlab.models.gguf_split import open_gguf
from quantlab.models.source import BUNDLED
from tests.inference.llama_oracle import LlamaCpp
from tests.inference.random_models import N_VOCAB, write

TOKENS = np.random.default_rng(5).integers(0, N_VOCAB, 12)
EXPERTS = {"expert_count": 8, "expert_used_count": 2}
MIXTURES = [("llama", EXPERTS), ("qwen3moe", {}), ("granitemoe", {}), ("gpt-oss", {})]


@pytest.mark.parametrize(("arch", "more"), MIXTURES, ids=[arch for arch, _ in MIXTURES])
def test_an_expert_matters_for_the_tokens_that_wake_it_and_for_no_other(tmp_path, arch, more):
    """In the last layer, where no later token looks back at what an expert did."""
    lm = ql.load_lm(write(tmp_path / "m.gguf", arch, **more))
    found, usual, last = routes(lm, TOKENS), lm.logits(TOKENS), lm.graph.n_layer - 1
    assert found.chosen.shape == (lm.graph.n_layer, len(TOKENS), lm.graph.n_expert_used)
    np.testing.assert_allclose(found.shares.sum(-1), 1, rtol=1e-5)
    assert (np.diff(found.shares, axis=-1) <= 0).all(), "the loudest first"
    name = f"blk.{last}.ffn_down_exps.weight"
    for expert in range(lm.graph.n_expert):
        without = np.array(lm.weights[name])
        without[expert] = 0
        moved = np.abs(lm.with_weights({name: without}).logits(TOKENS) - usual).max(axis=1) > 0
        np.testing.assert_array_equal(moved, (found.chosen[last] == expert).any(axis=1))


def test_in_llama_cpp_too_a_sleeping_expert_can_be_taken_out(tmp_path):
    """Its bytes in the file are set to 0: all weights of the expert then are."""
    lm = ql.load_lm("tiny-moe")
    tokens = lm.tokenizer.encode("never never never")
    awake = set(routes(lm, tokens).chosen[0].reshape(-1).tolist())
    asleep = next(expert for expert in range(lm.graph.n_expert) if expert not in awake)
    with LlamaCpp(BUNDLED["tiny-moe"], 64) as oracle:
        usual = oracle.logits(tokens)
    for expert, same in ((asleep, True), (min(awake), False)):
        file = shutil.copy(BUNDLED["tiny-moe"], tmp_path / f"{expert}.gguf")
        with open_gguf(file) as opened:
            info = opened.infos["blk.0.ffn_up_exps.weight"]
            start, size = info.offset, info.nbytes // lm.graph.n_expert
        with open(file, "r+b") as out:
            out.seek(start + expert * size)
            out.write(bytes(size))
        with LlamaCpp(file, 64) as oracle:
            assert np.array_equal(oracle.logits(tokens), usual) == same


def test_habits_are_counted():
    lm, text = ql.load_lm("tiny-moe"), ql.held_out_text()[:12000]
    found, n = habits(lm, text, chunks=4, often=5), 4 * 256
    tokens = np.asarray(lm.tokenizer.encode(text, special=False))[:n]
    chosen = np.concatenate([routes(lm, chunk).chosen for chunk in tokens.reshape(4, 256)], axis=1)
    for layer in range(lm.graph.n_layer):
        mine = [one for one in found.habits if one.layer == layer]
        assert [one.expert for one in mine] == [*range(8)]
        assert sum(one.share for one in mine) == pytest.approx(2)
        token, often = mine[3].tokens[0]
        woken = [3 in chosen[layer, i] for i in np.flatnonzero(tokens == token)]
        assert np.mean(woken) == pytest.approx(often) and len(woken) >= 5
        assert found.usual[layer] > found.by_chance[layer]


def test_what_has_no_experts_is_refused_in_words():
    with pytest.raises(ValueError, match="tiny has no experts: each of its tokens uses every weight"):
        routes(ql.load_lm("tiny"), [1, 2])
    with pytest.raises(ValueError, match="there are no tokens"):
        routes(ql.load_lm("tiny-moe"), [])
    with pytest.raises(ValueError, match="no token stands 300 times in these 256"):
        habits(ql.load_lm("tiny-moe"), ql.held_out_text(), chunks=1, often=300)
