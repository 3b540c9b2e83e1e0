"""A model on its way to another process: its weights are not sent, but loaded there again, from the same file
in the same way.

    ProcessPoolExecutor().submit(perplexity, load_lm("tiny"), text)

So a task for a process or a machine of a cluster is small, however large the model; the file must be there
under the same path (on a shared disk). Its bytes are compared by SHA-256, the code that computes likewise.
"""

import pickle
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from ..models.digests import files_digest
from ..models.gguf_split import open_gguf
from .remembered import code_digest
from .stored import Matrix


class LoadedWeights(dict[str, Matrix]):
    """The tensors of a loaded model.  paths: of its files.  how: the arguments by which `load_lm` loads the
    first of them again.
    """

    def __init__(self, tensors: Mapping[str, Matrix], paths: Sequence[Path], how: Mapping[str, object]):
        super().__init__(tensors)
        self.paths, self.how = paths, how

    def __reduce__(self):
        return _loaded, (pickle.dumps((*where(self.paths), dict(self.how))),)


def where(paths: Sequence[Path]) -> tuple[str, str, str]:
    """A model's file for another process: its path, the digests of all files and of the code."""
    return str(Path(paths[0]).absolute()), files_digest(paths), code_digest()


def demand_same(path: str, files: str, code: str) -> None:
    """ValueError unless the files, and the code here, are those that `where` was told of."""
    if code != code_digest():
        raise ValueError("the process that was asked has another version of quantlab: the numbers of both "
                         "cannot stand in one table")
    with open_gguf(path) as file:
        if files_digest(file.paths) != files:
            raise ValueError(f"{path} is another file here than where it was opened first")


@lru_cache(maxsize=2)
def _loaded(pickled: bytes) -> LoadedWeights:
    from .load import load_lm

    *same, how = pickle.loads(pickled)
    demand_same(*same)
    weights = load_lm(same[0], **how, progress=None).weights
    assert isinstance(weights, LoadedWeights)
    return weights
