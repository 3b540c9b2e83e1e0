"""Prompts for a comparison: from a list, a text, a file, or whole conversations, each checked before any
model is asked.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..words import listed, one_of
from .checks import named_check
from .prompt_files import entries_of

# of one prompt; what does not fit into num_ctx is refused by the server, never cut in silence
MOST_PROMPT = 1_000_000
ROLES = ("system", "user", "assistant")
Turn = tuple[str, str]          # (one of ROLES, what was said)


@dataclass(frozen=True)
class Prompt:
    """One prompt. expected: what a check compares the answer with, "" for nothing.  check: the name of the
    prompt's own check (`named_check`), "" for that of the comparison.  tags: groups it belongs to.
    messages: the turns of a conversation before it.  key: the same question has the same key.
    """

    text: str
    expected: str = ""
    check: str = ""
    tags: tuple[str, ...] = ()
    messages: tuple[Turn, ...] = ()

    @property
    def key(self) -> str:
        said = "".join(f"\0{role}\0{words}" for role, words in self.messages)
        return hashlib.sha256(f"{self.text}\0{self.expected}{said}".encode()).hexdigest()[:12]

    def as_dict(self) -> dict:
        """For the results file; what was not given is left out, so that older files keep their key."""
        more = {"check": self.check, "tags": list(self.tags), "messages": [*map(list, self.messages)]}
        return {"text": self.text, "expected": self.expected,
                **{name: value for name, value in more.items() if value}}


def read_prompts(source: "str | Path | Sequence | None", messages: Sequence | None = None,
                 tags: str | Sequence[str] | None = None) -> list[Prompt]:
    """A list of texts or of dicts, the text of a text box, or the path of a file (`prompt_files.entries_of`).

    A dict has "prompt", and perhaps "expected", "check", "tags" and "messages"; so have a line of a .jsonl
    file and the columns of a .csv file.  messages: what was said before the prompts, one conversation for
    all or a list with one for each: dicts with "role" and "content". Where `source` is None the conversations
    are the prompts, each ending with the user's turn.  tags: only prompts that have one of these.
    ValueError names the first prompt that cannot be used: empty, twice, too long, not UTF-8.
    """
    found = _entries(source) if messages is None else _after_messages(source, _conversations(messages))
    if not found:
        raise ValueError("there is no prompt: write at least one, better twelve")
    prompts = [_checked_prompt(entry, number) for number, entry in enumerate(found, 1)]
    seen: dict[str, int] = {}
    for number, prompt in enumerate(prompts, 1):
        if prompt.key in seen:
            raise ValueError(f"prompt {number} is prompt {seen[prompt.key]} again: twice the same question "
                             "proves no more than once")
        seen[prompt.key] = number
    return _tagged(prompts, _tags(tags, 0)) if tags else prompts


def _tagged(prompts: list[Prompt], tags: Sequence[str]) -> list[Prompt]:
    """The prompts with one of the tags, however their letters are written."""
    known = dict.fromkeys(tag for prompt in prompts for tag in prompt.tags)
    if tags and not known:
        raise ValueError(f"no prompt has a tag, so none has {listed(tags)}: leave tags= out")
    wanted = {one_of("tag of a prompt", tag, known) for tag in tags}
    return [prompt for prompt in prompts if not wanted or wanted & set(prompt.tags)]


def _entries(source: object) -> list:
    if isinstance(source, str | Path):
        return entries_of(source)
    if isinstance(source, Sequence):
        return list(source)
    raise ValueError(f"prompts are a list, a text or the path of a file, not {type(source).__name__}")


def _conversations(messages: Sequence) -> list[list]:
    """One conversation or several, as a list of them."""
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise ValueError(f"messages={messages!r:.60}: give a list of dicts with role and content, or one "
                         "such list for each prompt")
    one = all(isinstance(turn, Mapping) for turn in messages)
    return [list(messages)] if one else [list(talk) if isinstance(talk, Sequence) else [talk]
                                         for talk in messages]


def _after_messages(source: object, talks: list[list]) -> list:
    """The entries with what was said before each."""
    if source is None:
        return [{"messages": talk} for talk in talks]
    found = _entries(source)
    if len(talks) == 1:
        talks *= len(found)
    if len(talks) != len(found):
        raise ValueError(f"{len(talks)} conversations for {len(found)} prompts: give one for each, or one "
                         "for all")
    return [{**(entry if isinstance(entry, Mapping) else {"prompt": entry}), "messages": talk}
            for entry, talk in zip(found, talks, strict=True)]


def _checked_prompt(entry: object, number: int) -> Prompt:
    given = entry if isinstance(entry, Mapping) else {"prompt": entry}
    turns, text = _turns(given.get("messages"), number), given.get("prompt")
    if text is None and turns:
        (role, text), turns = turns[-1], turns[:-1]
        if role != "user":
            raise ValueError(f"the conversation of prompt {number} ends with the {role}: the last turn is "
                             "the user's, for the model answers it")
    elif turns and turns[-1][0] == "user":
        raise ValueError(f"the conversation before prompt {number} ends with the user: the prompt is the "
                         "user's next turn, so the assistant's answer comes before it")
    if not isinstance(text, str):
        raise ValueError(f"prompt {number} is no text but {text!r:.60}")
    if not text.strip():
        raise ValueError(f"prompt {number} is empty")
    check = str(given.get("check") or "").strip()
    try:
        named_check(check)
    except ValueError as error:
        raise ValueError(f"prompt {number}: {error}") from None
    expected = "" if given.get("expected") is None else _as_text(given["expected"])
    made = Prompt(text, expected, check, _tags(given.get("tags"), number), turns)
    for words in (text, expected, check, *made.tags, *(said for _, said in turns)):
        _sendable(words, number)
    return made


def _as_text(value: object) -> str:
    """What is expected, as a text: a number or a list of a JSON file as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _tags(value: object, number: int) -> tuple[str, ...]:
    """A list of tags, or a text with commas between them."""
    parts = value.split(",") if isinstance(value, str) else [] if value is None else value
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        whose = f"the tags of prompt {number} are " if number else "tags="
        raise ValueError(f"{whose}{value!r:.60}: give a list of texts, or one text with commas")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _turns(value: object, number: int) -> tuple[Turn, ...]:
    """Checked turns of a conversation; a text is read as JSON, as a column of a .csv file has it."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except ValueError:
            raise ValueError(f"the messages of prompt {number} are no JSON: {value!r:.60}") from None
    if value is None:
        return ()
    if not isinstance(value, Sequence):
        raise ValueError(f"the messages of prompt {number} are {value!r:.60}: give a list of dicts with role "
                         "and content")
    return tuple(_turn(turn, number) for turn in value)


def _turn(turn: object, number: int) -> Turn:
    if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str):
        raise ValueError(f'a turn of prompt {number} is {turn!r:.60}: write {{"role": "user", "content": '
                         '"..."}')
    return one_of("role", turn.get("role", ""), ROLES), turn["content"]


def _sendable(text: str, number: int) -> None:
    """ValueError for what no request can carry."""
    if len(text) > MOST_PROMPT:
        raise ValueError(f"prompt {number} has {len(text):,} characters; at most {MOST_PROMPT:,} are sent")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"prompt {number} is not UTF-8 text: character {error.start + 1} is half of "
                         "one. Was its file read with the wrong encoding?") from None
