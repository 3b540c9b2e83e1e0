"""Real GGUF headers and seeded ways to spoil them: the material of `make fuzz` (benchmarks/fuzz.py).

The changes know where the header has its numbers and strings, so most mutants get past the first check and
lie
about one thing only: a count, a type, a length, an offset, a name. The rest is noise: bits, cuts, doubled
stretches.
"""

import random
from pathlib import Path
from typing import NamedTuple

from quantlab.models.gguf_cursor import Cursor
from quantlab.models.gguf_header import read_header
from quantlab.models.source import BUNDLED
from tests.models.gguf_builder import GOOD
from tests.models.written import SMALL, write

TEST_MODELS = Path(__file__).resolve().parents[2] / ".tools" / "models"
# bytes of header; larger ones are mutated seldom, for gguf's reader takes seconds for them
LARGE = 200_000
SELDOM = 100
EXTREMES = (0, 1, 2, 3, 7, 8, 9, 12, 13, 31, 32, 33, 255, 2**16 - 1, 2**16, 2**30, 2**31 - 1, 2**31,
            2**32 - 1, 2**32, 2**42 + 1, 2**61 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 32, 2**64 - 1)


class Steps(Cursor):
    """A cursor that counts its steps: the measure of work that a header may cause, whatever the machine."""

    def __init__(self, data):
        super().__init__(data)
        self.steps = 0

    def step(self, n_bytes: int, what: str) -> int:
        self.steps += 1
        return super().step(n_bytes, what)

    def skip_strings(self, count: int, what: str) -> None:
        before = self.at
        try:
            super().skip_strings(count, what)
        finally:
            self.steps += min(count, (self.at - before) // 8 + 1)


class Fields(Steps):
    """A cursor that remembers where each number and string lies, the elements of arrays included."""

    def __init__(self, data):
        super().__init__(data)
        self.found: list[tuple[int, int]] = []

    def step(self, n_bytes: int, what: str) -> int:
        self.found.append((super().step(n_bytes, what), n_bytes))
        return self.found[-1][0]

    def skip_strings(self, count: int, what: str) -> None:
        for _ in range(count):
            self.step(self.number("Q", what), what)


class Seed(NamedTuple):
    """A true header, the size of its file, and its numbers and texts as (first byte, bytes)."""

    name: str
    header: bytes
    size: int
    numbers: list[tuple[int, int]]
    texts: list[tuple[int, int]]


def seeds(folder: Path, real: bool = True) -> list[Seed]:
    """The sample, a file of each architecture, the parts of a split one, one with each kind of value; and, if
    `real`, what `make tools` fetched of SmolLM2, with its 49,152 words.  folder: where files may be
    written.
    """
    for name, architecture in SMALL.items():
        write(folder / f"{name}.gguf", architecture)
    write(folder / "split.gguf", SMALL["llama"], split_max_tensors=12)
    (folder / "values.gguf").write_bytes(GOOD)
    paths = [BUNDLED["sample"], *sorted(folder.glob("*.gguf")),
             *(sorted(TEST_MODELS.glob("SmolLM2*.gguf")) if real else [])]
    return [_seed(path) for path in paths]


def _seed(path: Path) -> Seed:
    data = path.read_bytes()
    cursor = Fields(data)
    header = data[: read_header(cursor).parts[-1][1]]
    texts = [found for before, found in zip(cursor.found, cursor.found[1:], strict=False) if before[1] == 8
             and int.from_bytes(data[before[0] : found[0]], "little") == found[1] > 0
             and before[0] + 8 == found[0]]
    numbers = [found for found in cursor.found if found[1] in (1, 2, 4, 8)]
    return Seed(path.name, header, len(data), numbers, texts)


def mutant(number: int, material: list[Seed]) -> tuple[Seed, bytes, int]:
    """Mutant `number`: (its seed, its header, the size of its file). The same number always gives the same
    mutant.
    """
    rng = random.Random(number)
    small = [seed for seed in material if len(seed.header) < LARGE]
    seed = rng.choice(material if number % SELDOM == 0 else small)
    data, left = bytearray(seed.header), seed.size - len(seed.header)
    for _ in range(rng.choice((1, 1, 1, 1, 2, 4))):
        rng.choice(CHANGES)(data, seed, rng)
    if rng.random() < 0.05:
        return seed, bytes(data), rng.randrange(len(data) + left + 1)
    return seed, bytes(data), len(data) + left


def _number(data: bytearray, seed: Seed, rng: random.Random) -> None:
    """A count, length, type, dimension, offset or value becomes an extreme one."""
    at, size = rng.choice(seed.numbers)
    data[at : at + size] = (rng.choice(EXTREMES) % 2 ** (8 * size)).to_bytes(size, "little")


def _nearly(data: bytearray, seed: Seed, rng: random.Random) -> None:
    """A number is off by a little, by the alignment, or by a power of two."""
    at, size = rng.choice(seed.numbers)
    value = int.from_bytes(data[at : at + size], "little") + rng.choice(
        (-32, -8, -1, 1, 2, 8, 32, 64, 1 << rng.randrange(8 * size))
    )
    data[at : at + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")


def _swap(data: bytearray, seed: Seed, rng: random.Random) -> None:
    """Two numbers of a size change places: offsets, lengths, types."""
    at, size = rng.choice(seed.numbers)
    other = rng.choice([place for place, wide in rng.choices(seed.numbers, k=40) if wide == size] or [at])
    data[at : at + size], data[other : other + size] = data[other : other + size], data[at : at + size]


def _name(data: bytearray, seed: Seed, rng: random.Random) -> None:
    """A key, name or text is written over another, its length with it: duplicates and misplaced keys."""
    (at, size), (to, old) = rng.choice(seed.texts), rng.choice(seed.texts)
    data[to - 8 : to + old] = data[at - 8 : at + size]


def _text(data: bytearray, seed: Seed, rng: random.Random) -> None:
    """A text gets bytes that no UTF-8 has, a NUL, or other letters."""
    at, size = rng.choice(seed.texts)
    data[min(at + rng.randrange(size), len(data) - 1)] = rng.choice(
        (0, 0xC3, 0xFF, 0xED, 10, 34, 46, rng.randrange(256))
    )


def _noise(data: bytearray, seed: Seed, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _flip(data: bytearray, seed: Seed, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(data: bytearray, seed: Seed, rng: random.Random) -> None:
    at = rng.randrange(len(data) - 64)
    del data[at : at + rng.randint(1, 64)]


def _double(data: bytearray, seed: Seed, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.randint(1, 64)]


CHANGES = (_number, _number, _nearly, _nearly, _swap, _name, _text, _noise, _flip, _cut, _double)
