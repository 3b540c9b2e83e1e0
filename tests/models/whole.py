"""Small models of which whole files are compared with llama.cpp's, and the comparison."""

import random
from dataclasses import replace

import numpy as np

import quantlab as ql
from quantlab.models.source import open_model
from tests.models.quantize_oracle import whole_file
from tests.models.written import SMALL

#: Small, with rows of whole super-blocks; eleven layers, so that "10" is sorted after "2", and an eighth of
#: them is one.
LLAMA = replace(SMALL["llama"], n_layer=11, n_embd=256, n_head=4, n_head_kv=1, head_dim=64, n_ff=256,
                rope_dim=64)
MOE = replace(SMALL["qwen3moe"], n_layer=3, n_embd=256, n_head=4, head_dim=64, n_ff_exp=256)
ONE = replace(LLAMA, n_layer=1)
SOURCES = {**SMALL, "one layer": ONE, "llama of 11 layers": LLAMA, "experts": MOE}
ORDERS = {"the converter's order": None, "reversed": lambda tensors: tensors[::-1],
          "by name": lambda tensors: sorted(tensors, key=lambda tensor: tensor.name),
          "shuffled": lambda tensors: random.Random(5).sample(tensors, len(tensors))}


def importances(path, seed=1) -> dict[str, np.ndarray]:
    """Importances for every matrix of a file, (matrices, columns), of very different sizes."""
    rng = np.random.default_rng(seed)
    with open_model(path) as model:
        return {name: np.exp(rng.normal(size=(shape[2] if len(shape) > 2 else 1, shape[0]))).astype("f4")
                for name, (_, shape) in model.types.items() if len(shape) > 1}


def asked(imatrix) -> dict:
    """The options of llama.cpp for importances, with the keys that llama-quantize adds of itself."""
    return {"imatrix": {name: values.reshape(-1).tolist() for name, values in imatrix.items()},
            "kv": [["quantize.imatrix.entries_count", len(imatrix)]]}


def same(source, tmp_path, ftype, options=None, **how):
    """Both write the file; its bytes are equal."""
    theirs = whole_file(source, tmp_path / "theirs.gguf", **{"ftype": ftype, **(options or {})})
    ours = ql.quantize_model(source, tmp_path / "ours.gguf", ftype, progress=None, replace=True, **how)
    assert ours.read_bytes() == theirs.read_bytes()
    return ours
