"""`python -m quantlab lab|doctor|reset|quantize`: what `make` calls, and the way in where there is no make
(Windows).
"""

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from . import workspace

QUIET = ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
         "--LabApp.extension_manager=readonly"]      # no request that leaves this machine
# no question about news either: a setting, which has no argument
DEFAULTS = Path(__file__).with_name("jupyter")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors a user can mend are sentences on stderr, not
    tracebacks.
    """
    options, extra = _parser().parse_known_args(arguments)
    if extra and options.command != "lab":
        _parser().error(f"unknown arguments: {' '.join(extra)}")
    try:
        return {"lab": lab, "doctor": doctor, "reset": reset, "quantize": quantize}[options.command](options,
                                                                                                     extra)
    except (OSError, ValueError) as error:
        print(f"quantlab: {error}", file=sys.stderr)
        return 1


def lab(_options, extra: list[str]) -> int:
    """Open JupyterLab on the learner's own copy of lesson 00; further arguments go to JupyterLab
    (--no-browser, --port).
    """
    if find_spec("jupyterlab") is None:
        raise FileNotFoundError(
            "JupyterLab is not installed in this Python: run `make lab`, or `pip install -c constraints.txt "
            "-e .`")
    folder, messages = workspace.prepare(workspace.project_root())
    print(*messages, sep="\n", end="\n" if messages else "")
    print(
        f"Your copies of the lessons are in {workspace.FOLDER}/; nothing you change there is ever "
        "overwritten. Stop with Ctrl-C, twice.")
    root_user = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}",
               "--LabApp.default_url=/lab/tree/00_start_here.ipynb", *QUIET, *root_user, *extra]
    try:
        return subprocess.call(command, env=quiet_environment())
    except KeyboardInterrupt:
        return 0


def quiet_environment() -> dict[str, str]:
    """The environment in which JupyterLab starts: what the user has, and our defaults for settings the user
    left alone.
    """
    paths = [str(DEFAULTS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    return {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}


def doctor(options, _extra) -> int:
    """Print what was found on this machine."""
    from .doctor import doctor as examine

    report = examine()
    print(report.markdown() if options.markdown else report)
    return 0


def reset(options, _extra) -> int:
    """Bring fresh copies of lessons; the old ones are kept in a dated folder."""
    print(*workspace.reset(workspace.project_root(), options.lessons), sep="\n")
    return 0


def quantize(options, _extra) -> int:
    """Write a quantized copy of a model; Ctrl-C stops and leaves nothing behind."""
    from ..models.writer import quantize_model

    try:
        print(quantize_model(options.source, options.file, options.ftype, options.imatrix,
                             allow_requantize=options.allow_requantize))
    except KeyboardInterrupt:
        print("quantlab: stopped; nothing was left behind", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m quantlab",
                                     description="quantlab: quantization you can touch.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("lab",
                        help="open your own copies of the lessons in JupyterLab; further arguments go to it")
    found = commands.add_parser("doctor", help="what was found on this machine, for you and for a bug report")
    found.add_argument("--markdown", action="store_true", help="as a table to paste into a bug report")
    fresh = commands.add_parser("reset", help="fresh copies of lessons; yours are kept in a dated folder")
    fresh.add_argument("lessons", nargs="*", metavar="NN",
                       help="numbers such as 01 06; all lessons when left out")
    mix = commands.add_parser("quantize", help="write the quantized file that llama-quantize would write")
    mix.add_argument("source", help="a 16- or 32-bit GGUF file, or the name of a pulled model")
    mix.add_argument("file", help="the new file")
    mix.add_argument("ftype", help="Q4_K_M, IQ4_XS, Q8_0, ...")
    mix.add_argument("--imatrix", metavar="FILE", help="an importance matrix, as llama-imatrix writes it")
    mix.add_argument("--allow-requantize", action="store_true",
                     help="take a source that is quantized already, and mark the new file")
    return parser
