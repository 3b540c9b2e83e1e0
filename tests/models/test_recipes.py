"""recipe() against the programs' own choices: llama-quantize's for 14 models and 30 ftypes, and Ollama's;
then its properties.
"""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import quantlab as ql
from quantlab.models.architecture import Architecture
from quantlab.models.catalog import MODELS as CATALOG
from quantlab.models.catalog import PUBLISHED
from quantlab.models.metadata import KEYS
from quantlab.models.recipe_rules import CONDITIONS, FALLBACKS, OLLAMA_USUAL, PROGRAMS, TWO_BITS, USUAL
from quantlab.models.recipe_walk import choices
from quantlab.models.recipes import explain_recipe, recipe
from quantlab.models.source import from_show
from quantlab.models.types import block_of, tensor_nbytes

LLAMA_7B = CATALOG["llama2:7b"]
LLAMA_8B = CATALOG["llama3.1:8b"]
MIXTRAL = replace(LLAMA_8B, n_vocab=32000, rope_freqs=False, n_expert=8, n_expert_used=2)
DEEPSEEK = Architecture(arch="deepseek2", n_layer=27, n_embd=2048, n_head=16, n_head_kv=16, head_dim=192,
                        n_ff=10944, n_vocab=102400, n_expert=64, n_expert_used=6, n_ff_exp=1408,
                        n_expert_shared=2, n_layer_dense=1, kv_lora_rank=512, rope_dim=64, qk_nope_dim=128,
                        v_head_dim=128)
#: The models of the recorded tables.
MODELS = {
    "llama2-7b": LLAMA_7B, "llama3.1-8b": LLAMA_8B, "smollm2-135m": CATALOG["smollm2:135m"],
    "mixtral-8x7b": MIXTRAL,
    "dsv2-lite": DEEPSEEK,
    "llama3.2-3b": replace(LLAMA_8B, n_layer=28, n_embd=3072, n_head=24, n_ff=8192, tied_embeddings=True),
    "llama3.1-70b": replace(LLAMA_8B, n_layer=80, n_embd=8192, n_head=64, n_ff=28672),
    "qwen2.5-7b": Architecture(arch="qwen2", n_layer=28, n_embd=3584, n_head=28, n_head_kv=4, head_dim=128,
                               n_ff=18944,
                               n_vocab=152064),
    "qwen3-8b": Architecture(arch="qwen3", n_layer=36, n_embd=4096, n_head=32, n_head_kv=8, head_dim=128,
                             n_ff=12288,
                             n_vocab=151936),
    "qwen3-30b-a3b": Architecture(arch="qwen3moe", n_layer=48, n_embd=2048, n_head=32, n_head_kv=4,
                                  head_dim=128, n_ff=6144,
                                  n_vocab=151936, n_expert=128, n_expert_used=8, n_ff_exp=768),
    "gemma3-4b": Architecture(arch="gemma3", n_layer=34, n_embd=2560, n_head=8, n_head_kv=4, head_dim=256,
                              n_ff=10240,
                              n_vocab=262144, tied_embeddings=True),
    "gemma2-9b": Architecture(arch="gemma2", n_layer=42, n_embd=3584, n_head=16, n_head_kv=8, head_dim=256,
                              n_ff=14336,
                              n_vocab=256000, tied_embeddings=True),
    "phi4-14b": Architecture(arch="phi3", n_layer=40, n_embd=5120, n_head=40, n_head_kv=10, head_dim=128,
                             n_ff=17920,
                             n_vocab=100352),
    "gpt-oss-20b": Architecture(arch="gpt-oss", n_layer=24, n_embd=2880, n_head=64, n_head_kv=8, head_dim=64,
                                n_ff=2880,
                                n_vocab=201088, n_expert=32, n_expert_used=4, n_ff_exp=2880),
}
OFFERED = PROGRAMS["llama.cpp"].offered
EVERY = [(model, ftype) for model in MODELS for ftype in OFFERED]


def recorded(name):
    """The lines of a recorded table, without its remarks."""
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


GOLDEN, OLLAMA = recorded("recipes_golden.csv"), recorded("recipes_ollama.csv")


def unpacked(cell, n_layer):
    """"Q6_K*2 Q4_K" is three types; a type alone is that of all layers."""
    types = [qtype for part in cell.split() for qtype, _, count in [part.partition("*")]
             for _ in range(int(count or 1))]
    return types * n_layer if len(types) == 1 else types


def by_role(architecture, types):
    """Role -> its types in layer order, of the tensors that can be quantized."""
    found = {}
    for tensor in architecture.tensors():
        if not tensor.stays_f32:
            found.setdefault(tensor.role, []).append(types[tensor.name])
    return found


def in_file(architecture, order=None):
    """The architecture as an open model whose F16 tensors stand in another order (by what a sort key says).
    """
    tensors = sorted(architecture.tensors(), key=order) if order else list(architecture.tensors())
    arch = architecture.arch
    numbers = {f"{arch}.{key}": getattr(architecture, field) for field, key in KEYS.items()
               if getattr(architecture, field)}
    numbers |= {"general.architecture": arch, f"{arch}.attention.value_length": architecture.v_head_dim}
    listed = [{"name": t.name, "type": "F32" if t.stays_f32 else "F16", "shape": list(t.shape)}
              for t in tensors]
    return from_show({"model_info": numbers, "tensors": listed})


def test_the_recorded_tables_are_whole():
    assert {(line["model"], line["ftype"]) for line in GOLDEN} == set(EVERY) and len(GOLDEN) == 14 * 30
    cells = sum(bool(cell) for line in GOLDEN for column, cell in line.items()
                if column not in ("model", "ftype", "total_MiB"))
    assert cells == 3780
    assert {line["model"] for line in OLLAMA} == set(MODELS) and len(OLLAMA) == (14 + 3) * 3


@pytest.mark.parametrize("line", GOLDEN, ids=lambda line: f"{line['model']}-{line['ftype']}")
def test_every_type_is_the_one_llama_quantize_chose(line):
    architecture = MODELS[line["model"]]
    types = recipe(line["ftype"], architecture)
    ours = by_role(architecture, types)
    theirs = {role: unpacked(cell, len(ours.get(role, ()))) for role, cell in line.items()
              if cell and role not in ("model", "ftype", "total_MiB")}
    assert ours == theirs
    nbytes = sum(tensor_nbytes(tensor.shape, types[tensor.name]) for tensor in architecture.tensors())
    assert abs(nbytes / 2**20 - float(line["total_MiB"])) <= 0.0051


def test_q4_k_m_of_the_whole_catalog_has_the_bytes_that_llama_quantize_wrote():
    """Twenty of the catalog's models; those that the table above lacks check the rules by numbers they were
    not written from.
    """
    weighed = {name: origin.q4_k_m_bytes for name, origin in PUBLISHED.items()
               if origin.q4_k_m_bytes is not None}
    assert len(weighed) == 20
    for name, nbytes in weighed.items():
        types = recipe("Q4_K_M", CATALOG[name])
        assert sum(tensor_nbytes(t.shape, types[t.name]) for t in CATALOG[name].tensors()) == nbytes, name


@pytest.mark.parametrize("line", OLLAMA, ids=lambda line: f"{line['model']}-{line['order']}-{line['ftype']}")
def test_every_type_is_the_one_ollama_chose(line):
    architecture = MODELS[line["model"]]
    model = in_file(architecture, (lambda tensor: tensor.name) if line["order"] == "name" else None)
    ours = by_role(architecture, recipe(line["ftype"], model, by="ollama"))
    for role, types in ours.items():
        assert types == unpacked(line[role], len(types)), role
    if line["order"] == "layer":
        assert recipe(line["ftype"], architecture, by="ollama") == recipe(line["ftype"], model, by="ollama")


def test_llama_cpp_does_not_mind_the_order_of_the_file():
    for architecture in (LLAMA_8B, DEEPSEEK):
        shuffled = in_file(architecture, lambda tensor: tensor.name[::-1])
        for ftype in ("Q4_K_M", "Q3_K_M", "IQ3_XS", "IQ2_S"):
            assert recipe(ftype, shuffled) == recipe(ftype, architecture)


def test_an_open_model_answers_in_its_own_order_and_keeps_what_is_never_quantized():
    model = in_file(LLAMA_8B, lambda tensor: tensor.name)
    types = recipe("Q4_K_M", model)
    assert list(types) == list(model.tensors.name)
    vision = from_show({"model_info": model.metadata, "tensors": [
        {"name": name, "type": "F16", "shape": [4096, 64]}
        for name in ("token_embd.weight", "v.blk.0.attn_q.weight", "v.patch_embd.weight", "mm.0.weight")]})
    assert list(recipe("Q4_K_M", vision, by="ollama").values()) == ["Q6_K", "F16", "F16", "F16"]
    assert list(recipe("Q4_K_M", vision).values()) == ["Q6_K", "Q4_K", "F16", "Q4_K"]


@pytest.mark.parametrize(("model", "ftype"), EVERY)
@pytest.mark.parametrize("imatrix", [False, True])
def test_every_matrix_gets_a_type_whose_blocks_divide_its_rows_and_small_tensors_stay(model, ftype, imatrix):
    types = recipe(ftype, MODELS[model], imatrix=imatrix)
    tensors = list(MODELS[model].tensors())
    assert list(types) == [tensor.name for tensor in tensors]
    for tensor in tensors:
        assert tensor.shape[0] % block_of(types[tensor.name])[0] == 0
        assert (types[tensor.name] == "F32") == tensor.stays_f32
    router = [types[tensor.name] for tensor in tensors if tensor.role == "ffn_gate_inp"]
    assert len(router) == (MODELS[model].n_layer - MODELS[model].n_layer_dense if MODELS[model].n_expert
                           else 0)


@pytest.mark.parametrize("family",
                         ["Q2_K_S Q2_K Q3_K_S Q3_K_M Q3_K_L",
                          "Q3_K_S Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K Q8_0 F16", "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0",
                          "IQ2_XXS IQ2_XS IQ2_S IQ2_M", "IQ3_XXS IQ3_XS IQ3_S IQ3_M"])
def test_a_step_up_in_a_family_never_makes_a_smaller_file(family):
    # some rows do not fit: see the next test
    for name in set(MODELS) - {"smollm2-135m", "gpt-oss-20b", "dsv2-lite"}:
        sizes = [sum(tensor_nbytes(tensor.shape, types[tensor.name]) for tensor in MODELS[name].tensors())
                 for types in (recipe(ftype, MODELS[name]) for ftype in family.split())]
        assert sizes == sorted(sizes), name


def test_where_rows_do_not_fit_the_family_can_turn_around():
    """Q2_K_S raises the first ffn_down to Q4_K, which falls back to Q5_0; plain Q2_K and Q3_K both fall back
    to Q4_0.
    """
    for name in ("gpt-oss-20b", "dsv2-lite"):
        total = {line["ftype"]: float(line["total_MiB"]) for line in GOLDEN if line["model"] == name}
        assert total["Q2_K_S"] > total["Q2_K"]


@pytest.mark.parametrize(("n_layer", "raised"),
                         [(1, [0]), (2, [1]), (3, [2]), (7, [2, 5, 6]), (8, [0, 3, 6, 7]),
                          (13, [0, 3, 6, 9, 11, 12]), (16, [0, 1, 4, 7, 10, 13, 14, 15])])
def test_raised_layers_are_both_ends_and_every_third_between(n_layer, raised):
    types = recipe("Q4_K_M", replace(LLAMA_7B, n_layer=n_layer))
    for role in ("attn_v", "ffn_down"):
        assert [layer for layer in range(n_layer) if types[f"blk.{layer}.{role}.weight"] == "Q6_K"] == raised


def test_a_table_that_is_also_the_output_is_treated_as_the_output():
    for ftype, alone, tied in [("Q4_K_M", "Q4_K", "Q6_K"), ("IQ2_XXS", "Q2_K", "Q5_K"),
                               ("TQ1_0", "Q4_K", "Q6_K"), ("Q8_0", "Q8_0", "Q8_0"), ("F16", "F16", "F16")]:
        assert recipe(ftype, LLAMA_7B)["token_embd.weight"] == alone
        assert recipe(ftype, replace(LLAMA_7B, tied_embeddings=True))["token_embd.weight"] == tied


def test_shared_values_are_cheap_to_store_well():
    attn_v = "blk.9.attn_v.weight"
    assert recipe("Q2_K", replace(LLAMA_7B, n_head_kv=16))[attn_v] == "Q3_K"        # 2 query heads share one
    assert recipe("Q2_K", replace(LLAMA_7B, n_head_kv=8))[attn_v] == "Q4_K"         # 4 do
    assert recipe("IQ2_XS", replace(LLAMA_7B, n_head_kv=8))[attn_v] == "Q4_K"
    assert recipe("IQ2_XS", replace(LLAMA_7B, n_expert=4))[attn_v] == "Q4_K"
    assert recipe("IQ2_XS", LLAMA_7B)[attn_v] == "Q2_K"


def test_eight_experts_is_meant_literally():
    for n_expert, attn_k, attn_output in [(4, "Q4_K", "Q4_K"), (8, "Q8_0", "Q5_K"), (16, "Q4_K", "Q4_K")]:
        types = recipe("Q4_K_M", replace(MIXTRAL, n_expert=n_expert))
        assert (types["blk.3.attn_k.weight"], types["blk.3.attn_output.weight"]) == (attn_k, attn_output)
    # the one mix that its list forgets
    assert recipe("Q3_K_L", MIXTRAL)["blk.3.attn_output.weight"] == "Q3_K"
    assert recipe("Q3_K_L", LLAMA_8B)["blk.3.attn_output.weight"] == "Q5_K"


def test_seventy_billion_means_80_layers_with_shared_heads_or_qwen():
    llama = replace(LLAMA_8B, n_layer=80)
    for model, qtype in [(llama, "Q5_K"), (replace(llama, n_layer=79), "Q4_K"),
                         (replace(llama, n_head_kv=32), "Q4_K"), (replace(llama, arch="qwen2"), "Q5_K"),
                         (replace(llama, arch="qwen2", n_head_kv=32), "Q5_K"),
                         (replace(llama, arch="qwen3"), "Q4_K")]:
        assert recipe("Q4_K_M", model)["blk.10.attn_v.weight"] == qtype
    assert recipe("Q4_K_M", llama, by="ollama")["blk.10.attn_v.weight"] == "Q4_K"


def test_experts_without_a_shared_one_and_with_one_count_differently():
    """2-bit mixes count ffn_down tensors, the others read the layer; two a layer (DeepSeek) use up the eighth
    sooner.
    """
    shared = recipe("IQ2_S", DEEPSEEK)
    assert [shared[f"blk.{layer}.ffn_down_shexp.weight"] for layer in (1, 2, 3)] == [
        "IQ3_S",
        "IQ2_XS",
        "IQ2_XS",
    ]
    plain = replace(DEEPSEEK, n_expert_shared=0, n_ff_exp=1536)
    for architecture, raised in [(plain, [1, 2]), (replace(plain, n_expert_shared=1), [1])]:
        types = recipe("IQ2_S", architecture)
        assert [layer for layer in range(1, 27) if types[f"blk.{layer}.ffn_down_exps.weight"]
                == "IQ3_S"] == raised
        by_layer = recipe("Q2_K_S", architecture)
        assert [layer for layer in range(1, 27) if by_layer[f"blk.{layer}.ffn_down_exps.weight"]
                == "Q4_K"] == [1, 2]


def test_ollama_counts_both_ffn_down_of_a_deepseek_layer():
    ollama, llama_cpp = (Counter(recipe("Q4_K_M", replace(DEEPSEEK, n_ff_exp=1536),
                                        by=by)[f"blk.{layer}.ffn_down_exps.weight"] for layer in range(1, 27))
                         for by in ("ollama", "llama.cpp"))
    assert ollama["Q6_K"] > llama_cpp["Q6_K"]
    assert recipe("Q4_K_M", DEEPSEEK, by="ollama")["blk.0.attn_kv_a_mqa.weight"] == "Q8_0"
    assert recipe("Q4_K_M", DEEPSEEK)["blk.0.attn_kv_a_mqa.weight"] == "Q4_K"


@pytest.mark.parametrize(("ftype", "name", "without", "having"),
                         [("IQ3_XXS", "blk.9.attn_v.weight", "IQ3_S", "IQ3_XXS"),
                          ("IQ3_XXS", "blk.0.ffn_down.weight", "Q4_K", "IQ3_XXS"),
                          ("IQ3_XXS", "blk.9.ffn_down.weight", "Q3_K", "IQ3_XXS"),
                          ("IQ4_XS", "blk.0.ffn_down.weight", "Q5_K", "IQ4_XS"),
                          ("IQ4_NL", "blk.3.ffn_down.weight", "Q5_K", "IQ4_NL"),
                          ("Q4_0", "blk.3.ffn_down.weight", "Q4_0", "Q4_1"),
                          ("Q5_0", "blk.3.ffn_down.weight", "Q5_0", "Q5_1"),
                          ("Q4_0", "blk.4.ffn_down.weight", "Q4_0", "Q4_0")])
def test_an_importance_matrix_changes_a_few_choices(ftype, name, without, having):
    assert recipe(ftype, LLAMA_7B)[name] == without
    assert recipe(ftype, LLAMA_7B, imatrix=True)[name] == having


def test_an_importance_matrix_changes_nothing_else():
    same = set(OFFERED) - {"IQ3_XXS", "IQ4_XS", "IQ4_NL", "Q4_0", "Q5_0"}
    assert all(recipe(ftype, LLAMA_7B, imatrix=True) == recipe(ftype, LLAMA_7B) for ftype in same)


def test_rows_that_fit_nothing_are_f16_or_refused():
    odd = replace(LLAMA_7B, n_ff=1000)                 # rows of 1000 in ffn_down: no whole number of 32s
    assert recipe("Q4_K_M", odd)["blk.0.ffn_down.weight"] == "F16"
    assert recipe("Q8_0", odd, by="ollama")["blk.0.ffn_down.weight"] == "F16"
    assert recipe("Q4_0", odd)["blk.0.ffn_down.weight"] == "F16"
    with pytest.raises(ValueError, match=r"blk\.0\.ffn_down\.weight have 1000 weights, no whole .* of NVFP4"):
        recipe("Q4_K_M", odd, types={"ffn_down": "NVFP4"})


def test_pure_gives_every_matrix_the_one_type_the_embeddings_too():
    """llama-quant.cpp: with `pure` no rule is asked, not even for the output or for tied embeddings."""
    types = recipe("Q4_K_M", LLAMA_8B, pure=True)
    assert {types[tensor.name] for tensor in LLAMA_8B.tensors() if not tensor.stays_f32} == {"Q4_K"}
    assert all(types[tensor.name] == "F32" for tensor in LLAMA_8B.tensors() if tensor.stays_f32)
    assert recipe("Q4_K", LLAMA_8B, pure=True) == types == recipe("q4_k", LLAMA_8B, pure=True)
    assert set(recipe("MXFP4", LLAMA_8B, pure=True).values()) == {"MXFP4", "F32"}
    # rows of 576: the fallback, in the embeddings as well
    tied = recipe("Q3_K", "smollm2-135m", pure=True)
    assert tied["token_embd.weight"] == tied["blk.0.attn_q.weight"] == "Q4_0" and tied[
        "blk.0.ffn_down.weight"] == "Q3_K"
    for wrong, words in ((dict(ftype="Q9"), "Q9"),
                         (dict(ftype="Q4_K", by="ollama"), "ollama makes no pure mixes")):
        with pytest.raises(ValueError, match=words):
            recipe(**{"model": LLAMA_8B, **wrong}, pure=True)
    with pytest.raises(ValueError, match="no ftype 'IQ4'"):
        recipe("IQ4", LLAMA_8B)


@pytest.mark.parametrize("ask", [recipe, explain_recipe])
@pytest.mark.parametrize(("wrong", "words"), [(dict(ftype="Q4_K_L"), "nearest are Q4_K_S|nearest are Q4_K_M"),
                                              (dict(ftype="x"), "there are Q4_0"), (dict(ftype=4), "4"),
                                              (dict(ftype="Q3_K_M", by="ollama"),
                                               "there are Q4_K_S, Q4_K_M, Q8_0"),
                                              (dict(by="vllm"), "known are llama.cpp, ollama"),
                                              (dict(model="llama-9"), "no model 'llama-9' here"),
                                              (dict(model=["llama-2-7b"]), "is no model"),
                                              (dict(model=7), "7")])
def test_what_is_unknown_is_refused_with_what_is_known(ask, wrong, words):
    arguments = dict(ftype="Q4_K_M", model=LLAMA_7B) | wrong
    with pytest.raises(ValueError, match=words):
        ask(**arguments)


def test_an_open_model_of_an_unknown_architecture_is_refused():
    with ql.open_model("sample") as model, pytest.raises(ValueError, match="bert"):
        recipe("Q4_K_M", model)


def test_names_are_those_of_the_tensor_lists_and_ollamas():
    assert (
        ql.recipe("q4_K_M", "llama3.1:8b")
        == ql.recipe("Q4_K_M", LLAMA_8B)
        == recipe("Q4_K_M", "llama-3.1-8b")
    )


@pytest.mark.parametrize(("name", "mix"), [("Q3_K", "Q3_K_M"), ("q4_K", "Q4_K_M"), ("Q5_k", "Q5_K_M")])
def test_other_names_that_llama_quantize_takes(name, mix):
    assert recipe(name, LLAMA_7B) == recipe(mix, LLAMA_7B)
    assert set(recipe(name, LLAMA_7B, pure=True).values()) == {name.upper(), "F32"}


@pytest.mark.parametrize(("name", "words"), [
    ("Q4_0_4_4", "December 2024 .*: take Q4_0, which is put into that order when"),
    ("q4_0_8_8", "take Q4_0"), ("IQ4_NL_4_4", "take IQ4_NL"), ("Q4_2", "May 2023"), ("Q4_3", "April 2023"),
    ("NVFP4", "a type and no mix"),
])
def test_what_became_of_a_mix_is_told(name, words):
    with pytest.raises(ValueError, match=f"^{name.upper()} .*{words}"):
        recipe(name, LLAMA_7B)


def test_the_36_names_that_llama_quantize_lists():
    assert len([*USUAL, "COPY"]) == 36 and set(OFFERED) < set(USUAL)


def test_rules_name_only_what_exists():
    conditions = set()
    for program in PROGRAMS.values():
        for rule in program.rules:
            assert rule.ftypes == "*" or set(rule.ftypes.split()) <= set(USUAL), rule
            assert block_of(rule.qtype) and rule.why
            conditions |= {rule.where} if isinstance(rule.where, str) else set(rule.where)
    assert conditions == set(CONDITIONS)
    assert set(TWO_BITS.split()) <= set(USUAL) and set(OLLAMA_USUAL) <= set(USUAL)
    assert all(block_of(old)[0] in (64, 256) and block_of(new)[0] == 32 for old, new in FALLBACKS.items())


@pytest.mark.parametrize("by", PROGRAMS)
def test_every_rule_decides_somewhere(by):
    qwen_70b = replace(LLAMA_7B, arch="qwen2", n_layer=80)
    used = {choice.rule for model in (LLAMA_7B, MIXTRAL, DEEPSEEK, qwen_70b, *MODELS.values())
            for ftype in PROGRAMS[by].usual if ftype != "Q1_0" for imatrix in (False, True)
            for choice in choices(ftype, model, by, imatrix)}
    assert set(PROGRAMS[by].rules) <= used


def test_a_recipe_is_told_rule_by_rule():
    lines = explain_recipe("Q4_K_M")
    assert [line[:3] for line in lines if line.role.startswith("attn_v")] == [
        ("attn_v, attn_qkv, attn_kv_b", "models of exactly 8 experts", "Q8_0"),
        ("attn_v, attn_qkv, attn_kv_b", "the first eighth, the last eighth and every third layer between",
         "Q6_K"),
        ("attn_v, attn_qkv, attn_kv_b", "70B models", "Q5_K")]
    assert lines[-2][:3] == ("all other matrices", "everywhere", "Q4_K")
    assert [line.role for line in explain_recipe("F16")] == ["all other matrices",
                                                             "norms, biases, the experts' router"]
    assert not any("importance" in line.where for line in explain_recipe("IQ3_XXS", imatrix=True))
    assert any("without an importance" in line.where for line in explain_recipe("IQ3_XXS"))


def test_a_models_own_recipe_counts_its_tensors():
    lines = {line[:3] for line in explain_recipe("Q4_K_M", LLAMA_8B)}
    assert ("attn_v", "the first eighth, the last eighth and every third layer between (16 of 32)",
            "Q6_K") in lines
    assert ("attn_v, ffn_down", "the other layers (32 of 64)", "Q4_K") in lines
    assert ("output", "everywhere", "Q6_K") in lines


@pytest.mark.parametrize(("model", "ftype"), EVERY)
def test_the_words_have_the_types_of_the_recipe(model, ftype):
    assert {line.type for line in explain_recipe(ftype, MODELS[model])} == set(
        recipe(ftype, MODELS[model]).values()
    )


def test_fallbacks_are_told_with_the_numbers_of_the_row():
    whys = [line.why for line in explain_recipe("Q4_K_M", "smollm2-135m")]
    assert "in place of Q4_K: rows of 576 are no whole number of blocks of 256" in whys
