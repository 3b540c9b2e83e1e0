"""Prompts for a comparison: from a list, or from a text, CSV or JSONL file, each checked before any model is
asked.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# of one prompt; what does not fit into num_ctx is refused by the server, never cut in silence
MOST_PROMPT = 1_000_000


@dataclass(frozen=True)
class Prompt:
    """One prompt. expected: what a user check compares the answer with, "" for nothing.  key: the same text
    has the same key.
    """

    text: str
    expected: str = ""

    @property
    def key(self) -> str:
        return hashlib.sha256(f"{self.text}\0{self.expected}".encode()).hexdigest()[:12]


def read_prompts(source: "str | Path | Sequence") -> list[Prompt]:
    """A list of texts (or of dicts with "prompt" and perhaps "expected"), the text of a text box, or the path
    of a file.

    A text, and a .txt file: one prompt a line, or, where a line is just `---`, the blocks between such lines.
    .csv: a column "prompt", perhaps "expected".  .jsonl: an object a line with the same names, or a text.  A
    Path is always a file; a str is one when it ends like one.  ValueError names the first prompt that cannot
    be used: empty, twice, too long, not UTF-8.
    """
    if isinstance(source, Path) or (isinstance(source, str) and "\n" not in source
                                    and source.lower().endswith((".txt", ".csv", ".jsonl"))):
        found = _prompts_of_file(Path(source).expanduser())
    elif isinstance(source, str):
        found = _blocks(source)
    elif isinstance(source, Sequence):
        found = list(source)
    else:
        raise ValueError(f"prompts are a list, a text or the path of a file, not {type(source).__name__}")
    if not found:
        raise ValueError("there is no prompt: write at least one, better twelve")
    prompts = [_checked_prompt(entry, number) for number, entry in enumerate(found, 1)]
    seen: dict[str, int] = {}
    for number, prompt in enumerate(prompts, 1):
        if prompt.key in seen:
            raise ValueError(f"prompt {number} is prompt {seen[prompt.key]} again: twice the same question "
                             "proves no more than once")
        seen[prompt.key] = number
    return prompts


def _prompts_of_file(path: Path) -> list:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: byte {error.start} is "
                         f"0x{error.object[error.start]:02x}. Save it as UTF-8.") from None
    kind = path.suffix.lower()
    if kind == ".csv":
        return _csv_rows(text, path)
    return _objects(text, path) if kind == ".jsonl" else _blocks(text)


def _blocks(text: str) -> list[str]:
    text = text.replace("\r\n", "\n")
    blocks = re.split(r"^[^\S\n]*---[^\S\n]*$", text, flags=re.MULTILINE)
    found = blocks if len(blocks) > 1 else text.split("\n")
    return [words.strip() for words in found if words.strip()]


def _csv_rows(text: str, path: Path) -> list[dict]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if "prompt" not in (rows.fieldnames or ()):
            raise ValueError(f"{path} has no column named prompt; its first line is "
                             f"{', '.join(rows.fieldnames or ()) or 'empty'}")
        return list(rows)
    except csv.Error as error:
        raise ValueError(f"{path}, after line {rows.line_num}: not CSV ({error})") from None


def _objects(text: str, path: Path) -> list:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: not JSON ({error})") from None
    return found


def _checked_prompt(entry: object, number: int) -> Prompt:
    expected = ""
    if isinstance(entry, Mapping):
        expected = "" if entry.get("expected") is None else str(entry["expected"])
        entry = entry.get("prompt")
    if not isinstance(entry, str):
        raise ValueError(f"prompt {number} is no text but {entry!r:.60}")
    if not entry.strip():
        raise ValueError(f"prompt {number} is empty")
    if len(entry) > MOST_PROMPT:
        raise ValueError(f"prompt {number} has {len(entry):,} characters; at most {MOST_PROMPT:,} are sent")
    for text in (entry, expected):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"prompt {number} is not UTF-8 text: character {error.start + 1} is half of "
                             "one. Was its file read with the wrong encoding?") from None
    return Prompt(entry, expected)
