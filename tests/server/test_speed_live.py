"""On a real server: speeds by its counters beside what memory allows, and `ps` taken apart to the byte."""

import re

import pytest

import quantlab as ql
from quantlab.lab.asking import make_alone
from quantlab.lab.server import Server
from quantlab.lab.speed import measure_speed

pytestmark = pytest.mark.server


def test_speeds_are_measured_in_rounds_and_a_missing_model_is_a_row(live):
    options = {"num_thread": 1, "num_predict": 4}
    fast, missing = measure_speed(["smollm:135m-instruct-q8_0", "never:1b"], rounds=2, options=options,
                                  server=Server(live.url))
    assert fast["tokens"] == [4, 4] and min(fast["tokens_per_second"]) > 0 and fast["context_length"] == 512
    assert "never" in missing["error"]


@pytest.mark.statement("ps_size")
def test_ps_is_tensors_cache_and_buffers(live, monkeypatch):
    """Since 0.30; until then the buffers for computing and for the output were not in it."""
    monkeypatch.setenv("OLLAMA_MODELS", str(live.store))
    for n_ctx in (512, 4096):
        said = make_alone(Server(live.url), "smollm:135m-instruct-q8_0", [], {"num_ctx": n_ctx})
        if said["size_vram"]:
            pytest.skip("this server has a graphics card: its `ps` counts that")
        with ql.open_model("smollm:135m-instruct-q8_0") as model:
            rest = said["size"] - model.nbytes - ql.estimate_memory(model, n_ctx=n_ctx).kv_cache
        buffers = [float(re.findall(rf"{kind} buffer size\s*=\s*([\d.]+) MiB", live.log)[-1])
                   for kind in ("compute", "output")]
        assert rest / 2**20 == pytest.approx(sum(buffers), abs=0.02)
