"""Every stop of every handle of the file and tag explorers draws; the pictures differ; bad input is a
sentence.
"""

import pytest

from quantlab.exhibits.file import explore_file, header_fields
from quantlab.exhibits.tag import EXAMPLES, explore_tag
from quantlab.exhibits.types import plot_bytes_by_role
from quantlab.models.catalog import SHORT_NAMES
from quantlab.models.recipe_rules import PROGRAMS
from quantlab.models.recipes import tensor_list
from quantlab.models.source import open_model
from quantlab.stage.touchable import png
from quantlab.words import bits_of, size
from tests.models.gguf_builder import INFOS, build, info, pair, string


def sound(explorer):
    """The picture fits its rules: under 100 KB, a finding, no text outside the page."""
    picture = explorer.picture
    assert len(picture.svg) < 100_000 and picture.finding and "\n" not in picture.finding
    assert explorer.finding == picture.finding
    return picture.svg


def test_extra_bytes_add_up():
    table = tensor_list("llama-3.1-8b", "Q4_K_M")
    matrices = table[table["shape"].map(len) > 1]
    extra = matrices.nbytes.sum() - matrices.n_weights.sum() * 4.5 / 8
    assert size(extra) in plot_bytes_by_role().finding
    assert "nothing" not in plot_bytes_by_role("llama-2-7b", "Q5_K_M", "Q5_K").finding


@pytest.mark.parametrize("model", sorted(SHORT_NAMES))
def test_bytes_by_role_draw_for_every_mix(model):
    plain = "Q5_0" if model == "smollm2-135m" else "Q4_K"
    for ftype in PROGRAMS["llama.cpp"].offered:
        sound(plot_bytes_by_role(model, ftype, plain))


def test_every_part_of_the_sample_draws():
    explorer = explore_file()
    menu = explorer.controls["part"]
    seen = set()
    for part in menu.options:
        menu.value = part
        seen.add(sound(explorer))
    assert len(seen) == len(menu.options) == 5
    menu.value = "blk.0.attn_v.weight"
    assert "4.5 bits per weight in Q4_0" in explorer.finding


def test_bytes_shown_are_the_files_bytes():
    explorer = explore_file()
    explorer.set(part="blk.0.attn_v.weight")
    with open_model("sample") as model:
        raw = model.file.raw("blk.0.attn_v.weight")
        for byte in raw[:144]:
            assert f">{byte:02x}<" in explorer.picture.svg
        weights = model.tensor("blk.0.attn_v.weight")[0]
    assert f"First weights: {weights[0]:+.4f}, {weights[1]:+.4f}" in explorer.picture.svg


def test_a_header_is_read_field_by_field():
    fields = header_fields(open_model("sample").file.bytes_at(0, 256))
    names = " ".join(field.name for field in fields)
    assert names == "magic version tensors pairs key length key value type length value"
    assert b"".join(field.raw for field in fields) == open_model("sample").file.bytes_at(0, 68)
    assert fields[-1].meaning == "bert"


@pytest.mark.parametrize("data",
                         [build([], []), build([], INFOS, b"\1" * 80),
                          build([pair("k" * 90, 4, b"\0\0\0\0")], INFOS, b"\1" * 80),
                          build([pair("x", 8, string(""))], [info("t", (7,), 26)], b"\0" * 28),
                          build([pair("x", 8, string("<b>"))], [info("<i>&", (32, 1))]),
                          build([], [info("t", (256, 1), 12)], b"\x07" * 144),
                          build([], [info("blk.9999999.x", (32, 1))], b"\7" * 18),],
                         ids=["nothing", "no metadata", "long key", "integers", "markup", "Q4_K",
                              "layer 9999999"])
def test_odd_but_true_files_draw(data, tmp_path):
    (tmp_path / "odd.gguf").write_bytes(data)
    explorer = explore_file(tmp_path / "odd.gguf")
    for part in explorer.controls["part"].options:
        explorer.controls["part"].value = part
        assert "<b>" not in sound(explorer) and "<i>&" not in explorer.picture.svg
        png(explorer.picture)       # a parser read it: the SVG is well formed


def test_what_cannot_be_opened_is_a_sentence_not_a_traceback(tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\1\0\0\0")
    for source in (tmp_path / "bad.gguf", tmp_path / "none.gguf", "no such model", "../../x"):
        explorer = explore_file(source)
        assert "was not opened" in explorer.finding and png(explorer.picture)


def test_every_example_tag_draws_and_nonsense_is_a_sentence():
    explorer = explore_tag()
    seen = {sound(explorer)}
    for example in EXAMPLES[1:]:
        explorer.buttons[example].click()
        seen.add(sound(explorer))
    assert len(seen) == len(EXAMPLES)
    for nonsense in ("", " ", "<script>alert(1)</script>", "a b", "x" * 500, "llama\n", "läma",
                     "a-b:-----q4_K_M-q4_K_M-fp16-1b-2b-3b"):
        explorer.set(name=nonsense)
        assert "<script>" not in explorer.picture.svg and explorer.finding
        png(explorer.picture)


@pytest.mark.parametrize("name", [*EXAMPLES, "llama3.2:3b-instruct-q4_0"])
def test_every_example_but_the_one_that_is_shown_has_a_button(name):
    assert [words for words in explore_tag(name).buttons if words in EXAMPLES] == [
        example for example in EXAMPLES if example != name]


@pytest.mark.parametrize(("name", "finding"), [
    ("hf.co/unsloth/Qwen3-8B-GGUF:UD-Q4_K_XL", "in a mix of its packager, no mix of llama.cpp"),
    ("hf.co/bartowski/m-GGUF:Q4_K_L", "in a mix of its packager"), ("m:q3_K_L", "and a mix: which tensors"),
    ("m:IQ4_NL_4_4", "IQ4_NL_4_4 is an old name"),
    ("m:IQ4_KS", "IQ4_KS is a type of the program ik"),
    ("gpt-oss:120b-cloud", "other people's computers"), ("m:MXFP4_MOE", "32 of them share a scale"),
])
def test_what_a_tag_comes_to_is_one_sentence(name, finding):
    explorer = explore_tag(name)
    assert finding in explorer.finding and png(explorer.picture)


@pytest.mark.parametrize(("qtype", "bits"), [("Q4_K", 4), ("IQ2_XXS", 2), ("BF16", 16), ("F32", 32),
                                             ("MXFP4", 4), ("none", 0)])
def test_the_digit_on_a_tile_is_the_types_own(qtype, bits):
    assert bits_of(qtype) == bits
