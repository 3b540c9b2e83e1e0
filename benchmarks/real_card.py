"""What llama.cpp takes on a real CUDA card, in the same words as the planner says it for a virtual one.

    python -m benchmarks.real_card LIBRARY QUESTIONS ANSWERS [SECONDS]

It runs where the card is, and needs only `cffi` there. LIBRARY: libllama.so, built as BUILD says from the
sources of the pinned version, which the source package of xllamacpp has.  QUESTIONS: a JSON list, as
`benchmarks.card_cases` writes it, with the headers of hollow files beside it.  ANSWERS: one JSON line for
each question, written at once, so that a run that is cut short leaves what it has.  SECONDS: no question is
begun after so many.

A question is one model in a process of its own, as a crash or a setting of the environment reaches no other;
it is loaded once for each number of layers. Without "alloc" nothing is allocated: the card's own rules are
asked for a plan, several models at a time. With it, weights (all of them 0) and contexts are made, a prompt
and a few tokens computed, and the card is asked after each step what is in use.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from quantlab.oracles.llama_library import Library, Refused
from quantlab.oracles.virtual_card import ffi

#: How the library is built, in llama.cpp's folder; on 16 cores it takes four minutes.
BUILD = ("cmake -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_ARCHITECTURES=90-real "
         "-DGGML_CUDA=ON -DGGML_CUDA_NCCL=OFF -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DLLAMA_BUILD_COMMON=OFF "
         "-DBUILD_SHARED_LIBS=ON && cmake --build build --target llama")
AT_A_TIME = 12              # plans, which use the processor only
SECONDS_EACH = 120
TOKENS = 6                  # after the prompt: CUDA graphs are captured when a step has repeated

ffi.cdef("""
typedef struct { int32_t n_tokens; int32_t *token; float *embd; int32_t *pos; int32_t *n_seq_id;
  int32_t **seq_id; int8_t *logits; } llama_batch;
llama_batch llama_batch_get_one(int32_t *, int32_t); int llama_decode(void *, llama_batch);
void llama_synchronize(void *);
void *ggml_backend_dev_by_name(const char *); const char *ggml_backend_dev_description(void *);
void ggml_backend_dev_memory(void *, size_t *, size_t *);
""")


class Card:
    """The first card, by the driver's own library: bytes in use, by whomever."""

    def __init__(self):
        self._nvml = ctypes.CDLL("libnvidia-ml.so.1")
        self._device = ctypes.c_void_p()
        self._told(self._nvml.nvmlInit_v2())
        self._told(self._nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self._device)))

    def used(self) -> int:
        """nvmlDeviceGetMemoryInfo: total, free, used."""
        numbers = (ctypes.c_ulonglong * 3)()
        self._told(self._nvml.nvmlDeviceGetMemoryInfo(self._device, numbers))
        return numbers[2]

    def driver(self) -> str:
        text = ctypes.create_string_buffer(96)
        self._told(self._nvml.nvmlSystemGetDriverVersion(text, len(text)))
        return text.value.decode()

    @staticmethod
    def _told(code: int) -> None:
        if code:
            raise RuntimeError(f"the driver's library answered {code}")


class RealLibrary(Library):
    """llama.cpp with the cards it finds: it also computes."""

    def open_card(self) -> dict:
        """Name and memory of the first card; being asked makes the driver's context."""
        device = self._lib.ggml_backend_dev_by_name(b"CUDA0")
        if device == ffi.NULL:
            raise Refused("llama.cpp finds no card")
        numbers = ffi.new("size_t[2]")
        self._lib.ggml_backend_dev_memory(device, numbers, numbers + 1)
        return {"card": ffi.string(self._lib.ggml_backend_dev_description(device)).decode(),
                "free": numbers[0], "total": numbers[1]}

    def compute(self, context, n_tokens: int) -> None:
        """So many tokens in one step.  Raises Refused."""
        tokens = ffi.new("int32_t[]", [1] * n_tokens)
        if code := self._lib.llama_decode(context, self._lib.llama_batch_get_one(tokens, n_tokens)):
            raise Refused(f"llama_decode answered {code}: {self._last_words()}")
        self._lib.llama_synchronize(context)

    def end(self, context) -> None:
        self._lib.llama_free(context)


def answer(question: dict, library_path: str) -> dict:
    """What is measured for each of the question's settings; runs in a process of its own."""
    card = Card()
    started, steps = time.perf_counter(), {"nobody": card.used()}
    library = RealLibrary([], Path(library_path))
    steps["library"] = card.used()
    found = {**library.open_card(), "driver": card.driver(), "steps": steps}
    steps["driver"] = card.used()
    found["loads"] = [_loaded(library, question, load, card) for load in question["loads"]]
    return found | {"seconds": round(time.perf_counter() - started, 2)}


def _loaded(library: RealLibrary, question: dict, load: dict, card: Card) -> dict:
    """The model with so many layers on the card, and its settings one after the other."""
    steps = {"before": card.used()}
    model = library.load(question["path"], load["n_gpu_layers"], no_alloc=not question["alloc"])
    steps["weights"], measured = card.used(), []
    for one in load["settings"]:
        try:
            measured.append(_lived(library, model, one, card) if question["alloc"]
                            else {"plan": library.measure(model, one)})
        except Refused as error:
            measured.append({"refused": str(error)[-300:]})
    library.free(model)
    steps["freed"] = card.used()
    return {"steps": steps, "measured": measured}


def _lived(library: RealLibrary, model, settings: dict, card: Card) -> dict:
    """A context's life: its buffers as made and after use, and what the card had in use on the way."""
    steps = {"before": card.used()}
    context = library.make_context(model, settings)
    steps["context"], made = card.used(), library.breakdown(context)
    prompt = min(settings["n_ubatch"], settings["n_ctx"] // settings["n_parallel"] - 2 * TOKENS)
    library.compute(context, prompt)
    steps["prompt"] = card.used()
    for _ in range(TOKENS):
        library.compute(context, 1)
    steps["tokens"], used = card.used(), library.breakdown(context)
    library.end(context)
    steps["freed"] = card.used()
    return {"plan": made, "steps": steps, **({} if used == made else {"after": used})}


def whole(question: dict, folder: Path) -> Path:
    """The hollow file of a question: its header, drawn out to the file's full length without taking room."""
    header, file = folder / question["header"], Path(tempfile.gettempdir()) / question["header"]
    if not file.exists():
        file.write_bytes(header.read_bytes())
        os.truncate(file, question["nbytes"])
    return file


def ask(question: dict, library: str, folder: Path) -> dict:
    """A process for one question; where it fails, its last words."""
    given = question | {"path": str(whole(question, folder))}
    try:
        done = subprocess.run([sys.executable, "-m", "benchmarks.real_card", "--child", library],
                              input=json.dumps(given), capture_output=True, text=True, errors="replace",
                              timeout=SECONDS_EACH, env=os.environ | question.get("env", {}))
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer in {SECONDS_EACH} seconds"}
    if done.returncode:
        return {"failed": f"code {done.returncode}: {done.stderr[-600:]}"}
    return json.loads(done.stdout)


def main(library: str, questions: str, answers: str, seconds: str = "100000") -> None:
    asked, begun, lock = json.loads(Path(questions).read_text()), time.monotonic(), Lock()

    def work(question: dict) -> None:
        if time.monotonic() - begun > float(seconds):
            return
        found = ask(question, library, Path(questions).parent)
        with lock, Path(answers).open("a") as file:
            file.write(json.dumps({"id": question["id"], **found}) + "\n")

    for chosen, workers in ((False, AT_A_TIME), (True, 1)):     # real buffers alone on the card, and last
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, [one for one in asked if one["alloc"] == chosen]))


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        json.dump(answer(json.load(sys.stdin), sys.argv[2]), sys.stdout)
    else:
        main(*sys.argv[1:])
