"""llama.cpp itself writes the file: `llama_model_quantize` of the library that tools/llama_quantize.py
fetches.

    whole_files(("model-F16.gguf", "model-Q4_K_M.gguf", {"ftype": "Q4_K_M"}))

It is asked in a process of its own, as it ends the process where it finds a mistake (GGML_ASSERT). As a
program this module reads a list of questions as JSON and quantizes one after the other.  C API: llama.h.
"""

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import pytest

from quantlab.models.types import FTYPES, TENSOR_TYPES
from tools.llama_quantize import FOLDER, LIBRARIES

REASON = "no llama_model_quantize: `python tools/llama_quantize.py` fetches it (Linux on x86-64)"
needs_llama_quantize = pytest.mark.skipif(not FOLDER.is_dir(), reason=REASON)
NO_TYPE = 43        # GGML_TYPE_COUNT, which stands for "not given"
FLAGS = ("allow_requantize", "quantize_output_tensor", "only_copy", "pure", "keep_split", "dry_run")
NUMBER = {name: number for number, name in TENSOR_TYPES.items()}


class Params(ctypes.Structure):
    """llama_model_quantize_params"""

    _fields_ = [("nthread", ctypes.c_int32), ("ftype", ctypes.c_int), ("output", ctypes.c_int),
                ("embedding", ctypes.c_int), *((name, ctypes.c_bool) for name in FLAGS),
                *((name, ctypes.c_void_p) for name in ("imatrix", "kv", "types", "prune")),
                ("max_buf_size", ctypes.c_size_t)]


class TypeOverride(ctypes.Structure):
    """llama_model_tensor_override"""

    _fields_ = [("pattern", ctypes.c_char_p), ("type", ctypes.c_int)]


class Importance(ctypes.Structure):
    """llama_model_imatrix_data"""

    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Value(ctypes.Union):
    _fields_ = [("int", ctypes.c_int64), ("float", ctypes.c_double), ("bool", ctypes.c_bool),
                ("str", ctypes.c_char * 128)]


class KeyOverride(ctypes.Structure):
    """llama_model_kv_override"""

    _fields_ = [("tag", ctypes.c_int), ("key", ctypes.c_char * 128), ("value", Value)]


def whole_files(*questions: tuple) -> list[str]:
    """Let llama.cpp write each (source, new file, options); "" for those it wrote, else its own words.

    options: ftype (a name), output and embedding (names of types), types ([pattern, type] in order), imatrix
    ({name: numbers}), kv ([key, value] in order), prune (layers), and the flags of FLAGS.
    """
    asked = [{"src": str(src), "dst": str(dst), **options} for src, dst, options in questions]
    done = subprocess.run([sys.executable, "-m", "tests.models.quantize_oracle"], input=json.dumps(asked),
                          text=True, capture_output=True, check=False)
    lines = done.stderr.splitlines()
    answers = [json.loads(line.removeprefix("ANSWER ")) for line in lines if line.startswith("ANSWER ")]
    died = [" ".join(line for line in lines[-4:])] * (len(asked) - len(answers))
    return answers + died


def whole_file(src, dst, **options) -> Path:
    """The file that llama.cpp writes; the test fails with its words where it writes none."""
    if words := whole_files((src, dst, options))[0]:
        pytest.fail(f"llama_model_quantize: {words}")
    return Path(dst)


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(FOLDER / LIBRARIES[0]))
    library.llama_model_quantize_default_params.restype = Params
    found = library.llama_model_quantize_default_params()
    defaults = {"ftype": 7, "output": NO_TYPE, "embedding": NO_TYPE, "quantize_output_tensor": True,
                "pure": False, "max_buf_size": 8 << 30}
    wrong = {name: getattr(found, name) for name, value in defaults.items() if getattr(found, name) != value}
    assert not wrong, f"this llama.cpp fills in {wrong}: its structure is another"
    return library


def _answer(library: ctypes.CDLL, question: dict, said: list[str]) -> str:
    params, alive = library.llama_model_quantize_default_params(), []

    def array(kind, rows):
        alive.append((kind * len(rows))(*rows))
        return ctypes.addressof(alive[-1])

    params.nthread = 1
    params.ftype = next(number for number, name in FTYPES.items() if name == question["ftype"])
    for name in ("output", "embedding"):
        setattr(params, name, NUMBER[question[name]] if question.get(name) else NO_TYPE)
    for name in FLAGS:
        setattr(params, name, question.get(name, name == "quantize_output_tensor"))
    if types := question.get("types"):
        rows = [TypeOverride(pattern.encode(), NUMBER[qtype]) for pattern, qtype in types]
        params.types = array(TypeOverride, [*rows, TypeOverride()])
    if imatrix := question.get("imatrix"):
        rows = [Importance(name.encode(), array(ctypes.c_float, values), len(values))
                for name, values in imatrix.items()]
        params.imatrix = array(Importance, [*rows, Importance()])
    if pairs := question.get("kv"):
        params.kv = array(KeyOverride, [*(_key(*one) for one in pairs), KeyOverride()])
    if layers := question.get("prune"):
        params.prune = array(ctypes.c_int32, [*sorted(layers), -1])
    said.clear()
    failed = library.llama_model_quantize(question["src"].encode(), question["dst"].encode(),
                                          ctypes.byref(params))
    return " ".join("".join(said[-4:]).split()) if failed else ""


def _key(key: str, value) -> KeyOverride:
    kinds = [int, float, bool, str]
    kind = kinds.index(type(value))
    made = KeyOverride(kind, key.encode())
    setattr(made.value, kinds[kind].__name__, value.encode() if kind == 3 else value)
    return made


def main() -> None:
    library, said = _library(), []
    log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
    listen = log(lambda _level, text, _data: said.append(text.decode("utf-8", "replace")))
    library.llama_log_set(listen, None)
    library.llama_backend_init()
    for question in json.load(sys.stdin):
        print("ANSWER " + json.dumps(_answer(library, question, said)), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
