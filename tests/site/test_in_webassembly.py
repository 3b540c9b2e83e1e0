"""quantlab in WebAssembly, by a Python that brings NumPy: the same bytes, and exhibits as they are recorded.

`make site-check` tries every exhibit there; here is one of each kind: from weights, from a file that cannot
be mapped, with the tiny Llama (its tokenizer, its forward pass), from a codebook, and from recorded runs.
"""

import json

import pytest

from tests.exhibits.elsewhere import blocks
from tools.wasm_python import FOLDER, run_there

EXHIBITS = ["explore_bits()", "explore_file()", "explore_recital()", "explore_codebook()",
            "explore_comparison()", "explore_memory()"]
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no Python in WebAssembly: `python "
                                "tools/wasm_python.py` fetches it (Linux on x86-64)")


@pytest.fixture(scope="module")
def there() -> list[dict]:
    """What it told, line by line."""
    done = run_there("tests.exhibits.elsewhere", "blocks", *EXHIBITS, seconds=500)
    assert (done.exit_code, done.trapped) == (0, None), done.stderr.decode()[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_blocks_of_every_type_are_those_of_the_native_run(there):
    assert there[0]["system"] == "wasi"
    assert there[0]["blocks"] == blocks()


def test_exhibits_draw_what_is_recorded_of_them(there):
    assert {one["call"]: one["differs"] for one in there[1:]} == {call: [] for call in EXHIBITS}
