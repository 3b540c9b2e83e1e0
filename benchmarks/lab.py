"""The comparison lab on the clock: ten thousand calls read, judged and drawn; and a whole comparison on a
real Ollama.

The comparison is 12 prompts x 4 quants of SmolLM2 x 2 rounds with replayed answers, killed (-9) at five
moments drawn by chance and gone on with each time. It runs only where there are a server and the test model
(`make ollama`, `tools/test_models.py`).
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import quantlab as ql
from benchmarks.quantize_model import SMOLLM2
from quantlab.canvas.answers import answers_html
from quantlab.exhibits.verdict import draw_verdict
from quantlab.lab.overview import overview
from quantlab.lab.report import speed_chart, trade_chart
from quantlab.lab.server import Server
from quantlab.lab.side_by_side import answers
from tests import ollama_fixture as server

GOALS = {"ten_thousand_calls_seconds": 2, "overhead_per_call_ms": 20, "Q8_0": "good enough", "Q2_K": "worse"}
PROMPTS = ["Who painted the Mona Lisa?", "Name a colour.", "What do bees make?",
           "How many legs has a spider?", "Name a river in Egypt.", "What is water made of?",
           "Who wrote Hamlet?", "Count from one to five.", "What is the capital of France?",
           "Name a fruit that is yellow.", "What does a thermometer measure?", "Which planet is red?"]
MODELS = ["smol:f16", "smol:q8_0", "smol:q4_K_M", "smol:q2_K"]
SEED, KILLS = 20261124, 5
ANSWER = {"done": True, "done_reason": "stop", "eval_count": 62, "prompt_eval_count": 9,
          "prompt_eval_duration": 10**8, "load_duration": 10**6, "total_duration": 12 * 10**8,
          "first_seconds": 0.2, "wall_seconds": 1.2}


def many_calls(folder: Path, prompts: int, models: int = 10, rounds: int = 10):
    """A comparison whose results file holds every call, as if it had been asked."""
    made = ql.Comparison([f"prompt {i}" for i in range(prompts)], [f"m:{i}" for i in range(models)],
                         rounds=rounds, file=folder / f"{prompts}.jsonl", check="moo")
    lines = [{"format": "quantlab comparison 1", "key": made.plan.key, "plan": made.plan.as_dict()},
             {"kind": "session", "at": "2026-01-01T00:00:00+00:00", "ollama": "0", "machine": "",
              "python": "", "models": {name: {"size": 10**8 * (i + 1), "digest": name}
                                       for i, name in enumerate(made.plan.models)}}]
    lines += [{"kind": "call", "key": call.key, "round": call.round, "model": call.model,
               "prompt": call.prompt,
               "at": f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}+00:00",
               "since_start": 0.0, "memory": {},
               "answer": {**ANSWER, "eval_duration": 10**9 + call.prompt + 10**7 * call.model,
                          "response": "moo " * 60 + f"end {call.model % 3}"}}
              for number, call in enumerate(made.plan.calls())]
    made.file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return made


def shown(made) -> dict:
    """Load, analyse and draw: the two tables, the notebook's verdict and one prompt's answers, the report's
    two pictures; in seconds.
    """
    start, worked = time.perf_counter(), time.process_time()
    table, rows = made.table(), made.summary().to_dict("records")
    loaded = time.perf_counter() - start
    notebook = [draw_verdict(overview(made), made.metric).svg,
                answers_html(made.plan.prompts[0].text, answers(made, 0))]
    pictures = [speed_chart(made.plan, made.rows()), trade_chart(made.plan, made.metric, rows)]
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    assert len(table) == len(made.plan.calls()) and all(pictures) and all(notebook)
    return {"load_analyse_draw_seconds": round(seconds, 2), "of_it_processor_seconds": round(worked, 2),
            "of_it_load_and_analyse_seconds": round(loaded, 2)}


def ten_thousand(folder: Path, prompts: int = 100) -> dict:
    """100 prompts x 10 models x 10 rounds from a file, in a process that has imported what it needs: a small
    one was shown before.
    """
    first = shown(many_calls(folder, 2))["load_analyse_draw_seconds"]
    made = many_calls(folder, prompts)
    found, start = shown(made), time.perf_counter()
    report = made.report(folder / "report.html")
    return {"calls": len(made.rows()), **found, "imports_and_200_calls_seconds": first,
            "report_seconds": round(time.perf_counter() - start, 2),
            "report_megabytes": round(report.stat().st_size / 1e6, 1)}


def comparison(path: str | Path, url: str, prompts: str | int = len(PROMPTS)):
    """What is asked of the real server; prompts: how many of the twelve."""
    return ql.Comparison(PROMPTS[:int(prompts)], MODELS, file=path, server=Server(url, timeout=120), rounds=2,
                         control=False, options={"num_thread": 1, "num_ctx": 512, "num_predict": 16})


def killed(path: Path, url: str, prompts: int, longest: float) -> list[dict]:
    """Start the comparison and kill it, five times, each a drawn number of seconds after its first finished
    call.

    Returns for each the seconds, and the calls that were in the file before the start and after the kill;
    what was there once must stay.
    """
    draw, moments, keys = random.Random(SEED), [], []
    for _ in range(KILLS):
        code = "import sys; from benchmarks.lab import comparison; comparison(*sys.argv[1:]).run()"
        run = subprocess.Popen([sys.executable, "-c", code, str(path), url, str(prompts)],
                               cwd=Path(__file__).resolve().parents[1])
        while len(finished_keys(path)) == len(keys) and run.poll() is None:
            time.sleep(0.02)
        seconds, before = round(draw.uniform(0, longest), 2), keys
        time.sleep(seconds)
        alive = run.poll() is None
        run.kill()              # SIGKILL
        run.wait()
        keys = finished_keys(path)
        assert keys[: len(before)] == before, "a finished call was lost"
        moments.append({"seconds_after_the_first_call": seconds, "was_running": alive,
                        "calls_before": len(before), "calls_after": len(keys)})
    return moments


def finished_keys(path: Path) -> list[str]:
    """Keys of the whole calls in the file, in its order; a line that a kill has torn is none."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [record["key"] for record in map(json.loads, lines) if record.get("kind") == "call"]


def real(folder: Path, url: str, prompts: int = len(PROMPTS), longest: float = 6) -> dict:
    """The whole comparison: calls lost or repeated, cost per call, and verdicts.  longest: seconds until a
    kill, at most.
    """
    path = folder / "real.jsonl"
    moments, made = killed(path, url, prompts, longest), comparison(path, url, prompts)
    before = len(made.rows())
    made.run()
    made.diverge(places=8)
    keys = [record["key"] for record in made.records if record["kind"] == "call"]
    extra = [1000 * row["overhead_seconds"] for row in made.rows() if not row["error"]]
    made.report(folder / "real.html")
    return {"kills": moments, "calls_before_the_last_run": before, "calls": len(keys),
            "repeated": len(keys) - len(set(keys)), "lost": made.missing,
            "errors": sum(bool(row["error"]) for row in made.rows()),
            "overhead_ms": {"median": round(statistics.median(extra), 2), "largest": round(max(extra), 2)},
            "ollama": Server(url).version(), "noise_floor": made.noise_floor(),
            "summary": [{key: str(row[key]) for key in ("model", "speed_ratio", "divergence", "verdict")}
                        for row in made.summary().to_dict("records")]}


def main(prompts: int = len(PROMPTS), many: int = 100, longest: float = 6) -> dict:
    """prompts and longest: of the real comparison (`real`); many: prompts of the one with ten thousand calls.
    """
    binary, keep = server._binary(), os.environ.get("QUANTLAB_BENCH_FOLDER")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(keep or name)
        found = {"goals": GOALS, "ten_thousand_calls": ten_thousand(folder, many)}
        if binary is None or not SMOLLM2.is_file():
            return {**found, "real": "no server or no test model here"}
        running = server._start(binary, Path(name))
        try:
            server._wait(running)
            ql.quantize_model(SMOLLM2, folder / "q2_K.gguf", "Q2_K")
            for tag, file, quantize in (("f16", SMOLLM2, []), ("q8_0", SMOLLM2, ["--quantize", "q8_0"]),
                                        ("q4_K_M", SMOLLM2, ["--quantize", "q4_K_M"]),
                                        ("q2_K", folder / "q2_K.gguf", [])):
                (Path(name) / "Modelfile").write_text(f"FROM {file}\n")
                running.cli("create", f"smol:{tag}", *quantize, "-f", str(Path(name) / "Modelfile"))
            return {**found, "real": real(folder, running.url, prompts, longest)}
        finally:
            server.stop(running.process)
