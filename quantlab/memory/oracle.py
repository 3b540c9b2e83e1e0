"""The oracle: what llama.cpp itself plans to allocate, for any model and setting, without weights, a card or a compiler.

    oracle.measure("llama3.1:8b", "Q4_K_M", n_ctx=32768).card       # bytes, as llama.cpp adds them up

A hollow file (hollow.py) is loaded by the pinned `xllamacpp` in a process of its own, with a virtual CUDA card (virtual_gpu.py). A crash
there becomes a sentence here. For a file or a pulled model the header is enough, and every architecture that llama.cpp knows will do,
hybrid and recurrent ones too. Needs the `oracles` extra.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..models.architecture import Architecture
from ..models.recipes import recipe
from ..models.source import Model
from .catalog import model_named
from .hollow import write_hollow
from .settings import Settings

PLENTY = (2**42,)           # bytes of a card on which everything fits
SECONDS = 120
ROOT = Path(__file__).resolve().parents[2]      # from here the child finds the same quantlab


class OracleError(RuntimeError):
    """The oracle could not answer; the message says why, in llama.cpp's words where it had any."""


class Measured(NamedTuple):
    """Bytes on the cards together (weights, kv_cache, compute), bytes in main memory, and everything by buffer type."""

    weights: int
    kv_cache: int
    compute: int
    host: int
    buffers: dict[str, dict[str, int]]

    @property
    def card(self) -> int:
        return self.weights + self.kv_cache + self.compute


def measure(model: Architecture | Model | str, ftype: str | None = None, *, vram: Iterable[int] = PLENTY, **settings) -> Measured:
    """One setting (the arguments of `estimate_memory`); vram: bytes of each card.  Raises OracleError."""
    return measure_all(model, ftype, [Settings(**settings)], vram=vram)[0]


def measure_all(model: Architecture | Model | str, ftype: str | None, settings: list[Settings], *,
                vram: Iterable[int] = PLENTY) -> list[Measured]:
    """Many settings of one model, which is loaded once for each number of layers on the card.

    model: a shape, a name of MODELS, or an open model whose file is at hand.  Raises OracleError, ValueError for an open
    model at another ftype than its own.
    """
    found: dict[int, Measured] = {}
    with tempfile.TemporaryDirectory(prefix="quantlab-") as folder:
        path = _path_of(model, ftype, Path(folder))
        for n_gpu_layers in dict.fromkeys(one.n_gpu_layers for one in settings):
            mine = [i for i, one in enumerate(settings) if one.n_gpu_layers == n_gpu_layers]
            question = {"path": str(path.resolve()), "vram": list(vram), "n_gpu_layers": n_gpu_layers,
                        "settings": [settings[i].as_dict() for i in mine]}
            found |= dict(zip(mine, map(_measured, _ask(question)), strict=True))
    return [found[i] for i in range(len(settings))]


def _path_of(model, ftype: str | None, folder: Path) -> Path:
    if isinstance(model, Model):
        if model.file is None:
            raise OracleError(f"the header of {model.name} is not at hand: {model.why}")
        if ftype not in (None, model.ftype):
            raise ValueError(f"{model.name} is {model.ftype}; the oracle reads files as they are, so leave ftype={ftype!r} out")
        return model.file.paths[0]
    shape = model_named(model)
    return write_hollow(folder / "hollow.gguf", shape, recipe(ftype or "Q4_K_M", shape))


def _ask(question: dict) -> list[dict]:
    command = [sys.executable, "-m", f"{__package__}.oracle_child"]
    try:
        done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, errors="replace", timeout=SECONDS,
                              cwd=ROOT, env=os.environ | {"GGML_NO_BACKTRACE": "1"})
    except subprocess.TimeoutExpired:
        raise OracleError(f"llama.cpp gave no answer in {SECONDS} seconds") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        words = next((line for line in lines if "ASSERT" in line), lines[0 if done.returncode < 0 else -1] if lines else "")
        raise OracleError(f"llama.cpp stopped with code {done.returncode} over this question. {words.rpartition('/')[2]}".strip())
    answer = json.loads(done.stdout)
    if "refused" in answer:
        raise OracleError(answer["refused"])
    return answer["measured"]


def _measured(buffers: dict) -> Measured:
    if "refused" in buffers:
        raise OracleError(buffers["refused"])
    cards = [sizes for name, sizes in buffers.items() if name.startswith("CUDA") and name != "CUDA_Host"]
    host = sum(sum(sizes.values()) for name, sizes in buffers.items() if not name.startswith("CUDA") or name == "CUDA_Host")
    return Measured(*(sum(card[part] for card in cards) for part in ("weights", "kv_cache", "compute")), host, buffers)
