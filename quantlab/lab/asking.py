"""One question to a server, on the same terms for every model: alone in memory, freshly loaded, warmed up,
and nothing shortened in silence.

A model that shares the memory with the one before it would be measured on another machine. A full server is
waited for, and one that went away is given time to return.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile

from ..models.store import name_key
from .measure import count
from .server import LabError, Server, heed

KEEP = "10m"            # a loaded model stays this long; the lab unloads it when its turn is over
WARM_UP = "Hi"          # the discarded first question: code and weights are in memory before any clock starts
# how long an unloaded model may stay listed; on a shared server somebody else may be using it
SETTLE_SECONDS = 10.0
# seconds: between two looks, of silence until a server is asked whether it is there, and for its answer
GLANCE, SILENCE, PING_SECONDS = 0.1, 1.5, 1.0
WAITS = (0.5, 1, 2, 4)          # seconds between two tries at a full server; the last one again and again
KEPT_FIELDS = ("response", "thinking", "done", "done_reason", "first_seconds", "eval_count", "eval_duration",
               "prompt_eval_count", "prompt_eval_duration", "load_duration", "total_duration")


class Gone(LabError):
    """The server did not come back; what was finished is kept."""


def make_alone(server: Server, model: str, models: Sequence[str], loading: dict,
               cancel: threading.Event | None = None) -> dict:
    """Unload all `models`, load `model` with the options `loading`, and ask it one discarded question.

    `model` itself is loaded anew, too: so every block begins alike, and nothing of an earlier block is in its
    cache.

    Returns what `ps` says of it then: size, size_vram (bytes), context_length, asked_context, others (names
    of whatever else is in memory, ours or not: what somebody else uses on a shared server is left alone), and
    prompt_tokens of the discarded question.  Raises LabError.
    """
    unload(server, models)
    options = {**loading, "num_predict": 1, "temperature": 0}
    answer = server.generate(model, WARM_UP, options=options, cancel=cancel, keep_alive=KEEP)
    listed = server.ps()
    # one file under two names is listed under the first it was asked by
    alone = listed[0] if len(listed) == 1 else {}
    mine = next((entry for entry in listed if name_key(entry["name"]) == name_key(model)), alone)
    return {**{key: mine.get(key) for key in ("size", "size_vram", "context_length")},
            "asked_context": loading.get("num_ctx"),
            "others": [entry["name"] for entry in listed if entry is not mine],
            "prompt_tokens": count(answer, "prompt_eval_count")}


def unload(server: Server, models: Sequence[str]) -> None:
    """Ask the server to forget `models`, and wait until they are gone, ten seconds at most."""
    wanted, end = set(map(name_key, models)), time.monotonic() + SETTLE_SECONDS
    there = _in_memory(server, wanted)
    for name in there:
        try:
            server.generate(name, "", keep_alive=0)
        except LabError as error:
            # it was removed meanwhile: then it is gone anyway
            if error.kind not in ("missing", "refused"):
                raise
    while there and time.monotonic() < end:
        there = _in_memory(server, wanted)
        time.sleep(0.05 if there else 0)


def _in_memory(server: Server, wanted: set[str]) -> list[str]:
    return [entry["name"] for entry in server.ps() if name_key(entry["name"]) in wanted]


def ask(server: Server, model: str, prompt: str = "", *, options: dict, cancel: threading.Event | None = None,
        on_text: Callable[[str], None] | None = None, **more) -> dict:
    """One answer: the counters and texts in KEPT_FIELDS, and wall_seconds.  A full server (503) is asked
    again until its time limit is over; only the last try is timed.  Raises LabError.

    The server may not shorten a prompt (truncate) nor drop its beginning while it writes (shift): both would
    happen in silence.  more: system, format, think or messages, as `Server.generate` sends them.
    """
    fields: dict = {"truncate": False, "shift": False, **more}
    end, tries = time.monotonic() + server.timeout, 0
    while True:
        start = time.perf_counter()
        try:
            answer = server.generate(model, prompt, options=options, cancel=cancel, on_text=on_text,
                                     keep_alive=KEEP, **fields)
            wall = time.perf_counter() - start
            return {**{key: answer[key] for key in KEPT_FIELDS if key in answer}, "wall_seconds": wall}
        except LabError as error:
            pause = WAITS[min(tries, len(WAITS) - 1)]
            if error.kind != "busy" or time.monotonic() + pause > end:
                raise
        tries += 1
        _sleep(pause, cancel)


@contextmanager
def sign_of_life(server: Server, tell: Callable[[str], None] | None) -> Iterator[Callable[[], None]]:
    """Gives the function to call at each sign of life.  Without one for SILENCE seconds the server is asked
    for its version; where it does not even answer that, `tell` is told so, once: a machine that fell asleep
    closes no connection.
    """
    last, done = [time.monotonic()], threading.Event()

    def heard() -> None:
        last[0] = time.monotonic()

    def watch() -> None:
        while tell and not done.wait(GLANCE):
            if time.monotonic() - last[0] < SILENCE:
                continue
            if not server.answers(PING_SECONDS) and not done.is_set():
                tell(f"No Ollama answers at {server.address} any more. It is waited for, "
                     f"{server.timeout:.0f} s at most; Cancel ends it, and what was finished is kept.")
                return
            heard()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield heard
    finally:
        done.set()


def wait_for(server: Server, seconds: float, cancel: threading.Event | None,
             tell: Callable[[str], None] | None = None) -> None:
    """Return once the server answers again.  Raises Gone after `seconds`, LabError when cancelled.  tell: is
    told at once, once, that the server is away and how long it is waited for.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            server.version()
            return
        except LabError as error:
            if time.monotonic() > end:
                raise Gone(f"{error} What was finished is kept: run it again to go on.", "down") from error
            if tell:
                tell(f"No Ollama answers at {server.address} any more. It is waited for, {seconds:.0f} s at "
                     "most; what was finished is kept.")
                tell = None
        _sleep(0.3, cancel)


def cached_at_most(template_tokens: int, earlier: list[str], prompt: str) -> int:
    """Tokens of a prompt that a server may have in its cache: those around every prompt, and the longest
    beginning it shares with an `earlier` one.

    A shared letter counts as a token, which is more than it can be.
    """
    shared = (sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, other, strict=False)))
              for other in earlier)
    return template_tokens + len(prompt[: max(shared, default=0)].encode())


def _sleep(seconds: float, cancel: threading.Event | None) -> None:
    (cancel or threading.Event()).wait(seconds)
    heed(cancel)
