"""What one finished call says: speeds by the server's own counters, times apart from each other, and flags
for what went wrong.

The results file keeps the raw counters; these rows are computed from them each time, so nothing here is ever
frozen in a file.
"""

import re

CUT, TRUNCATED, LOOP = "cut at num_predict", "context truncated", "degenerate loop"
EMPTY, THOUGHT = "empty answer", "empty after thinking"
SPLIT, NOT_ALONE, NO_END = "CPU split", "other models in memory", "ended without a last message"
# in the refusal of a prompt that does not fit, with truncate: false (Ollama 0.17; since 0.30 llama-server)
TOO_LONG = re.compile("exceeds the (available )?context")
# how an answer of one piece again and again ends since Ollama 0.34.1 (quantlab/data/ollama.csv: loop)
REPEATED = re.compile("token repeat limit")
# a prompt rate is shown when at most this part of the prompt can have come from the cache
MOST_SHARED = 0.1
LOOP_LETTERS, LOOP_TIMES, LONGEST_UNIT = 60, 4, 200
UNIT = re.compile(r"\w+")


def row_of(record: dict) -> dict:
    """A call of the results file as a row: key, round, model, prompt (numbers), and what `measured` or the
    error says.
    """
    row = {key: record[key] for key in ("key", "round", "model", "prompt", "at", "since_start")}
    if "error" in record:
        said = {TRUNCATED: TOO_LONG, LOOP: REPEATED}
        cut = [flag for flag, words in said.items() if words.search(record["error"])]
        return {**row, "text": "", "error": record["error"], "error_kind": record.get("error_kind", ""),
                "flags": cut}
    return {**row, "error": "", "error_kind": "",
            **measured(record["answer"], record.get("memory") or {}, record.get("cached_at_most"))}


def measured(answer: dict, memory: dict, cached_at_most: int | None) -> dict:
    """Numbers of one answer of `Server.generate` with "wall_seconds".  All times in seconds, speeds in tokens
    per second.

    memory: size, size_vram (bytes), context_length, asked_context, others (names), as `ps` told after
    loading.
    cached_at_most: tokens of the prompt that the server may have had from before; None: unknown.
    waiting (for a free place on a shared server) is what the server's total has beside loading, reading and
    writing; it is taken out of first_seconds and wall_seconds, as loading is out of first_seconds.
    """
    total, load, read, write = (seconds(answer, f"{name}_duration")
                                for name in ("total", "load", "prompt_eval", "eval"))
    waited = max(total - load - read - write, 0.0)
    rate, why = prompt_rate(answer, cached_at_most)
    first = answer.get("first_seconds")
    return {
        "text": answer["response"], "thinking": answer.get("thinking", ""),
        "tokens_per_second": per_second(answer), "eval_count": count(answer, "eval_count"),
        "prompt_eval_count": count(answer, "prompt_eval_count"),
        "first_seconds": None if first is None else max(first - load - waited, 0.0), "load_seconds": load,
        "waited_seconds": waited, "prompt_tokens_per_second": rate, "prompt_rate_note": why,
        "wall_seconds": max(answer["wall_seconds"] - waited, 0.0),
        "overhead_seconds": answer["wall_seconds"] - total if total else None,
        "done_reason": answer.get("done_reason") or "", "flags": flags(answer, memory),
    }


def per_second(answer: dict) -> float | None:
    """Tokens written per second by the server's own counters, eval_count / eval_duration; None when it sent
    none.
    """
    written, write = count(answer, "eval_count"), seconds(answer, "eval_duration")
    return written / write if write and written else None


def prompt_rate(answer: dict, cached_at_most: int | None) -> tuple[float | None, str]:
    """(tokens of the prompt read per second, or None; why not).

    Ollama's prompt_eval_count has the cached tokens too, prompt_eval_duration only the time for new ones: the
    rate is honest only where hardly any can have been cached. It is then a lower bound: all that may have
    been cached is taken off.
    """
    read, time = count(answer, "prompt_eval_count"), seconds(answer, "prompt_eval_duration")
    if not read or not time:
        return None, "n/a: the server gave no counters"
    if cached_at_most is None:
        return None, "n/a: an unknown part may have come from the cache"
    if cached_at_most > MOST_SHARED * read:
        most = min(cached_at_most, read)
        return None, f"n/a: up to {most} of its {read} tokens may have come from the cache"
    return (read - cached_at_most) / time, ""


def flags(answer: dict, memory: dict) -> list[str]:
    """What is wrong with an answer, in words; an empty list for nothing."""
    text, found = answer["response"], []
    if answer.get("done_reason") == "length":
        tokens = count(answer, "prompt_eval_count") + count(answer, "eval_count")
        found.append(TRUNCATED if tokens >= (memory.get("context_length") or float("inf")) else CUT)
    if not text.strip():
        found.append(THOUGHT if (answer.get("thinking") or "").strip() else EMPTY)
    if is_loop(text):
        found.append(LOOP)
    elif not answer.get("done", True):
        found.append(NO_END)
    if 0 < (memory.get("size_vram") or 0) < (memory.get("size") or 0):
        found.append(SPLIT)
    if memory.get("others"):
        found.append(NOT_ALONE)
    asked, has = memory.get("asked_context"), memory.get("context_length")
    if asked and has and asked != has:
        found.append(f"context {has} instead of {asked}")
    return found


def is_loop(text: str) -> bool:
    """True when a text ends with one piece again and again: at least four times, and for at least 60 letters.
    """
    end = text.rstrip()[-LONGEST_UNIT * LOOP_TIMES:]
    for unit in range(1, len(end) // LOOP_TIMES + 1):
        if end[-unit:] != end[-2 * unit:-unit]:
            continue
        length = unit * max(LOOP_TIMES, -(-LOOP_LETTERS // unit))
        if length <= len(end) and end[-length:-unit] == end[-length + unit:] and UNIT.search(end[-unit:]):
            return True
    return False


def count(answer: dict, name: str) -> int:
    """One of Ollama's counters; 0 when it sent none."""
    return int(answer.get(name) or 0)


def seconds(answer: dict, name: str) -> float:
    """One of Ollama's durations (ns) in seconds; 0.0 when it sent none."""
    return (answer.get(name) or 0) / 1e9
