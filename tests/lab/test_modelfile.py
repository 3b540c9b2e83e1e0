"""Modelfiles are read as Ollama reads them, and a mistake is answered with its line, its word and the right
one.
"""

import pytest

from quantlab.lab.modelfile import PARAMETERS, ModelfileError, parse_modelfile

LESSON = """# Modelfile with quantization hint
FROM llama3.2

# System prompt for specialized use
SYSTEM You are a coding assistant.

# These parameters work well with Q4 quantization
PARAMETER temperature 0.7
PARAMETER top_p 0.9
"""


def test_the_lesson_s_modelfile_is_read_as_is():
    found = parse_modelfile(LESSON)
    assert (found.base, found.system) == ("llama3.2", "You are a coding assistant.")
    assert found.parameters == {"temperature": 0.7, "top_p": 0.9}


def test_quotes_case_repeats_and_messages():
    found = parse_modelfile(
        'from "a b.gguf"\r\nSystem """Two\nlines, "quoted"."""\n'
        'PARAMETER stop "<|im_end|>"\nparameter stop END\nPARAMETER num_ctx 4096\nPARAMETER use_mmap false\n'
        'MESSAGE user hi there\nMESSAGE assistant """Well,\nhello"""\n'
        'LICENSE one\nLICENSE two\nADAPTER ./a.gguf\nTEMPLATE {{ .Prompt }}')
    assert found.base == "a b.gguf" and found.system == 'Two\nlines, "quoted".'
    assert found.parameters == {"stop": ["<|im_end|>", "END"], "num_ctx": 4096, "use_mmap": False}
    assert found.messages == [{"role": "user", "content": "hi there"},
                              {"role": "assistant", "content": "Well,\nhello"}]
    assert (found.licenses, found.adapters, found.template) == (["one", "two"], ["./a.gguf"], "{{ .Prompt }}")


@pytest.mark.parametrize("text, line, word, right", [
    ("FORM llama3.2", 1, "FORM", "FROM"),
    ("FROM m\n\nPARAMETER temprature 0.7", 3, "temprature", "temperature"),
    ("FROM m\nPARAMETER top_k 0.5", 2, "'0.5'", "whole number"),
    ("FROM m\nPARAMETER temperature warm", 2, "'warm'", "a number"),
    ("FROM m\nPARAMETER seed 1\nPARAMETER seed 2", 3, "seed", "last"),
    ("FROM m\nPARAMETER stop", 2, "stop", "no value"),
    ("FROM m\nMESSAGE robot hi", 2, "robot", "assistant"),
    ('FROM m\nSYSTEM """never\nends', 2, "SYSTEM", "closed"),
    ("FROM m\nSYSTEM You are\nvery kind", 3, "very", '"""'),
    ("FROM m\nRENDERER x", 2, "RENDERER", "not supported"),
    ("FROM m\nDRAFT small.gguf", 2, "DRAFT", "not supported"),
    ("FROM m\nPARAMETER mirostat 1", 2, "mirostat", "remove"),
    ("FROM m\nPARAMETER use_mlock true", 2, "use_mlock", "remove"),
    ("FROM m\nPARAMETER num_ctx 8_192", 2, "'8_192'", "whole number"),
    ("FROM m\nPARAMETER num_ctx 9223372036854775808", 2, "num_ctx", "whole number"),
    ("FROM m\nPARAMETER temperature nan", 2, "'nan'", "a number"),
    ("FROM m\nPARAMETER top_p 1e39", 2, "'1e39'", "a number"),
    ("FROM m\nPARAMETER use_mmap tRue", 2, "'tRue'", "true or false"),
    ("FROM", 1, "FROM", "no value"),
])
def test_a_mistake_names_its_line_its_word_and_what_would_be_right(text, line, word, right):
    with pytest.raises(ModelfileError) as raised:
        parse_modelfile(text)
    assert f"line {line}:" in str(raised.value) and word in str(raised.value) and right in str(raised.value)


@pytest.mark.parametrize("text", ["", "# only words", "SYSTEM hi", None])
def test_without_a_base_there_is_no_model(text):
    with pytest.raises(ValueError, match=r"FROM|text"):
        parse_modelfile(text)


def test_the_parameters_are_those_of_ollama_s_own_list():
    """api/types.go of 0.34.2, Options and Runner, with the kinds of their fields."""
    fields = {"int": "num_keep seed num_predict top_k repeat_last_n "
                     "num_ctx num_batch num_gpu main_gpu num_thread draft_num_predict",
              "float32": "top_p min_p typical_p temperature "
                         "repeat_penalty presence_penalty frequency_penalty",
              "bool": "use_mmap", "[]string": "stop"}
    samples = {"int": ("-1", -1), "float32": ("0.5", 0.5), "bool": ("F", False), "[]string": ("x", ["x"])}
    assert {name for names in fields.values() for name in names.split()} == set(PARAMETERS)
    for kind, names in fields.items():
        raw, value = samples[kind]
        for name in names.split():
            assert parse_modelfile(f"FROM m\nPARAMETER {name} {raw}").parameters == {name: value}
