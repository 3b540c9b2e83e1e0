"""Comparisons on a real Ollama with real models."""

import threading
import time

import pytest

from quantlab.lab.compare import compare_quantizations
from quantlab.lab.server import Server
from quantlab.lab.tags import get_available_quantizations
from tests.ollama_fixture import FILES

pytestmark = pytest.mark.server
PAIR = ["135m-instruct-q4_K_M", "135m-instruct-q8_0"]
SHORT = {"num_predict": 24, "temperature": 0, "seed": 1, "num_thread": 1}


def test_two_quantizations_answer_and_speed_is_the_server_s_own_quotient(live, monkeypatch):
    answers = []
    original = Server.generate
    monkeypatch.setattr(Server, "generate", lambda *a, **k: answers.append(original(*a, **k)) or answers[-1])
    rows = compare_quantizations("Who painted the Mona Lisa?", "smollm", PAIR, options=SHORT)
    said = [answer for answer in answers if answer.get("eval_count", 0) > 1]      # without warm-ups
    for row, answer, level in zip(rows, said, ("Q4_K_M", "Q8_0"), strict=True):
        assert row["tokens_per_second"] == pytest.approx(answer["eval_count"] / answer["eval_duration"] * 1e9)
        assert 0.5 < row["tokens_per_second"] < 2000 and row["wall_tokens_per_second"] < row[
            "tokens_per_second"]
        assert row["text"] == answer["response"] and row["response"] == row["text"][:200] and len(
            row["text"]) > 20
        assert row["quantization_level"] == level and row["eval_count"] <= 24
    assert 0 < rows[0]["bytes"] - FILES["Q4_K_M"].stat().st_size < 1000
    assert rows[1]["bytes"] > 1.3 * rows[0]["bytes"]


def test_full_tags_from_the_tag_list_go_straight_into_a_comparison(live):
    tags = get_available_quantizations("smollm:135m", server=Server(), registry="http://127.0.0.1:9",
                                       timeout=0.5)
    assert set(tags) == {"smollm:135m-q4_1", *(f"smollm:{tag}" for tag in PAIR)}
    row = compare_quantizations("Hi", "smollm", [tags[0]], options=SHORT)[0]
    assert row["quantization"] == tags[0] and row["text"]


def test_a_missing_model_is_a_row_with_the_nearest_real_tag_beside_answers(live):
    rows = compare_quantizations("Hi", "smollm", ["135m-q8_0", PAIR[1]], options=SHORT)
    assert rows[0].keys() == {"quantization", "error"} and "smollm:135m-instruct-q8_0" in rows[0]["error"]
    assert rows[1]["text"]


def test_two_names_of_one_file_are_marked(live):
    rows = compare_quantizations("Hi", "smollm", [PAIR[1], f"smollm2:{PAIR[1]}"], options=SHORT)
    assert f"same digest as smollm:{PAIR[1]}" in rows[1]["flags"]


def test_a_cut_answer_is_marked(live):
    row = compare_quantizations("Tell a long story.", "smollm", PAIR[1:],
                                options={**SHORT, "num_predict": 5})[0]
    assert row["flags"] [0] == "cut at num_predict" and row["eval_count"] == 5


def test_a_tiny_timeout_is_a_row(live):
    row = compare_quantizations("Tell a long story.", "smollm", PAIR[1:],
                                options={**SHORT, "num_predict": 400}, timeout=0.3)[0]
    assert row.keys() == {"quantization", "error"} and "0.3 seconds" in row["error"]


def test_cancel_stops_the_server_within_moments(live):
    stop, rows = threading.Event(), []
    asked = dict(options={**SHORT, "num_predict": 4000}, cancel=stop)
    thread = threading.Thread(
        target=lambda: rows.extend(compare_quantizations("Tell a long story.", "smollm", PAIR, **asked))
    )
    thread.start()
    time.sleep(2)
    stop.set()
    thread.join(20)
    assert not thread.is_alive() and [row["error"] for row in rows] == ["Cancelled.", "Cancelled."]


def test_the_server_answers_what_the_client_wraps(live):
    server = Server()
    assert server.version().count(".") == 2
    assert {m["quantization_level"] for m in server.models()} >= {"Q4_1", "Q4_K_M", "Q8_0"}
    assert server.generate(f"smollm:{PAIR[1]}", "", options={"num_thread": 1})["response"] == ""
    # One file has two names here, and a loaded file is listed under the name it was first asked by.
    assert any(m["name"].endswith(f":{PAIR[1]}") and m["size"] > 10**8 for m in server.ps())
