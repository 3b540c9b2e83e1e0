"""The commands, run as they are typed: what they print is what the function returns, a mistake is one
sentence and status 2.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.resources import files

import pytest

import quantlab as ql
from quantlab.cli.main import COMMANDS, main
from quantlab.lab.comparison import Comparison
from tests.lab.stand_in import stand_in
from tests.lab.test_comparison import Pretend

TYPED = (sys.executable, "-m", "quantlab")


def typed(*arguments, **more):
    done = subprocess.run([*TYPED, *map(str, arguments)], capture_output=True, text=True, timeout=120, **more)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def printed(*arguments, **more) -> str:
    done = typed(*arguments, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_version_and_help_name_what_there_is():
    assert printed("--version") == f"quantlab {ql.__version__}\n"
    words = printed("--help")
    assert all(command.__name__ in words for command in COMMANDS) and len(COMMANDS) == 10


def test_estimate_prints_what_the_function_returns(capsys):
    how = ("--ctx", 8192, "--type-k", "q8_0", "--type-v", "q8_0", "--parallel", 2, "--layers", 20)
    found = ql.estimate_memory("llama3.1:8b", "Q5_K_M", n_ctx=8192, type_k="q8_0", type_v="q8_0",
                               n_parallel=2, n_gpu_layers=20)
    assert printed("estimate", "llama3.1:8b", "--ftype", "Q5_K_M", *how) == f"{found}\n"
    assert main(["estimate", "llama3.1:8b", "--no-flash-attention", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = ql.estimate_memory("llama3.1:8b", flash_attention=False)
    assert {name: told[name] for name in ("weights", "kv_cache", "compute", "host", "total", "needed")} == {
        name: getattr(found, name) for name in ("weights", "kv_cache", "compute", "host", "total", "needed")}


def test_recommend_prints_what_the_function_returns(capsys):
    found = ql.recommend("qwen3:14b", [12.0], n_ctx=16384)
    assert printed("recommend", "qwen3:14b", 12, "--ctx", 16384) == f"{found}\n"
    assert main(["recommend", "qwen3:14b", "12", "--ctx", "16384", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [line["ftype"] for line in told] == [option.ftype for option in found]


def test_experts_can_be_kept_in_main_memory_by_every_flag_of_llama_cpp(capsys):
    for flags, settings in ((["--n-cpu-moe", "5"], {"n_cpu_moe": 5}), (["--cpu-moe"], {"n_cpu_moe": 32}),
                            (["--override-tensor", "down_exps=CPU"], {"override_tensor": "down_exps=CPU"})):
        assert main(["estimate", "mixtral:8x7b", *flags]) == 0
        assert capsys.readouterr().out == f"{ql.estimate_memory('mixtral:8x7b', **settings)}\n"
    assert main(["recommend", "mixtral:8x7b", "100", "--bandwidth", "900", "--host-bandwidth", "80"]) == 0
    assert capsys.readouterr().out == f"{ql.recommend('mixtral:8x7b', 100)}\n", "all fit: no speed is told"


def test_a_report_is_made_of_a_results_file(tmp_path, monkeypatch):
    packed = files("quantlab").joinpath("data/recorded/lab_smollm2.jsonl.gz").read_bytes()
    (tmp_path / "run.jsonl").write_bytes(gzip.decompress(packed))
    assert printed("report", "run.jsonl", cwd=tmp_path) == "run.html\n"
    page = ql.RecordedComparison("smollm2").report(tmp_path / "other.html").read_text()
    assert (tmp_path / "run.html").read_text() == page and "good enough" in page
    monkeypatch.chdir(tmp_path)
    assert main(["report", "run.jsonl", "b.html", "--check", "leonardo", "--margin", "0.2"]) == 0
    page = (tmp_path / "b.html").read_text()
    assert "pass rate lost (right: has &#x27;leonardo&#x27;), margin 20 % of all" in page


@pytest.mark.parametrize("words, said", [
    ("estimate llama9:1b", "'llama9:1b'"), ("estimate llama3.1:8b --ctx 0", "n_ctx=0"),
    ("estimate llama3.1:8b --ftype Q4_X", "Q4_X"), ("estimate llama3.1:8b --ctx many", "invalid int value"),
    ("recommend llama3.1:8b -1", "-1"),
    ("estimate llama3.1:8b --n-cpu-moe 3", "n_cpu_moe=3 asks for experts"),
    ("estimate llama3.1:8b --cpu-moe", "n_cpu_moe=32 asks for experts"),
    ("estimate qwen3:30b --n-cpu-moe 49", "more than the 48 layers"),
    ("estimate qwen3:30b --cpu-moe --n-cpu-moe 3", "give one"),
    ("estimate qwen3:30b --override-tensor nothing=CPU", "'nothing', which is in no tensor's name"),
    ("estimate qwen3:30b --override-tensor exps", "PATTERN=CPU"),
    ("recommend qwen3:30b 12 --bandwidth -1", "bandwidth=-1"),
    ("compare Hi m --rounds 0", "rounds=0"), ("doctor --loud", "--loud"),
    ("compare none.txt m", "none.txt cannot be read"), ("compare Hi m --option num_ctx", "NAME=VALUE"),
    ("compare Hi m --option num_ctx=large", "num_ctx='large': a whole number"),
    ("compare Hi m --option heat=1", "no Ollama option 'heat'"), ("compare Hi m --check (", "cannot be read"),
    ("compare Hi m", "No Ollama answers"), ("report none.jsonl", "none.jsonl cannot be read"),
    ("report .", "cannot be read"), ("reset 77", "'77'"), ("sing", "invalid choice: 'sing'"),
])
def test_a_mistake_is_one_sentence_and_status_2(words, said, tmp_path, nobody, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(words.split())
    except SystemExit as stop:          # argparse's own
        status = stop.code
    told = capsys.readouterr()
    assert status == 2 and said in told.err.splitlines()[-1] and not told.out
    assert not list(tmp_path.glob("*.jsonl")), "nothing was begun"


def test_so_it_is_as_typed(tmp_path):
    done = typed("estimate", "llama9:1b", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines()), done.stdout) == (2, 1, "")


@contextmanager
def server_of(pretend):
    """The environment of a machine whose Ollama is `pretend`."""
    def answer(path, body):
        return (200, b'{"model_info": {}}') if path == "/api/show" else pretend(path, body)

    with stand_in(answer) as url:
        yield {**os.environ, "OLLAMA_HOST": url, "QUANTLAB_PROFILE": "live",
               "QUANTLAB_REGISTRY": "http://127.0.0.1:9"}


def test_compare_asks_says_how_far_it_is_and_prints_the_verdicts(tmp_path):
    pretend = Pretend()
    (tmp_path / "asked.txt").write_text("one\ntwo\n")
    command = ("compare", "asked.txt", "a", "b", "--base", "m", "--rounds", 1, "--check", "moo", "--margin",
               0.2, "--file", "run.jsonl", "--option", "num_ctx=512", "--option", 'stop=["x"]')
    with server_of(pretend) as env:
        done = typed(*command, cwd=tmp_path, env=env)
        assert done.returncode == 0 and "0 of 4 calls. Asking m:a: one" in done.stderr
        assert "python -m quantlab report run.jsonl" in done.stderr
        head, first, verdict, second, other, floor = done.stdout.splitlines()
        assert " ".join(head.split()) == "model size tokens/s as fast first token right"
        assert first.startswith("m:a") and first.endswith("100 % of 2 prompts")
        assert verdict == "    the reference (context 2048 instead of 512)"
        assert second.startswith("m:b") and "cannot tell: 2 prompts give points" in other and floor
        told = json.loads(printed(*command, "--json", cwd=tmp_path, env=env))
        assert [line["model"] for line in told] == ["m:a", "m:b"] and told[1]["speed_ratio"]["mean"] == 1
        assert len(pretend.asked) == 4, "nothing is asked again"
        done = typed("compare", "one", "m:a", "m:none", cwd=tmp_path, env=env)
        assert done.returncode == 2 and "m:none is not installed" in done.stderr and len(pretend.asked) == 4
        (tmp_path / "study.json").write_text('[{"prompt": "five", "check": "has: moo", "tags": "x"}, "six"]')
        done = typed("compare", "study.json", "m:a", "--system", "Say moo.", "--format", "json",
                     "--think", "no", "--tags", "x", "--rounds", 1, cwd=tmp_path, env=env)
        body = pretend.sent[-1][1]
        assert done.returncode == 0 and "100 % of 1 prompt" in done.stdout and body["prompt"] == "five"
        assert (body["system"], body["format"], body["think"]) == ("Say moo.", "json", False)
    made = Comparison.from_file(tmp_path / "run.jsonl")
    assert made.plan.options["num_ctx"] == 512 and made.plan.options["stop"] == ["x"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path):
    pretend = Pretend(odd={"two": [(200, [b"", 60.0])]})        # the second answer takes a minute
    command = [*TYPED, "compare", "one\ntwo", "m:a", "--rounds", "2"]
    with server_of(pretend) as env:
        with subprocess.Popen(command, cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as run:
            assert any("1 of 4 calls" in line for line in run.stderr)
            while len(pretend.asked) < 2:
                pass
            run.send_signal(signal.SIGINT)
            told, rest = run.communicate(timeout=30)
        (file,) = tmp_path.glob("comparison-*.jsonl")
        assert run.returncode == 130 and not told and "Traceback" not in rest
        assert f"stopped; 1 of 4 calls are kept in {file.name}: the same command goes on" in rest
        printed(*command[3:], cwd=tmp_path, env=env)
    assert Comparison.from_file(file).missing == 0 and pretend.asked.count(("m:a", "one")) == 2
