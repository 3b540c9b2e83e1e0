"""Text to tokens and back, by the vocabulary that the GGUF file itself brings; and a conversation to the text
that the model was trained to read.

    own = Tokenizer.from_metadata(model.metadata)
    own.decode(own.encode("To be, or not to be"))

A byte-level vocabulary (GPT-2's idea) writes each byte as a printable character, so that a token is an
ordinary word in a file. A SentencePiece vocabulary writes spaces as ▁ and rare bytes as <0xE2>. The merging
is done by the library `tokenizers` (where it cannot be loaded, by bpe.py); where a text is cut before that is
said by CUTS. The tokens are those of llama.cpp (tested).  Sources: GPT-2's encoder.py; llama.cpp's
llama-vocab.cpp (the same names of the rules) and unicode.cpp.

A chat template is a small Jinja program in the file. It comes from a stranger, so it runs in Jinja's sandbox:
it can loop and join texts, and reaches nothing else. Source: the environment that Hugging Face's
`apply_chat_template` gives a template.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from ..models.gguf_cursor import GGUFArray, shown
from .bpe import Merging
from .cuts import ALIASES, CUTS, WHOLE_WORDS
from .specials import CONTROL, PARTS, UNKNOWN, USER_DEFINED, ends_of, kinds_of

Tokens = Sequence[int] | np.ndarray        # numbers of tokens, in the order of the text

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
#: Character -> byte: bytes that can be printed are their own character, the 68 others have those from 256 on.
BYTES = {chr(byte): byte for byte in _PRINTABLE} | {chr(256 + i): byte for i, byte in enumerate(_OTHERS)}
SPACE = "▁"

VOCABULARIES = {"gpt2": "byte-level BPE", "llama": "SentencePiece"}
#: Keys `tokenizer.ggml.<key>_token_id` of tokens that end something.
END_KEYS = ("eot", "eom", *PARTS)
#: In a model of such a name, spaces after a special token belong to it; but not after these.
PHI3, KEEP_SPACES = ("phi-3", "phi3"), ("<unk>", "<s>", "<|endoftext|>")


class Tokenizer:
    """A vocabulary and its rules.

    tokens: all tokens as the file spells them.  types: their types, 1 is normal.  model: "gpt2" (byte-level)
    or "llama" (SentencePiece).  pre: the name of the rule that cuts a text, a key of CUTS or ALIASES.
    merges: "a b" in order of preference (gpt2).  scores: one a token (llama).  bos, eos: the numbers of the
    tokens that begin and end a text, or None.  add_bos: whether the model was trained with BOS in front.
    ends: other tokens at which a model stops, by the name of their key ("eot").  strips: whether spaces after
    a special token belong to it.
    chat_template: Jinja text, or None.
    Raises ValueError, in words, for a kind of vocabulary that is not known here, and for one that contradicts
    itself.
    """

    def __init__(self, tokens: Sequence[str], *, model: str = "gpt2", pre: str = "gpt-2",
                 merges: Sequence[str] = (), scores: Sequence[float] = (), types: Sequence[int] = (),
                 bos: int | None = None, eos: int | None = None, add_bos: bool = False,
                 add_space_prefix: bool = True, ends: Mapping[str, int] | None = None, strips: bool = False,
                 chat_template: str | None = None):
        if model not in VOCABULARIES:
            known = ", ".join(f"{name} ({words})" for name, words in VOCABULARIES.items())
            raise ValueError(
                f"the vocabulary is of the kind {shown(model)} (tokenizer.ggml.model); known are {known}")
        self.pre = ALIASES.get(pre, pre)
        if model == "gpt2" and self.pre not in CUTS:
            raise ValueError(f"the pre-tokenizer {shown(pre)} (tokenizer.ggml.pre) is not known here: its "
                             f"tokens would be a guess; known are {', '.join([*CUTS, *ALIASES])}")
        self.tokens, self.types = list(tokens), [int(number) for number in types] or [1] * len(tokens)
        self.model, self.merges, self.scores = model, list(merges), [float(score) for score in scores]
        self.bos, self.eos, self.add_space_prefix = bos, eos, add_space_prefix
        self.add_bos = add_bos and bos is not None          # what there is not cannot stand in front
        self.named_ends, self.strips, self.chat_template = dict(ends or {}), strips, chat_template
        _check(self)
        self.types = kinds_of(self.tokens, self.types)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "Tokenizer":
        """The tokenizer that a GGUF file's metadata describes (keys `tokenizer.ggml...` and
        `tokenizer.chat_template`).
        """
        def get(key: str, default=None):
            return metadata.get(f"tokenizer.ggml.{key}", default)

        def elements(key: str) -> Sequence:
            """An array of a file, or a list of /api/show."""
            found = get(key) or ()
            return list(found.decode() if isinstance(found, GGUFArray) else found)

        model, pre, tokens = get("model"), get("pre", "default"), elements("tokens")
        if not tokens:
            raise ValueError("the file has no vocabulary (tokenizer.ggml.tokens), so no text can be encoded")
        sentence_pieces, template = model == "llama", metadata.get("tokenizer.chat_template")
        ends = {key: number for key in END_KEYS if (number := get(f"{key}_token_id")) is not None}
        name = str(metadata.get("general.name")).lower()
        return cls(tokens, model=model, pre=pre, merges=elements("merges"), scores=elements("scores"),
                   types=elements("token_type"), bos=get("bos_token_id", 1 if sentence_pieces else None),
                   eos=get("eos_token_id", 2 if sentence_pieces else None),
                   add_bos=bool(get("add_bos_token",
                                    sentence_pieces or ALIASES.get(pre, pre) in WHOLE_WORDS)),
                   add_space_prefix=bool(get("add_space_prefix", True)), ends=ends,
                   strips=any(part in name for part in PHI3),
                   chat_template=template if isinstance(template, str) else None)

    @property
    def n_vocab(self) -> int:
        """How many tokens there are."""
        return len(self.tokens)

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens at which a model stops: eos, and the ends of a turn that the vocabulary has."""
        return ends_of(self.tokens, {"eos": self.eos, **self.named_ends})

    def encode(self, text: str, special: bool = True) -> list[int]:
        """The tokens of a text, without BOS.  special: whether "<|im_end|>" in it is that one token, or just
        characters.
        """
        if not isinstance(text, str):
            raise ValueError(f"a text is needed to encode, got {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"the text has half a character at {error.start} ({text[error.start]!r}), which "
                             "no byte stands for") from None
        self._library.encode_special_tokens = not special
        ids = self._library.encode(text, add_special_tokens=False).ids
        return ids if max(ids, default=0) < self.n_vocab else [own for n in ids for own in self._in_bytes(n)]

    def _in_bytes(self, number: int) -> list[int]:
        """A character that is no token becomes its bytes; a token stays."""
        if number < self.n_vocab:
            return [number]
        raw = self._library.id_to_token(number).encode()
        return [self._library.token_to_id(f"<0x{byte:02X}>") for byte in raw]

    def piece(self, token: int) -> bytes:
        """The bytes of one token, not always whole characters (llama_token_to_piece); special tokens as they
        are spelled.
        """
        if not 0 <= token < self.n_vocab:
            raise ValueError(f"token {token} is outside the vocabulary of {self.n_vocab}")
        if self.types[token] in (UNKNOWN, CONTROL, USER_DEFINED):
            return self.tokens[token].encode()
        return (byte_level if self.model == "gpt2" else sentence_piece)(self.tokens[token])

    def decode(self, ids: Iterable[int] | np.ndarray) -> str:
        """The text of tokens; bytes that make no character become U+FFFD."""
        return b"".join(self.piece(int(token)) for token in ids).decode("utf-8", "replace")

    def chat(self, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
        """The messages ([{"role": "user", "content": "Hi"}]) as one text, by the file's own chat template.

        ValueError when the file has none, or when the template refuses them.
        """
        if self.chat_template is None:
            raise ValueError("this model has no chat template: it continues a text, it does not answer")
        special = {"bos_token": self.bos, "eos_token": self.eos}
        names = {name: self.tokens[number] for name, number in special.items() if number is not None}
        return render(self.chat_template, messages, add_generation_prompt, names)

    @cached_property
    def _library(self):
        try:
            return _built(self)
        except ImportError:             # compiled modules cannot be loaded everywhere: in a page, for one
            return _plain(self)


def _built(own: Tokenizer):
    """The library's tokenizer with this vocabulary."""
    from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers
    from tokenizers import Tokenizer as Library

    vocabulary = {token: number for number, token in enumerate(own.tokens)}
    kinds = dict(zip(own.tokens, own.types, strict=True))
    if own.model == "gpt2":
        built = Library(models.BPE(vocabulary, list(map(_pair, own.merges)),
                                   ignore_merges=own.pre in WHOLE_WORDS))
        cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in CUTS[own.pre]]
        as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        built.pre_tokenizer = pre_tokenizers.Sequence([*cuts, as_bytes])
    else:
        if all(f"<0x{byte:02X}>" in vocabulary for byte in range(256)):     # of other characters
            alone = sorted(set().union(*own.tokens) - vocabulary.keys())
            vocabulary |= {character: own.n_vocab + i for i, character in enumerate(alone)}
        unknown = next((token for token, kind in kinds.items() if kind == UNKNOWN), None)
        built = Library(models.BPE(vocabulary, _merges_by_score(own, vocabulary), unk_token=unknown,
                                   byte_fallback=True))
        spaces = [normalizers.Prepend(SPACE)] if own.add_space_prefix else []
        built.normalizer = normalizers.Sequence([*spaces, normalizers.Replace(" ", SPACE)])

    def added(token: str) -> AddedToken:
        return AddedToken(token, normalized=False, rstrip=own.strips and token not in KEEP_SPACES)

    special = [added(token) for token, kind in kinds.items() if token and kind in (CONTROL, UNKNOWN)]
    built.add_special_tokens(special)           # text, when special tokens are not asked for
    built.add_tokens([added(token) for token, kind in kinds.items() if token and kind == USER_DEFINED])
    return built


def _plain(own: Tokenizer) -> Merging:
    """The same in Python alone, where no compiled module can be loaded."""
    if own.model != "gpt2":
        raise ValueError(f"a {VOCABULARIES[own.model]} vocabulary needs the package `tokenizers`, which "
                         "cannot be loaded here; a byte-level one does without")
    kinds = dict(zip(own.tokens, own.types, strict=True))
    special = [token for token, kind in kinds.items() if token and kind in (CONTROL, UNKNOWN)]
    added = [token for token, kind in kinds.items() if token and kind == USER_DEFINED]
    return Merging({token: number for number, token in enumerate(own.tokens)}, list(map(_pair, own.merges)),
                   CUTS[own.pre], {byte: letter for letter, byte in BYTES.items()},
                   whole_words=own.pre in WHOLE_WORDS, special=special, added=added,
                   strips={*special, *added}.difference(KEEP_SPACES) if own.strips else ())


def _pair(merge: str) -> tuple[str, str]:
    """"a b" -> ("a", "b"); the first character is never the gap (llama.cpp: `word.find(' ', 1)`)."""
    left, _, right = merge[1:].partition(" ")
    return merge[:1] + left, right


def _merges_by_score(own: Tokenizer, vocabulary: Mapping[str, int]) -> list[tuple[str, str]]:
    """SentencePiece joins the two neighbours whose union has the best score; here all such pairs, the best
    first. As in llama.cpp, any token can be made by joining, whatever its type.

    Of two pairs with the same union and score SentencePiece takes the one further left in the text, the
    library the one that stands first here: a rare difference.
    """
    best_first = (own.tokens[number] for number in sorted(range(own.n_vocab), key=lambda n: -own.scores[n]))
    return [(word[:cut], word[cut:]) for word in best_first for cut in range(1, len(word))
            if word[:cut] in vocabulary and word[cut:] in vocabulary]


def _check(own: Tokenizer) -> None:
    """ValueError for a vocabulary that contradicts itself."""
    n = own.n_vocab
    for name, length in (("token_type", len(own.types)), ("scores", len(own.scores))):
        if length != n and (name == "token_type" or own.model == "llama"):
            raise ValueError(
                f"the vocabulary has {n} tokens, but tokenizer.ggml.{name} has {length} elements")
    for name, number in (("bos", own.bos), ("eos", own.eos), *own.named_ends.items()):
        if number is not None and (type(number) is not int or not 0 <= number < n):
            raise ValueError(
                f"tokenizer.ggml.{name}_token_id is {shown(number)}, outside the vocabulary of {n}")
    known = set(own.tokens)
    if len(known) < n:
        twice = next(token for token, count in Counter(own.tokens).items() if count > 1)
        raise ValueError(f"the vocabulary has {shown(twice)} more than once")
    for merge in own.merges:
        left, right = _pair(merge)
        if not {left, right, left + right} <= known:
            raise ValueError(
                f"the merge {shown(merge)} joins or makes a token that the vocabulary does not have")


def byte_level(token: str) -> bytes:
    """The bytes of a token of a byte-level vocabulary; a character that stands for no byte stands for itself.
    """
    return b"".join(bytes([BYTES[char]]) if char in BYTES else char.encode() for char in token)


def sentence_piece(token: str) -> bytes:
    """The bytes of a token of a SentencePiece vocabulary."""
    if byte := re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", token):
        return bytes.fromhex(byte[1])
    return token.replace(SPACE, " ").encode()


def render(template: str, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool,
           names: Mapping[str, str]) -> str:
    """The conversation as one text.

    messages: each with "role" and "content".  add_generation_prompt: end where the assistant begins to speak.
    names: texts that a template may ask for: bos_token, eos_token.
    Raises ValueError for messages of another form, for a template that is no Jinja, and for what a template
    refuses.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    for message in messages:
        if not (isinstance(message, Mapping) and isinstance(message.get("role"), str)
                and isinstance(message.get("content"), str)):
            raise ValueError(f'a message is {{"role": "user", "content": "..."}}, not {str(message)[:80]!r}')
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = lambda value, indent=None: (
        json.dumps(value, ensure_ascii=False, indent=indent))
    environment.globals |= {"raise_exception": _refused_by_template,
                            "strftime_now": lambda words: datetime.now().strftime(words)}
    try:
        return environment.from_string(template).render(
            messages=list(messages), add_generation_prompt=add_generation_prompt, **names)
    except (TemplateError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"the model's chat template refuses these messages: {error}") from None


def _refused_by_template(words: str):
    """What a template calls as `raise_exception`."""
    from jinja2 import TemplateError

    raise TemplateError(str(words))
