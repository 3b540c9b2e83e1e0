"""The model map: every mix of every model draws what the tensor table says; keys reach every tensor; odd
files are sentences.
"""

import re
import time
from xml.etree import ElementTree

import pytest

import quantlab as ql
from quantlab.exhibits.map_sides import AS_IS, OLLAMA, SHAPES
from quantlab.exhibits.model_map import NOTHING, OTHER, explore_model_map
from quantlab.models.catalog import MODELS
from quantlab.models.recipes import recipe, tensor_list
from quantlab.models.source import from_show
from quantlab.models.types import tensor_nbytes
from quantlab.stage.touchable import png
from quantlab.words import size
from tests.models.gguf_builder import build, info, pair, string
from tests.thinned import one_of_each, some

SVG = "{http://www.w3.org/2000/svg}"
STRIDE = 3      # of a model's mixes each third, and another third for the next model
KINDS = one_of_each(sorted(SHAPES), lambda name: SHAPES[name].arch)


def drawn(explorer) -> list[list[str]]:
    """The types that each row of the picture tells the mouse, layer by layer ("-": none); all files of a row
    one after the other.
    """
    rows = []
    for group in ElementTree.fromstring(explorer.picture.svg).iter(f"{SVG}g"):
        if group.get("class") == "ql-spot":
            runs = [run.rsplit("*", 1) for run in group.get("data-tips").replace("|", " ").split()]
            rows.append([qtype for qtype, count in runs for _ in range(int(count))])
            sides = group.get("data-tips").count("|") + 1
            assert len(rows[-1]) == sides * int(group.get("data-cells"))
    return rows


def sound(explorer) -> str:
    assert len(
        explorer.picture.svg) < 120_000 and explorer.picture.finding and "\n" not in explorer.picture.finding
    return explorer.picture.svg


@pytest.fixture(scope="module")
def explorer():
    return explore_model_map()


@pytest.mark.parametrize("model", KINDS)
def test_every_ftype_of_every_model_draws_its_recipe(explorer, model):
    explorer.set(model=model, beside=NOTHING)
    seen, ftypes = set(), some(explorer.controls["ftype"].options, STRIDE, KINDS.index(model))
    assert len(explorer.controls["ftype"].options) == 30
    for ftype in ftypes:
        explorer.controls["ftype"].value = ftype
        assert explorer.controls["size"].value == ftype
        seen.add(sound(explorer))
        types = recipe(ftype, SHAPES[model])
        shapes = {tensor.name: tensor.shape for tensor in SHAPES[model].tensors()}
        nbytes = sum(tensor_nbytes(shapes[name], qtype) for name, qtype in types.items())
        assert f"{ftype} is {size(nbytes)}:" in explorer.picture.finding
        assert sorted(qtype for row in drawn(explorer) for qtype in row
                      if qtype != "-") == sorted(types.values())
    assert len(seen) == len(ftypes)


def test_the_sizes_go_up_with_the_slider_and_each_is_the_sum_of_its_tensors(explorer):
    explorer.set(model="llama3.1:8b")
    for words, ftype in explorer.controls["size"].options:
        assert words == f"{size(tensor_list('llama-3.1-8b', ftype).nbytes.sum())}, {ftype}"
    sizes = [tensor_list("llama-3.1-8b", ftype).nbytes.sum()
             for _, ftype in explorer.controls["size"].options]
    assert sizes == sorted(sizes)


def test_the_size_and_the_menu_are_one_choice_and_draw_once(explorer, monkeypatch):
    explorer.buttons["Reset"].click()
    count = []
    show = explorer.show
    monkeypatch.setattr(explorer, "show", lambda picture: count.append(picture) or show(picture))
    explorer.controls["size"].value = "Q2_K"
    assert explorer.controls["ftype"].value == "Q2_K" and len(count) == 1
    explorer.controls["ftype"].value = "Q6_K"
    assert explorer.controls["size"].value == "Q6_K" and len(count) == 2
    explorer.controls["model"].value = "qwen3:8b"
    assert explorer.controls["ftype"].value == "Q6_K" and len(count) == 3


def test_right_walks_through_all_tensors_and_says_what_the_table_says(explorer):
    explorer.buttons["Reset"].click()
    table = tensor_list("llama-3.1-8b", "Q4_K_M").set_index("name")
    explorer.touched({"cell": 0})
    seen = []
    while not seen or explorer.focus != seen[-1]:
        seen.append(explorer.focus)
        row = table.loc[explorer.focus]
        shape = " × ".join(f"{n:,}" for n in row["shape"])
        said = (f"{explorer.focus}: {shape} weights in {row['type']}, {row['nbytes']:,} bytes, "
                f"{row['bpw']:.6g} bits per weight")
        assert explorer.finding == said                                                     # the live region
        assert f">{shape} weights in {row['type']}, {row['nbytes']:,} bytes, " in explorer.picture.svg
        assert f">{explorer.focus}<" in explorer.picture.svg
        here = next(g for g in ElementTree.fromstring(explorer.picture.svg).iter(f"{SVG}g")
                    if g.get("id") == "here")
        assert here.get("aria-label") == said
        explorer.touched({"key": "ArrowRight"})
    assert sorted(seen) == sorted(table.index)
    for name in reversed(seen):
        assert explorer.focus == name
        explorer.touched({"key": "ArrowLeft"})


@pytest.mark.parametrize("model", KINDS)
def test_up_and_down_reach_every_row_and_stay_on_tensors(explorer, model):
    explorer.set(model=model, beside=NOTHING, ftype="Q4_K_M")
    explorer.touched({"key": "Home"})
    for _ in explorer.map.grid.rows:
        explorer.touched({"key": "ArrowUp"})
    rows = {explorer.map.grid.places[explorer.focus][0]}
    for _ in explorer.map.grid.rows:
        explorer.touched({"key": "ArrowDown"})
        explorer.touched({"key": "End"})
        rows.add(explorer.map.grid.places[explorer.focus][0])
    assert rows == set(range(len(explorer.map.grid.rows)))
    assert set(explorer.map.grid.walk) == {tensor.name for tensor in SHAPES[model].tensors()}


def test_n_and_p_jump_to_what_is_raised_and_page_keys_change_the_ftype(explorer):
    explorer.buttons["Reset"].click()
    raised = [name for name in explorer.map.grid.walk if name in recipe("Q4_K_M", "llama-3.1-8b")
              and recipe("Q4_K_M", "llama-3.1-8b")[name] == "Q6_K"]
    explorer.touched({"cell": 0})
    for name in raised:
        explorer.touched({"key": "n"})
        assert explorer.focus == name
    explorer.touched({"key": "p"})
    assert explorer.focus == raised[-2]
    before = explorer.map.sides[0].nbytes
    explorer.touched({"key": "PageUp"})
    assert explorer.map.sides[0].nbytes > before and explorer.focus == raised[
        -2] and explorer.focus in explorer.finding
    explorer.touched({"key": "PageDown"})
    explorer.touched({"key": "PageDown"})
    assert explorer.map.sides[0].nbytes < before


def test_two_mixes_mark_exactly_what_differs(explorer):
    explorer.buttons["S beside M"].click()
    m, s = recipe("Q4_K_M", "llama-3.1-8b"), recipe("Q4_K_S", "llama-3.1-8b")
    unequal = {name for name in m if m[name] != s[name]}
    assert set(explorer.map.unequal) == unequal and len(unequal) == 32
    assert "32 of 226 matrices differ" in explorer.finding and "228 MB larger" in explorer.finding
    underlines = re.findall(r'<path d="([^"]+)" style="fill:var\(--jp-content-font-color1',
                            explorer.picture.svg)
    assert sum(path.count("M") for path in underlines) == 32
    explorer.set(beside="Q4_K_M")
    assert "are the same" in explorer.finding and explorer.map.unequal == []


def test_ollamas_mix_can_stand_beside_llama_cpps():
    explorer = explore_model_map("phi4:14b", "Ollama's Q4_K_M")
    assert "40 of 162 matrices differ" in explorer.finding         # attn_qkv, which Ollama keeps in Q5_K
    ollamas = [OLLAMA + ftype for ftype in ("Q4_K_S", "Q4_K_M", "Q8_0")]
    assert explore_model_map("phi4:14b").mixes.ollamas == ollamas


def test_a_redraw_takes_a_few_milliseconds(explorer):
    """A guard against an accident, five times above what a busy machine takes; benchmarks/latency.py measures
    in the browser.
    """
    explorer.set(model="llama3.1:8b", beside=NOTHING)
    times = []
    for ftype in explorer.controls["ftype"].options:
        start = time.process_time()
        explorer.controls["ftype"].value = ftype
        times.append(time.process_time() - start)
    assert sorted(times)[len(times) // 2] < 0.02


def test_a_file_begins_as_it_is_and_can_be_held_against_the_recipe(tmp_path):
    path, types = tmp_path / "tiny-Q4_K_M.gguf", {}
    shapes = {"token_embd.weight": (256, 64), **{f"blk.{i}.{part}.weight": (256, 256) for i in range(8)
                                                 for part in ("attn_q", "attn_k", "attn_v", "attn_output",
                                                              "ffn_gate", "ffn_up", "ffn_down")}}
    infos, data, numbers = [], b"", {"Q4_K": (12, 144), "Q6_K": (14, 210)}
    architecture = ql.Architecture(arch="llama", n_layer=8, n_embd=256, n_head=4, n_head_kv=4, head_dim=64,
                                   n_ff=256, n_vocab=64, tied_embeddings=True)
    for name, shape in shapes.items():
        types[name] = recipe("Q4_K_M", architecture)[name] if name != "blk.3.attn_q.weight" else "Q6_K"
        number, size = numbers[types[name]]
        infos.append(info(name, shape, number, len(data)))
        data += bytes(size * shape[1])
        data += bytes(-len(data) % 32)
    pairs = [pair("general.architecture", 8, string("llama")),
             *(pair(f"llama.{key}", 4, value.to_bytes(4, "little"))
               for key, value in {"block_count": 8, "embedding_length": 256, "attention.head_count": 4,
                                  "feed_forward_length": 256}.items()),
             pair("general.file_type", 4, (15).to_bytes(4, "little"))]
    path.write_bytes(build(pairs, infos, data))
    explorer = explore_model_map(path)
    assert explorer.controls[
        "ftype"].value == AS_IS and "tiny-Q4_K_M is" in explorer.finding and "model" not in explorer.controls
    assert sorted(qtype for row in drawn(explorer) for qtype in row) == sorted(types.values())
    explorer.buttons["rules"].click()
    assert explorer.map.unequal == ["blk.3.attn_q.weight"] and "1 of 57 matrices differ" in explorer.finding
    explorer.touched({"key": "n"})
    assert "Q6_K" in explorer.finding and "Q4_K_M: 256 × 256 weights in Q4_K" in explorer.finding
    beside = explore_model_map(path, "llama-3.1-8b")
    assert beside.controls["beside"].value == OTHER and sound(beside) and png(beside.picture)


@pytest.mark.parametrize(("data", "words"), [
    (build([], []), "no tensors"),
    (build([], [info("norm", (8,), 0)], b"\0" * 32), "no layers"),
    (build([], [info("blk.3.x.weight", (32, 1))], b"\0" * 18), "1 × Q4_0|18 B"),
    (build([], [info("blk.9999999.x", (32, 1))], b"\7" * 18), "no layers"),
    (build([], [info("blk.4000.x.weight", (32, 2))], b"\7" * 36), "36 B"),
    (build([pair("general.architecture", 8, string("mamba"))],
           [info("blk.0.ssm_in.weight", (32, 2)), info("<i>&", (32, 1), 2, 64)],
           b"\7" * 96), "1 × Q4_0"),
    (build([], [info("v.blk.1.attn_q.weight", (32, 2)), info("blk.0.attn_q.weight", (32, 2), 2, 64)],
           b"\7" * 100), "2 × Q4_0"),
], ids=["nothing", "no layers", "a gap", "layer 9999999", "layer 4000", "mamba", "image encoder"])
def test_odd_but_true_files_draw(data, words, tmp_path):
    (tmp_path / "odd.gguf").write_bytes(data)
    explorer = explore_model_map(tmp_path / "odd.gguf")
    assert re.search(words, explorer.finding) and "<i>&" not in sound(explorer)
    assert png(explorer.picture)        # a parser read it: the SVG is well formed
    if hasattr(explorer, "map"):
        for key in ("ArrowRight", "ArrowDown", "End", "Home", "n", "p", "PageUp", "ArrowUp", "ArrowLeft"):
            explorer.touched({"key": key})
        explorer.touched({"cell": 10**9})


def test_a_servers_table_with_an_unknown_type_draws_without_its_bytes():
    shape = {"name": "blk.0.attn_q.weight", "type": "Q9_\x01Z", "shape": [32, 4]}
    explorer = explore_model_map(
        from_show({"tensors": [shape, {**shape, "name": "blk.1.attn_q.weight", "type": "F16"}]}, "told"))
    assert "1 × F16" in explorer.finding and "bytes unknown" in explorer.picture.svg and png(explorer.picture)


def test_what_cannot_be_opened_is_a_sentence_not_a_traceback(tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\1\0\0\0")
    for source in (tmp_path / "bad.gguf", tmp_path / "none.gguf", "no such model", "../../x"):
        assert "can be opened" in explore_model_map(source).finding
        assert "can be opened" in explore_model_map("sample", source).finding


def test_an_ftype_that_the_model_cannot_have_is_refused():
    for source, ftype in ((None, "Q4_K_L"), ("sample", "Q4_K_M")):
        with pytest.raises(ValueError, match=ftype):
            explore_model_map(source, ftype=ftype)


def test_ftypes_are_meant_in_any_case_and_what_is_none_is_said():
    lower, upper = (
        explore_model_map(beside="ollama's q4_k_s", ftype="q5_k_m"),
        explore_model_map(beside="Ollama's Q4_K_S", ftype="Q5_K_M"),
    )
    assert lower.picture == upper.picture and explore_model_map(beside="q4_k_s").controls[
        "beside"].value == "Q4_K_S"
    assert "Nor is it an ftype" in explore_model_map(beside="Q4_K_L").picture.svg
    for source in (3, ["llama-3.1-8b"], {}, b"sample"):
        assert "can be opened" in explore_model_map(source).finding and "can be opened" in explore_model_map(
            beside=source).finding
    with pytest.raises(ValueError, match="no ftype 15 here"):
        explore_model_map(ftype=15)


def test_any_architecture_and_a_file():
    assert "model" not in explore_model_map(MODELS["qwen3:30b"]).controls
    assert "1 × F32, 1 × Q8_0 and 1 × Q4_0" in explore_model_map("sample").finding
