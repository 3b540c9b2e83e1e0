"""`estimate_memory` speaks of files that llama.cpp loads: what its loader refuses for want of a tensor, or
for a shape, is refused here in words, and what it takes is counted as it plans it.
"""

import random
from dataclasses import replace

import pytest

from quantlab import oracles
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.fit import recommend
from quantlab.models.architecture import Architecture
from quantlab.models.families import TensorShape
from quantlab.models.recipes import recipe
from quantlab.models.resolve import shape_of
from quantlab.models.source import from_show, open_model
from quantlab.oracles import planner as oracle
from tests.models.written import SMALL
from tests.thinned import some

pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
MIXTRAL = replace(SMALL["llama"], n_expert=4, n_expert_used=2, n_ff_exp=96)


class Changed:
    """An architecture with other tensors, for `write_hollow`."""

    def __init__(self, a, tensors):
        self._a, self._tensors = a, tensors

    def __getattr__(self, name):
        return getattr(self._a, name)

    def tensors(self):
        return iter(self._tensors)


def hollow(path, a, drop=(), add=(), shapes=()):
    """A file of `a` without the tensors `drop`, with those of `add` (name -> shape) and other `shapes`."""
    types, shapes, add = dict(recipe("F16", a)), dict(shapes), dict(add)
    tensors = [tensor._replace(shape=shapes.get(tensor.name, tensor.shape)) for tensor in a.tensors()
               if tensor.name not in drop]
    tensors += [TensorShape(name, "", None, shape) for name, shape in add.items()]
    return oracle.write_hollow(path, Changed(a, tensors), types | dict.fromkeys(add, "F32"))


def loads(path) -> oracle.Planned | None:
    try:
        return oracles.measure(path, n_ctx=2048)
    except oracles.OracleError:
        return None


def changes(a: Architecture) -> dict[str, dict]:
    """Every tensor of a layer and outside left out, made wider, or given a bias; and what nobody has."""
    mine = [tensor for tensor in a.tensors() if tensor.layer in (None, 1)]
    found = {"nothing": {}, "odd": {"add": {"blk.0.odd.weight": (4,)}}, "freqs": {}}
    if not a.rope_freqs:
        found["freqs"] = {"add": {"rope_freqs.weight": (8,)}}
    for tensor in mine:
        found[f"without {tensor.name}"] = {"drop": (tensor.name,)}
        wider = (tensor.shape[0] + 32, *tensor.shape[1:])
        found[f"wider {tensor.name}"] = {"shapes": {tensor.name: wider}}
        bias = tensor.name.replace("weight", "bias")
        if len(tensor.shape) == 2 and bias not in {tensor.name for tensor in mine}:
            layers = range(a.n_layer) if tensor.layer is not None else [1]
            found[f"with {bias}"] = {"add": {bias.replace("blk.1.", f"blk.{i}."): tensor.shape[1:]
                                             for i in layers}}
    return found


#: llama.cpp runs without these, which no published file lacks: not counted.
NOT_COUNTED = [f"without {name}" for name in (
    *(f"blk.1.attn_{part}.bias" for part in "qkv"), "rope_factors_long.weight", "rope_factors_short.weight")]


@pytest.mark.parametrize("name", SMALL)
def test_what_llama_cpp_refuses_is_refused_and_what_it_takes_is_counted_as_planned(name, tmp_path):
    every = changes(SMALL[name])
    chosen = ["nothing", "odd", "freqs", *some(random.Random(name).sample(sorted(every), 12), 6)]
    for words in dict.fromkeys(chosen):
        path = hollow(tmp_path / "hollow.gguf", SMALL[name], **every[words])
        truth = loads(path)
        if truth is None or words in NOT_COUNTED:
            with pytest.raises(ValueError, match=r"hollow\.gguf"):
                estimate_memory(path, n_ctx=2048)
        else:
            found = estimate_memory(path, n_ctx=2048)
            assert (found.weights, found.kv_cache, found.compute, found.exact) == (*truth[:3], True), words
        path.unlink()


def experts_apart(a):
    """Mixtral as it was converted in 2023."""
    parts = {"gate": (a.n_embd, 96), "up": (a.n_embd, 96), "down": (96, a.n_embd)}
    return {"drop": [f"blk.{i}.ffn_{part}_exps.weight" for i in range(a.n_layer) for part in parts],
            "add": {f"blk.{i}.ffn_{part}.{k}.weight": shape for i in range(a.n_layer)
                    for part, shape in parts.items() for k in range(a.n_expert)}}


def fused(a):
    return {"drop": [f"blk.{i}.attn_{part}.weight" for i in range(a.n_layer) for part in "qkv"],
            "add": {f"blk.{i}.attn_qkv.weight": (a.n_embd, 128) for i in range(a.n_layer)}}


@pytest.mark.parametrize(("a", "change", "words"), [
    (MIXTRAL, experts_apart(MIXTRAL), r"each expert in a tensor of its own \(blk\.0\.ffn_gate\.0\.weight\)"),
    (SMALL["llama"], fused(SMALL["llama"]), r"in one matrix \(blk\.0\.attn_qkv\.weight\)"),
    (SMALL["qwen3"], {"drop": ["blk.1.attn_norm.weight"]}, r"has no tensor blk\.1\.attn_norm\.weight"),
    (SMALL["llama"], {"shapes": {"token_embd.weight": (128, 40)}},
     r"token_embd\.weight of .* shape \(128, 40\); by .* must be \(64, 40\)"),
    (SMALL["gpt-oss"], {"drop": ["output.weight"]}, r"has no tensor output\.weight"),
    (SMALL["gemma2"], {"add": {"output.weight": (64, 40)}}, "'output.weight' .* no part of the gemma2"),
    (SMALL["llama"], {"drop": ["token_embd.weight"]}, r"has no tensor token_embd\.weight"),
])
def test_what_is_missing_or_contradicts_is_said(a, change, words, tmp_path):
    path = hollow(tmp_path / "hollow.gguf", a, **change)
    for ask in (estimate_memory, lambda path: recommend(path, 8)):
        with pytest.raises(ValueError, match=rf"{words}.*oracles\.measure"):
            ask(path)
    if "one matrix" not in words:
        assert loads(path) is None or "far larger" in words


def told(a, spelled=None, change=lambda name: name, **metadata):
    """The model as /api/show would tell it."""
    info = oracle.keys_of(a) | {"general.architecture": a.arch}
    if spelled:
        info = {key.replace(f"{a.arch}.", f"{spelled}."): value for key, value in info.items()}
        info["general.architecture"] = spelled
    tensors = [{"name": change(t.name), "type": "F32", "shape": list(t.shape)} for t in a.tensors()]
    return from_show({"model_info": info | metadata, "tensors": tensors}, "far")


@pytest.mark.parametrize(("key", "numbers"), [
    ("attention.head_count_kv", [2, 1]), ("attention.head_count", [4, 2]), ("feed_forward_length", [96, 64])])
def test_layers_of_several_shapes_are_not_counted(key, numbers):
    words = rf"llama\.{key} of far is not the same in all layers \(from {numbers[1]} to {numbers[0]}\)"
    with pytest.raises(ValueError, match=words):
        estimate_memory(told(SMALL["llama"], **{f"llama.{key}": numbers}))
    same = estimate_memory(told(SMALL["llama"], **{f"llama.{key}": [max(numbers)] * 2}))
    assert same.exact and same.total == estimate_memory(told(SMALL["llama"])).total


def test_heads_that_contradict_the_tensors_are_refused():
    with pytest.raises(ValueError, match=r"blk\.0\.attn_k\.weight of far .* shape \(64, 32\).*\(64, 64\)"):
        estimate_memory(told(SMALL["llama"], **{"llama.attention.head_count_kv": 4}))


def ollamas(name):
    """A tensor of gpt-oss as Ollama's own converter named it."""
    return name.replace("attn_output.", "attn_out.").replace("attn_sinks.weight", "attn_sinks").replace(
        "post_attention_norm", "ffn_norm")


@pytest.mark.parametrize("settings", [{}, {"n_gpu_layers": 1}, {"n_gpu_layers": 0}])
def test_ollamas_own_gpt_oss_is_counted_as_what_it_is_translated_to(settings):
    a = SMALL["gpt-oss"]
    theirs = estimate_memory(told(a, "gptoss", ollamas), **settings)
    ours = estimate_memory(told(a), **settings)
    assert theirs == replace(ours, ftype=theirs.ftype) and theirs.exact == ours.exact
    with pytest.raises(ValueError, match=r"has no tensor blk\.0\.post_attention_norm\.weight"):
        estimate_memory(told(a, "gptoss", lambda name: name.replace("blk.0.post_attention", "blk.0.lost")))


def test_a_gemma_with_its_encoder_in_the_same_file_is_not_called_exact():
    a = SMALL["gemma3"]
    seeing = told(a)
    seeing.types |= {name: ("F16", (64, 64)) for name in ("v.blk.0.attn_q.weight", "mm.input.weight")}
    found, plain = estimate_memory(seeing), estimate_memory(told(a))
    assert not found.exact and plain.exact and found.weights > plain.weights
    assert not recommend(seeing, 8)[0].estimate.exact and recommend(told(a), 8)[0].estimate.exact
    assert any("picture encoder is counted with its weights only" in note for note in found.notes)
    with pytest.raises(ValueError, match=r"'v\.x' .* no part of the llama"):
        blind = told(SMALL["llama"])
        blind.types["v.x"] = ("F16", (64, 64))
        estimate_memory(blind)


@pytest.mark.parametrize("arch", ["llama", "mistral3", "granite"])
def test_biases_that_few_have_are_exact_on_the_card_and_near_with_layers_in_main_memory(arch, tmp_path):
    a = replace(SMALL["llama"], arch=arch)
    add = {f"blk.{i}.{tensor.name[6:].replace('weight', 'bias')}": tensor.shape[1:] for i in range(a.n_layer)
           for tensor in a.tensors() if tensor.layer == 0 and len(tensor.shape) == 2}
    path = hollow(tmp_path / "hollow.gguf", a, add=add)
    for settings in ({}, {"n_gpu_layers": 2, "flash_attention": False}, {"n_gpu_layers": 0}):
        found, truth = (ask(path, n_ctx=2048, **settings) for ask in (estimate_memory, oracles.measure))
        assert found.exact == (not settings) and (found.weights, found.kv_cache) == truth[:2]
        assert abs(found.compute - truth.compute) <= 128 * bool(settings)
        assert found.exact or any("blk.0.attn_q.bias" in note for note in found.notes)


def test_a_mark_without_weights_changes_nothing():
    marked = told(SMALL["llama"])
    marked.types["mark"] = ("F32", (0,))
    assert estimate_memory(marked) == estimate_memory(told(SMALL["llama"]))


def test_the_models_that_come_with_it_are_wired_rightly():
    with open_model("tiny") as model:
        assert model.wired == shape_of(model).architecture
