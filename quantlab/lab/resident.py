"""One model in memory at a time: a candidate that shares the memory with the one before it would be measured on another machine."""

import threading
import time
from collections.abc import Sequence

from .server import LabError, Server

KEEP = "10m"            # a loaded model stays this long; the lab unloads it when its turn is over
SETTLE_SECONDS = 10.0   # how long an unloaded model may stay listed; on a shared server somebody else may be using it
WARM_UP = "Hi"          # the discarded first question: code and weights are in memory before any clock starts


def make_alone(server: Server, model: str, models: Sequence[str], loading: dict, cancel: threading.Event | None = None) -> dict:
    """Unload all `models`, load `model` with the options `loading`, and ask it one discarded question.

    `model` itself is loaded anew, too: so every block begins alike, and nothing of an earlier block is in its cache.

    Returns what `ps` says of it then: size, size_vram (bytes), context_length, asked_context, others (names of whatever else is in
    memory, ours or not: what somebody else uses on a shared server is left alone), and prompt_tokens of the discarded question.
    Raises LabError.
    """
    unload(server, models)
    options = {**loading, "num_predict": 1, "temperature": 0}
    answer = server.generate(model, WARM_UP, options=options, cancel=cancel, keep_alive=KEEP)
    listed = server.ps()
    mine = next((entry for entry in listed if entry["name"] == model), None)
    if mine is None and len(listed) == 1:       # one file under two names is listed under the first it was asked by
        mine = listed[0]
    facts = {key: (mine or {}).get(key) for key in ("size", "size_vram", "context_length")}
    return {**facts, "asked_context": loading.get("num_ctx"), "others": [entry["name"] for entry in listed if entry is not mine],
            "prompt_tokens": int(answer.get("prompt_eval_count") or 0)}


def unload(server: Server, models: Sequence[str]) -> None:
    """Ask the server to forget `models`, and wait until they are gone, ten seconds at most."""
    wanted, end = set(models), time.monotonic() + SETTLE_SECONDS
    there = _in_memory(server, wanted)
    for name in there:
        try:
            server.generate(name, "", keep_alive=0)
        except LabError as error:
            if error.kind not in ("missing", "refused"):        # it was removed meanwhile: then it is gone anyway
                raise
    while there and time.monotonic() < end:
        there = _in_memory(server, wanted)
        time.sleep(0.05 if there else 0)


def _in_memory(server: Server, wanted: set[str]) -> list[str]:
    return [entry["name"] for entry in server.ps() if entry["name"] in wanted]
