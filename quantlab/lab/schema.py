"""The form an answer shall have: "json", or a JSON schema, looked at before any model is asked.

Ollama hands a schema on to llama.cpp, which makes a grammar of it. What is no schema is refused there only
after a model was loaded, or, where a word is misspelled, binds nothing without a word. So the parts that
decide are read here: https://json-schema.org/draft/2020-12/json-schema-validation, and llama.cpp's
common/json-schema-to-grammar.cpp.
"""

import json
from collections.abc import Mapping, Sequence

from ..words import nearest

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
#: Keywords whose value is one schema, a list of schemas, or a mapping of names to schemas.
ONE, SOME, NAMED = ("items", "additionalProperties", "not"), ("anyOf", "oneOf", "allOf", "prefixItems"), (
    "properties", "$defs", "definitions", "patternProperties")
#: Keywords that say something by themselves: a schema has at least one of all these.
SAYS = ("type", "enum", "const", "$ref", *ONE, *SOME, *NAMED)
OTHERS = ("required", "title", "description", "default", "examples", "format", "pattern", "minLength",
          "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems",
          "maxItems", "uniqueItems", "minProperties", "maxProperties", "$schema", "$id", "$comment")


def read_format(wanted: object) -> str | dict | None:
    """None, "json", or a JSON schema as a dict; a text is read as one of these.  ValueError names the part
    that makes it no schema.
    """
    if isinstance(wanted, str):
        words = wanted.strip()
        if words.casefold() in ("", "json"):
            return words.casefold() or None
        try:
            wanted = json.loads(words)
        except (ValueError, RecursionError) as error:
            raise ValueError(f'format={words!r:.60} is neither "json" nor a JSON schema ({error})') from None
    if wanted is None:
        return None
    if not isinstance(wanted, Mapping):
        raise ValueError(f'format={wanted!r:.60}: give "json" or a JSON schema, a dict such as '
                         '{"type": "object", "properties": {"answer": {"type": "number"}}}')
    try:
        schema = json.loads(json.dumps(wanted, allow_nan=False))        # a copy, of JSON's own types only
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the schema cannot be written as JSON: {error}") from None
    _look(schema, "the schema")
    return schema


def _look(schema: object, where: str) -> None:
    """ValueError where this part is no schema; goes through all parts."""
    if isinstance(schema, bool) and where != "the schema":
        return
    if not isinstance(schema, dict):
        raise ValueError(f"{where} is {schema!r:.40}: a schema is an object, such as " +
                         '{"type": "string"}')
    inner = where != "the schema"       # a part may say nothing: any value will do there
    if not {*SAYS, *(OTHERS if inner else ())} & schema.keys() and not (inner and not schema):
        wrong = next((name for name in schema if name not in OTHERS), "")
        hint = nearest(wrong, SAYS) if wrong else ""
        found = f"; it has {', '.join(map(repr, schema))}" if schema else ""
        raise ValueError(f"{where} says nothing of the answer: it needs a type, properties or enum{found}"
                         f"{hint}")
    _plain_words(schema, where)
    for name in ONE:
        if name in schema:
            _look(schema[name], f"{name} of {where}")
    for name in SOME:
        for number, part in enumerate(_listed(schema, name, where), 1):
            _look(part, f"part {number} of {name} of {where}")
    for name in NAMED:
        if not isinstance(schema.get(name, {}), dict):
            raise ValueError(f"{name} of {where} is {schema[name]!r:.40}: give an object of names and "
                             "schemas")
        for key, part in schema.get(name, {}).items():
            _look(part, f"{key!r} of {where}")


def _plain_words(schema: dict, where: str) -> None:
    """type, enum and required."""
    types = schema.get("type", [])
    for one in types if isinstance(types, list) else [types]:
        if one not in TYPES:
            raise ValueError(f"{where} has the type {one!r}{nearest(one, TYPES)}; there are "
                             f"{', '.join(TYPES)}")
    if "type" in schema and not types:
        raise ValueError(f"{where} has an empty list of types")
    _listed(schema, "enum", where)
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise ValueError(f"required of {where} is {required!r:.40}: give a list of names")
    known = schema.get("properties")
    if isinstance(known, dict) and (lost := [name for name in required if name not in known]):
        raise ValueError(f"{where} requires {lost[0]!r}, which is not among its properties"
                         f"{nearest(lost[0], known)}")


def _listed(schema: dict, name: str, where: str) -> Sequence:
    """The list under a keyword; ValueError for an empty one, or for what is no list."""
    if name in schema and not (isinstance(schema[name], list) and schema[name]):
        raise ValueError(f"{name} of {where} is {schema[name]!r:.40}: give a list of at least one")
    return schema.get(name, ())
