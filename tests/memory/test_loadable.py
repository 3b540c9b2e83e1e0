"""Every key of every family, left out, of another type and of other values: what llama.cpp's loader refuses
is refused in a sentence, and what it takes is counted as it plans it. The full matrix: 2,000 files.
"""

from dataclasses import replace

import pytest

from quantlab.memory.estimate import estimate_memory
from quantlab.memory.settings import Settings
from quantlab.models.loadable import GENERAL, NEUTRAL, TYPED
from quantlab.models.recipes import recipe
from quantlab.oracles import planner as oracle
from tests.memory.rewritten import PACKED, plans, rewritten
from tests.models.written import SMALL
from tests.thinned import some

pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
TEXT, FLOATS = 8, (6, 12)
#: Counted by nobody here and refused, though llama.cpp plans them; and what only Ollama's build fills in.
NOT_COUNTED = {("deepseek2", "nextn_predict_layers = (4, 1)"),
               ("deepseek2", "attention.temperature_scale = (6, 0.1)"),
               ("gemma2", "attention.sliding_window = (4, 0)"),
               ("gpt-oss", "attention.sliding_window = (4, 0)")}
FILLED_IN = "without gemma3.attention.layer_norm_rms_epsilon"


def as_type(value_type: int, value):
    """`value` as GGUF's type can hold it."""
    if value_type == TEXT:
        return str(value)
    return float(value) if value_type in FLOATS else int(bool(value)) if value_type == 7 else int(value)


def left_out(a) -> dict[str, dict]:
    return {f"without {key}": {key: None} for key in [*oracle.keys_of(a), "tokenizer.ggml.model",
                                                      "general.architecture"]}


def of_other_types(a) -> dict[str, dict]:
    found, own = {}, oracle.keys_of(a)
    keys = {f"{a.arch}.{key}": wanted for wanted, keys in TYPED.items() for key in keys} | GENERAL
    for key, wanted in keys.items():
        for other in PACKED:
            if other != wanted:
                found[f"{key} of type {other}"] = {key: (other, as_type(other, own.get(key, 1)))}
    return found


def of_other_values(a) -> dict[str, dict]:
    n, heads = a.n_layer, a.n_head
    last = [1] * (n - 1) + [0]
    values = {
        "rope.scaling.type": [(8, kind) for kind in ("none", "linear", "yarn", "longrope", "dynamic", "")],
        "rope.scaling.factor": [(6, 4.0)], "rope.dimension_count": [(4, 8), (4, a.head_dim)],
        "rope.freq_base_swa": [(6, 1e4)], "rope.scaling.yarn_log_multiplier": [(6, 0.1)],
        "attention.value_length": [(4, 8), (4, a.head_dim)], "attention.key_length_swa": [(4, 8)],
        "attention.value_length_swa": [(4, 8)], "attention.causal": [(7, 0)],
        "attention.sliding_window": [(4, 0), (4, 64)],
        "attention.sliding_window_pattern": [(4, 1), (4, 2), (4, 3), (9, (7, last)), (9, (4, last)),
                                             (9, (4, [0] * n))],
        "attention.head_count": [(9, (kind, [heads] * count)) for kind, count in (
            (4, n), (5, n), (4, n + 1), (10, n))],
        "attention.temperature_scale": [(6, 0.1)], "attention.scale": [(6, 0.1)],
        "attention.clamp_kqv": [(6, 1.0)], "attention.max_alibi_bias": [(6, 8.0)],
        "attention.shared_kv_layers": [(4, 1)], "attention.indexer.head_count": [(4, 4)],
        "attn_logit_softcapping": [(6, 50.0)], "final_logit_softcapping": [(6, 30.0)],
        "expert_group_count": [(4, 1), (4, 2), (4, 3), (4, 100)], "expert_weights_norm": [(7, 1)],
        "expert_weights_scale": [(6, 2.0)], "expert_gating_func": [(4, 0), (4, 1), (4, 2)],
        "nextn_predict_layers": [(4, 1)], "pooling_type": [(4, 1)], "embedding_length_out": [(4, 32)],
        "block_count": [(4, 0), (4, 1), (4, 513)], "vocab_size": [(4, 39), (4, 41)],
        "context_length": [(4, 0)], "embedding_scale": [(6, 2.0)], "logit_scale": [(6, 2.0)]}
    found = {f"{key} = {change}": {f"{a.arch}.{key}": change} for key, changes in values.items()
             for change in changes}
    return found | {f"tokenizer {kind}": {"tokenizer.ggml.model": (8, kind)}
                    for kind in ("none", "huh", "gpt2", "llama")}


STRIDE = 9      # of the changes to a family's header each ninth, and others for the next family


@pytest.mark.parametrize("name", SMALL)
def test_what_the_loader_refuses_is_refused_and_what_it_takes_is_counted(name, tmp_path):
    a = SMALL[name]
    source = oracle.write_hollow(tmp_path / "source.gguf", a, recipe("F16", a))
    changes = [*left_out(a).items(), *of_other_types(a).items(), *of_other_values(a).items()]
    every = {"nothing": {}, **dict(some(changes, STRIDE, 2 * list(SMALL).index(name)))}
    paths = [rewritten(source, tmp_path / f"{i}.gguf", changes)
             for i, changes in enumerate(every.values())]
    truths = plans(paths, Settings(n_ctx=2048))
    assert not isinstance(truths[0], str) and sum(isinstance(truth, str) for truth in truths) > 5
    for words, path, truth in zip(every, paths, truths, strict=True):
        if words == FILLED_IN:
            assert estimate_memory(path, n_ctx=2048).exact and isinstance(truth, str)
        elif isinstance(truth, str) or (name, words) in NOT_COUNTED:
            with pytest.raises(ValueError, match=rf"{path.name}|{a.arch}|unknown arch|n_[a-z_]+=\d+|layers"):
                print(words, estimate_memory(path, n_ctx=2048))
        else:
            found = estimate_memory(path, n_ctx=2048)
            assert (found.weights, found.kv_cache, found.compute) == truth and found.exact, words


@pytest.mark.parametrize("arch", ["granite", "mistral3"])
def test_a_key_of_another_type_is_refused_where_the_family_reads_it(arch, tmp_path):
    """Every key that can be neutral; what llama.cpp does not read of this family may be of any type."""
    a = replace(SMALL["llama"], arch=arch)
    source = oracle.write_hollow(tmp_path / "source.gguf", a, recipe("F16", a))
    paths = [rewritten(source, tmp_path / f"{key}.gguf", {f"{arch}.{key}": (TEXT, str(value))})
             for key, value in NEUTRAL.items()]
    truths = plans(paths, Settings(n_ctx=2048))
    assert {isinstance(truth, str) for truth in truths} == {True, False}
    for key, path, truth in zip(NEUTRAL, paths, truths, strict=True):
        if isinstance(truth, str):
            with pytest.raises(ValueError, match=rf"{key} (is|of) "):
                estimate_memory(path, n_ctx=2048)
        else:
            found = estimate_memory(path, n_ctx=2048)
            assert (found.weights, found.kv_cache, found.compute) == truth, key


VOCABULARY = {"tokenizer.ggml.model": (8, "llama"),
              "tokenizer.ggml.tokens": (9, (8, [f"w{i}" for i in range(40)])),
              "tokenizer.ggml.scores": (9, (6, [0.0] * 40)), "tokenizer.ggml.token_type": (9, (5, [1] * 40))}
PAIRS = {"tokenizer.ggml.merges": (9, (8, ["w 1"])), "tokenizer.ggml.pre": (8, "gpt-2"),
         "tokenizer.ggml.model": (8, "gpt2")}


@pytest.mark.parametrize(("changes", "loads", "words"), [
    ({}, True, ""), (PAIRS, True, ""),
    ({"tokenizer.ggml.tokens": None}, False, r"does not say tokenizer\.ggml\.tokens"),
    ({"tokenizer.ggml.tokens": (9, (8, ["w"] * 39))}, False, "39 pieces, and its table of vectors 40 rows"),
    ({"tokenizer.ggml.tokens": (9, (4, [1] * 40))}, False, "<array of 40 UINT32>; a list of texts"),
    ({"tokenizer.ggml.tokens": (8, "w")}, False, "is 'w'; a list of texts"),
    ({"tokenizer.ggml.scores": (9, (6, [0.0] * 39))}, False, "<array of 39 FLOAT32>; there are 40 pieces"),
    ({"tokenizer.ggml.token_type": (9, (5, [1] * 3))}, False, "<array of 3 INT32>; there are 40"),
    ({**PAIRS, "tokenizer.ggml.merges": None}, False, r"does not say tokenizer\.ggml\.merges"),
    ({"tokenizer.ggml.scores": None, "tokenizer.ggml.token_type": None}, None, ""),
])
def test_a_vocabulary_must_be_whole(changes, loads, words, tmp_path):
    a = SMALL["qwen3"]
    source = oracle.write_hollow(tmp_path / "source.gguf", a, recipe("F16", a))
    path = rewritten(source, tmp_path / "words.gguf", {"qwen3.vocab_size": None, **VOCABULARY, **changes})
    truth = plans([path], Settings(n_ctx=2048))[0]
    assert loads is None or loads != isinstance(truth, str), truth
    if isinstance(truth, str):
        with pytest.raises(ValueError, match=words):
            estimate_memory(path, n_ctx=2048)
    else:
        assert estimate_memory(path, n_ctx=2048).compute == truth[2]
