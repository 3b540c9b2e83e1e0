"""`python -m quantlab COMMAND`: what `make` calls, and the way in where there is no make (Windows).

A command is a function: its parameters are the arguments, the first line of its docstring is the help, and
what it returns is printed, or is the exit status. A mistake is one sentence on stderr and status 2, what the
disk refuses is a sentence and status 1, Ctrl-C is 130.
"""

import argparse
import sys
from collections.abc import Callable

from .. import __version__
from . import app, commands, jupyterlab, workspace

KINDS: dict[type, dict] = {str: {}, int: {"type": int, "metavar": "N"}, bool: {"action": "store_true"},
                           float: {"type": float, "metavar": "X"}}
MODEL = ("model", str, "llama3.1:8b, a pulled model, or the path of a GGUF file")
CONTEXT = ("--ctx", int, "tokens of context (4096)", "n_ctx")
CHECK = ("--check", str, "a pattern (regular expression) that a right answer matches")
GOOD_ENOUGH = ("--margin", float, "how much worse is still good enough, in the metric's unit")
JSON = ("--json", bool, "as JSON, in bytes and tokens", "as_json")
#: The arguments of each command: the name or flag, its kind (or argparse's own words for it), the help, and
#: the parameter that it is, where that has another name. What is not given is left to the function.
COMMANDS: dict[Callable, list[tuple]] = {
    jupyterlab.lab: [],
    app.app: [],
    commands.doctor: [("--markdown", bool, "as a table to paste into a bug report")],
    workspace.reset: [("lessons", {"nargs": "*", "metavar": "NN"}, "numbers such as 01 06; else all")],
    commands.export: [("lessons", {"nargs": "*", "metavar": "NN"}, "numbers such as 01 06; else all"),
                      ("--to", str, "the folder (pages)")],
    commands.estimate: [
        MODEL, ("--ftype", str, "the mix of the file (Q4_K_M, or a file's own)"), CONTEXT,
        ("--type-k", str, "type of the keys in the cache (f16)"),
        ("--type-v", str, "type of the values in the cache (f16)"),
        ("--parallel", int, "conversations at a time (1)", "n_parallel"),
        ("--layers", int, "layers on the card (all)", "n_gpu_layers"),
        ("--no-flash-attention", {"action": "store_false"}, "for older cards", "flash_attention"),
        ("--n-cpu-moe", int, "first layers whose experts stay in main memory (0)"),
        ("--cpu-moe", bool, "the experts of all layers stay there"),
        ("--override-tensor", str, "PATTERN=CPU: tensors that stay there; commas between several"), JSON],
    commands.recommend: [MODEL, ("vram_gib", {"type": float, "metavar": "GIB", "nargs": "+"},
                                 "memory of the card, or of each of several"), CONTEXT,
                         ("--bandwidth", float, "GB/s of the card (what cards of its size usually have)"),
                         ("--host-bandwidth", float, "GB/s of main memory (51.2)"), JSON],
    commands.compare: [
        ("prompts", str, "a text, one prompt a line, or a .txt, .csv, .json or .jsonl file"),
        ("models", {"nargs": "+", "metavar": "MODEL"}, "tags, or suffixes of --base; first the reference"),
        ("--base", str, "what the suffixes belong to, such as llama3.2:3b-instruct"),
        ("--rounds", int, "how often everything is asked (2)"),
        ("--option", {"action": "append", "metavar": "NAME=VALUE"},
         "one of Ollama's, such as num_ctx=2048; may be repeated", "options"),
        ("--system", str, "a system prompt for all, instead of the models' own"),
        ("--format", str, "json, or a JSON schema, which every answer shall have"),
        ("--think", str, "yes, no, or low, medium, high, max, for models that think"),
        ("--tags", str, "only prompts of the file with one of these tags, with commas between them"),
        ("--file", str, "the results file, to go on from (else one named after what is asked)"),
        ("--control", bool, "ask the reference twice, as its own noise floor"), CHECK, GOOD_ENOUGH, JSON],
    commands.report: [("file", str, "the results file that `compare` wrote"), CHECK, GOOD_ENOUGH,
                      ("page", {"nargs": "?", "metavar": "OUT.html"}, "else beside the results file")],
    commands.quantize: [
        ("source", str, "a 16- or 32-bit GGUF file, or the name of a pulled model"),
        ("file", str, "the new file"), ("ftype", str, "Q4_K_M, IQ4_XS, Q8_0, ..., or COPY"),
        ("--imatrix", str, "a file with an importance matrix, as llama-imatrix writes it"),
        ("--tensor-type", {"action": "append", "metavar": "PATTERN=TYPE"},
         "the type of the matrices in whose names the pattern is found; may be repeated", "patterns"),
        ("--tensor-type-file", str, "a file of such lines", "lines"),
        ("--types-of", str, "a GGUF file, or a pulled model: each matrix gets the type that it has there"),
        ("--output-type", str, "the type of output.weight"),
        ("--embedding-type", str, "the type of the word vectors"),
        ("--leave-output", bool, "output.weight keeps its type"),
        ("--prune-layers", {"type": int, "nargs": "+", "metavar": "N"}, "layers to leave out, from 0"),
        ("--override-kv", {"action": "append", "metavar": "KEY=TYPE:VALUE"},
         "another value in the metadata (int, float, bool or str); may be repeated"),
        ("--pure", bool, "every matrix in the one type"),
        ("--reference", str, "the ggml whose bytes are written: 0.20.2, or 0.26.0 for that of today"),
        ("--keep-split", bool, "a source in parts becomes as many parts"),
        ("--dry-run", bool, "show each tensor's type and bytes, and write nothing"),
        ("--allow-requantize", bool, "take a source that is quantized already, and mark the new file"),
        ("--replace", bool, "write over a file that is there already, whatever it is")],
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    options, extra = parser.parse_known_args(arguments)
    given = vars(options)
    command = given.pop("command")
    if command in (jupyterlab.lab, app.app):            # they hand the rest on
        given["arguments"] = extra
    elif extra:
        parser.error(f"unknown arguments: {' '.join(extra)}")
    try:
        result = command(**given)
    except KeyboardInterrupt as stop:
        print(f"quantlab: stopped; {str(stop) or 'nothing was left behind'}", file=sys.stderr)
        return 130
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and not error.filename else None
        print(f"quantlab: {said or error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    if isinstance(result, int):
        return result
    print(result)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m quantlab",
                                     description="quantlab: quantization you can touch.")
    parser.add_argument("--version", action="version", version=f"quantlab {__version__}")
    places = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, arguments in COMMANDS.items():
        about = (command.__doc__ or "").split("\n\n")[0].strip()
        place = places.add_parser(command.__name__, help=about, description=about)
        place.set_defaults(command=command)
        for name, kind, words, *parameter in arguments:
            settings = {**(kind if isinstance(kind, dict) else KINDS[kind]), "help": words}
            if parameter:
                settings["dest"] = parameter[0]
            place.add_argument(name, default=argparse.SUPPRESS, **settings)
    return parser
