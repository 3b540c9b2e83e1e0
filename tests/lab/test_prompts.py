"""Prompts from every source, and each unusable one refused by its number."""

import csv
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


def test_each_prompt_may_bring_what_is_expected_its_check_its_tags_and_a_conversation(tmp_path):
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Moo"}]
    entries = [{"prompt": "Six times seven?", "expected": 42, "check": "number", "tags": ["sums", "easy"]},
               {"prompt": "And now?", "messages": talk, "tags": "talk, easy, talk"}]
    (tmp_path / "a.json").write_text(json.dumps({"prompts": entries}))
    (tmp_path / "b.json").write_text(json.dumps(entries))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, entries)))
    with (tmp_path / "a.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ["prompt", "expected", "check", "tags", "messages"])
        rows.writeheader()
        rows.writerow({**entries[0], "tags": "sums,easy"})
        rows.writerow({**entries[1], "messages": json.dumps(talk)})
    wanted = [Prompt("Six times seven?", "42", "number", ("sums", "easy")),
              Prompt("And now?", "", "", ("talk", "easy"), (("user", "Hi"), ("assistant", "Moo")))]
    for source in (entries, *(tmp_path / name for name in ("a.json", "b.json", "a.jsonl", "a.csv")),
                   (tmp_path / "a.jsonl").read_text()):
        assert read_prompts(source) == wanted
    mixed = 'Hi\n{"prompt": "x", "expected": 1}\n{"x": 1}\n{broken'
    assert [(prompt.text, prompt.expected) for prompt in read_prompts(mixed)] == [
        ("Hi", ""), ("x", "1"), ('{"x": 1}', ""), ("{broken", "")], "an object has a prompt"
    assert wanted[0].key == Prompt("Six times seven?", "42").key != wanted[1].key != Prompt("And now?").key
    assert Prompt("a", "b").as_dict() == {"text": "a", "expected": "b"}, "as older results files have it"


def test_conversations_stand_before_the_prompts_or_are_them():
    first = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Moo"}]
    other, ask = [{"role": "system", "content": "Bark."}], {"role": "user", "content": "Who are you?"}
    assert [prompt.messages for prompt in read_prompts(["a", "b"], first)] == [
        (("user", "Hi"), ("assistant", "Moo"))] * 2
    assert [len(prompt.messages) for prompt in read_prompts(["a", "b"], [first, other])] == [2, 1]
    assert read_prompts(None, [*first, ask]) == read_prompts([ask["content"]], first)
    assert read_prompts([{"messages": [*other, ask], "expected": "dog"}])[0] == Prompt(
        "Who are you?", "dog", messages=(("system", "Bark."),))
    for source, messages, words in (
            (None, first, "ends with the assistant"), (["a"], [*first, ask], "ends with the user"),
            (["a"], [first, other], "2 conversations for 1 prompts"), (["a"], "Hi", "messages='Hi'"),
            (["a"], [], "messages=\\[\\]"), (["a"], [[{"role": "user"}]], "a turn of prompt 1"),
            (["a"], [[{"role": "bot", "content": "x"}]], "no role 'bot'"), (["a"], [7], "a turn of prompt 1"),
            ([{"prompt": "a", "messages": "[{"}], None, "are no JSON"),
            ([{"prompt": "a", "tags": 7}], None, "the tags of prompt 1 are 7"),
            ([{"prompt": "a", "check": "hasx"}], None, "prompt 1: no check 'hasx'")):
        with pytest.raises(ValueError, match=words):
            read_prompts(source, messages)


@pytest.mark.parametrize("name", ["p.json", "data/p.jsonl", "my prompts.CSV", "p.txt ", "~/p.json", "p.yaml",
                                  "prompts.xlsx", "no-such.md", "c:\\p.json"])
def test_a_name_of_a_file_that_is_not_there_is_never_asked_as_a_prompt(name):
    with pytest.raises(ValueError, match="write them in a list"):
        read_prompts(name)
    assert texts([name]) == [name], "in a list it is what the model is asked"


@pytest.mark.parametrize("text", ["What is 3.5?", "3.5", "e.g.", "Hello.", "Who wrote Moby-Dick", "and/or"])
def test_a_text_of_one_line_is_a_prompt(text):
    assert texts(text) == [text]


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
    ("a.jsonl", b'"a"\n{"prompt": \n', "line 2: not JSON"), ("a.json", b"[1", "is not JSON"),
    ("a.json", b'{"questions": []}', "has no list of prompts"), ("a.json", b'"a"', "has no list of prompts"),
    ("a.yaml", b"- a", "they are read from .txt, .csv, .json, .jsonl"),
])
def test_a_file_that_cannot_be_read_says_where(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_prompts(tmp_path / name)
