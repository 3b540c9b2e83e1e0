"""`collect_imatrix`: which columns of each matrix matter, measured by reading a text, as llama.cpp's
`imatrix` tool does.

    collect_imatrix(load_lm("tiny"), text)

A column of a matrix is multiplied with one entry of its input x. An error in a weight of that column counts
in the output as often and as much as that entry is large, so the importance of column j is the mean of x_j²
over all tokens read (imatrix.cpp: collect_imatrix, with the mean taken when the file is used). As there, the
matrices inside the layers are measured; the word vectors and the output are not.
Lessons: 11, 12.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..models.imatrix_file import Imatrix
from ..models.progress import Progress, watched
from .chunks import Text, chunks_of


def collect_imatrix(lm, text: Text, *, n_ctx: int | None = None, chunks: int | None = None,
                    dataset: str = "", progress: Callable[[Progress], object] | str | None = "show",
                    cancel=None) -> Imatrix:
    """Read the text in chunks and return an Imatrix: `.values` is {tensor name: (1, columns) float32, the
    mean of the squared inputs}.

    Goes into `quantize_model`, `load_lm`, `compare_quality`, and into a file for llama-quantize by
    `write_imatrix`.
    text, n_ctx, chunks: see `perplexity`; every token of a chunk counts.  dataset: the text's name, for the
    file.
    progress, cancel: as in `quantize_model`; a stopped run raises Cancelled.
    ValueError in words for a text too short, and where an input is no finite number.
    """
    cut = chunks_of(lm, text, n_ctx, chunks)
    sums: dict[str, np.ndarray] = {}

    def add(name: str, x: np.ndarray) -> None:
        if name.startswith("blk."):
            sums[name] = sums.get(name, 0) + np.einsum("tj,tj->j", x, x, dtype=np.float64)

    watching, tick = replace(lm, watch=add), watched({"": cut.size}, "tokens", progress, cancel)
    for number, chunk in enumerate(cut, 1):
        watching.forward(chunk, watching.new_cache(len(chunk)), last=True)
        tick("", len(chunk), f"chunk {number} of {len(cut)}")
    for name, total in sums.items():
        if not np.isfinite(total).all():
            raise ValueError(
                f"column {int(np.flatnonzero(~np.isfinite(total))[0])} of {name} gets inputs that are no "
                "finite numbers")
    values = {name: (total / cut.size).astype(np.float32)[None] for name, total in sums.items()}
    return Imatrix(values, datasets=(dataset,) if dataset else (), chunks=len(cut), chunk_size=cut.shape[1],
                   counts={name: np.full(1, cut.size, np.float32) for name in values})
