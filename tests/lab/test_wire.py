"""Cancel and the time limit end a request at once, also while the server says nothing; an endless answer is
refused.
"""

import threading
import time

import pytest

from quantlab.lab.server import LabError, Server
from tests.lab.stand_in import stand_in

PIECE = b'{"response": "moo ", "done": false}\n'


@pytest.mark.parametrize("content", [[5.0, PIECE], [PIECE, 5.0, PIECE]],
                         ids=["before the first word", "after it"])
def test_cancel_does_not_wait_for_the_next_word(content):
    cancel = threading.Event()
    with stand_in(lambda path, body: (200, content)) as url:
        threading.Timer(0.3, cancel.set).start()
        start = time.monotonic()
        with pytest.raises(LabError, match="Cancelled") as raised:
            Server(url, timeout=30).generate("m", "hi", cancel=cancel)
    assert raised.value.kind == "cancelled" and time.monotonic() - start < 1.5


def test_words_that_keep_dripping_do_not_stretch_the_limit():
    with stand_in(lambda path, body: (200, [PIECE, 0.2] * 30)) as url:
        start = time.monotonic()
        with pytest.raises(LabError, match=r"within 0\.7 seconds") as raised:
            Server(url, timeout=0.7).generate("m", "hi")
    assert raised.value.kind == "timeout" and time.monotonic() - start < 1.5


def test_an_answer_of_a_megabyte_is_an_answer_and_an_endless_line_is_not(monkeypatch):
    import quantlab.lab.wire as wire

    piece = b'{"response": "' + b"x" * 1_000_000 + b'", "done": true}\n'
    with stand_in(lambda path, body: (200, piece)) as url:
        assert len(Server(url).generate("m", "hi")["response"]) == 1_000_000
    monkeypatch.setattr(wire.lines, "__defaults__", (100_000,))
    with (
        stand_in(lambda path, body: (200, [b"x" * 10_000] * 100)) as url,
        pytest.raises(LabError, match="anybody"),
    ):
        Server(url).generate("m", "hi")


def test_lines_are_put_together_from_any_pieces():
    cut = [PIECE[:7], PIECE[7:] + PIECE[:3], PIECE[3:-1]]       # the last line without its end
    with stand_in(lambda path, body: (200, cut)) as url:
        assert Server(url).generate("m", "hi")["response"] == "moo moo "


def test_a_full_server_is_busy_not_broken():
    with stand_in(lambda path, body: (503, b'{"error": "server busy"}')) as url, \
            pytest.raises(LabError, match="server busy") as raised:
        Server(url).generate("m", "hi")
    assert raised.value.kind == "busy"
