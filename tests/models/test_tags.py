"""What the letters of a tag mean."""

import re

import pytest

from quantlab.models.recipe_rules import ALIASES, GONE, USUAL
from quantlab.models.tag import in_the_cloud, names_a_quantization, quant_of, read_tag


def kinds(name):
    return [(piece.text, piece.kind) for piece in read_tag(name)]


def test_a_full_tag_comes_apart_into_all_its_pieces():
    assert kinds("llama3.1:8b-instruct-q4_K_M") == [("llama3.1", "name"), ("8b", "size"),
                                                    ("instruct", "variant"), ("q", "family"), ("4", "bits"),
                                                    ("K", "scheme"), ("M", "mix")]


@pytest.mark.parametrize(("name", "pieces"),
                         [("mixtral:8x7b-instruct-v0.1-q8_0",
                           [("8x7b", "size"), ("v0.1", "variant"), ("q", "family"), ("8", "bits"),
                            ("0", "scheme")]), ("x:1.5b-fp16", [("1.5b", "size"), ("fp16", "bits")]),
                          ("smollm2:135m", [("135m", "size")]),
                          ("hf.co/bartowski/Llama-3.2-3B-GGUF:IQ4_XS",
                           [("hf.co", "host"), ("bartowski", "maker"), ("IQ", "family"), ("4", "bits"),
                            ("XS", "scheme")]),
                          ("user/model", [("user", "maker"), ("latest", "variant")]),])
def test_other_tags_show_their_pieces(name, pieces):
    assert [piece for piece in pieces if piece not in kinds(name)] == []


@pytest.mark.parametrize(("name", "says"),
                         [("llama3.2", False), ("llama3.2:3b", False), ("gemma3:4b-it-qat", False),
                          ("x:q4_0", True), ("x:bf16", True), ("x:7b-q9_Z", False)])
def test_a_tag_says_its_quantization_or_not(name, says):
    assert names_a_quantization(read_tag(name)) is says


def meanings(name):
    return {piece.text: piece.meaning for piece in read_tag(name)}


@pytest.mark.parametrize(("tag", "quant", "words"), [
    ("UD-Q4_K_XL", "UD-Q4_K_XL", {"UD": "Unsloth Dynamic: a packager's own mix", "XL": "the packager's own"}),
    ("Q4_K_L", "Q4_K_L", {"L": "a packager's own name; bartowski's have word vectors and output in Q8_0"}),
    ("q6_k_xl", "q6_k_xl", {"xl": "a packager's own name, no mix of llama.cpp"}),
    ("Q3_K_L", "Q3_K_L", {"L": "the large mix"}), ("Q5_K_M", "Q5_K_M", {"M": "the medium mix"}),
    ("MXFP4_MOE", "MXFP4_MOE", {"MXFP4": "32 of them share a scale", "MOE": "all else is in Q8_0"}),
    ("nvfp4", "nvfp4", {"nvfp4": "16 of them share"}),
    ("IQ4_NL_4_4", "IQ4_NL_4_4", {"4_4": "removed from llama.cpp in December 2024"}),
    ("Q4_0_8_8", "Q4_0_8_8", {"8_8": "take Q4_0"}),
    ("i1-IQ3_XXS", "IQ3_XXS", {"i1": "importance matrix: .*mradermacher"}),
    ("Q4_K_M-imat", "Q4_K_M", {"imat": "importance matrix"}),
    ("4b-it-qat", "", {"qat": "trained with the rounding in mind"}),
    ("4b-it-qat-q4_0", "q4_0", {"0": "each block of 32 has one scale"}),
    ("8b-Q1_0", "Q1_0", {"0": "each block of 128"}), ("Q2_0", "Q2_0", {"0": "each block of 64"}),
    ("120b-cloud", "", {"cloud": "other people's computers"}), ("IQ4_KS", "IQ4_KS", {"KS": "ik_llama.cpp"}),
    ("IQ2_K", "IQ2_K", {"K": "ik_llama.cpp"}), ("Q4_K_R4", "Q4_K_R4", {"K": "ik_llama.cpp"}),
    ("BF16", "BF16", {"BF16": "brain floats"}), ("q4km", "", {}), ("", "", {}), ("7b-q9_Z", "", {}),
    ("2507-q4_K_M", "q4_K_M", {}), ("UD", "", {"UD": "packager's own mark"}),
])
def test_names_in_the_wild(tag, quant, words):
    assert quant_of(tag) == quant
    found = meanings(f"hf.co/user/repo:{tag}" if tag else "m")
    assert all(re.search(words[text], found[text]) for text in words)
    assert names_a_quantization(read_tag(f"m:{tag}" if tag else "m")) is bool(quant)


def test_every_mix_of_llama_cpp_is_read_as_one():
    """None of them is called a packager's, and each is found whole."""
    for ftype in (*USUAL, *ALIASES, "NVFP4"):
        assert quant_of(f"3b-instruct-{ftype.lower()}").upper() == ftype
        assert not any("packager" in meaning for meaning in meanings(f"m:{ftype}").values()), ftype
    assert all(quant_of(name) == name for name in GONE if name not in ("Q4_2", "Q4_3", "Q4_1_SOME_F16"))


def test_a_name_on_hugging_face():
    found = meanings("hf.co/unsloth/Qwen3-8B-GGUF")
    assert "takes any repository" in found["hf.co"] and "Q4_K_M, where there is one" in found["latest"]
    assert in_the_cloud(read_tag("gpt-oss:120b-cloud")) and in_the_cloud(read_tag("gpt-oss:120b:cloud"))


def test_what_is_no_name_is_refused():
    with pytest.raises(ValueError, match="no Ollama name"):
        read_tag("<script>")
