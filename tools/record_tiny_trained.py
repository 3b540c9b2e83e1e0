"""Write quantlab/data/tiny/trained.json: what training for few bits brings, beside plain rounding and beside
as much training without any rounding.

    python tools/record_tiny_trained.py --folder /tmp/tiny

The folder holds what train_tiny_llama.py --round left there for Q2_K, Q3_K, TQ2_0 and none (the control).
Each of these models, and the shipped one, is stored in several types, and asked for the passages and for the
first 64 chunks of the held-out text.
"""

import argparse
import json
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
from export_tiny_llama import OUT, weights_in
from tiny_rounding import NONE, STEPS, as_stored, types_of

import quantlab as ql
from quantlab.inference.quality import perplexity
from quantlab.inference.recital import count_recited
from quantlab.models.digests import sha256
from quantlab.models.source import BUNDLED

CHUNKS = 64
SHIPPED, EXACT = "not trained on", "F16"
#: Trained with these blocks -> the types in which it is stored and measured.
STORED = {SHIPPED: (EXACT, "Q4_K", "Q3_K", "Q2_K", "TQ2_0"), NONE: (EXACT, "Q4_K", "Q3_K", "Q2_K", "TQ2_0"),
          "Q2_K": (EXACT, "Q4_K", "Q3_K", "Q2_K"), "Q3_K": (EXACT, "Q3_K", "Q2_K"), "TQ2_0": (EXACT, "TQ2_0")}


def measured(lm, weights: dict[str, np.ndarray], qtype: str) -> dict:
    """A row: what the model says with its matrices in this type (the mix of this name, if it is ternary)."""
    types = {} if qtype == EXACT else types_of(qtype, weights)
    held = as_stored(weights, types)
    if qtype == EXACT:
        held = {name: w.astype(np.float16) if w.ndim == 2 else w for name, w in held.items()}
    stored = lm.with_weights({f"{name}.weight": w for name, w in held.items()})
    known = count_recited(stored)
    found = perplexity(stored, ql.held_out_text(), chunks=CHUNKS, progress=None)
    return {"stored": qtype, "recited": known[True][0], "controls": known[False][0],
            "ppl": round(found.ppl, 4), "ppl_se": round(found.ppl_se, 4), "predicted": found.n}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the one given to train_tiny_llama.py")
    folder = parser.parse_args().folder
    lm, rows, curves = ql.load_lm("tiny"), [], {}
    shipped = {name.removesuffix(".weight"): np.asarray(w) for name, w in lm.weights.items()}
    for trained, types in STORED.items():
        weights = shipped if trained == SHIPPED else weights_in(folder / f"round-{trained}.npz")
        for row in map(partial(measured, lm, weights), types):
            rows.append({"trained": trained, **row})
            print(rows[-1], flush=True)
        if trained != SHIPPED:
            told = map(json.loads, (folder / f"round-{trained}.jsonl").read_text().splitlines())
            curves[trained] = [[row["step"], row["recited"], row["held_out_nats"]] for row in told
                               if "recited" in row]
    made = {"about": "tools/record_tiny_trained.py: the tiny Llama trained on with its matrices as blocks of "
                     "a type, then stored in several; curves: step, passages recited, nats a held-out token, "
                     "both in that type",
            "date": f"{date.today():%Y-%m-%d}", "steps": STEPS, "sha256": sha256(BUNDLED["tiny-qat"]),
            "n_ctx": 256, "chunks": CHUNKS, "rows": rows, "curves": curves}
    text = json.dumps(made, indent=0).replace(",\n", ", ").replace("{\n", "{").replace("\n}", "}")
    (OUT / "trained.json").write_text(text.replace(" {", "\n{") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
