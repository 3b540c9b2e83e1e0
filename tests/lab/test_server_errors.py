"""A server that misbehaves costs a row, never a traceback; a host means what Ollama says it means."""

import os
import subprocess
import sys
import threading

import pytest
from ollama._client import _parse_host

from quantlab.lab.address import server_address
from quantlab.lab.compare import compare_quantizations
from quantlab.lab.server import LabError, Server
from tests.lab.stand_in import ollama_that, stand_in

WORDS = {"garbage": "not Ollama's", "stall": "within", "500": "the runner died",
         "empty": "answered with nothing", "list": "not Ollama's", "error": "out of memory"}


@pytest.mark.parametrize("kind", WORDS)
def test_each_way_to_fail_becomes_a_row_with_a_sentence(kind):
    with stand_in(ollama_that) as url:
        rows = compare_quantizations("hi", "m", [kind], server=Server(url, timeout=0.5))
    assert rows[0].keys() == {"quantization", "error"}
    assert rows[0]["quantization"] == kind and WORDS[kind] in rows[0]["error"]


def test_an_answer_that_repeats_itself_and_never_ends_is_flagged_as_a_loop():
    with stand_in(ollama_that) as url:
        row = compare_quantizations("hi", "m", ["loop"], server=Server(url))[0]
    assert row["flags"] == ["degenerate loop"]
    assert row["response"].startswith("moo moo") and row["tokens_per_second"] == 0.0


def test_a_download_may_take_longer_than_the_limit_as_long_as_it_goes_on():
    step = b'{"status": "pulling", "completed": 1, "total": 2}\n'
    with stand_in(lambda path, body: (200, [step, 0.4, step, 0.4, step])) as url:
        seen = []
        Server(url, timeout=0.6).pull("m", seen.append)
        assert seen == ["pulling 50%"] * 3


def test_a_download_ends_when_it_is_cancelled():
    step, cancel = b'{"status": "pulling"}\n', threading.Event()
    with stand_in(lambda path, body: (200, [step] * 3)) as url, pytest.raises(LabError, match="Cancelled"):
        Server(url).pull("m", lambda _step: cancel.set(), cancel)


def test_the_rows_after_a_failure_are_still_asked():
    with stand_in(ollama_that) as url:
        rows = compare_quantizations("hi", "m", ["500", "loop", "garbage"], server=Server(url))
    assert ["error" in row for row in rows] == [True, False, True]


def test_without_a_server_each_row_says_how_to_start_one(nobody):
    rows = compare_quantizations("hi", "llama3.2", ["3b", "", None])
    assert [row["quantization"] for row in rows] == ["3b", "default", "default"]
    assert all(nobody in row["error"] and "ollama serve" in row["error"] for row in rows)


def test_every_call_says_so_when_nobody_listens(nobody):
    server = Server()
    for call in (server.version, server.models, server.ps, lambda: server.show("m"),
                 lambda: server.generate("m", "hi"), lambda: server.create("m", from_="n"),
                 lambda: server.upload(__file__)):
        with pytest.raises(LabError, match="No Ollama answers") as raised:
            call()
        assert raised.value.kind == "down"


def test_a_body_that_is_json_but_no_object_does_not_escape_as_an_attribute_error():
    with stand_in(lambda path, body: (500, b"[1]")) as url:
        for call in (Server(url).models, Server(url).ps, Server(url).version,
                     lambda: Server(url).create("m", from_="n")):
            with pytest.raises(LabError):
                call()


@pytest.mark.parametrize("host", ["", "1.2.3.4", ":56789", "1.2.3.4:56789", "http://1.2.3.4",
                                  "https://1.2.3.4", "https://1.2.3.4:56789", "example.com",
                                  "http://example.com", "example.com:56789/path/", "[0001:002:003:0004::1]",
                                  "[0001:002:003:0004::1]:56789", "https://[0001:002:003:0004::1]",
                                  "example.com/path"])
def test_a_host_means_what_the_ollama_client_says(host):
    assert server_address(host) == _parse_host(host)


EVERY_LESSON = ("ql.doctor(), ql.my_models().note, ql.explore_comparison().why, "
                "ql.explore_custom_model().finding, len(ql.get_available_quantizations('llama3.2'))")


@pytest.mark.parametrize("host, more, times", [("ftp://127.0.0.1:99", EVERY_LESSON, 4),
                                               ("local:host:port", "", 1), ("[::1]:[", "", 1)])
def test_a_host_that_means_nothing_is_a_sentence_in_every_lesson(host, more, times):
    """In a fresh interpreter: the `ollama` package reads the variable, and stops, while it is imported."""
    code = f"import quantlab as ql; print(ql.compare_quantizations('hi', 'm', ['q8_0'])[0]['error'], {more})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "OLLAMA_HOST": host, "QUANTLAB_PROFILE": "live",
                               "QUANTLAB_REGISTRY": "http://127.0.0.1:9"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"OLLAMA_HOST='{host}' is no address") == times


def test_nonsense_is_refused_in_words():
    for bad in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="timeout="):
            Server(timeout=bad)
    with pytest.raises(ValueError, match="empty"):
        compare_quantizations("  ", "m", ["q8_0"])
    with pytest.raises(ValueError, match="list"):
        compare_quantizations("hi", "m", "q8_0")
    with pytest.raises(ValueError, match="quants is empty"):
        compare_quantizations("hi", "m", [])
