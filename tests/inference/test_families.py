"""Every row of the table of families against llama.cpp: random weights, the same tokens, the same logits."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.families import FAMILIES
from tests.inference.llama_oracle import LlamaCpp
from tests.inference.random_models import N_VOCAB, write
from tests.inference.test_llama import perplexity, same_greedy
from tests.thinned import some

TOKENS = np.random.default_rng(3).integers(0, N_VOCAB, 48)
STRIDE = 3              # of the keys that llama.cpp knows each third, and another third for the next family
NEAR = 5e-5             # largest difference of a logit
#: Where GELU is looked up by float16 inputs, one that lies between two of them may fall on either side: a few
#: logits then differ more, but half of all differ less than MEDIAN.
NEAR_GELU, MEDIAN = 2.5e-3, 1e-4
LINEAR = {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}
YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 64}
WIDE = {"attention.key_length": 64, "attention.value_length": 64}
SQUARE = ("qwen2", "phi3", "olmo2")          # their heads have n_embd columns together (llama.cpp)
EXPERTS = {"expert_count": 8, "expert_used_count": 2}

#: Architecture -> what its files may say; {} is the usual one.
CASES = [
    *[(arch, {}) for arch in FAMILIES],
    *[(arch, WIDE) for arch in FAMILIES if arch not in SQUARE],
    *[(arch, LINEAR) for arch in FAMILIES],
    *[(arch, {"rope.scale_linear": 4.0}) for arch in FAMILIES],
    *[(arch, {**YARN, **({} if arch in SQUARE else WIDE)}) for arch in FAMILIES],
    *[(arch, {**YARN, "rope.scaling.attn_factor": 1.1}) for arch in FAMILIES],
    *[(arch, {"optional": True}) for arch in FAMILIES],
    *[(arch, {"fused": True}) for arch in FAMILIES if arch not in ("olmo2", "gpt-oss")],
    *[(arch, {"tied": True}) for arch, family in FAMILIES.items() if family.output == "either"],
    ("llama", EXPERTS), ("llama", {"rope.scaling.type": "longrope", "optional": True,
                                   "rope.scaling.original_context_length": 512}),
    ("llama", {"rope.scaling.type": "longrope", "optional": True, "context_length": 2048,
               "rope.scaling.original_context_length": 128}),
    ("granite", {"rope.scaling.finetuned": False}), ("granite", {"attention.scale": None}),
    ("granite", {"residual_scale": None, "embedding_scale": None}),
    ("granitemoe", {"expert_shared_feed_forward_length": 48}),
    ("qwen3moe", {"expert_feed_forward_length": None}),
    ("mistral3", {"attention.temperature_scale": 0.3, "rope.scaling.original_context_length": 16}),
    ("mistral3", {**YARN, **WIDE, "rope.scaling.yarn_beta_fast": 3.0, "rope.scaling.yarn_beta_slow": 0.2}),
    ("mistral3", {**YARN, **WIDE, "rope.scaling.yarn_log_multiplier": 0.5}),
    ("phi3", {"rope.dimension_count": 12}), ("phi3", {"rope.scaling.attn_factor": 1.19, "optional": True}),
    ("phi3", {"optional": True, "rope.scaling.original_context_length": 128}),
    ("phi3", {"attention.sliding_window": 8}),
    ("olmo2", {"attention.sliding_window": 8}), ("olmo2", {"attention.sliding_window": 8, **YARN}),
    ("olmo2", {"attention.sliding_window": 8, "attention.sliding_window_pattern": 3, **LINEAR}),
    ("gemma2", {"attention.sliding_window": None}), ("gemma2", {"rope.freq_base_swa": 777.0}),
    ("gemma2", {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 2.0}),
    ("gemma2", {"rope.dimension_count": 12}),
    ("gemma3", {"attention.sliding_window": None}), ("gemma3", {"rope.freq_base_swa": 777.0}),
    ("gemma3", {"final_logit_softcapping": 2.0}), ("gemma3", {"attention.sliding_window_pattern": 3}),
    ("gemma3", {"rope.dimension_count": 12}),
    ("gpt-oss", {"rope.freq_base_swa": 777.0}), ("gpt-oss", {"attention.sliding_window_pattern": 3}),
]


@pytest.mark.parametrize(("arch", "more"), CASES, ids=lambda value: value if isinstance(value, str)
                         else ",".join(f"{k.rpartition('.')[2]}={v}" for k, v in value.items()) or "usual")
def test_each_family_equals_llama_cpp(tmp_path, arch, more):
    file = write(tmp_path / "m.gguf", arch, **more)
    model = ql.load_lm(file, reference="llama.cpp")
    with LlamaCpp(file, 512) as oracle:
        theirs = oracle.logits(TOKENS)
    cache = model.new_cache(512)
    ours = np.concatenate([model.forward(part, cache) for part in (TOKENS[:30], TOKENS[30:31], TOKENS[31:])])
    gap = np.abs(ours - theirs)
    tabled = FAMILIES[arch].gate == "gelu"
    assert gap.max() <= (NEAR_GELU if tabled else NEAR) and (not tabled or np.median(gap) <= MEDIAN)
    assert perplexity(ours, TOKENS) == pytest.approx(perplexity(theirs, TOKENS), rel=1e-4)
    lost = theirs.max(1) - np.take_along_axis(theirs, ours.argmax(1)[:, None], 1)[:, 0]
    assert lost.max() <= 2 * gap.max(), "another token is the likeliest, and it is no tie"


@pytest.mark.parametrize("arch", FAMILIES)
def test_each_family_writes_what_llama_cpp_would(tmp_path, arch):
    file = write(tmp_path / "m.gguf", arch, seed=1)
    with LlamaCpp(file, 256) as oracle:
        same_greedy(ql.load_lm(file, reference="llama.cpp"), oracle, TOKENS[:8])


@cache
def keys_of_llama_cpp() -> tuple[str, ...]:
    """All keys behind "<arch>." that llama.cpp knows, out of its library's own strings."""
    (file,) = (path for path in map(Path, find_spec("xllamacpp").submodule_search_locations)
               for path in path.glob("xllamacpp*.so"))
    found = sorted(set(re.findall(rb"\0%s\.([a-z_0-9.]+)(?=\0)", file.read_bytes())))
    assert len(found) > 100
    return tuple(key.decode() for key in found)


@pytest.mark.parametrize("arch", FAMILIES)
def test_a_key_that_llama_cpp_knows_is_read_or_refused(tmp_path, arch):
    """Each of them with a value that nobody expects: the file is refused, or runs as in llama.cpp, where
    that loads it.
    """
    run, always = [], {"rope.freq_base", "rope.scale_linear", "rope.scaling.attn_factor"}
    for key in sorted({*some(keys_of_llama_cpp(), STRIDE, list(FAMILIES).index(arch)), *always}):
        for value in (True, False, 2, 24, 0.5):
            try:
                file = write(tmp_path / "m.gguf", arch, **{"block_count": 3, key: value})
                ours = ql.load_lm(file, reference="llama.cpp").logits(TOKENS[:16])
            except ValueError:
                continue
            try:
                with LlamaCpp(file, 64) as oracle:
                    theirs = oracle.logits(TOKENS[:16])
            except AssertionError:          # a number where llama.cpp wants one of another kind
                continue
            run.append(key)
            assert np.abs(ours - theirs).max() <= NEAR_GELU, (key, value)
    assert always <= set(run)


@pytest.mark.parametrize(("arch", "more", "words"), [
    ("gemma3", {"rope.dimension_count_swa": 8}, "dimension_count_swa of .* is 8; it must be from 16 to 16"),
    ("phi3", {"rope.dimension_count": 13}, "turn 13 of the 16 .* an even number"),
    ("granite", {"logit_scale": None}, r"does not say granite\.logit_scale"),
    ("gpt-oss", {"attention.sliding_window": None}, r"does not say gpt-oss\.attention\.sliding_window"),
    ("qwen3moe", {"expert_count": None}, r"no qwen3moe\.expert_count, and this family has experts only"),
    ("qwen3", {"expert_count": 4}, r"says qwen3\.expert_count = 4, which is not known"),
    ("qwen3", {"attention.sliding_window": 64}, r"says qwen3\.attention\.sliding_window = 64"),
    ("gemma3", {"attn_logit_softcapping": 30.0}, r"says gemma3\.attn_logit_softcapping = 30\.0"),
    ("llama", {"attention.scale": 0.2}, r"says llama\.attention\.scale = 0\.2"),
    ("mistral3", {"rope.scaling.yarn_beta_slow": -1.0}, "is -1.0; it must be above 0"),
    ("olmo2", {"attention.clamp_kqv": 8.0}, r"says olmo2\.attention\.clamp_kqv"),
])
def test_what_a_family_does_not_have_is_refused_in_words(tmp_path, arch, more, words):
    with pytest.raises(ValueError, match=words):
        ql.load_lm(write(tmp_path / "m.gguf", arch, **more))


@pytest.mark.parametrize(("arch", "more"), [("llama", {"optional": True}), ("qwen3", LINEAR), ("llama", YARN),
                                            ("phi3", {"optional": True, "rope.dimension_count": 12})])
def test_far_from_the_beginning_llama_cpp_s_angles_are_imitated_too(tmp_path, arch, more):
    """It makes each angle from the one before, in float32: the errors grow with the place in the text."""
    n = 3072
    file = write(tmp_path / "m.gguf", arch, block_count=1, context_length=4096,
                 **({} if arch in SQUARE else WIDE), **more)
    tokens = np.random.default_rng(4).integers(0, N_VOCAB, n)
    with LlamaCpp(file, 4096) as oracle:
        theirs = oracle.logits(tokens)[-64:]
    gaps = {}
    for reference in ("exact", "llama.cpp"):
        model = ql.load_lm(file, reference=reference)
        cache = model.new_cache(n)
        model.forward(tokens[:-64], cache, last=True)
        gaps[reference] = np.median(np.abs(model.forward(tokens[-64:], cache) - theirs))
    assert gaps["llama.cpp"] <= 1e-5 and gaps["exact"] > 1.5 * gaps["llama.cpp"], gaps
