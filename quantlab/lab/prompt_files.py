"""What a source of prompts holds: the lines or blocks of a text, or the entries of a .txt, .csv, .json or
.jsonl file. What the entries mean is the business of `prompts`.
"""

import csv
import io
import json
import re
from pathlib import Path

KINDS = (".txt", ".csv", ".json", ".jsonl")
# one word that ends like the name of a file: "p.json", "data/mine.xlsx", never "3.5" or "e.g."
LIKE_A_NAME = re.compile(r"\S+\.[A-Za-z][A-Za-z0-9]{0,4}")


def entries_of(source: str | Path) -> list:
    """The entries of a file, where `source` is one or is spelled like one, else those of the text itself.

    A Path is always a file. A text of one line is one when it ends like one of KINDS, or is a single word
    that looks like the name of a file.  ValueError where such a file is not there, or is of another kind.
    """
    if isinstance(source, Path) or is_file_name(source):
        return _of_file(Path(source.strip() if isinstance(source, str) else source).expanduser(), source)
    return of_text(source)


def is_file_name(text: str) -> bool:
    """Whether a text is meant as the name of a file."""
    line = text.strip()
    return "\n" not in line and bool(line.lower().endswith(KINDS) or LIKE_A_NAME.fullmatch(line))


def of_text(text: str) -> list:
    """One entry a line, or, where a line is just `---`, the blocks between such lines.  A line that is a JSON
    object with a prompt is read as that.
    """
    text = text.replace("\r\n", "\n")
    blocks = re.split(r"^[^\S\n]*---[^\S\n]*$", text, flags=re.MULTILINE)
    found = blocks if len(blocks) > 1 else text.split("\n")
    return [_object(words.strip()) or words.strip() for words in found if words.strip()]


def _object(line: str) -> dict | None:
    """A JSON object with a prompt in it, or None: then the line is a text."""
    try:
        value = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return None
    return value if isinstance(value, dict) and {"prompt", "messages"} & value.keys() else None


def _of_file(path: Path, source: str | Path) -> list:
    kind = path.suffix.lower()
    if kind not in ("", *KINDS) and (isinstance(source, str) or path.exists()):
        raise ValueError(f"{path} would be a file of prompts by its name; they are read from "
                         f"{', '.join(KINDS)}. {_as_text(source)}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"the file of prompts {path} cannot be read: {error.strerror}. "
                         f"{_as_text(source)}".strip()) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: byte {error.start} is "
                         f"0x{error.object[error.start]:02x}. Save it as UTF-8.") from None
    if kind == ".csv":
        return _csv_rows(text, path)
    if kind == ".json":
        return _json_list(text, path)
    return _json_lines(text, path) if kind == ".jsonl" else of_text(text)


def _as_text(source: str | Path) -> str:
    """How to ask a model just these words, where they were not meant as a name."""
    return "" if isinstance(source, Path) else f"To ask these very words, write them in a list: [{source!r}]"


def _csv_rows(text: str, path: Path) -> list[dict]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if "prompt" not in (rows.fieldnames or ()):
            raise ValueError(f"{path} has no column named prompt; its first line is "
                             f"{', '.join(rows.fieldnames or ()) or 'empty'}")
        return list(rows)
    except csv.Error as error:
        raise ValueError(f"{path}, after line {rows.line_num}: not CSV ({error})") from None


def _json_list(text: str, path: Path) -> list:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error})") from None
    found = found.get("prompts") if isinstance(found, dict) else found
    if not isinstance(found, list):
        raise ValueError(f'{path} has no list of prompts: write ["...", "..."], or {{"prompts": [...]}}')
    return found


def _json_lines(text: str, path: Path) -> list:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}, line {number}: not JSON ({error})") from None
    return found
