"""Wishes beside a mix: the whole files are those of llama.cpp with the same wishes, and what cannot be is
said in words.
"""

import re

import numpy as np
import pytest

import quantlab as ql
from quantlab.models import writer
from quantlab.models.source import Model, open_model
from quantlab.models.wishes import read_types
from tests.models.quantize_oracle import needs_llama_quantize, whole_file
from tests.models.whole import SOURCES, asked, importances, same
from tests.models.written import SMALL, write
from tests.thinned import some

LLAMA, MOE = "llama of 11 layers", "experts"
#: name -> (the mix, types, other wishes as quantize_model takes them, and as the library does).
SETS = {
    "one kind": ("Q4_K_M", {"ffn_up": "Q8_0"}, {}, {}),
    "what is named is not counted": ("Q4_K_M", {r"blk\.[0-4]\.attn_v": "Q3_K", r"blk\.1\.ffn_down": "Q5_0"},
                                     {}, {}),
    "from the special to the general": ("Q3_K_L", {r"blk\.0\.": "Q8_0", "ffn_(up|gate)": "IQ4_XS"}, {}, {}),
    "output and embeddings": ("IQ4_XS", {"attn_q": "Q6_K"}, {"output_type": "Q8_0", "embedding_type": "Q5_1"},
                              {"output": "Q8_0", "embedding": "Q5_1"}),
    "the output as it is": ("Q5_K_S", {"attn_k": "F16"}, {"leave_output": True},
                            {"quantize_output_tensor": False}),
    "fewer layers": ("Q4_K_M", {r"blk\.0\.": "Q5_K"}, {"prune_layers": [0, 2]}, {"prune": [0, 2]}),
}


def wished(name: str, wish: str) -> tuple[str, dict, dict]:
    """The mix, our arguments and the library's options, for a model and one of SETS."""
    ftype, types, ours, theirs = SETS[wish]
    if name == "deepseek2":             # it has other matrices of attention
        types = {re.sub("attn_[qkv]$", "attn_q_b", pattern): qtype for pattern, qtype in types.items()}
    return ftype, {"types": types, **ours}, {"types": list(types.items()), **theirs}


@needs_llama_quantize
@pytest.mark.parametrize(("name", "wish"), [(name, wish) for i, name in enumerate([LLAMA, MOE, "deepseek2"])
                                            for wish in some(SETS, 2, i)])
@pytest.mark.filterwarnings("ignore:types")
def test_whole_files_with_wishes(source_of, tmp_path, name, wish):
    ftype, ours, theirs = wished(name, wish)
    same(source_of(name), tmp_path, ftype, theirs, **ours)


@needs_llama_quantize
@pytest.mark.parametrize("wish", ["output_type", "embedding_type"])
def test_word_vectors_that_are_the_output_too(source_of, tmp_path, wish):
    same(source_of("qwen2"), tmp_path, "Q4_0",
         {wish.removesuffix("_type"): "Q5_1"}, **{wish: "q5_1"})


@needs_llama_quantize
@pytest.mark.parametrize(("ftype", "pure"), [("Q4_0", True), ("BF16", False)])
def test_an_output_type_that_llama_quantize_ignores_is_refused(source_of, tmp_path, ftype, pure):
    """Without output.weight it reads `--output-tensor-type` only where it asks its rules."""
    source, path = source_of("qwen2"), tmp_path / "theirs.gguf"
    plain = whole_file(source, path, ftype=ftype, pure=pure).read_bytes()
    assert whole_file(source, path, ftype=ftype, pure=pure, output="Q5_1").read_bytes() == plain
    with pytest.raises(ValueError, match=rf"there is no output\.weight, .* {ftype} here whatever"):
        ql.recipe(ftype, source, pure=pure, output_type="Q5_1")
    both = dict(output_type="Q5_1", embedding_type="Q5_0")          # for any model, as packagers write it
    same(source, tmp_path, ftype, {"pure": pure, "output": "Q5_1", "embedding": "Q5_0"}, pure=pure, **both)


@needs_llama_quantize
def test_a_dynamic_mix_is_made_again_from_the_16_bit_file(source_of, tmp_path):
    """A packager's file: every matrix has a type of its own, and importances went into it. "As in that file"
    gives its very bytes.
    """
    source, choice, imatrix = source_of(LLAMA), np.random.default_rng(3), importances(source_of(LLAMA))
    types = [(f"^{re.escape(name)}$", str(choice.choice(["Q3_K", "Q4_K", "IQ4_XS", "Q5_K", "Q6_K", "Q8_0"])))
             for name in imatrix if name not in ("output.weight", "token_embd.weight")]
    theirs = whole_file(source, tmp_path / "UD-Q3_K_XL.gguf", ftype="Q3_K_M", types=types, output="Q6_K",
                        embedding="Q5_K", **asked(imatrix))
    ours = ql.quantize_model(source, tmp_path / "ours.gguf", imatrix=imatrix, types=theirs, progress=None)
    assert ours.read_bytes() == theirs.read_bytes()
    with open_model(theirs) as found:
        assert ql.recipe("Q3_K_M", source, imatrix=True, types=found) == {
            name: found.types[name][0] for name in ql.recipe("F16", source)}


@needs_llama_quantize
def test_keys_are_set_anew_in_llama_cpp_s_order(source_of, tmp_path):
    given = {"general.name": "Ünser", "tokenizer.ggml.add_bos_token": False, "llama.rope.freq_base": 5e5,
             "llama.context_length": 4096, "general.file_type": 99}
    new = same(source_of("llama"), tmp_path, "Q8_0", {"kv": list(map(list, given.items()))},
               override_kv=given)
    texts = ["general.name=str:Ünser", "tokenizer.ggml.add_bos_token=bool:false",
             "llama.rope.freq_base=float:500000", "llama.context_length=int:4096", "general.file_type=int:99"]
    again = ql.quantize_model(source_of("llama"), tmp_path / "again.gguf", "Q8_0", override_kv=texts,
                              progress=None)
    assert again.read_bytes() == new.read_bytes()


@needs_llama_quantize
def test_a_key_that_changes_the_mix_changes_it(source_of, tmp_path):
    """Eight experts instead of four: llama.cpp asks the overridden number, and so do the rules here."""
    key = {"qwen3moe.expert_count": 8}
    new = same(source_of(MOE), tmp_path, "Q4_K_M", {"kv": [list(*key.items())]}, override_kv=key)
    with open_model(new) as model:
        assert model.types["blk.0.attn_v.weight"][0] == "Q8_0"


@needs_llama_quantize
@pytest.mark.parametrize("source", ["F16", "Q8_0"])
def test_copy_changes_no_tensor(source_of, tmp_path, source):
    same(source_of(LLAMA, source, "shuffled"), tmp_path, "COPY", {"ftype": "F32", "only_copy": True})
    same(source_of(LLAMA, source), tmp_path, "COPY",
         {"ftype": "F32", "only_copy": True, "prune": [3]}, prune_layers=3)


@needs_llama_quantize
def test_the_parts_of_a_source_are_kept(tmp_path):
    write(tmp_path / "in.gguf", SMALL["qwen3moe"], "F16", split_max_tensors=7)
    first = sorted(tmp_path.glob("in-*.gguf"))[0]
    whole_file(first, tmp_path / "theirs", ftype="Q4_K_M", keep_split=True)
    ours = ql.quantize_model(first, tmp_path / "ours.gguf", "Q4_K_M", keep_split=True, progress=None)
    pairs = list(zip(sorted(tmp_path.glob("ours*")), sorted(tmp_path.glob("theirs*")), strict=True))
    assert len(pairs) == 4 and ours == pairs[0][0]
    assert all(mine.read_bytes() == theirs.read_bytes() for mine, theirs in pairs)
    with open_model(ours) as model:
        assert model.ftype == "Q4_K_M" and len(model.types) == len(list(SMALL["qwen3moe"].tensors()))


def test_a_dry_run_is_a_table_and_writes_nothing(source_of, tmp_path):
    how = dict(ftype="Q4_K_M", types={"attn_q": "Q8_0"})
    planned = ql.quantize_model(source_of(LLAMA), None, dry_run=True, **how)
    lines = [line.split() for line in repr(planned).splitlines()]
    assert lines[0] == ["tensor", "shape", "from", "to", "bytes"] and lines[-1][:2] == ["103", "tensors"]
    assert ["blk.10.attn_q.weight", "256", "×", "256", "F16", "Q8_0", "69.6", "KB"] in lines
    assert "<td>blk.10.attn_q.weight</td>" in planned._repr_html_()
    assert planned.types["blk.10.attn_q.weight"] == "Q8_0"
    assert not list(tmp_path.iterdir())
    new = ql.quantize_model(source_of(LLAMA), tmp_path / "x.gguf", progress=None, **how)
    with open_model(new) as model:
        assert {name: qtype for name, (qtype, _) in model.types.items()} == planned.types
        assert (model.nbytes, model.bpw) == (planned.nbytes, planned.bpw)


def test_types_from_a_file_of_lines(source_of, tmp_path):
    lines = tmp_path / "types.txt"
    lines.write_text("attn_v=q6_k ffn_down=Q5_K\n\nblk\\.1\\.ffn_up=q8_0\n")
    assert read_types(lines) == {"attn_v": "q6_k", "ffn_down": "Q5_K", r"blk\.1\.ffn_up": "q8_0"}
    found = ql.recipe("Q4_K_M", source_of(LLAMA), types=lines)
    assert found == ql.recipe("Q4_K_M", source_of(LLAMA), types=read_types(lines))
    assert found["blk.1.ffn_up.weight"] == "Q8_0" and found["blk.10.attn_v.weight"] == "Q6_K"


def test_a_language_model_with_wishes_has_the_weights_of_the_file(tmp_path):
    wishes = dict(types={"attn_v": "Q8_0", r"blk\.2\.": "Q2_K"}, embedding_type="Q5_0", prune_layers=[1])
    file = ql.quantize_model("tiny", tmp_path / "x.gguf", "Q4_K_M", progress=None, **wishes)
    ours, theirs = ql.load_lm("tiny", "Q4_K_M", **wishes), ql.load_lm(file)
    assert ours.weights.keys() == theirs.weights.keys()
    assert all(np.array_equal(ours.weights[name], theirs.weights[name]) for name in ours.weights)
    assert np.array_equal(ours.logits([1, 2, 3]), theirs.logits([1, 2, 3]))


def test_a_layer_is_numbered_anew_and_gives_its_number_away(source_of):
    with open_model(source_of(LLAMA)) as model:
        found = ql.recipe("Q8_0", model, prune_layers=[0, 10])
        assert len(found) == len(model.types) - 2 * 9 and "blk.8.attn_q.weight" in found
    assert "blk.9.attn_q.weight" not in found


@pytest.mark.parametrize(("wishes", "words"), [
    ({"types": {"attn_w": "Q8_0"}}, r"'attn_w' is found in none of the \d+ tensors; a name is .*weight"),
    ({"types": {"attn_norm": "Q8_0"}}, r"in tensors that are never quantized, blk\.0\.attn_norm\.weight"),
    ({"types": {"attn": "Q8_0", r"blk\.1\.attn_q": "Q6_K"}},
     r"'attn' wants Q8_0 and .* wants Q6_K for blk\.1\.attn_q\.weight; .*put it first"),
    ({"types": {"attn_q": "Q9"}}, "types: attn_q: no type 'Q9' here; there are"),
    ({"types": {"attn_q": None}}, "types: attn_q: no type None"),
    ({"types": {"attn_[": "Q8_0"}}, r"'attn_\[' is no regular expression: unterminated"),
    ({"types": {3: "Q8_0"}}, "types: 3 is no pattern"), ({"types": {"": "Q8_0"}}, "'' is no pattern"),
    ({"types": 5}, "types=5 cannot be"), ({"types": "nosuch.txt"}, "nosuch.txt"),
    ({"types": {"attn_q": "NVFP4", "token_embd": "Q8_0"}, "ftype": "F16"}, "a file of F16 has no other"),
    ({"output_type": "Q9"}, "output_type: no type 'Q9'"),
    ({"embedding_type": "Q4_K_M"}, "embedding_type: no type"),
    ({"leave_output": True, "output_type": "Q8_0"}, "leave_output keeps output.weight as it is"),
    ({"prune_layers": [11]}, "there is no layer 11; the layers are 0 to 10"),
    ({"prune_layers": range(11)}, "all 11 layers would be left out"),
    ({"prune_layers": [-1]}, "-1 is no layer"), ({"prune_layers": "1,2"}, "'1' is no layer"),
    ({"prune_layers": None}, "None is no layer"),
    ({"ftype": "COPY", "output_type": "Q8_0"}, "COPY keeps every type"),
    ({"by": "ollama", "types": {"attn_q": "Q8_0"}}, "ollama takes no wishes"),
])
def test_wishes_that_cannot_be_met_are_sentences(source_of, wishes, words):
    asked_for = {"ftype": "Q4_K_M", "model": source_of(LLAMA)} | wishes
    with pytest.raises(ValueError, match=words):
        ql.recipe(**asked_for)


def test_wishes_that_no_row_fits(source_of):
    """Rows of 96: by a pattern another type takes over, as in llama-quantize, which ends in the middle for
    the others.
    """
    found = ql.recipe("Q4_0", source_of("llama"), types={"ffn_down": "Q4_K", "ffn_up": "IQ4_XS"})
    assert found["blk.0.ffn_down.weight"] == "Q5_0" and found["blk.1.ffn_up.weight"] == "IQ4_NL"
    for wish in ("output_type", "embedding_type"):
        with pytest.raises(ValueError, match="weight cannot be Q4_K: its rows of 64 weights are no"):
            ql.recipe("Q4_0", source_of("llama"), **{wish: "Q4_K"})


def test_two_patterns_that_disagree_here_and_there_are_a_note(source_of, tmp_path):
    types = {r"blk\.0\.": "Q8_0", "attn_q": "Q6_K"}
    note = r"wants Q8_0 and 'attn_q' wants Q6_K for blk\.0\.attn_q\.weight; the first decides"
    found = ql.recipe("Q4_K_M", source_of(LLAMA), types=types)
    assert re.search(note, found.notes[0]) and "the first decides" in repr(found)
    with pytest.warns(UserWarning, match=note):
        ql.quantize_model(source_of(LLAMA), tmp_path / "x.gguf", "Q4_K_M", types=types, progress=None)


@pytest.mark.parametrize(("other", "words"), [
    ("llama", r"is of another model: .* has the shape .* there, and .* here"),
    ("deepseek2", r"is of another model: token_embd"), (MOE, "has no tensor rope_freqs"),
])
def test_a_file_of_another_model_is_no_pattern(source_of, other, words):
    with pytest.raises(ValueError, match=words):
        ql.recipe("Q4_K_M", source_of(LLAMA), types=source_of(other))
    with pytest.raises(ValueError, match=r"has \d+ tensors that this model has not, blk\.9\."):
        ql.recipe("Q4_K_M", source_of(LLAMA), types=source_of(LLAMA), prune_layers=[0, 1])


def test_what_is_never_quantized_keeps_its_own_type(source_of):
    """The routers of three layers are F16 in the other file; llama-quantize cannot make them so."""
    with open_model(source_of(MOE)) as model:
        types = {name: ("F16" if "ffn_gate_inp" in name else qtype, shape)
                 for name, (qtype, shape) in model.types.items()}
        found = ql.recipe("Q4_K_M", model, types=Model("other.gguf", model.metadata, types))
    assert found["blk.0.ffn_gate_inp.weight"] == "F32"
    assert found.notes == ["blk.0.ffn_gate_inp.weight is F16 in other.gguf and stays F32, and so do 2 more: "
                           "llama-quantize leaves it as it is"]


@pytest.mark.parametrize(("lines", "words"), [
    ("attn_q", "'attn_q' is no PATTERN=TYPE"), ("=Q8_0", "is no PATTERN=TYPE"), ("attn_q=", "is no PATTERN"),
    ("attn_q = Q8_0", "'attn_q' is no PATTERN"), ("", "is empty"),
    ("attn_q=Q8_0\nattn_q=Q6_K", "wants both Q8_0 and Q6_K for attn_q"),
    (b"\xff\xfe", "is no text"),
])
def test_lines_that_say_no_type(tmp_path, source_of, lines, words):
    (tmp_path / "types.txt").write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    with pytest.raises(ValueError, match=words):
        ql.recipe("Q4_K_M", source_of(LLAMA), types=tmp_path / "types.txt")


@pytest.mark.parametrize(("given", "words"), [
    ({"a": [1]}, "a cannot be"), ({"a": -1}, "a cannot be -1"), ({"a": 2**32}, "whole numbers from 0 to"),
    ({"a": "x" * 128}, "has 128 bytes; llama-quantize takes 127"), ({"k" * 128: 1}, "no key of 1 to 127"),
    ({3: 1}, "3 is no key"), ({"a": float("nan")}, "a cannot be nan"), (["a=1"], "'a=1' is no KEY=TYPE"),
    (["a=int:x"], "is no KEY=TYPE:VALUE"), (["a=bool:yes"], "is no KEY"), ("a", "'a' is no KEY"),
    ({"general.alignment": 64}, "general.alignment cannot be changed"),
])
def test_keys_that_cannot_be_set(source_of, tmp_path, given, words):
    with pytest.raises(ValueError, match=words):
        ql.quantize_model(source_of("llama"), tmp_path / "x.gguf", "Q8_0", override_kv=given)
    assert not list(tmp_path.iterdir())


def test_parts_that_are_not_there_cannot_be_kept(source_of, tmp_path):
    with pytest.raises(ValueError, match="is one file, and there is nothing to keep"):
        ql.quantize_model(source_of("llama"), tmp_path / "x.gguf", "Q8_0", keep_split=True)
    assert not list(tmp_path.iterdir())


def test_importances_of_nothing_are_a_note(source_of, tmp_path):
    imatrix = importances(source_of(MOE))
    imatrix["blk.1.attn_q.weight"][:] = 0
    imatrix["blk.2.ffn_up_exps.weight"][1:] = 0
    planned = ql.quantize_model(source_of(MOE), None, "Q4_K_M", imatrix, dry_run=True)
    assert len(planned.notes) == 2
    assert "of its columns in blk.1.attn_q.weight are all 0" in planned.notes[0]
    assert "of 3 of its 4 matrices in blk.2.ffn_up_exps.weight" in planned.notes[1]
    imatrix["blk.2.ffn_up_exps.weight"] = imatrix["blk.2.ffn_up_exps.weight"][:1]
    with pytest.raises(ValueError, match=r"1 × 256 numbers for blk\.2\.ffn_up_exps.*experts apart"):
        ql.quantize_model(source_of(MOE), None, "Q4_K_M", imatrix, dry_run=True)


def test_the_place_of_a_number_that_is_none_is_the_tensor_s_own(tmp_path, monkeypatch):
    """Whatever the pieces that are worked on: the row and the column of the matrix, and which expert's it is.
    """
    monkeypatch.setattr(writer, "SLAB", 3 * 256)           # pieces of three rows
    spoiled = {"blk.1.attn_q.weight": (5, 7), "blk.0.ffn_up_exps.weight": (2, 100, 31)}
    for name, place in spoiled.items():
        def damage(tensor, x, name=name, place=place):
            if tensor == name:
                x[place] = np.nan

        write(tmp_path / "in.gguf", SOURCES[MOE], "F16", change=damage)
        words = f"row {place[-2]}, column {place[-1]} .counted from 0. is nan; weights must be finite"
        which = f"matrix {place[0]}, {words}" if len(place) > 2 else words
        with pytest.raises(ValueError, match=f"^tensor {re.escape(name)}: {which}"):
            ql.quantize_model(tmp_path / "in.gguf", tmp_path / "x.gguf", "Q4_0", progress=None)
        assert [path.name for path in tmp_path.iterdir()] == ["in.gguf"]
