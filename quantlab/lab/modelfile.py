"""Modelfiles, the text that says what a custom model is made of: read by Ollama's own rules, and written for
settings to copy.

A command a line, its name in any case; a value ends with its line, unless it stands in double quotes or in
triple ones. Ollama answers a mistake with a line number; here the sentence also names the word and the one
that was probably meant.

Ollama 0.34.2: parser/parser.go, api/types.go (Options, FormatParams). What only some versions take is known
here, and refused where the version is (custom.py, by quantlab/data/ollama.csv).  Lessons: 06_will_it_fit,
09_custom_models.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from ..words import nearest

COMMANDS = ("FROM", "SYSTEM", "PARAMETER", "TEMPLATE", "MESSAGE", "LICENSE", "ADAPTER")
NOT_HERE = ("RENDERER", "PARSER", "REQUIRES", "DRAFT")       # real commands that are not sent from here
MESSAGE_ROLES = ("system", "user", "assistant")
INTEGER, NUMBER, TRUTH, TEXTS = "a whole number", "a number", "true or false", "a text"
#: Ollama's options and what they take (api/types.go, Options and Runner).
PARAMETERS = {
    **dict.fromkeys(("num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx", "num_batch",
                     "num_gpu", "main_gpu", "num_thread", "draft_num_predict"), INTEGER),
    **dict.fromkeys(("top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty",
                     "frequency_penalty"), NUMBER),
    "use_mmap": TRUTH, "stop": TEXTS}
#: Parameters of old Modelfiles, which Ollama drops with a warning (parser.go, deprecatedParameters).
GONE = ("penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock", "mirostat",
        "mirostat_tau", "mirostat_eta")
#: As Go's strconv.ParseBool reads them.
_TRUTHS = {**dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True),
           **dict.fromkeys(("0", "f", "F", "false", "False", "FALSE"), False)}
LARGEST_NUMBER, LARGEST_INTEGER = 3.4028235e38, 2**63 - 1      # float32 and int64, which Ollama reads


class ModelfileError(ValueError):
    """A mistake in a Modelfile: the line, the word, and what would be right."""


@dataclass
class Modelfile:
    """A read Modelfile; the fields are what the server's `create` takes. base: what FROM names, a model or a
    file.
    """

    base: str = ""
    system: str | None = None
    template: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, str]] = field(default_factory=list)
    licenses: list[str] = field(default_factory=list)
    adapters: list[str] = field(default_factory=list)


def parse_modelfile(text: str) -> Modelfile:
    """Read a Modelfile.  Raises ModelfileError, which is a ValueError, at the first mistake."""
    if not isinstance(text, str):
        raise ModelfileError(f"a Modelfile is a text, not {type(text).__name__}")
    found = Modelfile()
    for line, command, value in _commands(text.removeprefix("\ufeff")):
        if command == "PARAMETER":
            _add_parameter(found, line, value)
        elif command == "MESSAGE":
            found.messages.append(_message(line, value))
        else:
            value = _unquoted(line, command, value)
            if command == "FROM":
                found.base = value
            elif command in ("LICENSE", "ADAPTER"):
                (found.licenses if command == "LICENSE" else found.adapters).append(value)
            else:
                setattr(found, command.lower(), value)
    if not found.base:
        raise ModelfileError("there is no FROM line: a custom model starts from another one, for example "
                             "`FROM llama3.2`")
    return found


def _commands(text: str):
    """(line number, command, raw value) for each command; a value in open quotes goes on over the next lines.
    """
    lines = re.split(r"\r\n|\r|\n", text)
    at = 0
    while at < len(lines):
        start, words = at + 1, lines[at].strip(" \t")
        at += 1
        if not words or words.startswith("#"):
            continue
        name, value = _first_word(words)
        command = _known_command(start, name)
        while _is_open(command, value):
            if at == len(lines):
                raise ModelfileError(f"line {start}: the quotes that {command} opens are never closed")
            value += "\n" + lines[at]
            at += 1
        yield start, command, value.strip()


def _first_word(text: str) -> list[str]:
    """[the first word, the rest without the space between]."""
    return [*re.split(r"[ \t]+", text, maxsplit=1), ""][:2]


def _is_open(command: str, value: str) -> bool:
    """True while a quoted value still lacks its end."""
    if command in ("PARAMETER", "MESSAGE"):
        _, value = _first_word(value)
    value = value.strip()
    if value.startswith('"""'):
        return not (len(value) >= 6 and value.endswith('"""'))
    return value.startswith('"') and not (len(value) >= 2 and value.endswith('"'))


def _known_command(line: int, name: str) -> str:
    command = name.upper()
    if command in COMMANDS:
        return command
    if command in NOT_HERE:
        raise ModelfileError(f"line {line}: {command} is for `ollama create` on the command line; here it is "
                             "not supported")
    meant = nearest(name, COMMANDS, 1) or \
        f'; a text over several lines needs """ around it (commands: {", ".join(COMMANDS)})'
    raise ModelfileError(f"line {line}: {name!r} is no Modelfile command{meant}")


def _unquoted(line: int, command: str, value: str) -> str:
    marks = '"""' if value.startswith('"""') else '"' if value.startswith('"') else ""
    value = value[len(marks) : len(value) - len(marks)] if marks else value
    if not value.strip() and command not in ("SYSTEM", "TEMPLATE"):
        raise ModelfileError(f"line {line}: {command} has no value")
    return value


def _add_parameter(found: Modelfile, line: int, value: str) -> None:
    name, raw = _first_word(value)
    name = name.lower()
    if name in GONE:
        raise ModelfileError(f"line {line}: {name} does nothing any more, Ollama drops it with a warning; "
                             "remove the line")
    if name not in PARAMETERS:
        meant = nearest(name, PARAMETERS, 1) or f"; there are {', '.join(sorted(PARAMETERS))}"
        raise ModelfileError(f"line {line}: {name!r} is no parameter{meant}")
    raw = _unquoted(line, f"PARAMETER {name}", raw)
    if name == "stop":
        found.parameters.setdefault("stop", []).append(raw)
    elif name in found.parameters:
        raise ModelfileError(f"line {line}: {name} was set before, and Ollama would keep only the last; "
                             "remove one")
    else:
        found.parameters[name] = _parameter_value(line, name, raw)


def _parameter_value(line: int, name: str, raw: str) -> object:
    kind, largest = PARAMETERS[name], {INTEGER: LARGEST_INTEGER, NUMBER: LARGEST_NUMBER}
    try:
        if kind == TRUTH:
            return _TRUTHS[raw]
        value = int(raw) if kind == INTEGER else float(raw)
    except (ValueError, KeyError):
        raise ModelfileError(f"line {line}: {name} takes {kind}, not {raw!r}") from None
    if "_" in raw or not abs(value) <= largest[kind]:           # Python's 1_000; nan, inf, and what overflows
        raise ModelfileError(f"line {line}: {name} takes {kind}, not {raw!r}")
    return value


def _message(line: int, value: str) -> dict[str, str]:
    role, content = _first_word(value)
    if role not in MESSAGE_ROLES:
        raise ModelfileError(f"line {line}: {role!r} is no role; a MESSAGE is from "
                             f"{', '.join(MESSAGE_ROLES)}")
    return {"role": role, "content": _unquoted(line, f"MESSAGE {role}", content)}
