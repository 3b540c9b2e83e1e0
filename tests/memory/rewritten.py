"""Hollow files with other metadata, and which of many files llama.cpp loads."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

from quantlab.models.gguf_file import GGUFFile
from quantlab.models.gguf_header import header_bytes
from tests.models.gguf_builder import pair, string, u32, u64

ROOT = Path(__file__).resolve().parents[2]
#: GGUF's number of a value type -> the bytes of a value.
PACKED = {4: u32, 5: lambda n: struct.pack("<i", n), 6: lambda x: struct.pack("<f", x),
          7: lambda b: bytes([b]), 8: string, 10: u64, 12: lambda x: struct.pack("<d", x)}
LOADER = """
import json, os, sys
from quantlab.oracles.llama_library import Library, Refused
library, found = Library([2**42]), []
for path, settings in json.load(sys.stdin):
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            model = library.load(path, None)
            said = library.measure(model, settings)
        except Refused as error:
            said = str(error)
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    said = os.read(reading, 2**16)
    os.close(reading)
    found.append(json.loads(said) if said else "it crashed")
json.dump(found, sys.stdout)
"""


def rewritten(source, target, changes: dict, names=str, add=(), spelled=None) -> Path:
    """The hollow file `source` with other keys.

    changes: key -> None to leave it out, or (value type, value); a list is (9, (type of its elements,
    values)).  names: a function from a tensor's name to another.  add: more tensors, (name, shape, type).
    spelled: another name of its architecture.
    """
    with GGUFFile(source) as file:
        pairs = {key: file.bytes_at(*place) for key, place in file.pairs.items()}
        if spelled:
            arch = file.metadata["general.architecture"]
            pairs = {(other := key.replace(f"{arch}.", f"{spelled}.", 1)): string(other) + raw[8 + len(key):]
                     for key, raw in pairs.items()}
            changes = {"general.architecture": (8, spelled), **changes}
        for key, change in changes.items():
            pairs.pop(key, None)
            if change is not None:
                pairs[key] = pair(key, change[0], _payload(*change))
        tensors = [(names(info.name), info.shape, info.qtype) for info in file.infos.values()] + list(add)
        Path(target).write_bytes(header_bytes(pairs.values(), tensors, 32))
        os.truncate(target, os.path.getsize(target) + file.size + 2**16 * len(add))
    return Path(target)


def _payload(value_type: int, value) -> bytes:
    if value_type != 9:
        return PACKED[value_type](value)
    kind, values = value
    return u32(kind) + u64(len(values)) + b"".join(PACKED[kind](one) for one in values)


def plans(paths, settings) -> list:
    """For each path what llama.cpp would allocate (weights, kv_cache, compute on the card), or its words
    where it refuses, or crashes.  One process reads all of them.
    """
    asked = json.dumps([[str(path), settings.as_dict()] for path in paths])
    done = subprocess.run([sys.executable, "-c", LOADER], input=asked, capture_output=True, text=True,
                          cwd=ROOT, check=True, env=os.environ | {"GGML_NO_BACKTRACE": "1"})
    return [answer if isinstance(answer, str) else
            tuple(answer["CUDA0"][part] for part in ("weights", "kv_cache", "compute"))
            for answer in json.loads(done.stdout)]
