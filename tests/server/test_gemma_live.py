"""Gemma 3 270M, a model that people pull: created from its file and from one of our own, compared, judged and
counted.
"""

import re

import pytest

import quantlab as ql
from quantlab import oracles
from quantlab.lab.asking import make_alone
from quantlab.lab.server import Server
from quantlab.lab.verdict import GOOD
from tests.ollama_fixture import GEMMA_FILES
from tests.thinned import some

pytestmark = pytest.mark.server
#: Of texts that go on in one way: it is the model as trained, without a chat.
PROMPTS = ["The capital of France is", "One, two, three, four,", "Monday, Tuesday, Wednesday,",
           "2 + 2 =", "The opposite of hot is", "Water is made of hydrogen and", "The sun rises in the",
           "A, B, C, D, E,"]
OPTIONS = {"num_thread": 1, "num_ctx": 256, "num_predict": 4}


def test_8_bits_made_of_the_published_4_are_judged_as_good(gemma, tmp_path):
    """Q8_0 of weights that were decoded from Q4_K_M: nothing is won, and next to nothing is lost."""
    made = ql.Comparison(PROMPTS, list(gemma.values()), rounds=1, options=OPTIONS, file=tmp_path / "a.jsonl")
    made.run().diverge(places=2)
    reference, ours = made.judged()
    assert made.stopped == "" and set(made.table()["error"]) == {""}
    assert [row["quantization"] for row in (reference, ours)] == ["Q4_K_M", "Q8_0"]
    assert ours["same_answers"] >= 7 / 8 and ours["harm"].mean < 0.02 and ours["answer"] == GOOD


@pytest.mark.statement("ps_size")
@pytest.mark.parametrize("kind", ["Q4_K_M", "Q8_0"])
def test_ps_leaves_out_the_cache_of_the_layers_that_see_everything(gemma, ollama, kind):
    """0.34.2 keeps one "KV buffer size" of a device (llm/llama_server.go, memoryBufferKey), and llama.cpp
    logs two where layers have a sliding window: the last is that of the windows.
    """
    for n_ctx, n_batch in some([(512, 512), (2048, 512), (8192, 1024)], 2, kind == "Q4_K_M"):
        said = make_alone(Server(ollama.url), gemma[kind], [], {"num_ctx": n_ctx})
        if said["size_vram"]:
            pytest.skip("this server has a graphics card: its `ps` counts that")
        with ql.open_model(gemma[kind]) as model:
            nbytes, whole = model.nbytes, ql.estimate_memory(model, n_ctx=n_ctx, n_ubatch=n_batch).kv_cache
        logged = {part: list(map(float, re.findall(rf" {part} buffer size\s*=\s*([\d.]+) MiB", ollama.log)))
                  for part in ("KV", "compute", "output")}
        everything, windows = logged["KV"][-2:]
        assert everything + windows == whole / 2**20
        counted = nbytes / 2**20 + windows + logged["compute"][-1] + logged["output"][-1]
        assert said["size"] / 2**20 == pytest.approx(counted, abs=0.02)


@pytest.mark.parametrize("kind", GEMMA_FILES)
def test_the_estimate_is_llama_cpp_s_plan(gemma, kind):
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    with ql.open_model(GEMMA_FILES[kind]) as model:
        for settings in some([{"n_ctx": 2048}, {"n_ctx": 32768}, {"n_ctx": 8192, "flash_attention": False}],
                             3, list(GEMMA_FILES).index(kind)):
            ours, plan = ql.estimate_memory(model, **settings), oracles.measure(GEMMA_FILES[kind], **settings)
            assert (ours.weights, ours.kv_cache, ours.compute) == plan[:3] and ours.exact
