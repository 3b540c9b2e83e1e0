"""One call of a comparison, with the patience it needs: a full server is waited for, a server that went away is given time to return."""

import threading
import time
from collections.abc import Callable

from .server import LabError, Server

WAITS = (0.5, 1, 2, 4)          # seconds between two tries at a full server; the last one again and again
KEPT = ("response", "thinking", "done", "done_reason", "first_seconds", "eval_count", "eval_duration", "prompt_eval_count",
        "prompt_eval_duration", "load_duration", "total_duration")


class Gone(LabError):
    """The server did not come back; what was finished is kept."""


def ask(server: Server, model: str, prompt: str, *, options: dict, think: bool | str | None, keep_alive: str,
        cancel: threading.Event | None, on_text: Callable[[str], None] | None) -> dict:
    """One answer: the counters and texts in KEPT, and wall_seconds.  A full server (503) is asked again until its time limit is over;
    only the last try is timed.  Raises LabError.

    The server may not shorten a prompt (truncate) nor drop its beginning while it writes (shift): both would happen in silence.
    """
    fields = {"truncate": False, "shift": False} | ({} if think is None else {"think": think})
    end, tries = time.monotonic() + server.timeout, 0
    while True:
        start = time.perf_counter()
        try:
            answer = server.generate(model, prompt, options=options, cancel=cancel, on_text=on_text, keep_alive=keep_alive, **fields)
            wall = time.perf_counter() - start
            return {**{key: answer[key] for key in KEPT if key in answer}, "wall_seconds": wall}
        except LabError as error:
            pause = WAITS[min(tries, len(WAITS) - 1)]
            if error.kind != "busy" or time.monotonic() + pause > end:
                raise
        tries += 1
        _sleep(pause, cancel)


def wait_for(server: Server, seconds: float, cancel: threading.Event | None) -> None:
    """Return once the server answers again.  Raises Gone after `seconds`, LabError when cancelled."""
    end = time.monotonic() + seconds
    while True:
        try:
            server.version()
            return
        except LabError as error:
            if time.monotonic() > end:
                raise Gone(f"{error} What was finished is kept: run it again to go on.", "down") from error
        _sleep(0.3, cancel)


def cached_at_most(template_tokens: int, earlier: list[str], prompt: str) -> int:
    """Tokens of a prompt that a server may have in its cache: those around every prompt, and the longest beginning it shares.

    A shared letter counts as a token, which is more than it can be.
    """
    shared = (next((at for at, (a, b) in enumerate(zip(prompt, other, strict=False)) if a != b), min(len(prompt), len(other)))
              for other in earlier)
    return template_tokens + len(prompt[: max(shared, default=0)].encode())


def _sleep(seconds: float, cancel: threading.Event | None) -> None:
    if cancel is None:
        time.sleep(seconds)
    elif cancel.wait(seconds):
        raise LabError("Cancelled.", "cancelled")
