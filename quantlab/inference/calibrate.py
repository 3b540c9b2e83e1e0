"""`calibrate`: a text is read once, and what every matrix is multiplied with is kept as second moments.

    known = calibrate("tiny", held_out_text(), chunks=32)
    quantize_model("tiny", "tiny-Q4_K.gguf", "Q4_K_M", calibration=known)

Layer by layer: all chunks pass through a layer, each input x adds x x^T to the moments of its matrix, and the
layer's moments go to the disk. So memory holds one layer's moments and a vector for each token, however deep
the model is. A run that was stopped goes on after the last whole layer: what is before it is computed again,
and not measured again. As in an imatrix, the matrices inside the layers are measured; the word vectors and
the output are not.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..formats.tensor import begin, check_executor, in_order
from ..models.calibration import (
    NAME,
    Calibration,
    as_calibration,
    input_file,
    read_state,
    write_moments,
    write_state,
)
from ..models.digests import files_digest
from ..models.progress import Progress, watched
from .chunks import CHUNKS_SENT, Text, chunks_of
from .llama import LanguageModel
from .load import load_lm
from .remembered import cache_folder
from .sent import LoadedWeights
from .stored import Matrix

#: A text with fewer different tokens than this share of the columns repeats itself too much.
DIFFERENT = 1 / 4


def calibrate(model, text: Text, folder=None, *, n_ctx: int | None = None, chunks: int | None = None,
              about: str = "", executor: Executor | None = None,
              progress: Callable[[Progress], object] | str | None = "show", cancel=None) -> Calibration:
    """Measure the second moments of every matrix's inputs on a text; for `quantize_model(calibration=)`.

    model: as `load_lm` takes it, or a model that it loaded, at best in 16 bits.  folder: where they are kept,
    4 n^2 bytes for an input of n columns; unless given, in the user's cache folder.  text, n_ctx, chunks: see
    `perplexity`; every token counts.  about: the text's name, for the new file's metadata.  executor,
    progress, cancel: as there; each task is one chunk in one layer. A run that was stopped goes on where it
    was when it is called again with the same model and text.
    Raises ValueError, in words, for a text with fewer tokens than a matrix has columns, or with hardly any
    different ones, for inputs that are no finite numbers, and for a folder of another calibration. Then
    nothing of this run is left.
    """
    lm = model if hasattr(model, "forward") else load_lm(model)
    if not isinstance(lm.weights, LoadedWeights):
        raise ValueError(f"{lm.name} has weights that are in no file: a calibration belongs to a file; give "
                         "the model as load_lm() gave it")
    check_executor(executor)
    cut = chunks_of(lm, text, n_ctx, chunks)
    _check_enough(lm, cut)
    key = {"model": lm.name, "files": files_digest(lm.weights.paths), "how": repr(sorted(
        (name, str(value)) for name, value in lm.weights.how.items() if name != "keep")),
        "tokens": hashlib.sha256(cut.astype("<i8").tobytes()).hexdigest(),
        "chunks": len(cut), "n_ctx": cut.shape[1], "n_layer": lm.graph.n_layer}
    place = cache_folder() / f"calibration-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"
    place = place if folder is None else Path(folder).expanduser()
    begun = _begun_in(place, key)
    state = {**(begun or key | {"text": about or _in_words(cut)}),
             "layers": [*begun["layers"]] if begun else []}
    tick = watched({"": cut.size * lm.graph.n_layer}, "tokens", progress, cancel)
    with _taken_back(place, lm.weights, begun):
        _measure(lm, cut, place, state, executor, tick)
    return as_calibration(place)


@contextmanager
def _taken_back(place: Path, names: Iterable[str], begun: dict | None) -> Iterator[None]:
    """The folder `place`, made if need be, for files about inputs of these names. A ValueError in the block
    takes back what the block has put there, and the folders that were made; what was there before stays.
    begun: its state before.
    """
    made = [folder for folder in (place, *place.parents) if not folder.exists()]
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"the folder {place} cannot be made: {error.strerror}") from None
    new = [path for path in (place / NAME, *(input_file(place, name) for name in names)) if not path.exists()]
    try:
        yield
    except ValueError:
        for path in new:
            path.unlink(missing_ok=True)
        if begun:
            write_state(place, begun)
        with suppress(OSError):         # somebody else has put something there
            for folder in made:
                folder.rmdir()
        raise


def _measure(lm: LanguageModel, cut: np.ndarray, place: Path, state: dict, executor: Executor | None,
             tick: Callable[[str, int, str], None]) -> None:
    """All layers in turn; those that are done are passed, and not measured."""
    done, states = len(state["layers"]), [lm.embedded(chunk) for chunk in cut]
    for layer in range(lm.graph.n_layer):
        moments: dict[str, np.ndarray] = {}
        counts: dict[str, np.ndarray] = {}
        inputs: dict[str, str] = {}
        begun = ((i, begin(executor, _through, lm, x, layer, layer >= done)) for i, x in enumerate(states))
        for i, (x, found, shared) in in_order(begun, CHUNKS_SENT if executor else 1):
            states[i] = x
            inputs |= shared
            for name, (products, count) in found.items():
                if name in moments:
                    moments[name] += products
                else:
                    moments[name] = products
                counts[name] = counts.get(name, 0) + count
            tick("", len(x), f"layer {layer} of {lm.graph.n_layer}, chunk {i + 1} of {len(cut)}")
        if layer < done:
            continue
        for name, total in moments.items():
            total /= np.maximum(counts[name], 1)[:, None, None]
            _check_finite(name, total)
            write_moments(place, name, total)
        state["layers"].append({"inputs": inputs, "counts": {name: count.tolist()
                                                             for name, count in counts.items()}})
        write_state(place, state)


def _through(lm: LanguageModel, x: np.ndarray, layer: int, measured: bool) -> tuple:
    """A chunk's vectors (T, n_embd) through a layer: those that leave it; name of an input -> (sums of x x^T
    of each of its matrices (matrices, n, n) float64, tokens of each); matrix -> the name of its input.
    """
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    inputs: dict[str, str] = {}
    last: list = [None, ""]

    def add(name: str, given: np.ndarray, expert: int) -> None:
        if expert == 0 and given is last[0]:            # as the matrix before: queries, keys and values
            inputs[name] = last[1]
        else:
            inputs.setdefault(name, name)
        if lm.weights[name].ndim == 2:
            last[:] = given, inputs[name]
        if inputs[name] == name:
            _add(found, name, lm.weights[name], given, expert)

    with np.errstate(all="ignore"):                     # what is not finite is told by its name, later
        if not measured:
            return lm.one_layer(x, layer), found, inputs
        return replace(lm, watch=add).one_layer(x, layer), found, inputs


def _add(found: dict, name: str, matrix: Matrix, x: np.ndarray, expert: int) -> None:
    n, matrices = matrix.shape[-1], matrix.shape[0] if matrix.ndim == 3 else 1
    if name not in found:
        found[name] = np.zeros((matrices, n, n)), np.zeros(matrices, np.int64)
    products, count = found[name]
    products[expert] += x.T @ x
    count[expert] += len(x)


def _check_enough(lm: LanguageModel, cut: np.ndarray) -> None:
    """ValueError where the moments of some matrix could not have full rank."""
    n, name = max((w.shape[-1], name) for name, w in lm.weights.items()
                  if name.startswith("blk.") and name.endswith(".weight") and w.ndim == 2)
    if cut.size < n:
        raise ValueError(f"the text has {cut.size:,} tokens in whole chunks of {cut.shape[1]}, and {name} "
                         f"has {n:,} columns: their second moments would have a rank of {cut.size:,} at "
                         f"most; give {n:,} tokens or more; ten times as many are better")
    different, columns = len(np.unique(cut)), lm.graph.n_embd
    if different < columns * DIFFERENT:
        raise ValueError(f"the text repeats itself: of {cut.size:,} tokens only {different:,} are different, "
                         f"so the second moments of the first layer's {columns:,} columns would have a rank "
                         f"of {different:,}; {round(columns * DIFFERENT):,} different tokens are the least")


def _check_finite(name: str, moments: np.ndarray) -> None:
    squares = np.diagonal(moments, axis1=1, axis2=2)
    with np.errstate(over="ignore"):
        wrong = np.argwhere(~np.isfinite(squares.astype(np.float32)))
    if len(wrong):
        matrix, column = wrong[0].tolist()
        of_expert = f" of expert {matrix}" if len(moments) > 1 else ""
        raise ValueError(f"column {column} of {name}{of_expert} gets inputs that are no finite numbers, or "
                         f"too large ones: their mean square is {squares[matrix, column]}; the "
                         "weights are broken")


def _begun_in(place: Path, key: dict) -> dict | None:
    """The state of a run that was stopped there; None where nothing is. ValueError for another one's."""
    state = read_state(place)
    if state is None:
        return None
    for name, value in key.items():
        if state.get(name) != value:
            raise ValueError(f"{place} holds a calibration of another kind: {name} is {state.get(name)} "
                             f"there and {value} here; name another folder, or delete it")
    return state


def _in_words(cut: np.ndarray) -> str:
    return f"a text of {cut.size:,} tokens"
