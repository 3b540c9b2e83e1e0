"""What `quantize_model` costs: processor time and peak memory of the whole process, start-up included, as the
system counted them.

SmolLM2-135M from 16 bits to Q4_K_M, beside llama-quantize b11434 (a baseline build, one thread) on the same
kind of machine. Then sparse files (all weights zero) with the shape of Llama-2-7B and 2, 8 and all 32 of its
layers: memory stays, time grows with the weights. Last a layer of Llama-3.2-1B with random weights and
importances, in a mix of all seven codebook types (`types=`): their searches need the most.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from quantlab.models.architecture import Architecture
from quantlab.models.catalog import MODELS
from quantlab.models.gguf_header import header_bytes, padding, pair
from quantlab.models.imatrix_file import Imatrix, write_imatrix
from quantlab.models.metadata import KEYS
from quantlab.models.source import open_model
from quantlab.models.types import tensor_nbytes

SMOLLM2 = Path(__file__).resolve().parents[1] / ".tools" / "models" / "SmolLM2-135M-Instruct.F16.gguf"
LLAMA_QUANTIZE = {"cpu_seconds": 1.77, "peak_mib": 211, "version": "b11434, baseline build, 1 thread"}
RUNS, LAYERS, PIECE = 5, (2, 8, 32), 1 << 20
GOALS = {"cpu_times_llama_quantize": 2.5, "peak_mb": 100}
CODE = "import sys, quantlab as ql; ql.quantize_model(*sys.argv[1:4], progress=None"
BOOKS = {"attn_q": "IQ3_XXS", "attn_k": "IQ3_S", "attn_v": "IQ2_XXS", "attn_output": "IQ2_S",
         "ffn_gate": "IQ1_S", "ffn_up": "IQ1_M", "ffn_down": "IQ2_XS"}


def cost(source: Path, target: Path, more: str = "") -> tuple[float, float]:
    """(seconds of processor time, peak memory in MB) of a process that quantizes one file to Q4_K_M.  more:
    further arguments, as code.
    """
    # as learners run it
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.Popen([sys.executable, "-c", f"{CODE}{more})", source, target, "Q4_K_M"],
                           env=environment)
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise RuntimeError(f"quantizing {source.name} ended with status {run.returncode}")
    return round(used.ru_utime + used.ru_stime, 2), round(used.ru_maxrss * 1024 / 1e6, 1)


def write_file(path: Path, a: Architecture, weights: Callable[[int], bytes] | None = None,
               more: Mapping = MappingProxyType({})) -> int:
    """A 16-bit file of this shape; returns how many weights there are.  weights: gives so many bytes of them;
    None leaves all zero.  more: key -> value of its metadata.
    """
    pairs = [pair("general.architecture", a.arch), pair("general.file_type", 1),
             *(pair(f"{a.arch}.{key}", getattr(a, field)) for field, key in KEYS.items()
               if getattr(a, field)), *(pair(*one) for one in more.items())]
    tensors = [(tensor.name, tensor.shape, "F32" if tensor.stays_f32 else "F16") for tensor in a.tensors()]
    path.write_bytes(header_bytes(pairs, tensors, 32))
    sizes = [tensor_nbytes(shape, qtype) for _, shape, qtype in tensors]
    if weights is None:
        os.truncate(path, path.stat().st_size + sum(nbytes + padding(nbytes, 32) for nbytes in sizes))
        return a.n_params
    with open(path, "ab") as file:
        for nbytes in sizes:        # piece by piece: what this process takes at most, its children inherit
            for start in range(0, nbytes, PIECE):
                file.write(weights(min(PIECE, nbytes - start)))
            file.write(bytes(padding(nbytes, 32)))
    return a.n_params


def main() -> dict:
    """Seconds and megabytes for SmolLM2 and for the large files, beside the goals."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "new.gguf"
        # compiles Python's files, reads the source once
        cost(SMOLLM2, target)
        runs = [cost(SMOLLM2, target) for _ in range(RUNS)]
        seconds, peak = (round(statistics.median(column), 2) for column in zip(*runs, strict=True))
        print("SmolLM2-135M", runs, flush=True)
        large = [_large(Path(folder), n_layer) for n_layer in LAYERS]
        books = _books(Path(folder))
    return {"ftype": "Q4_K_M", "goals": GOALS, "llama_quantize": LLAMA_QUANTIZE,
            "smollm2_135m": {"cpu_seconds": seconds,
                             "times_llama_quantize": round(seconds / LLAMA_QUANTIZE["cpu_seconds"], 2),
                             "peak_mb": peak, "runs": RUNS}, "shape_of_llama_2_7b": large,
            "codebook_types": books}


def _large(folder: Path, n_layer: int) -> dict:
    source, target = folder / f"sparse-{n_layer}.gguf", folder / "new.gguf"
    weights = write_file(source, replace(MODELS["llama2:7b"], n_layer=n_layer))
    seconds, peak = cost(source, target)
    source.unlink()
    row = {"layers": n_layer, "million_weights": round(weights / 1e6), "cpu_seconds": seconds,
           "peak_mb": peak, "million_weights_per_cpu_second": round(weights / 1e6 / seconds, 1),
           "file_mb": round(target.stat().st_size / 1e6)}
    print(row, flush=True)
    return row


def _books(folder: Path) -> dict:
    """A layer of Llama-3.2-1B in all codebook types, with importances from a file."""
    a, rng = replace(MODELS["llama3.2:1b"], n_layer=1, n_vocab=4096), np.random.default_rng(0)
    source, target, file = (folder / name for name in ("books.gguf", "new.gguf", "imatrix.gguf"))
    weights = write_file(source, a, lambda nbytes: (rng.standard_normal(nbytes // 2, np.float32) / 50)
                         .astype(np.float16).tobytes())
    with open_model(source) as model:
        write_imatrix(file, Imatrix({name: rng.random((1, shape[0]), np.float32) for name, (_, shape)
                                     in model.types.items() if name.startswith("blk.") and len(shape) == 2}))
    seconds, peak = cost(source, target, f", types={BOOKS!r}, imatrix={str(file)!r}")
    row = {"types": BOOKS, "million_weights": round(weights / 1e6), "cpu_seconds": seconds, "peak_mb": peak,
           "million_weights_per_cpu_second": round(weights / 1e6 / seconds, 1)}
    print(row, flush=True)
    return row
