"""Of what is no language model everything that takes a model says so, in one sentence with what to do; and
what shows files still shows it.
"""

import re
from html import unescape

import numpy as np
import pytest

from quantlab import oracles
from quantlab.exhibits.file import explore_file
from quantlab.exhibits.fit import explore_fit
from quantlab.exhibits.memory import explore_memory
from quantlab.exhibits.model_map import explore_model_map
from quantlab.exhibits.next_token import explore_next_token
from quantlab.exhibits.recital import explore_recital
from quantlab.exhibits.speed import explore_speed
from quantlab.inference.compare import compare_quality
from quantlab.inference.load import load_lm
from quantlab.inference.sensitivity import sensitivity
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.fit import recommend
from quantlab.memory.kv_cache import kv_cache_bytes
from quantlab.memory.settings import memory_profile
from quantlab.memory.speed import expected_speed
from quantlab.memory.weights import weight_bytes
from quantlab.models.imatrix_file import Imatrix, write_imatrix
from quantlab.models.no_model import BY_ARCHITECTURE, EMBEDS, NoModel, piece_in_words
from quantlab.models.recipes import explain_recipe, recipe, tensor_list
from quantlab.models.source import from_show, open_model
from quantlab.models.writer import quantize_model
from tests.inference.files import vocabulary
from tests.models.ggml_reader import ggml_opens
from tests.models.gguf_builder import build, info, pair, string, u32
from tests.models.written import SMALL, write


def file(arch, kind=None, names=("a",), more=()):
    texts = {"general.architecture": arch, "general.type": kind}
    return build([*(pair(key, 8, string(text)) for key, text in texts.items() if text), *more],
                 [info(name, offset=64 * i) for i, name in enumerate(names)], b"\x11" * 64 * len(names))


OTHERS = {
    "lora": (file("llama", "adapter", ("blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b"),
                  [pair("adapter.type", 8, string("lora")),
                   pair("general.base_model.0.name", 8, string("Llama 3.2 1B"))]),
             r"a LoRA adapter.*made for \('Llama 3\.2 1B'\); .*--lora"),
    "old lora": (file("llama", None, ("blk.0.attn_q.weight.lora_a",)), "a LoRA adapter.*made for; "),
    "imatrix": (file(None, "imatrix", ("blk.0.attn_q.weight.in_sum2", "blk.0.attn_q.weight.counts")),
                "an importance matrix.*as imatrix="),
    "mmproj": (file("clip", "mmproj", ("v.patch_embd.weight", "mm.0.weight")),
               r"a multimodal projector.*projector=open_model\("),
    "old mmproj": (file("clip", None, ("v.patch_embd.weight",)), "a multimodal projector"),
    "nameless mmproj": (file(None, None, ("v.blk.0.attn_q.weight",)), "a multimodal projector"),
    "control vector": (file("controlvector", None, ("direction.1",)), "a control vector.*--control-vector"),
    "stable diffusion": (file(None, None, ("model.diffusion_model.x",)), "a model of pictures or films"),
    "no tensor": (build([pair("general.architecture", 8, string("llama"))], [], b""),
                  "a file without a single tensor"),
    **{arch: (file(arch), "a model of pictures or films") for arch in ("flux", "sd1", "sdxl", "sd3", "wan")},
}
EMBEDDERS = [arch for arch, words in BY_ARCHITECTURE.items() if words == EMBEDS]
TAKERS = [estimate_memory, lambda m: recommend(m, 8), lambda m: expected_speed(m, None, 100e9),
          lambda m: kv_cache_bytes(m, 4096), load_lm, lambda m: recipe("Q4_K_M", m),
          lambda m: explain_recipe("Q4_K_M", m), lambda m: quantize_model(m, "new.gguf", "Q8_0"),
          lambda m: compare_quality(m, ["Q8_0"]), lambda m: sensitivity(m, "Q2_K"), explore_memory,
          lambda m: explore_fit(model=m), explore_speed, explore_next_token, explore_recital]
SHAPE_TAKERS = [weight_bytes, tensor_list, oracles.measure, lambda m: memory_profile("ollama", m)]


def refused(taker, given, words):
    """`taker` says the sentence, as an error or in the place of a picture, and once."""
    try:
        stage = taker(given)
    except ValueError as error:
        found = str(error)
    else:
        found = f"{stage.finding} {stage.picture.svg}"
    found = re.sub(" +", " ", unescape(re.sub(r"<[^>]*>|\s+", " ", found)))
    assert re.search(words, found), found
    assert "oracles.measure" not in found


@pytest.fixture(params=OTHERS, ids=OTHERS)
def other(request, tmp_path):
    path = tmp_path / "other.gguf"
    path.write_bytes(OTHERS[request.param][0])
    return path, rf"other\.gguf is {OTHERS[request.param][1]}"


def test_everything_that_takes_a_model_says_what_it_is(other):
    path, words = other
    for taker in (*TAKERS, *SHAPE_TAKERS):
        refused(taker, path, words)
        refused(taker, str(path), words)
        with open_model(path) as model:
            refused(taker, model, words)
            assert model.file.size              # given open, it stays open


def test_what_shows_files_shows_them(other):
    path, _ = other
    assert ggml_opens(path)
    with open_model(path) as model:
        assert repr(model) and len(model.tensors) == len(model.types)
    assert "was not opened" not in explore_file(path).finding
    if model.types:
        assert explore_model_map(path).finding.startswith("other ")


@pytest.mark.parametrize("arch", EMBEDDERS)
def test_an_embedding_model_writes_nothing(arch, tmp_path):
    path = tmp_path / "other.gguf"
    path.write_bytes(file(arch, "model", ("token_embd.weight",),
                          [pair(f"{arch}.context_length", 4, u32(512))]))
    for taker in (*TAKERS, *SHAPE_TAKERS):
        refused(taker, path, rf"other\.gguf is an embedding model \('{arch}'\).*give a model that writes")
    with open_model(path) as model:         # what shows files shows them
        assert model.nbytes == 36 and len(model.tensors) == 1 and explore_model_map(model).picture


def test_a_vocabulary_is_no_model(tmp_path):
    path = vocabulary(tmp_path / "other.gguf", ["a", "b"])
    for taker in (*TAKERS, *SHAPE_TAKERS):
        refused(taker, path, r"other\.gguf is only a vocabulary.*give the file of a whole model")
    with open_model(path) as model:
        assert list(model.metadata["tokenizer.ggml.tokens"]) == ["a", "b"]


def test_a_real_imatrix_and_a_servers_answer_are_known(tmp_path):
    path = write_imatrix(tmp_path / "other.gguf", Imatrix({"blk.0.attn_q.weight": np.ones((1, 32))}))
    refused(estimate_memory, path, r"other\.gguf is an importance matrix")
    told = from_show({"model_info": {"general.architecture": "nomic-bert"},
                      "tensors": [{"name": "token_embd.weight", "type": "F16", "shape": [32, 8]}]}, "nomic")
    with pytest.raises(NoModel, match="nomic is an embedding model"):
        estimate_memory(told)


def test_models_are_not_taken_for_anything_else(tmp_path):
    """A model that sees may have its encoder in the same file, and say that it is a model."""
    path = tmp_path / "model.gguf"
    path.write_bytes(file("gemma3", "model", ("v.blk.0.attn_q.weight", "mm.x", "token_embd.weight")))
    with open_model(path) as model, pytest.raises(ValueError, match=r"does not say gemma3\.block_count"):
        _ = model.architecture
    for name in SMALL:
        write(path, SMALL[name])
        with open_model(path) as model:
            model.demand_model()


@pytest.mark.parametrize(("name", "words"), [
    ("m.gguf.part1of2", "piece 1 of 2 .*`cat m.gguf.part* > m.gguf`"), ("m.gguf.part2of2", "piece 2 of 2"),
    ("m.Q8_0.gguf-split-a", "piece a .*`cat m.Q8_0.gguf-split-* > m.Q8_0.gguf`"),
    ("m.gguf-split-b", "piece b"), ("m.gguf.part-01-of-03", "piece 1 of 3"), ("m-part2.gguf", "piece 2"),
    ("m.gguf.001", "piece 1 of a file"), ("m.gguf.PART1OF2", "piece 1 of 2")])
def test_a_piece_says_how_to_join_it(name, words, tmp_path):
    write(tmp_path / "whole.gguf", SMALL["llama"])
    whole = (tmp_path / "whole.gguf").read_bytes()
    words = re.escape(words).replace(r"\ \.\*", ".*").replace(r"\.\*", ".*").replace(r"\ ", " ")
    for content in (whole[: len(whole) // 2], whole[len(whole) // 2 :], whole[:100]):
        (tmp_path / name).write_bytes(content)
        for taker in (open_model, *TAKERS, *SHAPE_TAKERS):
            refused(taker, tmp_path / name, f"{re.escape(name)} is {words}")
    (tmp_path / name).write_bytes(whole)         # a whole file may be called anything
    with open_model(tmp_path / name) as model:
        assert model.architecture == SMALL["llama"]


@pytest.mark.parametrize("name", ["model.gguf", "m-00001-of-00002.gguf", "partial.gguf", "part.gguf",
                                  "m-v0.3.gguf", "m.q4_0.gguf"])
def test_whole_names_are_no_pieces(name):
    assert piece_in_words(name) == ""


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 2, 3)])
@pytest.mark.parametrize("name", ["joined.gguf", "m-00001-of-00003.gguf", "m-00002-of-00003.gguf"])
def test_parts_joined_by_cat_say_so(name, order, tmp_path):
    write(tmp_path / "m.gguf", SMALL["llama"], split_max_tensors=9)
    parts = sorted(tmp_path.glob("m-*.gguf"))
    assert len(parts) == 3
    joined = b"".join(parts[i - 1].read_bytes() for i in order)
    (tmp_path / name).write_bytes(joined)
    for taker in (open_model, *TAKERS, *SHAPE_TAKERS):
        refused(taker, tmp_path / name, f"{name} is made of the parts of a split model, joined .*--merge")


def test_the_parts_themselves_are_still_one_model(tmp_path):
    write(tmp_path / "m.gguf", SMALL["llama"], split_max_tensors=9)
    with open_model(tmp_path / "m-00001-of-00003.gguf") as model:
        assert model.architecture == SMALL["llama"]
