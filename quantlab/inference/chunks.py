"""A text cut into chunks of tokens, as llama.cpp's `perplexity` and `imatrix` tools cut it; texts that will
not do are refused in words.

Each chunk of n_ctx tokens is read afresh, with nothing before it. The tail that fills no chunk is left out.
Where the tokenizer adds a token for the beginning of a text (`add_bos`), that token replaces the first of
each chunk.  Lesson: 07.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from itertools import count
from typing import Any

import numpy as np

from ..formats.tensor import check_executor, in_order
from ..models.progress import watched
from ..models.source import DATA
from .tokenizer import Tokens

Text = str | Tokens     # what is read: a text, or the numbers of its tokens
Tick = Callable[[int], object]      # called after each chunk with its number of tokens
USUAL_N_CTX = 512       # perplexity.cpp, imatrix.cpp: params.n_ctx
LEAST_N_CTX = 3         # one token to read, one to be scored after it, and the one that it predicts
CHUNKS_SENT = 64        # that an executor may hold at a time
HELD_OUT = DATA / "tiny" / "held_out.txt"


def held_out_text() -> str:
    """26 scenes of Shakespeare that the bundled tiny Llama never saw: about 128,000 characters, 54,000 of its
    tokens.
    """
    return HELD_OUT.read_text(encoding="utf-8")


def chunks_of(lm, text: Text, n_ctx: int | None = None, chunks: int | None = None) -> np.ndarray:
    """(chunks, n_ctx) int64: whole chunks of the text, the first ones; all without `chunks`.

    n_ctx: 512 unless given, or what the model was trained for where that is less. (llama.cpp's tool wants two
    chunks of text at least; one is enough here.)  Raises ValueError for a text shorter than a chunk, for an
    n_ctx beyond what the model was trained for, and for a model that is not loaded.
    """
    n_ctx = checked_n_ctx(checked_model(lm), n_ctx)
    if chunks is not None and (not _whole(chunks) or chunks < 1):
        raise ValueError(
            f"chunks={chunks!r}: how many chunks to read, a whole number from 1 up, or None for all")
    tokens = tokens_of(lm, text)
    count = len(tokens) // n_ctx
    if not count:
        enough = len(tokens) >= LEAST_N_CTX
        raise ValueError(f"the text has {_counted(len(tokens))}" + (
            f", fewer than one chunk of n_ctx={n_ctx}: give a longer text, or n_ctx={len(tokens)} at most"
            if enough else f"; {LEAST_N_CTX} are the least"))
    cut = tokens[: min(count, chunks or count) * n_ctx].reshape(-1, n_ctx)
    if lm.tokenizer.add_bos:
        cut = cut.copy()
        cut[:, 0] = lm.tokenizer.bos
    return cut


def ticking(cut: np.ndarray, progress, cancel) -> Tick:
    """What to call after each of these chunks: it tells `progress` and heeds `cancel`, as `watched` does."""
    tick, numbers = watched({"": cut.size}, "tokens", progress, cancel), count(1)
    return lambda n: tick("", n, f"chunk {next(numbers)} of {len(cut)}")


def as_read(begun: Iterable[tuple[np.ndarray, Any]], executor: Executor | None,
            tick: Tick | None) -> Iterator[Any]:
    """What was found in each chunk, in order.  begun: (chunk, what was found, or its future)."""
    check_executor(executor)
    for chunk, found in in_order(begun, CHUNKS_SENT if executor else 1):
        yield found
        if tick:
            tick(len(chunk))


def tokens_of(lm, text: Text) -> np.ndarray:
    """(n,) int64: the text in tokens; tokens are taken as they are. "<|im_end|>" in it is just characters.

    Raises ValueError for an empty text, for one of a single token (nothing comes after it), and for tokens
    that the model does not have.
    """
    tokens = checked_text(text)
    if isinstance(tokens, str):
        tokens = np.asarray(lm.tokenizer.encode(tokens, special=False), np.int64)
        if lm.tokenizer.add_bos:
            tokens = np.concatenate([[lm.tokenizer.bos], tokens])
    if len(tokens) < 2:
        raise ValueError(
            f"the text has {_counted(len(tokens))}: a prediction needs a token before it, so at least 2")
    wrong = tokens[(tokens < 0) | (tokens >= lm.n_vocab)]
    if len(wrong):
        raise ValueError(
            f"token {wrong[0]} is outside the vocabulary of {lm.name}: its tokens are 0 to {lm.n_vocab - 1}")
    return tokens.astype(np.int64)


def checked_text(text: Text) -> str | np.ndarray:
    """The text as it is, tokens as an array. ValueError for an empty text, and for what is neither."""
    if isinstance(text, str):
        if not text.strip():
            raise ValueError("the text is empty: there is nothing to measure on")
        return text
    try:
        tokens = np.asarray(text)
    except ValueError:                  # rows of different lengths
        tokens = np.asarray(text, object)
    if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
        raise ValueError(
            f"a text is a str or a list of token numbers, not {type(text).__name__} of {tokens.dtype}")
    return tokens


def checked_model(lm):
    """The model itself. ValueError for the name of one, which has to be loaded first."""
    if not hasattr(lm, "forward"):
        raise ValueError(f"a loaded model is needed, such as load_lm('tiny'), not {str(lm)[:60]!r}")
    return lm


def checked_n_ctx(lm, n_ctx: int | None) -> int:
    """The chunk's length: as given, or the usual one. ValueError where the model was not trained for it."""
    trained = lm.n_ctx_train or USUAL_N_CTX
    if n_ctx is None:
        return min(USUAL_N_CTX, trained)
    if not _whole(n_ctx) or n_ctx < LEAST_N_CTX:
        raise ValueError(f"n_ctx={n_ctx!r}: a chunk has a whole number of tokens, {LEAST_N_CTX} at least")
    if n_ctx > trained:
        raise ValueError(f"n_ctx={n_ctx} is beyond the {trained} tokens that {lm.name} was trained for; its "
                         "numbers would mean nothing")
    return int(n_ctx)


def _whole(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _counted(n: int) -> str:
    return "1 token" if n == 1 else f"{n} tokens"
