"""What `quantize_model` costs: processor time and peak memory of the whole process, start-up included, as the
system counted them.

SmolLM2-135M from 16 bits to Q4_K_M, beside llama-quantize b11434 (a baseline build, one thread) on the same
kind of machine. Then sparse files (all weights zero) with the shape of Llama-2-7B and 2, 8 and all 32 of its
layers: memory stays, time grows with the weights.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from quantlab.models.architecture import Architecture
from quantlab.models.catalog import MODELS
from quantlab.models.gguf_header import header_bytes, padding, pair
from quantlab.models.metadata import KEYS
from quantlab.models.types import tensor_nbytes

SMOLLM2 = Path(__file__).resolve().parents[1] / ".tools" / "models" / "SmolLM2-135M-Instruct.F16.gguf"
LLAMA_QUANTIZE = {"cpu_seconds": 1.77, "peak_mib": 211, "version": "b11434, baseline build, 1 thread"}
RUNS, LAYERS = 5, (2, 8, 32)
GOALS = {"cpu_times_llama_quantize": 2.5, "peak_mb": 400, "peak_mb_of_7b": 1500}
CODE = "import sys, quantlab as ql; ql.quantize_model(*sys.argv[1:], progress=None)"


def cost(source: Path, target: Path) -> tuple[float, float]:
    """(seconds of processor time, peak memory in MB) of a process that quantizes one file to Q4_K_M."""
    # as learners run it
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.Popen([sys.executable, "-c", CODE, source, target, "Q4_K_M"], env=environment)
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise RuntimeError(f"quantizing {source.name} ended with status {run.returncode}")
    return round(used.ru_utime + used.ru_stime, 2), round(used.ru_maxrss * 1024 / 1e6, 1)


def write_sparse(path: Path, a: Architecture, more: Mapping = MappingProxyType({})) -> int:
    """A 16-bit file of this shape, all weights zero; returns how many there are.  more: key -> value of its
    metadata.
    """
    pairs = [pair("general.architecture", a.arch), pair("general.file_type", 1),
             *(pair(f"{a.arch}.{key}", getattr(a, field)) for field, key in KEYS.items()
               if getattr(a, field)), *(pair(*one) for one in more.items())]
    tensors = [(tensor.name, tensor.shape, "F32" if tensor.stays_f32 else "F16") for tensor in a.tensors()]
    path.write_bytes(header_bytes(pairs, tensors, 32))
    sizes = [tensor_nbytes(shape, qtype) for _, shape, qtype in tensors]
    os.truncate(path, path.stat().st_size + sum(nbytes + padding(nbytes, 32) for nbytes in sizes))
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
    return {"ftype": "Q4_K_M", "goals": GOALS, "llama_quantize": LLAMA_QUANTIZE,
            "smollm2_135m": {"cpu_seconds": seconds,
                             "times_llama_quantize": round(seconds / LLAMA_QUANTIZE["cpu_seconds"], 2),
                             "peak_mb": peak, "runs": RUNS}, "shape_of_llama_2_7b": large}


def _large(folder: Path, n_layer: int) -> dict:
    source, target = folder / f"sparse-{n_layer}.gguf", folder / "new.gguf"
    weights = write_sparse(source, replace(MODELS["llama2:7b"], n_layer=n_layer))
    seconds, peak = cost(source, target)
    source.unlink()
    row = {"layers": n_layer, "million_weights": round(weights / 1e6), "cpu_seconds": seconds,
           "peak_mb": peak, "million_weights_per_cpu_second": round(weights / 1e6 / seconds, 1),
           "file_mb": round(target.stat().st_size / 1e6)}
    print(row, flush=True)
    return row
