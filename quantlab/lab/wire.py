"""The connection under a request: made quickly, limited in what it may send, and cut at once by Cancel or by
the clock.

A blocked read knows nothing of a pressed button. So a small thread watches, and shuts the socket down; the
server sees its client go and stops working too.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import httpx

GLANCE = 0.05               # seconds between two looks at the button and at the clock
MOST_ANSWER = 32_000_000    # letters of one answer, counts and token lists included


def client(address: str, limits: httpx.Timeout, trust_env: bool) -> httpx.Client:
    """A client for one request."""
    return httpx.Client(base_url=address, timeout=limits, trust_env=trust_env, verify=certificates())


@cache
def certificates():
    """The system's certificates.  Reading them takes 30 ms, so it is done once."""
    return httpx.create_ssl_context()


class Cutter:
    """Says why a connection was cut: `why` is "" while it was not, then "cancelled" or "timeout"."""

    def __init__(self):
        self.why, self._stream = "", None

    def trace(self, event: str, info: dict) -> None:
        """What httpx calls with each step (its extension "trace"); the newest stream is the one to cut."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]

    def cut(self, why: str) -> bool:
        """Shut the socket down; False while there is none."""
        connection = self._stream.get_extra_info("socket") if self._stream is not None else None
        if connection is None:
            return False
        self.why = why
        with suppress(OSError):         # the other side was faster
            connection.shutdown(socket.SHUT_RDWR)
        return True


@contextmanager
def cut_by(cancel: threading.Event | None, seconds: float | None) -> Iterator[Cutter]:
    """A Cutter that cuts when `cancel` is set or `seconds` are over, whichever comes first; None: never."""
    cutter, done = Cutter(), threading.Event()
    end = time.monotonic() + seconds if seconds else float("inf")

    def watch():
        while not done.wait(GLANCE):
            cancelled = cancel is not None and cancel.is_set()
            why = "cancelled" if cancelled else "timeout" if time.monotonic() > end else ""
            if why and cutter.cut(why):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield cutter
    finally:
        done.set()
        thread.join()


def lines(answer: httpx.Response, most: int = MOST_ANSWER) -> Iterator[str]:
    """The lines of a streamed answer as they come.  OverflowError when it sends more than `most` letters,
    line ends or not.
    """
    rest: list[str] = []
    seen = 0
    for text in answer.iter_text():
        seen += len(text)
        if seen > most:
            raise OverflowError(f"more than {most / 1e6:.0f} million letters")
        *whole, last = text.split("\n")
        for line in whole:
            yield "".join([*rest, line])
            rest = []
        rest.append(last)
    if any(rest):
        yield "".join(rest)
