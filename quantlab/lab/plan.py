"""What a comparison will ask and in which order, settled before it begins; and how far its run is.

The plan is written into the first line of the results file, so that a run goes on only with the plan it began
with.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ..models.store import name_key
from ..words import one_of, whole
from .modelfile import INTEGER, NUMBER, PARAMETERS, TEXTS, TRUTH
from .names import full_name, with_tag
from .prompts import Prompt
from .schema import read_format

#: Sent with every call, so that no model falls back on a default of its own.
SENT_OPTIONS = {"temperature": 0, "seed": 1, "num_ctx": 2048, "num_predict": 128}
# options that a load depends on
LOADING = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap")
MOST_ROUNDS = 100
LATER = ("control", "system", "format")                 # fields that the first results files did not have
THINK_LEVELS = ("low", "medium", "high", "max")         # beside True and False; api/types.go of Ollama 0.34.2
TAKES = {INTEGER: int, NUMBER: int | float, TRUTH: bool, TEXTS: str | list}     # what an option may be


@dataclass(frozen=True)
class Call:
    """One question to one model. round, prompt, model: numbers from 0, into the plan."""

    round: int
    model: int
    prompt: int

    @property
    def key(self) -> str:
        return f"r{self.round}-m{self.model}-p{self.prompt}"


@dataclass(frozen=True)
class Plan:
    """models: full tags, the first is the reference.  options: Ollama's, the same for all.  think: sent as it
    is; None: not sent.  system: instead of the models' own system prompt, "" leaves that.  format: "json", a
    JSON schema, or None.

    control: the reference is asked once more in each round, as if it were another model (A/A): its name is
    then `again`.
    """

    prompts: tuple[Prompt, ...]
    models: tuple[str, ...]
    rounds: int
    options: dict
    think: bool | str | None = False
    control: bool = False
    system: str = ""
    format: str | dict | None = None

    @property
    def reference(self) -> str:
        return self.models[0]

    @property
    def again(self) -> str:
        """What the reference is called where it is its own control."""
        return f"{self.reference} (again)"

    @property
    def names(self) -> tuple[str, ...]:
        """What each number of a model is called in tables: the models, then the control."""
        return (*self.models, self.again) if self.control else self.models

    @property
    def asked(self) -> tuple[str, ...]:
        """Which model is asked for each of `names`."""
        return (*self.models, self.reference) if self.control else self.models

    @property
    def loading(self) -> dict:
        """The options that decide how a model is loaded: a warm-up with others would load it twice."""
        return {key: value for key, value in self.options.items() if key in LOADING}

    def request(self, number: int) -> dict:
        """The fields, beside options, that ask prompt `number`: /api/generate's prompt and system, or, after
        a conversation, /api/chat's messages; with think and format where they are given.
        """
        prompt, more = self.prompts[number], {"think": self.think, "format": self.format}
        fields = {name: value for name, value in more.items() if value is not None}
        if prompt.messages:
            system = [("system", self.system)] if self.system else []
            turns = [*system, *prompt.messages, ("user", prompt.text)]
            return {**fields, "messages": [{"role": role, "content": words} for role, words in turns]}
        return {**fields, "prompt": prompt.text, **({"system": self.system} if self.system else {})}

    def said_before(self, number: int) -> str:
        """All words that prompt `number` sends, in their order: what a server may have in its cache."""
        prompt = self.prompts[number]
        said = [self.system, *(words for _, words in prompt.messages), prompt.text]
        return "\n".join(words for words in said if words)

    def as_dict(self) -> dict:
        """Plain values; what came later and was not given is left out, so that older files keep their key."""
        made = {name: value for name, value in asdict(self).items() if value or name not in LATER}
        return {**made, "prompts": [prompt.as_dict() for prompt in self.prompts]}

    @property
    def key(self) -> str:
        """A fingerprint: two plans have the same exactly when they ask the same, whoever judges it."""
        asked = self.as_dict()
        for prompt in asked["prompts"]:
            prompt.pop("check", None), prompt.pop("tags", None)
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]

    def calls(self) -> list[Call]:
        """Every call, in the order of asking: in each round a model answers all prompts before the next one
        is loaded.

        Each second round is the mirror image of the one before, so that no model is always the first (on a
        cool machine); pairs of rounds begin at another model.  Over an even number of rounds every model has
        the same mean place.
        """
        return [Call(number, model, prompt) for number in range(self.rounds)
                for model in order(number, len(self.names))
                for prompt in _mirrored(range(len(self.prompts)), number % 2)]


def make_plan(prompts: Sequence[Prompt], models: str | Sequence[str], *, base: str = "",
              reference: str | None = None, rounds: int = 2, options: Mapping | None = None,
              think: bool | str | None = False, control: bool = False, system: str | None = None,
              format: str | Mapping | None = None) -> Plan:
    """A checked plan.  models: full tags, or suffixes of `base` ("3b-instruct-q8_0").  reference: one of
    them, else the first.

    ValueError for an unknown option, a model named twice, a format that is none, and numbers that make no
    sense.
    """
    if isinstance(models, str):
        raise ValueError(f"models is a list of names: write [{models!r}]")
    names = [_tagged(base, name) for name in models]
    if not names:
        raise ValueError("there is no model to ask: name at least one, such as 'llama3.2:3b-instruct-q4_K_M'")
    keys = [name_key(name) for name in names]
    if len(set(keys)) < len(keys):
        twice = next(name for name, key in zip(names, keys, strict=True) if keys.count(key) > 1)
        raise ValueError(f"{twice} is named twice")
    if reference is not None:
        first = _tagged(base, reference)
        if name_key(first) not in keys:
            one_of("model for the reference", first, names)
        names.sort(key=lambda name: name_key(name) != name_key(first))
    whole("rounds", rounds, 1, MOST_ROUNDS)
    return Plan(tuple(prompts), tuple(names), rounds, {**SENT_OPTIONS, **_checked_options(options or {})},
                _checked_think(think), bool(control), _checked_system(system, prompts), read_format(format))


def order(number: int, count: int) -> list[int]:
    """The models' places in round `number`: 0 1 2 3, its mirror 3 2 1 0, then 1 2 3 0 and its mirror, and so
    on.
    """
    turned = [(place + number // 2) % count for place in range(count)]
    return _mirrored(turned, number % 2)


def _tagged(base: str, name: str) -> str:
    return with_tag(full_name(base, name) if base else full_name(name, ""))


def _mirrored(values: Sequence[int], mirror: int) -> list[int]:
    return list(reversed(values)) if mirror else list(values)


def _checked_think(think: object) -> bool | str | None:
    if think is None or isinstance(think, bool):
        return think
    if not isinstance(think, str):
        raise ValueError(f"think={think!r}: give True, False, None or one of {', '.join(THINK_LEVELS)}")
    return one_of("level of thinking", think, THINK_LEVELS)


def _checked_system(system: object, prompts: Sequence[Prompt]) -> str:
    if not isinstance(system, str | None):
        raise ValueError(f"system={system!r:.60}: give the system prompt as a text")
    twice = next((number for number, prompt in enumerate(prompts, 1)
                  if any(role == "system" for role, _ in prompt.messages)), 0)
    if system and twice:
        raise ValueError(f"the conversation of prompt {twice} has a system prompt of its own, and system= "
                         "gives another: leave one of them out")
    return system or ""


def _checked_options(options: Mapping) -> dict:
    options = {one_of("Ollama option", name, PARAMETERS): value for name, value in options.items()}
    for name, value in options.items():
        if not isinstance(value, TAKES[PARAMETERS[name]]) or value != value:
            raise ValueError(f"option {name}={value!r}: {PARAMETERS[name]} is wanted")
    if options.get("num_predict", 1) < 1:
        raise ValueError(f"num_predict={options['num_predict']}: an answer needs an end; give at least 1")
    return options


@dataclass(frozen=True)
class RunProgress:
    """How far a run or a replay is, told before each call and at the end.  done, total: calls.  model,
    prompt: of the next call, "" at the end.  eta_seconds: None until a call was timed.  what, doing: the
    nouns and verbs of `words`, a line to show.
    """

    done: int
    total: int
    model: str
    prompt: str
    eta_seconds: float | None
    what: str = "calls"
    doing: str = "Asking"

    @property
    def words(self) -> str:
        if not self.model:
            return f"All {self.total} {self.what} are there."
        left = "" if self.eta_seconds is None else f", about {duration(self.eta_seconds)} left"
        return (f"{self.done} of {self.total} {self.what}{left}. {self.doing} {self.model}: "
                f"{' '.join(self.prompt.split())[:60]}")


def eta(began: float, done: int, wanted: int) -> float | None:
    """Seconds for what is left of `wanted`, at the pace since `began` (time.monotonic); None while nothing is
    done.
    """
    return (time.monotonic() - began) / done * (wanted - done) if done else None


def duration(seconds: float) -> str:
    """Seconds for a person: "40 s", "3 min", "1.5 h"."""
    hours = f"{seconds / 3600:.1f} h"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else hours
