"""The form of an answer is looked at before any model is asked: what is no schema is refused by its part."""

import pytest

from quantlab.lab.schema import read_format

PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]},
                                           "more": {}, "note": {"description": "anything"}},
          "required": ["name"], "additionalProperties": False}


@pytest.mark.parametrize("wanted, form", [
    (None, None), ("", None), ("json", "json"), (" JSON ", "json"), ('{"type": "array"}', {"type": "array"}),
    (PERSON, PERSON), ({"enum": ["yes", "no"]}, {"enum": ["yes", "no"]}),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}, ...),
    ({"anyOf": [{"const": 1}, {"type": "array", "items": {"type": "number"}}], "title": "T"}, ...),
])
def test_a_form_is_read_from_a_word_a_text_or_a_dict(wanted, form):
    assert read_format(wanted) == (wanted if form is ... else form)


@pytest.mark.parametrize("wanted, words", [
    ({}, "the schema says nothing of the answer"), ({"kind": "object"}, "'kind'"),
    ({"type": "objectt"}, "the type 'objectt'; the nearest is object"), ({"type": 7}, "has the type 7"),
    ({"type": []}, "an empty list of types"),
    ({"type": "array", "items": "number"}, "items of the schema is 'number'"),
    ({"properties": ["a"]}, "give an object of names"),
    ({"properties": {"a": "string"}}, "'a' of the schema is 'string'"),
    ({"properties": {"a": {"typ": "string"}}}, "'a' of the schema says nothing"),
    ({"properties": {"a": {"type": "string"}}, "required": ["A"]}, "requires 'A'.*; the nearest is a"),
    ({"type": "object", "required": "a"}, "required of the schema is 'a'"), ({"enum": []}, "at least one"),
    ({"anyOf": [{"type": "text"}]}, "part 1 of anyOf of the schema has the type 'text'"),
    ({"title": "Person"}, "says nothing"), ([], "give \"json\" or a JSON schema"), (True, "give \"json\""),
    ("yaml", "neither"), ("{", "neither"), ('"json"', "give \"json\""), 
    ({"const": float("nan")}, "cannot be written"),
    ({"const": {1, 2}}, "cannot be written"),
])
def test_what_is_no_schema_is_refused_by_its_part(wanted, words):
    with pytest.raises(ValueError, match=words):
        read_format(wanted)
