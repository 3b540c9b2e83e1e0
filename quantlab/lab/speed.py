"""How fast models really write on this machine: a few rounds, one model in memory at a time, by the server's
own counters.

    measure_speed(["smollm2:135m-instruct-q8_0"])[0]["tokens_per_second"]       # one number a round

The rounds go through all models before the next one starts, so that a machine that slows down slows down for
all of them.
"""

import threading
from collections.abc import Callable, Sequence

from ..words import whole
from .asking import ask, make_alone
from .measure import count, per_second
from .plan import MOST_ROUNDS
from .server import LabError, Server

SPEED_PROMPT = "Write a long story about a llama that weighs every word."
SPEED_ROUNDS = 3
SPEED_OPTIONS = {"num_ctx": 512, "num_predict": 64, "temperature": 0}


def measure_speed(models: Sequence[str], *, rounds: int = SPEED_ROUNDS, options: dict | None = None,
                  server: Server | None = None, cancel: threading.Event | None = None,
                  on_progress: Callable[[str], None] | None = None) -> list[dict]:
    """One dict a model: model, tokens_per_second (a list, one for each round), tokens (written each time),
    size, size_vram and context_length as the server's `ps` says; or model and error, the server's words.

    options: Ollama's (num_thread, num_gpu, ...), added to a context of 512 tokens, 64 tokens to write and
    temperature 0.
    Raises ValueError for no models or no rounds, LabError when cancelled.
    """
    if isinstance(models, str) or not list(models):
        raise ValueError(f"models={models!r}: give a list of names that the server has")
    whole("rounds", rounds, 1, MOST_ROUNDS)
    server, wanted = server or Server(), SPEED_OPTIONS | (options or {})
    loading = {key: value for key, value in wanted.items() if key.startswith("num_") and key != "num_predict"}
    rows: dict[str, dict] = {name: {"model": name, "tokens_per_second": [], "tokens": []} for name in models}
    for turn in range(rounds):
        for model, row in rows.items():
            if on_progress:
                on_progress(f"Round {turn + 1} of {rounds}: {model}")
            if "error" in row:
                continue
            try:
                memory = make_alone(server, model, list(rows), loading, cancel)
                answer = ask(server, model, SPEED_PROMPT, options=wanted, cancel=cancel)
            except LabError as error:
                if error.kind == "cancelled":
                    raise
                row["error"] = str(error)
                continue
            row["tokens_per_second"].append(per_second(answer) or 0.0)
            row["tokens"].append(count(answer, "eval_count"))
            row |= {name: memory[name] for name in ("size", "size_vram", "context_length")}
    return list(rows.values())
