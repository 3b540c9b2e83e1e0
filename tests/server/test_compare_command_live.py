"""`python -m quantlab compare` and `report` as they are typed, with the tiny model on a real Ollama."""

import signal
import subprocess

import pytest

from quantlab.lab.comparison import Comparison
from quantlab.lab.custom import add_tiny_models, remove_tiny_models
from tests.cli.test_commands import TYPED, printed

pytestmark = pytest.mark.server
OPENINGS = ("To be, or not to be", "All the world's a stage,", "Friends, Romans, countrymen,")


def test_a_comparison_is_stopped_by_ctrl_c_goes_on_and_becomes_a_page(live, tmp_path):
    reference, small = add_tiny_models(["F16", "Q2_K"])
    (tmp_path / "asked.txt").write_text("\n".join(OPENINGS))
    options = ["--option", "num_thread=1", "--option", "num_ctx=256", "--option", "num_predict=8"]
    command = [*TYPED, "compare", "asked.txt", reference, small, "--rounds", "1", *options,
               "--file", "run.jsonl"]
    try:
        with subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as run:
            assert any("2 of 6 calls" in line for line in run.stderr)
            run.send_signal(signal.SIGINT)
            told, said = run.communicate(timeout=60)
        assert run.returncode == 130 and not told and "of 6 calls are kept in run.jsonl" in said
        kept = Comparison.from_file(tmp_path / "run.jsonl").rows()
        assert 2 <= len(kept) < 6 and [row["error"] for row in kept] == [""] * len(kept)
        head, first, _, second, verdict, floor = printed(*command[3:], cwd=tmp_path).splitlines()
        made = Comparison.from_file(tmp_path / "run.jsonl")
        assert made.rows()[: len(kept)] == kept and made.missing == 0 and "tokens/s" in head
        assert first.startswith(reference) and second.startswith(small)
        assert "cannot tell: 3 prompts give points" in verdict and "KL ≥ 0 nats per token" in floor
        assert made.summary()["coverage"][1] > 0.8, "the reference's answers were replayed"
        assert printed("report", "run.jsonl", "page.html", cwd=tmp_path) == "page.html\n"
        assert OPENINGS[2] in (tmp_path / "page.html").read_text()
    finally:
        remove_tiny_models()
