"""Whether a model's files of every method of rounding cost in llama.cpp what they cost here, and what each
answers in a real Ollama: SmolLM2's; methods_gemma.py asks the same of Gemma's.

The files are those of `quantlab.recorded_methods("smollm2")`, made again as tools/record_methods.py makes
them. Each is held against the 16-bit file on the first chunks of the same text: here, in llama.cpp with keys
and values in float32, and in llama.cpp with its usual cache of 16 bits and flash attention. llama.cpp rounds
the inputs of a quantized matrix to 8 bits, so its two ways are apart, too: that is the floor, below which no
program can claim to agree with it. Divergences are means in nats per token over the later half of each chunk.
Greedy answers part where two tokens are nearly as likely: llama.cpp's own ways write different ones there.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ollama import Client

import quantlab as ql
from benchmarks.agreement import klds, nlls, theirs, three
from quantlab.inference.chunks import HELD_OUT, chunks_of, tokens_of
from quantlab.inference.quality import right_tokens, standard_error
from quantlab.inference.recorded_methods import methods_record
from quantlab.lab.server import Server
from quantlab.models.digests import sha256
from tests import ollama_fixture as server
from tests.inference.llama_oracle import F16, ON
from tools.off_the_grid import make
from tools.record_methods import MODELS, SAME, Measured, calibrated, cases, written

GOALS = {"from_llama_cpp_times_its_own": 1.5, "same_order": 4, "answers_as_here": 12}
USUAL = {"flash_attn_type": ON, "type_k": F16, "type_v": F16}
QUESTION = "What is the capital of France?"
PROMPTS = {"smollm2": f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n",
           "gemma3": f"<start_of_turn>user\n{QUESTION}<end_of_turn>\n<start_of_turn>model\n"}
ANSWER = 24         # tokens


def ways(file: Path, n_ctx: int) -> dict[str, Callable]:
    """The three ways to run a file: name -> a function of a chunk that gives its logits."""
    lm = ql.load_lm(file)
    return {"quantlab": lm.logits, "llama_cpp": lambda chunk: theirs(file, chunk, n_ctx),
            "llama_cpp_as_usual": lambda chunk: theirs(file, chunk, n_ctx, **USUAL)}


def scored(file: Path, chunks: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """For each chunk: way -> (n_ctx/2 - 1, n_vocab) logits of the tokens that are predicted."""
    n_ctx = chunks.shape[1]
    run = ways(file, n_ctx)
    for chunk in chunks:
        yield {name: logits(chunk)[n_ctx // 2:-1] for name, logits in run.items()}


def compared(file: Path, chunks: np.ndarray, original: list[dict[str, np.ndarray]]) -> dict:
    """One file: divergence from the 16-bit file and perplexity in each way, and how far the ways are apart.
    """
    cost: dict[str, list] = {}
    unlikely: dict[str, list] = {}
    apart: dict[str, list] = {}
    for chunk, base, found in zip(chunks, original, scored(file, chunks), strict=True):
        for name, logits in found.items():
            cost.setdefault(name, []).append(klds(base[name], logits))
            unlikely.setdefault(name, []).append(nlls(logits, right_tokens(chunk)))
            if name != "llama_cpp":
                apart.setdefault(name, []).append(klds(found["llama_cpp"], logits))
    costs = {name: np.concatenate(each) for name, each in cost.items()}
    return {"kld": {name: three(each.mean()) for name, each in costs.items()}
            | {"se": three(standard_error(costs["llama_cpp"]))},
            "ppl": {name: round(float(np.exp(np.concatenate(each).mean())), 2)
                    for name, each in unlikely.items()},
            "from_llama_cpp": {name: three(np.concatenate(each).mean()) for name, each in apart.items()}}


def answered(ollama, file: Path, prompt: str) -> dict[str, str]:
    """The greedy answer of a file in Ollama, and the one that is written here."""
    ollama.create("rounded", file)
    said = Client(ollama.url).generate("rounded", prompt, raw=True, options={
        "temperature": 0, "num_predict": ANSWER, "num_ctx": 512, "repeat_penalty": 1.0})["response"]
    ollama.cli("rm", "rounded")
    return {"answer": said, "here": "".join(ql.load_lm(file).generate(prompt, ANSWER))}


def judged(results: dict[str, dict]) -> dict:
    """How far quantlab is from llama.cpp at most, in divergences of llama.cpp from itself; of how many types
    the methods stand in the same order there; how many answers are those that are written here.
    """
    rows = [row for methods in results.values() for row in methods.values()]
    apart = [row["from_llama_cpp"] for row in rows]
    orders = [[sorted(methods, key=lambda name: methods[name]["kld"][way]) for way in
               ("quantlab", "llama_cpp", "llama_cpp_as_usual")] for methods in results.values()]
    return {"from_llama_cpp_times_its_own":
            three(max(one["quantlab"] / one["llama_cpp_as_usual"] for one in apart)),
            "same_order": sum(one[0] == one[1] == one[2] for one in orders), "types": len(orders),
            "answers_as_here": sum(row["answer"] == row["here"] for row in rows), "files": len(rows)}


def main() -> dict:
    """SmolLM2's: all types, all methods."""
    return trial("smollm2", MODELS["smollm2"], GOALS)


def trial(name: str, how: Measured, goals: dict) -> dict:
    """type -> method -> the divergences and the answer, beside the goals."""
    start, record, prompt = time.perf_counter(), methods_record(name), PROMPTS[name]
    recorded = {(row["ftype"], row["method"]): row["kld"] for row in record["rows"]
                if row["calibration"] in ("", SAME)}
    results: dict[str, dict] = {ftype: {} for ftype in how.ftypes}
    with tempfile.TemporaryDirectory() as folder:
        source = make(how.source, Path(folder) / f"{name}.F16.gguf")
        if sha256(source) != record["sha256"]:
            raise ValueError("the 16-bit file is not the one of the record: write that again first")
        lm = ql.load_lm(source)
        tokens = tokens_of(lm, HELD_OUT.read_text(encoding="utf-8"))
        seen = how.chunks * how.n_ctx
        chunks = chunks_of(lm, tokens, how.n_ctx, how.chunks)
        known = calibrated(source, tokens[seen:seen + how.calibrated * how.n_ctx], how.n_ctx, SAME)
        original = list(scored(source, chunks))
        ollama = server.start(server._binary(), Path(folder), Path(folder) / "store")
        try:
            said_version, first = Server(ollama.url).version(), answered(ollama, source, prompt)
            for ftype, method, text in cases(how):
                if text not in ("", SAME):
                    continue
                file = written(source, Path(folder), how, ftype, method, known if text else None)
                results[ftype][method] = {"recorded_kld": three(recorded[ftype, method]),
                                          **compared(file, chunks, original),
                                          **answered(ollama, file, prompt)}
                print(ftype, method, results[ftype][method], flush=True)
                file.unlink()
        finally:
            server.stop(ollama.process)
    return {"xllamacpp": version("xllamacpp"), "ollama": said_version, "predicted": record["predicted"],
            "question": QUESTION, "goals": goals, "found": judged(results), "16 bits": first, **results,
            "processor_seconds": round(time.process_time()), "seconds": round(time.perf_counter() - start)}
