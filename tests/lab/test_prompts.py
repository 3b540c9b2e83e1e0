"""Prompts from every source, and each unusable one refused by its number."""

import json

import pytest

from quantlab.lab.prompts import MOST_PROMPT, Prompt, read_prompts


def texts(source):
    return [prompt.text for prompt in read_prompts(source)]


def test_a_list_a_text_box_and_three_kinds_of_files_say_the_same(tmp_path):
    wanted = ["Who painted the Mona Lisa?", 'Say "ü, ja" 😀']
    (tmp_path / "a.txt").write_text("\n".join(["", *wanted, "  "]), encoding="utf-8-sig")
    (tmp_path
     / "a.csv").write_bytes(
         'expected,prompt\r\nLeonardo,Who painted the Mona Lisa?\r\n,"Say ""ü, ja"" 😀"\r\n'.encode())
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": wanted[0], "expected": "Leonardo"}) + "\n\n"
                                      + json.dumps(wanted[1]))
    for source in (wanted, tuple(wanted), "\n".join(wanted), tmp_path / "a.txt", str(tmp_path / "a.csv"),
                   tmp_path / "a.jsonl"):
        assert texts(source) == wanted
    for name in ("a.csv", "a.jsonl"):
        assert [prompt.expected for prompt in read_prompts(tmp_path / name)] == ["Leonardo", ""]


def test_a_prompt_of_several_lines_stands_between_lines_of_dashes():
    assert texts("one\ntwo\n---\n\nthree\n---\n") == ["one\ntwo", "three"]
    assert texts("just one that ends in .csv\nand another") == ["just one that ends in .csv", "and another"]


def test_a_key_depends_on_the_text_and_on_what_is_expected():
    assert Prompt("a").key == Prompt("a").key != Prompt("a", "b").key


def test_a_hundred_thousand_letters_are_a_prompt():
    assert len(read_prompts(["x" * 100_000])[0].text) == 100_000


@pytest.mark.parametrize("source, words",
                         [([], "no prompt"), ("", "no prompt"), (["a", " \n"], "prompt 2 is empty"),
                          (["a", "b", "a"], "prompt 3 is prompt 1 again"), ([7], "prompt 1 is no text but 7"),
                          ([{"question": "a"}], "is no text but None"),
                          (["x" * (MOST_PROMPT + 1)], "1,000,001 characters"), (["a\udce9"], "half of one"),
                          (None, "not NoneType"), ({"a": 1}, "not dict"),
                          ("none/such.csv", "cannot be read"),])
def test_what_cannot_be_asked_is_refused(source, words):
    with pytest.raises(ValueError, match=words):
        read_prompts(source)


@pytest.mark.parametrize("name, content, words", [
    ("a.txt", "m\xfc".encode("latin-1"), "not UTF-8 text: byte 1 is 0xfc"),
    ("a.csv", b"question\nhi\n", "no column named prompt; .*question"),
    ("a.csv", b"", "first line is empty"), ("a.csv", b'prompt\n"open', "after line 1: not CSV"),
    ("a.jsonl", b'"a"\n{"prompt": \n', "line 2: not JSON"),
])
def test_a_file_that_cannot_be_read_says_where(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_prompts(tmp_path / name)
