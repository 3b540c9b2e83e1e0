"""The mix of the bit budget as a file of your own, and as a model in Ollama, with one press. Lesson 05."""

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..inference.mixes import MixBench
from ..lab.custom import create_custom_model
from ..lab.names import own_name
from ..lab.server import LabError, Server
from ..models.progress import Cancelled, Progress
from ..models.writer import quantize_model
from ..profile import is_reference
from ..words import clipped, size

FIRST_WORDS = "To be, or not to be,"
MOST_TOKENS = 24


def named_types(bench: MixBench, types: Mapping[str, str]) -> dict[str, str]:
    """The mix as `quantize_model` takes it: {pattern of one name: type}; "F16" on a slider is the file's own
    type.
    """
    return {f"^{re.escape(name)}$": bench.own[name][0] if qtype == "F16" else qtype
            for name, qtype in types.items()}


def write_and_run(bench: MixBench, types: Mapping[str, str], budget: str, step: Callable[[str], None],
                  cancel: threading.Event | None = None,
                  progress: Callable[[Progress], object] | None = None) -> str:
    """Write the mix beside the notebook, give the file to Ollama, and let it go on with a few words; what
    came of it, as a sentence.

    budget: the mix whose size was the limit; the file says it of itself.  step: told what is being done.
    progress: told how far the writing is.  A cancelled file is gone, which the sentence says.
    The reference profile writes nothing and asks nobody.  Raises ValueError and OSError as `quantize_model`.
    """
    stem = f"{own_name(bench.path.name)}-{budget}-mine"
    path, wanted = Path(f"{stem}.gguf").absolute(), named_types(bench, types)
    if is_reference():
        planned: Any = quantize_model(bench.path, None, budget, types=wanted, dry_run=True)
        return (f"{path.name} would have {size(planned.nbytes)}, {planned.bpw:.2f} bits a weight; the "
                "reference profile writes no file")
    step(f"Writing {path.name}")
    try:
        quantize_model(bench.path, path, budget, types=wanted, cancel=cancel, progress=progress)
    except Cancelled:
        return f"stopped while {path.name} was written; nothing is left of it"
    name, made = f"my-{stem}".lower(), f"{path.name} ({size(path.stat().st_size)}) was written"
    try:
        model = create_custom_model(name, f"FROM {path}", server=Server(), progress=step)
        answer = model.ask(FIRST_WORDS, options={"num_predict": MOST_TOKENS}, cancel=cancel)
    except LabError as error:
        return f"{made}, but it is not in Ollama: {error}"
    return f"{made} and runs in Ollama as {name}: “{FIRST_WORDS} {clipped(answer, 70)}”"
