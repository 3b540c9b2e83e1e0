"""`make fuzz`: 100,000 spoiled GGUF headers, each of which must be refused in words or opened rightly.

Rightly: every tensor lies inside the file and overlaps no other, arrays decode or say why not, the
architecture is one or says why not, and where `gguf`'s own reader opens the file too, keys, values and
tensors are the same, odd bytes in texts escaped (it is only given what ours accepted: it hangs on others).
Work is bounded in steps of the cursor, memory in bytes.

    python benchmarks/fuzz.py                  100,000 mutants (four minutes of CPU)
    python benchmarks/fuzz.py --count 5000     fewer
    python benchmarks/fuzz.py --only 1234      one, with what came of it
"""

import argparse
import json
import mmap
import re
import sys
import tempfile
import tracemalloc
import warnings
from collections import Counter
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np

from quantlab.models.architecture import Architecture
from quantlab.models.gguf_cursor import LONGEST_ODD, GGUFArray
from quantlab.models.gguf_header import Header, read_header
from quantlab.models.source import Model, open_model
from tests.models.mutations import Steps, mutant, seeds

COUNT = 100_000
MOST_MEMORY = 64e6          # bytes beyond the file's own
ODD_NAME = "a name of no UTF-8, which ggml takes and gguf's reader does not"
ODD_ERRORS = (IndexError, KeyError, OverflowError, ValueError)        # how gguf's reader refuses


class Fault(Exception):
    """The reader did what it must not."""


def demand(true: object, words: str) -> None:
    if not true:
        raise Fault(words)


def judge(path: Path, against_gguf: bool) -> dict:
    """What came of the file at `path`. Raises Fault, or whatever the reader raised that is no ValueError.

    Returns outcome ("refused: ..." by family of words, or "opened"), steps, memory (bytes), gguf ("same", its
    refusal or "not asked").
    """
    result = {"outcome": "opened", "gguf": "not asked"}
    size = path.stat().st_size
    with path.open("rb") as file, (mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                                   if size else tempfile.TemporaryFile()) as mapped:
        cursor = Steps(mapped if size else b"")
        tracemalloc.start()
        try:
            _use(read_header(cursor), size)
        except ValueError as error:
            demand(str(error) and len(str(error)) < 600, f"a sentence is wanted, not {str(error)[:900]!r}")
            result["outcome"] = f"refused: {family(str(error))}"
        finally:
            result |= {"steps": cursor.steps, "memory": tracemalloc.get_traced_memory()[1]}
            tracemalloc.stop()
    demand(cursor.steps <= size // 3 + 8, f"{cursor.steps} steps for a file of {size} bytes")
    demand(result["memory"] < MOST_MEMORY + size, f"{result['memory']} bytes for a file of {size}")
    if result["outcome"] == "opened":
        result |= _open(path, against_gguf)
    return result


def _use(header: Header, size: int) -> None:
    """What a caller may do with a header that was accepted."""
    placed = sorted(header.tensors.values(), key=lambda tensor: (tensor.offset, tensor.nbytes))
    for tensor in placed:
        demand(header.parts[-1][1] <= tensor.offset and tensor.offset + tensor.nbytes <= size,
               f"{tensor} is not inside")
        demand(tensor.offset % header.alignment == 0 and min(tensor.shape) >= 0, f"{tensor} cannot be")
    demand(all(one.offset + one.nbytes <= two.offset for one, two in pairwise(placed)), "tensors overlap")
    for value in header.metadata.values():
        if isinstance(value, GGUFArray):
            demand(len(value.decode()) == len(value), f"{value} has another length")


def _or_words(ask, otherwise):
    try:
        return ask()
    except ValueError as error:
        demand(str(error), "an error without words")
        return otherwise


def _open(path: Path, against_gguf: bool) -> dict:
    try:
        model = open_model(path)
    except ValueError as error:             # a part of a split model, alone
        return {"outcome": f"refused: {family(str(error))}"}
    with model:
        demand(isinstance(_or_words(lambda: model.architecture, None), Architecture | None),
               "no architecture")
        demand(model.ftype and repr(model) and model._repr_html_(), "a model without words")
        smallest = min(model.file.infos.values(), key=lambda tensor: tensor.nbytes, default=None)
        if smallest is not None and smallest.nbytes < 1e6:
            with np.errstate(all="ignore"):         # random bits are NaNs too
                x = model.tensor(smallest.name)
            demand(x.dtype == np.float32 and x.shape == smallest.shape[::-1],
                   f"{smallest} decodes to {x.shape}")
        return {"gguf": same_as_gguf(path, model)} if against_gguf else {}


def same_as_gguf(path: Path, model: Model) -> str:
    """"same" when gguf's reader sees the same keys, values and tensors; its words when it refuses. Raises
    Fault when they differ.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            oracle = gguf.GGUFReader(path)
            theirs = {key: _their_value(field) for key, field in oracle.fields.items()
                      if not key.startswith("GGUF.")}
        except UnicodeDecodeError:
            return ODD_NAME
        except ODD_ERRORS as error:
            return f"{type(error).__name__}: {family(str(error))}"
    ours = {key: _our_value(value) for key, value in model.metadata.items()}
    demand(list(ours) == list(theirs), "gguf reads other keys")
    for key, value in ours.items():
        # repr: NaN is NaN
        demand(repr(value) == repr(theirs[key]), f"{key} is {value!r}, gguf reads {theirs[key]!r}")
    seen = [(tensor.name, tuple(int(n) for n in tensor.shape) or (1,), tensor.tensor_type.name,
             int(tensor.data_offset), int(tensor.n_bytes)) for tensor in oracle.tensors]
    demand([(t.name, t.shape, t.qtype, t.offset, t.nbytes) for t in model.file.infos.values()] == seen,
           "gguf reads other tensors")
    return "same"


def _their_value(field: gguf.ReaderField) -> object:
    """What gguf reads under a key; of texts that are not all UTF-8, the bytes that it found, escaped."""
    try:
        found = field.contents()
    except UnicodeDecodeError:
        texts = [_escaped(bytes(field.parts[part])) for part in field.data]
        return texts if field.types[0] == gguf.GGUFValueType.ARRAY else texts[0]
    truths = field.types[-1] == gguf.GGUFValueType.BOOL         # of other bytes than 0 and 1
    return bool(found) if truths and not isinstance(found, list) else found


def _our_value(value: object) -> object:
    """The same of ours."""
    if not isinstance(value, GGUFArray):
        return value
    return [x.item() if isinstance(x, np.generic) else x for x in value]


def _escaped(raw: bytes) -> str:
    cut = f" … {len(raw)} bytes" if len(raw) > LONGEST_ODD else ""
    return raw[:LONGEST_ODD].decode(errors="backslashreplace") + cut


def family(words: str) -> str:
    """The sentence without what is particular in it: names, numbers."""
    words = re.sub(
        r"""b?'(?:[^'\\]|\\.)*?(?:'|\.\.\.)|"(?:[^"\\]|\\.)*?(?:"|\.\.\.)|<array.*?>|\S+\.gguf: """, "_",
        words)
    return re.sub(r"_(?: and _)?|-?\d[\d.e+-]*", "_", words)[:60]


def run(numbers, real: bool = True, oracle_every: int = 1) -> dict:
    """Judge these mutants. Returns how many came to what; a fault ends it, with the mutant's number on
    stderr.
    """
    outcomes, against, most = Counter(), Counter(), {"steps_per_byte": 0.0, "steps": 0, "memory_mb": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        material, path = seeds(Path(folder), real), Path(folder, "mutant.file")
        for number in numbers:
            seed, header, size = mutant(number, material)
            with path.open("wb") as file:
                file.write(header[:size])
                file.truncate(size)
            done = False
            try:
                result = judge(path, number % oracle_every == 0)
                done = True
            finally:
                if not done:
                    print(f"mutant {number} of {seed.name}: python benchmarks/fuzz.py --only {number}",
                          file=sys.stderr, flush=True)
            outcomes[result["outcome"]] += 1
            against[result["gguf"]] += result["outcome"] == "opened"
            most = {"steps_per_byte": max(most["steps_per_byte"], result["steps"] / max(size, 1)),
                    "steps": max(most["steps"], result["steps"]),
                    "memory_mb": max(most["memory_mb"], result["memory"] / 1e6)}
    opened = outcomes.pop("opened", 0)
    return {"mutants": opened + outcomes.total(), "seeds": [seed.name for seed in material], "faults": 0,
            "opened": opened, "refused_in_words": outcomes.total(),
            "most": {key: round(value, 3) for key, value in most.items()},
            "opened_and_gguf_s_reader": dict(against.most_common()), "families_of_words": len(outcomes),
            "most_frequent": {words.removeprefix("refused: "): n for words, n in outcomes.most_common(30)}}


def main(count: int = COUNT) -> dict:
    return run(range(count))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    print(json.dumps(run([options.only]) if options.only is not None else main(options.count), indent=1))
