"""The comparison lab on the clock: ten thousand calls read, judged and drawn; and a whole comparison on a real Ollama.

The comparison is 12 prompts x 4 quants of SmolLM2 x 2 rounds with replayed answers, killed (-9) at five moments drawn by chance and
gone on with each time. It runs only where there are a server and the test model (`make ollama`, `tools/test_models.py`).
"""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import quantlab as ql
from benchmarks.quantize_model import SMOLLM2
from quantlab.lab.charts import speed_chart, trade_chart
from quantlab.lab.server import Server
from tests import ollama_fixture as server

GOALS = {"ten_thousand_calls_seconds": 2, "overhead_per_call_ms": 20, "Q8_0": "good enough", "Q2_K": "worse"}
PROMPTS = ["Who painted the Mona Lisa?", "Name a colour.", "What do bees make?", "How many legs has a spider?", "Name a river in Egypt.",
           "What is water made of?", "Who wrote Hamlet?", "Count from one to five.", "What is the capital of France?",
           "Name a fruit that is yellow.", "What does a thermometer measure?", "Which planet is red?"]
MODELS = ["smol:f16", "smol:q8_0", "smol:q4_K_M", "smol:q2_K"]
SEED, KILLS = 20261124, 5
ANSWER = {"done": True, "done_reason": "stop", "eval_count": 62, "prompt_eval_count": 9, "prompt_eval_duration": 10**8,
          "load_duration": 10**6, "total_duration": 12 * 10**8, "first_seconds": 0.2, "wall_seconds": 1.2}


def ten_thousand(folder: Path) -> dict:
    """100 prompts x 10 models x 10 rounds from a file: seconds until the tables and both pictures are there, after the imports."""
    prompts, models = [f"prompt {i}" for i in range(100)], [f"m:{i}" for i in range(10)]
    made = ql.Comparison(prompts, models, rounds=10, file=folder / "a.jsonl", check="moo")
    lines = [{"format": "quantlab comparison 1", "key": made.plan.key, "plan": made.plan.as_dict()},
             {"kind": "session", "at": "2026-01-01T00:00:00+00:00", "ollama": "0", "machine": "", "python": "",
              "models": {name: {"size": 10**8 * (i + 1), "digest": name} for i, name in enumerate(made.plan.models)}}]
    lines += [{"kind": "call", "key": call.key, "round": call.round, "model": call.model, "prompt": call.prompt,
               "at": f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}+00:00", "since_start": 0.0, "memory": {},
               "answer": {**ANSWER, "eval_duration": 10**9 + call.prompt + 10**7 * call.model,
                          "response": "moo " * 60 + f"end {call.model % 3}"}} for number, call in enumerate(made.plan.calls())]
    made.file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    start, worked = time.perf_counter(), time.process_time()
    table, rows = made.table(), made.summary().to_dict("records")
    pictures = [speed_chart(made.plan, made.rows()), trade_chart(made.plan, made.metric, rows)]
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    assert len(table) == 10_000 and all(pictures)
    start = time.perf_counter()
    report = made.report(folder / "report.html")
    return {"load_analyse_draw_seconds": round(seconds, 2), "of_it_processor_seconds": round(worked, 2),
            "report_seconds": round(time.perf_counter() - start, 2), "report_megabytes": round(report.stat().st_size / 1e6, 1)}


def comparison(path: str | Path, url: str):
    """What is asked of the real server."""
    return ql.Comparison(PROMPTS, MODELS, file=path, server=Server(url, timeout=120), rounds=2, control=False,
                         options={"num_thread": 1, "num_ctx": 512, "num_predict": 16})


def killed(path: Path, url: str) -> list[float]:
    """Start the comparison and kill it, five times, each after a drawn number of seconds; returns them."""
    draw, moments = random.Random(SEED), []
    for _ in range(KILLS):
        moments.append(round(draw.uniform(1, 12), 2))
        code = "import sys; from benchmarks.lab import comparison; comparison(*sys.argv[1:]).run()"
        run = subprocess.Popen([sys.executable, "-c", code, str(path), url], cwd=Path(__file__).resolve().parents[1])
        time.sleep(moments[-1])
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    return moments


def real(folder: Path, url: str) -> dict:
    """The whole comparison: calls lost or repeated, cost per call, and verdicts."""
    path = folder / "real.jsonl"
    moments, made = killed(path, url), comparison(path, url)
    before = len(made.rows())
    made.run()
    made.diverge(places=8)
    keys = [record["key"] for record in made.records if record["kind"] == "call"]
    extra = [1000 * row["overhead_seconds"] for row in made.rows() if not row["error"]]
    made.report(folder / "real.html")
    return {"killed_after_seconds": moments, "calls_before_the_last_run": before, "calls": len(keys),
            "repeated": len(keys) - len(set(keys)), "lost": made.missing, "errors": sum(bool(row["error"]) for row in made.rows()),
            "overhead_ms": {"median": round(statistics.median(extra), 2), "largest": round(max(extra), 2)},
            "ollama": Server(url).version(), "noise_floor": made.noise_floor(),
            "summary": [{key: str(row[key]) for key in ("model", "speed_ratio", "divergence", "verdict")}
                        for row in made.summary().to_dict("records")]}


def main() -> dict:
    binary, keep = server._binary(), os.environ.get("QUANTLAB_BENCH_FOLDER")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(keep or name)
        found = {"goals": GOALS, "ten_thousand_calls": ten_thousand(folder)}
        if binary is None or not SMOLLM2.is_file():
            return {**found, "real": "no server or no test model here"}
        running = server._start(binary, Path(name))
        try:
            server._wait(running)
            ql.quantize_model(SMOLLM2, folder / "q2_K.gguf", "Q2_K")
            for tag, file, quantize in (("f16", SMOLLM2, []), ("q8_0", SMOLLM2, ["--quantize", "q8_0"]),
                                        ("q4_K_M", SMOLLM2, ["--quantize", "q4_K_M"]), ("q2_K", folder / "q2_K.gguf", [])):
                (Path(name) / "Modelfile").write_text(f"FROM {file}\n")
                running.cli("create", f"smol:{tag}", *quantize, "-f", str(Path(name) / "Modelfile"))
            return {**found, "real": real(folder, running.url)}
        finally:
            server.stop(running.process)
