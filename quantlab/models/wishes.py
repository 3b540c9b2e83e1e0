"""What may be wished beside a mix: types for chosen matrices, layers to be left out. `wishes_of` reads what a
caller gives, `Wishes` answers for one tensor at a time.

    wishes_of(types={"ffn_down": "Q6_K", r"blk\\.[0-3]\\.": "Q8_0"}, embedding_type="Q8_0")
    wishes_of(types="types.txt"), wishes_of(types="qwen3-UD-Q4_K_XL.gguf")

A pattern is a regular expression that is looked for anywhere in a tensor's name, in small letters; the first
that is found decides, as with `llama-quantize --tensor-type`. A GGUF file instead of patterns means "each
matrix as in that file", so that a mix found on a hub is made again from one's own 16-bit file.
llama.cpp: llama_tensor_get_type and remap_layer in llama-quant.cpp, parse_tensor_type_file in quantize.cpp.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..formats.sizes import BLOCKS
from ..words import one_of
from .families import EMBEDDINGS, OUTPUT
from .gguf_cursor import shown
from .gguf_header import MAGIC
from .source import Model, open_model
from .types import block_of

#: What llama.cpp looks for in a name, wherever it stands, to know the layer that is left out.
_LAYER = re.compile(r"blk\.(\d+)\.")
EXAMPLE = "{'ffn_down': 'Q6_K'}, a file of lines such as ffn_down=Q6_K, or a GGUF file whose types are wanted"


class Like(NamedTuple):
    """The file whose types are wanted: its name, its ftype, and tensor name -> (type, shape)."""

    name: str
    ftype: str
    types: Mapping[str, tuple[str, tuple[int, ...]]]


class Wishes(NamedTuple):
    """patterns: (what is looked for in a name, type), in order.  like: a file whose types are wanted.
    output_type, embedding_type: of output.weight, and of the word vectors.  leave_output: output.weight as it
    is.  pruned: numbers of layers that are left out, ascending.
    """

    patterns: tuple[tuple[re.Pattern, str], ...] = ()
    like: Like | None = None
    output_type: str | None = None
    embedding_type: str | None = None
    leave_output: bool = False
    pruned: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return self != Wishes()

    def pattern_of(self, name: str) -> tuple[re.Pattern, str] | None:
        """The first pattern that is found in a name, with its type."""
        return next((one for one in self.patterns if one[0].search(name)), None)

    def whole_type(self, name: str) -> str | None:
        """The type of a tensor by the wishes that stand above all rules and allow no other type instead."""
        if self.like is not None:
            return self.like.types[name][0]
        # the table of vectors for each layer follows, unless a pattern names it
        if name in EMBEDDINGS and self.embedding_type and not (name != EMBEDDINGS[0]
                                                               and self.pattern_of(name)):
            return self.embedding_type
        return self.output_type if name == OUTPUT else None

    def renamed(self, names: Iterable[str]) -> dict[str, str]:
        """Name in the source -> name in the new file, for the tensors that stay: the layers that are left are
        numbered anew.  ValueError for layers that are not there, and when none is left.
        """
        names = list(names)
        if not self.pruned:
            return {name: name for name in names}
        layer = {name: int(found[1]) for name in names if (found := _LAYER.search(name))}
        here = sorted(set(layer.values()))
        if wrong := [number for number in self.pruned if number not in here]:
            raise ValueError(f"prune_layers: there is no layer {wrong[0]}; the layers are {here[0]} to "
                             f"{here[-1]}" if here else "prune_layers: the model has no layers")
        kept = [number for number in here if number not in self.pruned]
        if not kept:
            raise ValueError(f"prune_layers: all {len(here)} layers would be left out")
        new = {number: place for place, number in enumerate(kept)}
        return {name: _LAYER.sub(f"blk.{new[layer[name]]}.", name, count=1) if name in layer else name
                for name in names if name not in layer or layer[name] in new}

    def unmet(self, kept: Mapping[str, str]) -> list[str]:
        """A note on tensors that are never quantized, and have another type in the file that is wanted.

        kept: name of each such tensor -> its type, which it keeps.
        """
        other = [name for name, qtype in kept.items() if self.like and self.like.types[name][0] != qtype]
        if not other or self.like is None:
            return []
        more = f", and so do {len(other) - 1} more" if len(other) > 1 else ""
        return [f"{other[0]} is {self.like.types[other[0]][0]} in {self.like.name} and stays "
                f"{kept[other[0]]}{more}: llama-quantize leaves it as it is"]

    def check(self, shapes: Mapping[str, tuple[int, ...]], free: Iterable[str], usual: str) -> list[str]:
        """Notes on patterns that want different types for one matrix.  ValueError for wishes that change
        nothing, or cannot be met by this model.

        shapes: tensor name -> shape, ggml's order.  free: names of what is quantized at all.  usual: the
        mix's type.
        """
        free = list(free)
        if self.patterns and block_of(usual)[0] == 1:
            raise ValueError(f"a file of {usual} has no other types: llama-quantize would ignore types=. "
                             "Name a quantized mix, such as Q8_0")
        if self.leave_output and OUTPUT not in shapes:
            raise ValueError(f"leave_output: there is no {OUTPUT}; the word vectors serve as the output, and "
                             "embedding_type says what they get")
        if self.like is not None:
            _check_like(self.like, shapes)
        return [note for place, one in enumerate(self.patterns)
                for note in _check_pattern(one, self.patterns[:place], shapes, free)]


def wishes_of(types=None, output_type: str | None = None, embedding_type: str | None = None,
              leave_output: bool = False, prune_layers: Iterable[int] = ()) -> Wishes:
    """Wishes from what a caller gives; the arguments are those of `recipe`.  ValueError in words."""
    one_type = {"output_type": output_type, "embedding_type": embedding_type}
    named = {name: _type(name, qtype) for name, qtype in one_type.items() if qtype is not None}
    if leave_output and output_type is not None:
        raise ValueError(f"leave_output keeps {OUTPUT} as it is, and output_type={output_type!r} changes it: "
                         "give one of them")
    like, patterns = _like_or_patterns(types)
    if like is not None and (named or leave_output):
        raise ValueError(f"types={like.name!r} says the type of every matrix, so that "
                         f"{next(iter(named), 'leave_output')} has nothing to say")
    return Wishes(patterns, like, leave_output=bool(leave_output), pruned=_layers(prune_layers), **named)


def read_types(path) -> dict[str, str]:
    """{pattern: type} from a file of lines such as `attn_v=Q6_K`, as `--tensor-type-file` takes them: parted
    by spaces or line ends.  Raises ValueError, in words, for other files.
    """
    try:
        words = Path(path).expanduser().read_text(encoding="utf-8").split()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text: {EXAMPLE} is needed") from None
    if not words:
        raise ValueError(f"{Path(path).name} is empty: lines such as attn_v=Q6_K are needed")
    return types_in(words, Path(path).name)


def types_in(words: Iterable[str], where: str) -> dict[str, str]:
    """{pattern: type} from texts such as "attn_v=Q6_K"; where: they come from, for the errors."""
    found: dict[str, str] = {}
    for word in words:
        pattern, equals, qtype = word.partition("=")
        if not (pattern and equals and qtype):
            raise ValueError(f"{where}: {shown(word)} is no PATTERN=TYPE, such as attn_v=Q6_K")
        if found.setdefault(pattern, qtype).upper() != qtype.upper():
            raise ValueError(f"{where} wants both {found[pattern]} and {qtype} for {pattern}")
    return found


def _like_or_patterns(types) -> tuple[Like | None, tuple[tuple[re.Pattern, str], ...]]:
    if types is None:
        return None, ()
    if isinstance(types, Mapping):
        return None, tuple(_pattern(pattern, qtype) for pattern, qtype in types.items())
    if isinstance(types, Model):
        return Like(types.name, types.ftype, types.types), ()
    if not isinstance(types, str | os.PathLike):
        raise ValueError(f"types={shown(types)} cannot be: {EXAMPLE} is needed")
    path = Path(types).expanduser()
    if path.is_file() and not _is_gguf(path):
        return _like_or_patterns(read_types(path))
    with open_model(types) as model:
        return Like(model.name, model.ftype, model.types), ()


def _is_gguf(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


def _pattern(pattern: object, qtype: object) -> tuple[re.Pattern, str]:
    if not isinstance(pattern, str) or not pattern:
        raise ValueError(f"types: {shown(pattern)} is no pattern; {EXAMPLE} is needed")
    try:
        return re.compile(pattern.lower()), _type(f"types: {pattern}", qtype)
    except re.error as error:
        raise ValueError(f"types: {shown(pattern)} is no regular expression: {error}") from None


def _type(what: str, qtype: object) -> str:
    try:
        return one_of("type", qtype, BLOCKS)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def _layers(given) -> tuple[int, ...]:
    layers = [given] if isinstance(given, int) else list(given) if isinstance(given, Iterable) else [given]
    wrong = [one for one in layers if type(one) is not int or one < 0]
    if wrong:
        raise ValueError(f"prune_layers: {shown(wrong[0])} is no layer; give numbers from 0, such as [3, 4]")
    return tuple(sorted(set(layers)))


def _check_like(like: Like, shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        if name not in like.types:
            raise ValueError(f"types={like.name!r} has no tensor {name}: it is a file of another model, or "
                             "of another conversion")
        if like.types[name][1] != shape:
            raise ValueError(f"types={like.name!r} is of another model: {name} has the shape "
                             f"{like.types[name][1]} there, and {shape} here")
    if left := [name for name in like.types if name not in shapes]:
        raise ValueError(f"types={like.name!r} has {len(left)} tensors that this model has not, {left[0]} "
                         "first: it is a file of another model, or of another conversion")


def _check_pattern(one: tuple[re.Pattern, str], before: Sequence[tuple[re.Pattern, str]],
                   shapes: Mapping[str, tuple[int, ...]], free: list[str]) -> Iterable[str]:
    pattern, qtype = one
    found = [name for name in free if pattern.search(name)]
    if not found:
        fixed = [name for name in shapes if pattern.search(name)]
        raise ValueError(
            f"types: '{pattern.pattern}' is found only in tensors that are never quantized, {fixed[0]} first"
            if fixed else f"types: '{pattern.pattern}' is found in none of the {len(shapes)} tensors; a name "
                          f"is {free[0] if free else next(iter(shapes), 'blk.0.attn_v.weight')}")
    taken = {name: earlier for name in found for earlier in before if earlier[0].search(name)}
    other = [name for name, earlier in taken.items() if earlier[1] != qtype]
    if not other:
        return
    winner = next(earlier for earlier in before if earlier[0].search(other[0]))
    words = (f"types: '{winner[0].pattern}' wants {winner[1]} and '{pattern.pattern}' wants {qtype} for "
             f"{other[0]}{f' and {len(other) - 1} more' if len(other) > 1 else ''}")
    if len(taken) == len(found):
        raise ValueError(f"{words}; the first decides, so that the second changes nothing: put it first")
    yield f"{words}; the first decides"
