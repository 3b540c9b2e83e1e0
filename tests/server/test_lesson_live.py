"""The lesson's three blocks of code, with our functions in place of its own, run with a server and without
one.
"""

import pytest

FIRST = """
from quantlab import *
tags = get_available_quantizations("llama3.2")
print(recommend_quantization(8, 7))
print(recommend_quantization(24, 34))
"""
SECOND = """
from quantlab import *
prompt = "Explain quantum computing in simple terms."
results = compare_quantizations(prompt, BASE, QUANTS)

for r in results:
    print(f"\\n{r['quantization']}:")
    print(f"  Speed: {r.get('tokens_per_second', 0):.1f} tokens/sec")
    print(f"  Sample: {r.get('response', r.get('error', ''))[:100]}...")
"""
THIRD = """
from quantlab import *
model = create_custom_model("coding-assistant", '''# Modelfile with quantization hint
FROM llama3.2

# System prompt for specialized use
SYSTEM You are a coding assistant.

# These parameters work well with Q4 quantization
PARAMETER temperature 0.7
PARAMETER top_p 0.9
''')
print(model.show())
"""


def run(code: str, **names) -> None:
    exec(compile(code, "lesson", "exec"), names)


@pytest.fixture(autouse=True)
def no_registry(monkeypatch):
    monkeypatch.setenv("QUANTLAB_REGISTRY", "http://127.0.0.1:9")


def test_without_a_server_the_lesson_runs_and_says_what_is_missing(nobody, capsys):
    run(FIRST)
    run(SECOND, BASE="llama3.2", QUANTS=["8b-q4_K_M", "8b-q8_0"])
    out = capsys.readouterr().out
    assert out.splitlines()[:2] == ["q5_K_M", "q4_K_M"] and out.count("0.0 tokens/sec") == 2 and out.count(
        "No Ollama answers") == 2
    with pytest.raises(ValueError, match="ollama serve"):
        run(THIRD)


@pytest.mark.server
def test_with_a_server_the_lesson_s_own_tags_are_answered_with_the_real_ones(live, capsys):
    run(FIRST)
    run(SECOND, BASE="llama3.2", QUANTS=["8b-q4_K_M", "8b-q8_0"])
    out = capsys.readouterr().out
    assert out.count("is not installed") == 2
    # within what the lesson's loop prints
    assert "llama3.1:8b-instruct-q4_K_M" in out and "llama3.1:8b-instruct-q8_0" in out


@pytest.mark.server
def test_with_a_server_and_real_tags_the_lesson_runs_through(live, capsys):
    live.cli("cp", "smollm:135m-instruct-q4_K_M", "llama3.2")
    run(SECOND, BASE="smollm2", QUANTS=["135m-instruct-q4_K_M", "135m-instruct-q8_0"])
    run(THIRD)
    out = capsys.readouterr().out
    assert "Quantum" in out and "Speed: 0.0 tokens/sec" not in out
    assert "SYSTEM You are a coding assistant." in out
