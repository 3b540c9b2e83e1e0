"""Write quantlab/data/codebook_blocks.json: real blocks of the types that quantlab reads but does not write.

    pip install -e '.[oracles]' && python -m tools.record_blocks

The first 1,024 weights of the sample, encoded by ggml's own C with an even importance matrix. A test makes
them again and compares.
"""

import json
from pathlib import Path

import numpy as np

from quantlab.basics.sample import sample_weights
from quantlab.formats.table import FORMATS
from tests.formats import ggml_oracle

OUT = Path(__file__).resolve().parent.parent / "quantlab" / "data" / "codebook_blocks.json"


def recorded() -> dict[str, str]:
    """Type -> four super-blocks in hexadecimal."""
    rows, even = sample_weights().reshape(-1, 256)[:4], np.ones(256, np.float32)
    return {name: ggml_oracle.quantize(rows, name, even).tobytes().hex() for name, form in FORMATS.items()
            if form.encoder is None}


if __name__ == "__main__":
    OUT.write_text(json.dumps(recorded(), indent=0) + "\n")
