"""What an importance matrix is worth to a model that people use, measured once and for all:
quantlab/data/smollm2_135m/importance.json.

    python -m tools.record_importance           # five minutes on an idle core

As lesson 11 measures the tiny Llama: SmolLM2-135M reads one part of a text, `collect_imatrix` takes the mean
of the squared inputs of each column, and all matrices of one role are stored without an imatrix, with one in
which all columns matter alike, and with the measured one. How far the predictions move is measured on
another part of the text. Only a quantized file of the model is at hand, so its weights are moved off the
grid first (tools/off_the_grid.py): what that file lost itself is not in the numbers.
"""

import json
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from quantlab.formats.tensor import quantize
from quantlab.inference.chunks import HELD_OUT, held_out_text
from quantlab.inference.compare import IMPORTANCE
from quantlab.inference.llama import LanguageModel
from quantlab.inference.load import load_lm
from quantlab.inference.quality import Reference
from quantlab.inference.sensitivity import collect_imatrix
from quantlab.models.digests import sha256
from tools.off_the_grid import SEED, make
from tools.test_models import PACKAGE, Q4_1

ROLE, QTYPE = "ffn_down", "IQ3_S"
N_CTX, CHUNKS = 512, 8
CUT = 64_000            # letters: predicted before, read for the importance matrix behind
#: What each row is called -> what `quantize` is given for the measured importances of a matrix.
WAYS = {"without": lambda measured: None, "alike": np.ones_like, "measured": lambda measured: measured}


def record() -> dict:
    """The whole table; the 16-bit file is made and thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        file = make(Q4_1, Path(folder) / "smollm2_135m.F16.gguf")
        lm, made = load_lm(file, keep=True), sha256(file)
    return head_of(made) | measured(lm, ROLE, QTYPE, CHUNKS, CHUNKS, N_CTX)


def measured(lm: LanguageModel, role: str, qtype: str, read: int, predicted: int,
             n_ctx: int | None = None) -> dict:
    """What importances are worth to the matrices of one role in one type.  read, predicted: chunks."""
    text = held_out_text()
    known = collect_imatrix(lm, text[CUT:], n_ctx=n_ctx, chunks=read, progress=None).values
    reference = Reference(lm, text[:CUT], n_ctx=n_ctx, chunks=predicted)
    stored = [name for name in known if name.endswith(f".{role}.weight")]
    rows = []
    for words, given in WAYS.items():
        weights = {name: quantize(lm.weights[name], qtype, given(known[name][0])).dequantize()
                   for name in stored}
        found = reference.divergence(lm.with_weights(weights)).numbers()
        rows.append({"imatrix": words, **{key: float(f"{found[key]:.6g}") for key in ("kld", "kld_se")}})
        print(rows[-1], flush=True)
    times = [values.max() / np.median(values) for values in known.values()]
    return {"matrices": len(times), "times": float(f"{np.median(times):.6g}"), "role": role, "qtype": qtype,
            "stored": len(stored), "rows": rows}


def head_of(made: str) -> dict:
    """What the table is about.  made: SHA-256 of the 16-bit file."""
    return {"about": "Made by tools/record_importance.py; times: how many times as much as the median column "
                     "the most important one counts, the median of all matrices",
            "model": "SmolLM2-135M-Instruct", "source": f"{PACKAGE} (PyPI), Apache-2.0", "file": Q4_1.name,
            "source_sha256": sha256(Q4_1), "sha256": made, "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, NumPy on the processor",
            "text": "scenes of Shakespeare (the tiny model's held_out.txt): what is predicted comes first, "
                    f"what the importances are measured on begins at letter {CUT:,}",
            "text_sha256": sha256(HELD_OUT), "n_ctx": N_CTX, "chunks": CHUNKS,
            "predicted": (N_CTX // 2 - 1) * CHUNKS, "seed": SEED}


def main() -> None:
    found = record()
    IMPORTANCE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{found['times']:.0f} times, in {found['matrices']} matrices -> {IMPORTANCE.name}")


if __name__ == "__main__":
    main()
