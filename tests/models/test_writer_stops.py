"""`quantize_model` when something is wrong or somebody stops it: a sentence, nothing lost, nothing left
behind.
"""

import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gguf
import numpy as np
import pytest

import quantlab as ql
from quantlab.models import gguf_file
from quantlab.models.progress import Cancelled, Clock
from quantlab.models.types import TENSOR_TYPES
from tests.models.gguf_builder import build, info, pair, string, u32
from tests.models.test_writer import LLAMA, fields, sources, tensors
from tests.models.written import SMALL, write
from tests.posix import posix_only

__all__ = ["sources"]
TYPE = {name: number for number, name in TENSOR_TYPES.items()}
KEYS = [pair("general.architecture", 8, string("llama")), pair("general.file_type", 4, u32(1)),
        *(pair(f"llama.{key}", 4, u32(n)) for key, n in (("block_count", 1), ("embedding_length", 256),
                                                         ("attention.head_count", 4),
                                                         ("feed_forward_length", 512), ("vocab_size", 300)))]


@pytest.fixture
def folder(tmp_path, sources):
    """A folder with nothing in it but what a test writes."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def one_matrix(path, weights: np.ndarray, qtype: str = "F16"):
    """A llama file with one matrix."""
    matrix = info("blk.0.attn_q.weight", weights.shape[::-1], TYPE[qtype])
    path.write_bytes(build(KEYS, [matrix], weights.tobytes()))
    return path


# ---- the destination

def test_the_source_is_never_overwritten_by_any_name(tmp_path, sources):
    src = tmp_path / "src.gguf"
    src.write_bytes((sources / "llama-F16.gguf").read_bytes())
    before = src.read_bytes()
    (tmp_path / "symbolic.gguf").symlink_to(src)
    (tmp_path / "hard.gguf").hardlink_to(src)
    for dst in (src, str(src), tmp_path / "symbolic.gguf", tmp_path / "hard.gguf",
                tmp_path / "." / "src.gguf"):
        with pytest.raises(ValueError, match="same file"):
            ql.quantize_model(src, dst, "Q4_K_M")
    with ql.open_model(src) as model, pytest.raises(ValueError, match="same file"):
        ql.quantize_model(model, src, "Q4_K_M")
    assert src.read_bytes() == before and len(os.listdir(tmp_path)) == 3


def test_a_place_that_is_none_is_said_before_anything_is_done(folder, sources):
    src = sources / "llama-F16.gguf"
    (folder / "file").write_text("")
    for dst, words in ((folder, "is a folder"), (os.devnull, "is a device"),
                       (folder / ("x" * 300), "File name too long"), (folder / "no" / "x.gguf", "no folder"),
                       (folder / "file" / "x.gguf", "no folder")):
        with pytest.raises(ValueError, match=words):
            ql.quantize_model(src, dst, "Q4_K_M")
    assert os.listdir(folder) == ["file"]


@pytest.mark.parametrize(("mode", "words"), [(0o555, r"no file can be made in .*: Permission denied"),
                                             (0o000, "cannot be reached: Permission denied")])
@posix_only
def test_a_folder_that_may_not_be_written_to_is_said(sources, mode, words):
    with tempfile.TemporaryDirectory() as name, ql.open_model(sources / "llama-F16.gguf") as model:
        os.chmod(name, mode)
        try:
            if os.geteuid() == 0:
                os.seteuid(65534)       # root may write anywhere
            with pytest.raises(ValueError, match=words):
                ql.quantize_model(model, Path(name) / "x.gguf", "Q4_K_M")
        finally:
            os.seteuid(os.getuid())
            os.chmod(name, 0o700)
        assert os.listdir(name) == []


def test_a_disk_too_small_is_said_before_anything_is_done(folder):
    """A sparse file of nine terabytes takes a few kilobytes, and hardly a disk has room for what it would
    become.
    """
    src, rows = folder / "sparse.gguf", 2**34
    head = build(KEYS, [info("blk.0.attn_q.weight", (256, rows), TYPE["F16"])], b"")
    src.write_bytes(head)
    os.truncate(src, len(head) + 512 * rows)
    with pytest.raises(ValueError, match=r"x.gguf would have 4,672,924.4 MB, but .* has room for [\d,.]+ MB"):
        ql.quantize_model(src, folder / "x.gguf", "Q8_0")
    assert os.listdir(folder) == ["sparse.gguf"]


LIMITED = """
import resource, signal, sys
import quantlab as ql
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    ql.quantize_model(sys.argv[1], sys.argv[2], "Q8_0", replace=True)
except OSError as error:
    print(error)
"""


@posix_only
def test_a_disk_that_fails_half_way_is_said_and_nothing_is_left(folder, sources):
    """The system's limit on a file's size, a real error of a real write."""
    (folder / "x.gguf").write_bytes(b"what was here before")
    done = subprocess.run([sys.executable, "-c", LIMITED, sources / "llama-F16.gguf", folder / "x.gguf"],
                          capture_output=True, text=True)
    assert "x.gguf could not be written: File too large; nothing was left behind" in done.stdout, done.stderr
    assert os.listdir(folder) == ["x.gguf"] and (folder / "x.gguf").read_bytes() == b"what was here before"


@pytest.mark.parametrize(("content", "why"), [
    (b"my thesis", "not a GGUF file"), (b"", "the file is empty"),
    (b"GGUF" + struct.pack("<IQQ", 3, 2**40, 2**40), "impossible"),             # a header that lies
    (build(KEYS, [info("blk.0.attn_q.weight", (256, 4), TYPE["Q8_0"])], bytes(1088)),
     "not a quantized file of this model")])
def test_a_file_that_could_not_be_made_again_is_not_overwritten_unasked(folder, sources, content, why):
    dst = folder / "x.gguf"
    dst.write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.gguf is there already and would be lost.*{why}.*replace=True"):
        ql.quantize_model(sources / "llama-F16.gguf", dst, "Q8_0")
    assert dst.read_bytes() == content and os.listdir(folder) == ["x.gguf"]
    assert ql.quantize_model(sources / "llama-F16.gguf", dst, "Q8_0", replace=True).read_bytes() != content


def test_a_file_that_may_not_be_read_is_not_overwritten_unasked(folder, sources, monkeypatch):
    dst = folder / "x.gguf"
    dst.write_bytes(b"secret")

    def closed(path, *mode):
        if path == dst:
            raise PermissionError(13, "Permission denied")
        return open(path, *mode)

    monkeypatch.setattr(gguf_file, "open", closed, raising=False)
    with pytest.raises(ValueError, match="may not be read by you"):
        ql.quantize_model(sources / "llama-F16.gguf", dst, "Q8_0")
    assert dst.read_bytes() == b"secret"


def test_the_same_model_is_made_again_but_its_original_is_kept(folder, sources):
    src, dst = sources / "llama-F16.gguf", folder / "x.gguf"
    first = ql.quantize_model(src, dst, "Q8_0").read_bytes()
    assert len(ql.quantize_model(src, dst, "Q4_0").read_bytes()) < len(first)
    assert ql.quantize_model(src, dst, "Q8_0").read_bytes() == first
    original = src.read_bytes()
    dst.write_bytes(original)
    with pytest.raises(ValueError, match="not a quantized file of this model"):
        ql.quantize_model(src, dst, "Q8_0")
    assert dst.read_bytes() == original


@posix_only
def test_a_file_of_that_name_is_replaced_by_a_whole_one_readable_by_the_same_people(folder, sources):
    (folder / "x.gguf").write_bytes(b"old")
    seen = []
    out = ql.quantize_model(sources / "llama-F16.gguf", str(folder / "x.gguf"), "Q8_0", replace=True,
                            progress=lambda step: seen.append((folder / "x.gguf").read_bytes()))
    assert set(seen) == {b"old"} and len(tensors(out)) == len(list(LLAMA.tensors())) and os.listdir(
        folder) == ["x.gguf"]
    (folder / "plain").touch()
    assert out.stat().st_mode == (folder / "plain").stat().st_mode      # Ollama's service may read it


# ---- the source

def test_a_quantized_source_is_refused_and_marked_when_forced(folder, sources):
    first = ql.quantize_model(sources / "llama-F16.gguf", folder / "first.gguf", "Q8_0")
    for ftype in ("Q4_K_M", "Q8_0"):
        with pytest.raises(ValueError,
                           match=r"quantized already \(Q8_0; .* is Q8_0\)\. Never re-quantize: .* Start "
                                 r"from the F16"):
            ql.quantize_model(first, folder / "x.gguf", ftype)
    second = ql.quantize_model(first, folder / "second.gguf", "Q4_K_M", allow_requantize=True)
    third = ql.quantize_model(second, folder / "third.gguf", "Q4_0", allow_requantize=True)
    copy = ql.quantize_model(third, folder / "copy.gguf", "Q4_0", allow_requantize=True)
    marks = [fields(path).get("quantlab.requantized_from") for path in (first, second, third, copy)]
    text = [gguf.GGUFValueType.STRING]
    assert marks == [None, (text, "Q8_0"), (text, "Q8_0, Q4_K_M"), (text, "Q8_0, Q4_K_M")]
    assert len(os.listdir(folder)) == 4


def test_native_mxfp4_experts_are_kept(folder):
    """gpt-oss comes with its experts in MXFP4: to make MXFP4_MOE of it changes only the others."""
    write(folder / "half.gguf", SMALL["qwen3moe"], "F16")
    native = ql.quantize_model(folder / "half.gguf", folder / "native.gguf", "MXFP4_MOE")
    assert {qtype for name, (qtype, _) in tensors(native).items() if "exps" in name} == {"MXFP4"}
    with pytest.raises(ValueError, match="Never re-quantize"):
        ql.quantize_model(native, folder / "x.gguf", "Q8_0")


def test_weights_that_no_file_should_hold_are_named(folder):
    weights = np.ones((300, 256), np.float32)
    for value, qtype, words in ((np.nan, "Q8_0", "finite"), (np.inf, "Q4_0", "finite"),
                                (1e30, "Q8_0", "too large for Q8_0"), (1e30, "F16", "too large for F16")):
        weights[299, 7] = value
        with pytest.raises(ValueError, match=rf"tensor blk.0.attn_q.weight: .*{words}"):
            ql.quantize_model(one_matrix(folder / "src.gguf", weights, "F32"), folder / "x.gguf", qtype)
        with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match=r"tensor blk\.0\.attn_q\.weight"):
            ql.quantize_model(folder / "src.gguf", folder / "x.gguf", qtype, executor=pool)
    assert os.listdir(folder) == ["src.gguf"]


def test_what_cannot_be_written_is_said_before_anything_is_done(folder, sources):
    src = sources / "llama-F16.gguf"
    for ftype, words in (("Q4", "no ftype 'Q4'"), ("IQ2_XS", "needs an imatrix")):
        with pytest.raises(ValueError, match=words):
            ql.quantize_model(src, folder / "x.gguf", ftype)
    with pytest.raises(ValueError, match=r"no Ollama store|not among the models"):
        ql.quantize_model("nosuchmodel:1b", folder / "x.gguf", "Q4_K_M")
    with pytest.raises(ValueError, match="no file"):
        ql.quantize_model(folder / "none.gguf", folder / "x.gguf", "Q4_K_M")
    assert os.listdir(folder) == []


@pytest.mark.parametrize(("arguments", "words"), [
    ({"dst": None}, "None is no name for a new file"), ({"dst": ""}, "'' is no name"),
    ({"dst": "a\0b"}, "is no name"),
    ({"dst": b"x.gguf"}, "is no name"), ({"src": None}, "None is no model: a model is"),
    ({"src": 3}, "3 is no model"),
    ({"src": "a\0b.gguf"}, "cannot be the name of a model or a file"), ({"ftype": 15}, "no ftype 15"),
    ({"ftype": None}, "no ftype is given; name one"),
    ({"by": ["ollama"]}, r"by=\['ollama'\] is no program"),
    ({"executor": 4}, "executor=4 cannot be: a concurrent.futures.Executor"),
    ({"executor": "dask"}, "executor='dask' cannot be"),
    ({"progress": "bar"}, "progress='bar' cannot be: a function"),
    ({"cancel": True}, "cancel=True cannot be: a threading.Event"),
    ({"imatrix": {"blk.0.attn_q.weight": "abc"}}, "not 'abc'"),
    ({"imatrix": {"blk.0.attn_q.weight": ["a"] * 256}},
     r"importances of blk\.0\.attn_q\.weight must be rows of finite numbers"),
    ({"imatrix": {"blk.0.attn_q.weight": [[1], [1, 2]]}}, r"not \[\[1\], \[1, 2\]\]"),
    ({"imatrix": {"blk.0.attn_q.weight": {}}}, r"not \{\}"),
    ({"imatrix": [1.0] * 256}, "not list"), ({"imatrix": ""}, "is not a file"),
])
def test_what_is_no_name_no_number_and_no_helper_is_said_in_words(folder, sources, arguments, words):
    given = {"src": sources / "llama-F16.gguf", "dst": folder / "x.gguf", "ftype": "Q8_0"} | arguments
    with pytest.raises(ValueError, match=words):
        ql.quantize_model(**given)
    assert os.listdir(folder) == []


# ---- stopped

def interrupted(_step):
    raise KeyboardInterrupt


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor])
def test_a_stopped_run_leaves_nothing(folder, sources, pool):
    src, event = sources / "llama-F16.gguf", threading.Event()
    executor = pool(2) if pool else None
    for error, options in ((Cancelled, {"progress": lambda step: step.done < step.total // 2}),
                           (KeyboardInterrupt, {"progress": interrupted}),
                           (Cancelled, {"cancel": event, "progress": lambda step: event.set()})):
        with pytest.raises(error):
            ql.quantize_model(src, folder / "x.gguf", "Q4_K_M", executor=executor, **options)
        assert os.listdir(folder) == []
    if executor:
        executor.shutdown()


@posix_only
def test_kill_9_at_ten_moments_leaves_no_file_under_the_final_name(folder, sources):
    """The source is small, so the pieces are slowed down; the moments are spread over the run from its start
    to the very end.
    """
    code = ("import sys, time, quantlab as ql\n"
            "ql.quantize_model(sys.argv[1], sys.argv[2], 'Q4_K_M', progress=lambda step: time.sleep(0.01))")
    src, dst = sources / "llama-F16.gguf", folder / "x.gguf"
    before = src.read_bytes()
    command = [sys.executable, "-c", code, src, dst]
    began = time.monotonic()
    subprocess.run(command, check=True)
    whole, seconds = dst.read_bytes(), time.monotonic() - began
    dst.unlink()
    stopped, left = [], set()
    for share in random.Random(9).sample(range(30, 100), 10):
        run = subprocess.Popen(command)
        time.sleep(seconds * share / 100)
        run.send_signal(signal.SIGKILL)
        stopped.append(run.wait() == -signal.SIGKILL)
        assert not dst.exists() or dst.read_bytes() == whole
        left |= set(os.listdir(folder)) - {"x.gguf"}
        dst.unlink(missing_ok=True)
    assert (
        sum(stopped) >= 5
        and src.read_bytes() == before
        and left
        and all(name.endswith(".part") for name in left)
    )
    # the parts are cleared
    assert ql.quantize_model(src, dst, "Q4_K_M").read_bytes() == whole and os.listdir(folder) == ["x.gguf"]


def test_only_what_a_killed_run_has_left_is_cleared(folder, sources):
    src, others = sources / "llama-F16.gguf", {"x.gguf.download.part", "x.gguf.0123.part",
                                               "y.gguf.0123abcd.part", "x.gguf.0123abcd"}
    for name in (*others, "x.gguf.0123abcd.part"):
        (folder / name).write_bytes(b"part")
    ql.quantize_model(src, folder / "x.gguf", "Q8_0")
    assert set(os.listdir(folder)) == others | {"x.gguf"}


def test_a_part_that_is_being_written_is_left_alone(folder, sources):
    """A second run for the same file begins and ends while the first one writes."""
    src, inner = sources / "llama-F16.gguf", []

    def once(_step):
        if not inner:
            inner.append(None)
            assert len(list(folder.glob("*.part"))) == 1
            inner[0] = ql.quantize_model(src, folder / "x.gguf", "Q8_0").read_bytes()
            assert len(list(folder.glob("*.part"))) == 1

    outer = ql.quantize_model(src, folder / "x.gguf", "Q4_0", progress=once).read_bytes()
    assert os.listdir(folder) == ["x.gguf"] and len(outer) < len(inner[0])
    assert outer == ql.quantize_model(src, folder / "alone.gguf", "Q4_0").read_bytes()


# ---- how far it is

def test_progress_says_how_far_and_how_long(folder, sources):
    steps = []
    ql.quantize_model(sources / "llama-F16.gguf", folder / "x.gguf", "Q4_K_M", progress=steps.append)
    assert [step.done for step in steps] == sorted(step.done
                                                   for step in steps) and steps[-1].done == steps[
                                                       -1].total == LLAMA.n_params
    assert steps[0].tensor == "output.weight" and str(steps[-1]).endswith(
        "s") and "million weights" in str(steps[-1])


def test_the_time_to_go_knows_that_some_types_take_longer(monkeypatch):
    """Ten seconds for half of the slow type, none for the fast one: the other half takes ten more, however
    many weights were fast.
    """
    now = iter([0.0, 0.0, 10.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    clock = Clock({"Q8_0": 1000, "Q4_K": 20})
    clock.tick("Q8_0", 1000, "fast")
    step = clock.tick("Q4_K", 10, "slow")
    assert step.left == pytest.approx(10) and str(step) == " 99 %  slow, 10 s to go"


def test_a_terminal_shows_one_line_that_ends_with_the_time(folder, sources):
    import pty

    code = "import sys, quantlab as ql; ql.quantize_model(sys.argv[1], sys.argv[2], 'Q4_K_M')"
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", code, sources / "llama-F16.gguf", folder / "x.gguf"], stderr=theirs,
                   check=True, env={**os.environ, "QUANTLAB_PROFILE": "live"})
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert shown.startswith("\r") and shown.count("\n") == 1 and "million weights in 0." in shown


def test_a_notebook_shows_one_bar_without_a_widget(folder, sources):
    import nbformat
    from nbclient import NotebookClient

    paths = f"{str(sources / 'llama-F16.gguf')!r}, {str(folder / 'x.gguf')!r}"
    source = f"import quantlab as ql\nql.quantize_model({paths}, 'Q4_K_M')"
    for profile, outputs in (("live", ["display_data", "execute_result"]), ("reference", ["execute_result"])):
        cell = nbformat.v4.new_code_cell(f"%env QUANTLAB_PROFILE={profile}\n{source}")
        NotebookClient(nbformat.v4.new_notebook(cells=[cell])).execute()
        found = [output for output in cell.outputs if output.output_type != "stream"]
        assert [output.output_type for output in found] == outputs
        if profile == "live":
            assert "million weights in" in found[0].data["text/html"] and "<progress" in found[0].data[
                "text/html"]
