"""Measured elsewhere: chunks of a text and rows of a table on threads, processes and a cluster have the same
numbers, a stopped table goes on where it was, and another file or another quantlab is noticed.
"""

import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest

import quantlab as ql
from quantlab.inference import sent, variants
from quantlab.inference.load import load_lm
from quantlab.inference.quality import divergence, perplexity
from quantlab.inference.sensitivity import collect_imatrix, sensitivity
from quantlab.inference.variants import STOPPED, ModelOnText
from quantlab.models.progress import Cancelled
from quantlab.models.source import BUNDLED
from tests.inference.files import copied
from tests.inference.test_compare import folder, measured, model  # noqa: F401
from tests.thinned import some

TYPES = ["Q8_0", "Q4_K_M", "IQ4_XS", "Q2_K"]
FEW = some(TYPES, 2)
QUICK = {"chunks": 3, "n_ctx": 64, "progress": None}


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def kept(folder):  # noqa: F811
    """A folder for measurements, which is there."""
    folder.mkdir()
    return folder


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), other.drop(columns="seconds"))


def test_a_table_of_two_processes_is_the_one_without(processes, kept):
    table = ql.compare_quality("tiny", FEW, cache=None, executor=processes, **QUICK)
    same(table, ql.compare_quality("tiny", FEW, cache=None, **QUICK))
    assert (table.error == "").all() and (table.passages == 28).all()


def test_a_table_of_two_dask_workers_is_the_one_without(kept):
    distributed = pytest.importorskip("distributed",
                                      reason="dask.distributed is not installed (`make test` brings it)")
    with (distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None,
                                   memory_limit=0) as cluster, distributed.Client(cluster) as client):
        table = ql.compare_quality("tiny", FEW, executor=client.get_executor(), **QUICK)
    assert len(list(kept.iterdir())) == len(FEW)
    same(table, ql.compare_quality("tiny", FEW, cache=None, **QUICK))
    same(table, ql.compare_quality("tiny", FEW, **QUICK))


def test_threads_share_one_reference(kept, model, monkeypatch):  # noqa: F811
    loaded = []

    def loading(*given, **how):
        loaded.append(how)
        return load_lm(*given, **how)
    monkeypatch.setattr(variants, "load_lm", loading)
    with ThreadPoolExecutor(3) as threads:
        table = ql.compare_quality(model, TYPES, executor=threads, cache=None, **QUICK)
    same(table, ql.compare_quality(model, TYPES, cache=None, **QUICK))
    assert loaded[:2] == [{"keep": False}, {}] and len(loaded) == 3     # the third is the run without threads


def test_chunks_of_a_text_are_read_elsewhere(processes, tiny, text):
    small = ql.load_lm("tiny", "Q4_0", pure=True)
    for lm in (tiny, small, ql.load_lm("tiny", "Q3_K_M", keep=False)):
        here, there = (perplexity(lm, text, executor=executor, **QUICK) for executor in (None, processes))
        np.testing.assert_array_equal(here.nll, there.nll)
    both = [divergence(tiny, small, text, executor=executor, **QUICK) for executor in (None, processes)]
    assert both[0].numbers() == both[1].numbers()
    one, other = (collect_imatrix(tiny, text, executor=executor, **QUICK).values
                  for executor in (None, processes))
    assert all(np.array_equal(one[name], other[name]) for name in one | other)


def test_a_map_of_tensors_is_measured_elsewhere(processes, kept):
    here, there = (sensitivity("tiny", "Q3_K", by="role", cache=None, executor=executor, **QUICK)
                   for executor in (None, processes))
    same(here, there)
    assert (there.kld > 0).all()


def test_only_the_way_to_the_weights_is_sent(tiny, tmp_path, monkeypatch):
    nbytes = 4 * sum(values.size for values in tiny.weights.values())
    assert len(pickle.dumps(tiny.weights)) < 2000 and nbytes > 1e7
    assert len(pickle.dumps(tiny)) < 100_000
    changed = tiny.with_weights({"output_norm.weight": np.ones(256)})
    assert len(pickle.dumps(changed)) > nbytes                  # these are in no file
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(changed)).logits([1, 2]), changed.logits([1, 2]))
    file = copied(BUNDLED["tiny"], tmp_path / "m.gguf")
    pickled = pickle.dumps(ql.load_lm(file).weights), pickle.dumps(ModelOnText(ql.open_model(file)))
    copied(BUNDLED["tiny"], file, metadata={"general.name": "another"})
    for one in pickled:
        with pytest.raises(ValueError, match=r"m\.gguf is another file here"):
            pickle.loads(one)
    monkeypatch.setattr(sent, "code_digest", lambda: "another")
    with pytest.raises(ValueError, match="another version of quantlab"):
        pickle.loads(pickled[0])


class Waiting(Executor):
    """Works out the first `n` tasks at once, the others never."""

    def __init__(self, n: int):
        self.left = n

    def submit(self, function, /, *arguments, **more):
        future, self.left = Future(), self.left - 1
        if self.left >= 0:
            try:
                future.set_result(function(*arguments, **more))
            except ValueError as error:
                future.set_exception(error)
        self.last = future
        return future


def test_a_cancelled_run_does_not_wait_and_goes_on_from_there(kept, measured, model):  # noqa: F811
    executor, cancel = Waiting(2), threading.Event()
    timer = threading.Timer(0.5, cancel.set)
    timer.start()
    table = ql.compare_quality(model, TYPES, executor=executor, cancel=cancel, **QUICK)
    assert table.error.tolist() == ["", "", STOPPED, STOPPED] and executor.last.cancelled()
    whole = ql.compare_quality(model, TYPES, executor=Waiting(2), **QUICK)
    assert (whole.error == "").all() and len(measured) == 4
    same(whole[:2], table[:2])


def test_progress_hears_of_every_row_and_stops_the_run(kept, model):  # noqa: F811
    said = []
    table = ql.compare_quality(model, TYPES, executor=Waiting(3), cache=None,
                               **QUICK | {"progress": lambda step: said.append(step) or len(said) < 2})
    assert [step.done for step in said] == [192, 384] and said[0].total == 4 * 192
    assert table.error.tolist() == ["", "", "", STOPPED]        # the third was finished meanwhile


def test_what_goes_wrong_elsewhere_stands_in_its_row(processes, kept, tmp_path):
    weights = {"blk.0.ffn_up.weight": np.full((768, 256), 1e30, np.float32)}
    file = copied(BUNDLED["tiny"], tmp_path / "m.gguf", tensors=weights)
    table = ql.compare_quality(file, ["Q8_0", "Q9"], [1] * 64, executor=processes, n_ctx=64, progress=None)
    assert "Q9" in table.error[1] and "numbers" in table.error[0]


@pytest.mark.parametrize("call", [
    lambda lm, text: perplexity(lm, text, executor="dask", **QUICK),
    lambda lm, text: divergence(lm, lm, text, executor="dask", **QUICK),
    lambda lm, text: collect_imatrix(lm, text, executor="dask", **QUICK),
    lambda lm, text: ql.compare_quality("tiny", "Q8_0", executor="dask", **QUICK),
    lambda lm, text: sensitivity("tiny", "Q8_0", executor="dask", **QUICK)])
def test_what_is_no_executor_is_refused(call, tiny, text):
    with pytest.raises(ValueError, match="executor='dask' cannot be: a concurrent"):
        call(tiny, text)


def test_a_text_that_is_read_can_be_watched_and_stopped(tiny, text):
    said = []
    perplexity(tiny, text, chunks=3, n_ctx=64, progress=said.append)
    assert [(step.done, step.total, step.tensor) for step in said] == [
        (64 * n, 192, f"chunk {n} of 3") for n in (1, 2, 3)]
    stop = threading.Event()
    stop.set()
    for measure in (lambda: perplexity(tiny, text, cancel=stop, **QUICK),
                    lambda: divergence(tiny, tiny, text, cancel=stop, **QUICK)):
        with pytest.raises(Cancelled, match="stopped after 64 of 192 tokens"):
            measure()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows")
def test_a_killed_run_leaves_whole_rows_only(kept, measured, model):  # noqa: F811
    code = ("import sys, quantlab as ql; ql.compare_quality(sys.argv[1], sys.argv[2:], chunks=3, n_ctx=64, "
            "progress=None)")
    run = subprocess.Popen([sys.executable, "-c", code, model, *TYPES])
    end = time.monotonic() + 120
    while not list(kept.glob("*.json")) and time.monotonic() < end:
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    whole = len(list(kept.glob("*.json")))
    table = ql.compare_quality(model, TYPES, **QUICK)
    assert whole >= 1 and len(measured) == len(TYPES) - whole and (table.error == "").all()
    same(table, ql.compare_quality(model, TYPES, cache=None, **QUICK))
