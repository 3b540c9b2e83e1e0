"""`make site-check`: quantlab in WebAssembly, by a Python that brings NumPy (tools/wasm_python.py).

Blocks of every type are compared with those of this Python, and each exhibit with what is recorded of it:
at first, after its presses, and after some moves. What draws there can be served by a page's own NumPy; what
does not is listed with its reason.
"""

import json

from tests.exhibits.elsewhere import blocks, first_calls
from tools.wasm_python import FOLDER, WHEELS, run_there
from tools.wasm_python import main as fetch

SECONDS = 3600.0


def main() -> dict:
    """System, types whose blocks differ, and call -> seconds and differences; ValueError when it stopped."""
    if fetch() or not FOLDER.is_dir():
        raise ValueError("there is no Python in WebAssembly to try it with")
    done = run_there("tests.exhibits.elsewhere", seconds=SECONDS)
    head, *exhibits = map(json.loads, done.stdout.splitlines())
    if done.exit_code or len(exhibits) != len(first_calls()):
        raise ValueError(f"it stopped after {len(exhibits)} of {len(first_calls())} exhibits: "
                         f"{done.trapped or done.stderr.decode()[-500:]}")
    here, there = blocks(), head.pop("blocks")
    return {"wheels": [*WHEELS], **head, "types": len(here),
            "types_with_other_bytes": [name for name in here if here[name] != there[name]],
            "exhibits": len(exhibits),
            "exhibits_that_draw_the_same": sum(not one["differs"] for one in exhibits),
            "slowest_s": max(one["seconds"] for one in exhibits),
            "by_call": {one.pop("call"): one for one in exhibits}}
