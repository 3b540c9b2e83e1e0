"""Small files as Ollama's own converters wrote them, loaded by the real server, whose llama.cpp translates
them: each takes what the plain file of the same model takes, and that is what is counted here.
"""

import re

import pytest

import quantlab as ql
from quantlab.lab.server import Server
from quantlab.memory.weights import weights_of
from tests.memory.ollama_blobs import BLOBS, pair

pytestmark = pytest.mark.server
#: A hollow picture encoder is loaded by nobody.
LOADED = [name for name in BLOBS if "sees" not in name]


def taken(ollama, file) -> tuple[int, dict[str, list[float]]]:
    """(size in `ps`, kind of buffer -> MiB in the log) of the model of a file, loaded with 2,048 tokens."""
    ollama.create("blob", file)
    before, server = len(ollama.log), Server(ollama.url)
    try:
        server.generate("blob", "", options={"num_ctx": 2048})
        said = next(entry for entry in server.ps() if entry["name"].startswith("blob"))
    finally:
        ollama.cli("stop", "blob")
        ollama.cli("rm", "blob")
    logged = re.findall(r" (model|KV|compute) buffer size\s*=\s*([\d.]+) MiB", ollama.log[before:])
    return said["size"], {kind: [float(size) for one, size in logged if one == kind]
                          for kind in ("model", "KV", "compute")}


@pytest.mark.parametrize("name", LOADED)
def test_the_server_makes_of_a_blob_what_is_counted_here(name, ollama, tmp_path):
    blob, plain = pair(name, tmp_path)
    theirs = taken(ollama, blob)
    assert theirs == taken(ollama, plain) and theirs[0] > 0
    found = ql.estimate_memory(blob, n_ctx=2048)
    with ql.open_model(blob) as model:
        assert found.exact and sum(theirs[1]["model"]) == pytest.approx(
            weights_of(model).nbytes / 2**20, abs=0.02)
    assert sum(theirs[1]["KV"]) == pytest.approx(found.kv_cache / 2**20, abs=0.02)
