"""The answers of a real server that lessons 07 and 09 show where none answers: the recorders that
`tools/record.py` calls, one a file of quantlab/data/recorded.

Nothing is picked: what a model says first is what is kept.
"""

import json
import re
import tempfile
import time
from pathlib import Path

from quantlab.lab.compare import compare_quantizations
from quantlab.lab.comparison import Comparison
from quantlab.lab.custom import add_tiny_models, create_custom_model
from quantlab.lab.measure import measured
from quantlab.lab.server import LabError, Server
from quantlab.models.writer import quantize_model

ROOT = Path(__file__).resolve().parent.parent
F16 = ROOT / ".tools" / "models" / "SmolLM2-135M-Instruct.F16.gguf"
BASE = "smollm2"
TAGS = ["135m-instruct-q4_K_M", "135m-instruct-q8_0"]
PROMPT = "Explain quantum computing in simple terms."
#: Questions with an answer that a rule can check: right when any of these words is in it, in lower case.
QUESTIONS = {
    "Who painted the Mona Lisa?": ["leonardo", "vinci"],
    "What is the capital of Japan?": ["tokyo"],
    "Which planet is closest to the Sun?": ["mercury"],
    "What is the largest ocean on Earth?": ["pacific"],
    "Which language do most people speak in Brazil?": ["portuguese"],
    "What do bees make?": ["honey"],
    "What is the opposite of hot?": ["cold"],
    "How many legs does a spider have?": ["eight legs", "8 legs", "has 8", "has eight"],
}
SEEDS = [1, 2, 3, 4, 5]
GREEDY = {"temperature": 0}
COUNTERS = ("load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration")
CODING = '''FROM smollm2:135m-instruct-q8_0

SYSTEM You are a coding assistant.

PARAMETER temperature 0.7
PARAMETER top_p 0.9
'''
ASKED = "How do I reverse a list in Python?"
#: Question -> what the right answer has in it.
ASKED_OF_ALL = {"Who painted the Mona Lisa?": "Leonardo", "What is the capital of Japan?": "Tokyo",
                "Which planet is closest to the Sun?": "Mercury",
                "What is the largest ocean on Earth?": "Pacific",
                "Which language do most people speak in Brazil?": "Portuguese", "What do bees make?": "honey",
                "What is the opposite of hot?": "cold", "How many legs does a spider have?": "eight",
                "Name an animal that can fly.": "bird", "What colour is the sky on a clear day?": "blue",
                "What is frozen water called?": "ice",
                "Explain quantum computing in simple terms.": "quantum",}
TINY_OPENINGS = [passage["opening"]
                 for passage in json.loads((ROOT / "quantlab" / "data" / "tiny"
                                            / "passages.json").read_text()) if passage["by_heart"]][:12]
OWN_FTYPES = ["IQ4_XS", "Q3_K_M", "Q6_K"]
OWN_QUESTION = "What is the capital of France?"


def seeds(server: Server) -> dict:
    """The same eight questions to two quantizations, five times, only the seed differs."""
    runs = []
    for seed in SEEDS:
        for question in QUESTIONS:
            options = {"temperature": 0.8, "seed": seed, "num_predict": 48}
            rows = compare_quantizations(question, BASE, TAGS, options=options, server=server)
            runs += [{"seed": seed, "question": question, "quantization": row["quantization"],
                      "text": row["text"]} for row in rows]
        print("seed", seed, flush=True)
    return {"options": {"temperature": 0.8, "num_predict": 48}, "rules": QUESTIONS, "runs": runs}


def clock(server: Server) -> dict:
    """One cold run and three warm ones of each form: what a stopwatch says, and what the server's counters
    say.
    """
    runs = []
    for tag in TAGS:
        name = f"{BASE}:{tag}"
        server.generate(name, "", keep_alive=0)         # unload
        time.sleep(2)
        for turn in ("cold", "warm 1", "warm 2", "warm 3"):
            start = time.perf_counter()
            answer = server.generate(name, PROMPT, options={**GREEDY, "num_predict": 40})
            row = measured({**answer, "wall_seconds": time.perf_counter() - start}, {}, None)
            runs.append({"turn": turn,
                         **tidy({"quantization": tag, "time": row["wall_seconds"], "response": row["text"],
                                 "wall_tokens_per_second": row["eval_count"] / row["wall_seconds"],
                                 **{key: row[key] for key in ("tokens_per_second", "load_seconds")},
                                 "counters": {key: answer[key] for key in COUNTERS}})})
    return {"options": {**GREEDY, "num_predict": 40}, "runs": runs}


def custom(server: Server) -> dict:
    """The lesson's coding assistant: what was created, what `show` says, and what it answers."""
    model = create_custom_model("coding-assistant", CODING, server=server)
    options = {"seed": 1, "num_predict": 100}
    plain = server.generate("smollm2:135m-instruct-q8_0", ASKED,
                            options={**options, "temperature": 0.7, "top_p": 0.9})
    # where the store lay says nothing
    printed = re.sub(r"\S+/blobs/", "~/.ollama/models/blobs/", model.show())
    sizes = {m["name"]: m["size"] for m in server.models()}
    return {"modelfile": CODING, "show": printed, "bytes": sizes["coding-assistant:latest"],
            "base_bytes": sizes[f"{BASE}:{TAGS[1]}"], "question": ASKED,
            "answer": model.ask(ASKED, options=options), "base_answer": plain["response"]}


def own_file(server: Server) -> dict:
    """Files that quantize_model wrote from 16 bits, made into models by `ollama create`: what `show` says,
    and what they answer.
    """
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for ftype in OWN_FTYPES:
            name, path, start = f"smollm2-{ftype.lower()}", Path(
                folder) / f"smollm2-{ftype}.gguf", time.perf_counter()
            quantize_model(F16, path, ftype)
            seconds = time.perf_counter() - start
            model = create_custom_model(name, f"FROM {path}", server=server)
            told = server.show(name)
            answer = model.ask(OWN_QUESTION, options={**GREEDY, "num_predict": 60})
            runs.append({"source": F16.name, "source_bytes": F16.stat().st_size, "ftype": ftype,
                         "file_type": told["model_info"]["general.file_type"], "bytes": path.stat().st_size,
                         "seconds": round(seconds, 2), "name": name,
                         "level": told["details"]["quantization_level"],
                         "parameters": told["details"]["parameter_size"],
                         "architecture": told["details"]["family"], "question": OWN_QUESTION,
                         "answer": answer})
            print(ftype, flush=True)
    return {"runs": runs, "refused": refusal(server)}


def lab_tiny(server: Server) -> bytes:
    """The bundled tiny model in four forms, on twelve openings of Shakespeare."""
    return record_lab(server, TINY_OPENINGS, add_tiny_models(server=server), num_predict=24, num_ctx=256)


def lab_smollm2(server: Server) -> bytes:
    """SmolLM2 in four forms, on twelve questions."""
    names = [f"{BASE}:135m-instruct-{quant}" for quant in ("fp16", "q8_0", "q4_K_M", "q2_K")]
    return record_lab(server,
                      [{"prompt": prompt, "expected": right} for prompt, right in ASKED_OF_ALL.items()],
                      names, num_predict=48)


def record_lab(server: Server, prompts: list, names: list[str], **options) -> bytes:
    """A whole `ql.Comparison`, replayed too: its results file as it is."""
    with tempfile.TemporaryDirectory() as folder:
        made = Comparison(prompts, names, rounds=2, options=options, file=Path(folder) / "a.jsonl",
                          server=server)
        made.run(on_progress=lambda now: print(now.words, flush=True))
        made.diverge(places=8)
        if made.stopped:
            raise RuntimeError(made.stopped)
        print(made.summary()[["model", "verdict"]].to_string())
        return made.file.read_bytes()


def refusal(server: Server) -> str:
    """What Ollama itself says when it is asked to quantize a GGUF file."""
    try:
        server.create("never", lambda step: None, files={F16.name: server.upload(F16)}, quantize="q4_K_M")
    except LabError as error:
        return str(error)
    return ""


def tidy(row: dict) -> dict:
    """A row without what the file need not repeat; seconds to the millisecond."""
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()
            if key != "response" and value is not None} | {"response": row["response"]}


RECORDERS = {"seeds": seeds, "clock": clock, "custom": custom, "own_file": own_file}
LABS = {"lab_tiny": lab_tiny, "lab_smollm2": lab_smollm2}       # these keep the results file itself
