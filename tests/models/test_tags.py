"""What the letters of a tag mean."""

import pytest

from quantlab.exhibits.tag import names_a_quantization, read_tag


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
                           [("hf.co/bartowski", "maker"), ("IQ", "family"), ("4", "bits"), ("XS", "scheme")]),
                          ("user/model", [("user", "maker"), ("latest", "variant")]),])
def test_other_tags_show_their_pieces(name, pieces):
    assert [piece for piece in pieces if piece not in kinds(name)] == []


@pytest.mark.parametrize(("name", "says"),
                         [("llama3.2", False), ("llama3.2:3b", False), ("gemma3:4b-it-qat", False),
                          ("x:q4_0", True), ("x:bf16", True), ("x:7b-q9_Z", False)])
def test_a_tag_says_its_quantization_or_not(name, says):
    assert names_a_quantization(read_tag(name)) is says


def test_what_is_no_name_is_refused():
    with pytest.raises(ValueError, match="no Ollama name"):
        read_tag("<script>")
