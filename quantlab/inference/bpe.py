"""A byte-level vocabulary's text to tokens in Python alone: for places that load no compiled module, a page
in a browser among them. Elsewhere the library `tokenizers` does the same, faster.

    Merging(own).encode("To be").ids

Byte-pair encoding: a text is cut into words (cuts.py), a word is spelled in characters that stand for its
bytes, and of all neighbours the pair that the vocabulary's list has first is joined, again and again.
Source: GPT-2's encoder.py. The cuts are regular expressions with `\\p{L}` ("any letter"), which Python's `re`
does not know; they are written out here, from its own table of Unicode.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby, pairwise

#: Unicode's white space: what `\\s` means in the library. Python's has four control characters more.
SPACES = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
CLASSES = re.compile(r"\\p\{(\w)\}|(\\s)|(\\S)|\\.|[\[\]]", re.DOTALL)


@dataclass(frozen=True)
class Encoded:
    """A text's tokens, under the name that the library has for them."""

    ids: list[int]


class Merging:
    """Encodes as the library's tokenizer does.  vocabulary: token -> number.  merges: pairs in order of
    preference.  cuts: patterns, one after the other.  whole_words: whether a word of the vocabulary is taken
    before any merging.  letters: byte -> the character that stands for it.
    special, added: tokens that are found in a text as they are spelled; `special` ones only while
    `encode_special_tokens` is False.
    strips: of them, those that take the spaces behind them along.
    """

    encode_special_tokens = False

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], cuts: Sequence[str],
                 letters: Mapping[int, str], *, whole_words: bool = False, special: Sequence[str] = (),
                 added: Sequence[str] = (), strips: Collection[str] = ()):
        self.vocabulary, self.whole_words, self.letters = vocabulary, whole_words, letters
        self.ranks = {pair: rank for rank, pair in reversed([*enumerate(merges)])}
        self.cuts = [re.compile(written_out(pattern)) for pattern in cuts]
        self.special, self.added, self.strips = [*special], [*added], set(strips)
        self._word = lru_cache(1 << 14)(self._merged)

    def encode(self, text: str, add_special_tokens: bool = False) -> Encoded:
        """The numbers of the text's tokens.  add_special_tokens: must be False, there is nothing to add."""
        found = self.added if self.encode_special_tokens else [*self.special, *self.added]
        ids: list[int] = []
        strip = False
        for part in _split(text, found):
            if part in found:
                ids.append(self.vocabulary[part])
                strip = part in self.strips
                continue
            pieces = [part.lstrip() if strip else part]
            strip = False
            for cut in self.cuts:
                pieces = [piece for whole in pieces for piece in _isolated(cut, whole)]
            for piece in pieces:
                ids += self._word("".join(self.letters[byte] for byte in piece.encode()))
        return Encoded(ids)

    def _merged(self, word: str) -> list[int]:
        """The tokens of one word; a character that is no token is left out, as the library does."""
        if self.whole_words and word in self.vocabulary:
            return [self.vocabulary[word]]
        parts, never = list(word), len(self.ranks)
        while len(parts) > 1:
            pairs = [self.ranks.get(pair, never) for pair in pairwise(parts)]
            if (best := min(pairs)) == never:
                break
            at = pairs.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return [self.vocabulary[part] for part in parts if part in self.vocabulary]


def _split(text: str, found: Sequence[str]) -> list[str]:
    """The text, cut around the tokens in `found`; where two begin together, the longer one counts."""
    if not found:
        return [text]
    longest_first = sorted(found, key=len, reverse=True)
    return [part for part in re.split(f"({'|'.join(map(re.escape, longest_first))})", text) if part]


def _isolated(cut: re.Pattern, text: str) -> Iterator[str]:
    """What the pattern finds, and what stands between, in the text's order."""
    end = 0
    for match in cut.finditer(text):
        yield from filter(None, (text[end : match.start()], match[0]))
        end = match.end()
    if text[end:]:
        yield text[end:]


def written_out(pattern: str) -> str:
    """The pattern for Python's `re`: `\\p{L}`, `\\s` and `\\S` become lists of ranges."""
    inside = False

    def one(match: re.Match) -> str:
        nonlocal inside
        if match[0] in "[]":
            inside = match[0] == "["
        if match[3]:
            return f"[^{SPACES}]"
        ranges = _ranges()[match[1]] if match[1] else SPACES if match[2] else ""
        return match[0] if not ranges else ranges if inside else f"[{ranges}]"

    return CLASSES.sub(one, pattern)


@cache
def _ranges() -> dict[str, str]:
    """Unicode's general category ("L": letters) -> its characters as ranges of a regular expression."""
    ranges: dict[str, str] = {}
    for category, run in groupby(range(0x110000), lambda code: unicodedata.category(chr(code))[0]):
        codes = [*run]
        ranges[category] = ranges.get(category, "") + f"\\U{codes[0]:08x}-\\U{codes[-1]:08x}"
    return ranges
