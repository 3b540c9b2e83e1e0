"""An Ollama server: where it is, what it can be asked, and each failure as one kind of sentence.

Every request has a time limit. The `ollama` package does lists, create and blobs. It cannot send `verbose`,
drops some options, and its streams end in several families of exceptions: so `show`, `generate`, `pull` and
`version` ask through httpx.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from ..models.store import name_key
from .address import read_address
from .wire import certificates, client, cut_by, lines

if TYPE_CHECKING:
    import ollama

REQUEST_SECONDS = 300.0         # default limit of one request
CONNECT_SECONDS = 3.0


class LabError(ValueError):
    """A failed request as a sentence for a person.  kind: "down", "missing", "timeout", "busy", "refused",
    "garbled", "broken" (in the middle of an answer) or "cancelled".
    """

    def __init__(self, sentence: str, kind: str = "refused"):
        super().__init__(sentence)
        self.kind = kind


@cache
def _package():
    """The package `ollama`, loaded when somebody is asked: it needs a compiled module, which is not
    everywhere.
    """
    try:
        import ollama
    except ValueError:      # it reads OLLAMA_HOST on import, and stops at one that means nothing: we said so
        unreadable = os.environ.pop("OLLAMA_HOST")
        import ollama
        os.environ["OLLAMA_HOST"] = unreadable
    return ollama


def heed(cancel: threading.Event | None) -> None:
    """Raise LabError "cancelled" where `cancel` is set."""
    if cancel is not None and cancel.is_set():
        raise LabError("Cancelled.", "cancelled")


class Server:
    """An Ollama server.  host: as in OLLAMA_HOST, which is read when it is None; timeout: seconds for one
    request.

    A host that means nothing is no error yet: each request then fails with the sentence that says so.
    odd: what Ollama does not take as it is written, such as a port out of range, or "".
    """

    def __init__(self, host: str | None = None, timeout: float = REQUEST_SECONDS):
        if not timeout > 0:
            raise ValueError(f"timeout={timeout} seconds cannot work: give a positive number")
        self.timeout, self.odd, self._unusable = timeout, "", ""
        try:
            self.address, self.odd = read_address(host)
        except ValueError as error:
            self.address, self._unusable = "an address that means nothing", str(error)

    @property
    def is_here(self) -> bool:
        """Whether the server runs on this machine: its disk and memory are ours, and no proxy is needed."""
        return urlsplit(self.address).hostname in ("127.0.0.1", "localhost", "::1")

    def version(self) -> str:
        """What the server calls itself, such as "0.34.2"."""
        return str(self._ask("GET", "/api/version").get("version", "unknown"))

    def answers(self, seconds: float) -> bool:
        """Whether the server says its version within so many seconds."""
        try:
            Server(self.address, seconds).version()
        except LabError:
            return False
        return True

    def models(self) -> list[dict]:
        """Installed models, newest first: name, size (bytes), digest, quantization_level, parameter_size,
        family.
        """
        with self._friendly():
            return [{"name": m.model, "size": int(m.size or 0), "digest": m.digest or "",
                     **_level(m.details or {})} for m in self._client().list().models]

    def ps(self) -> list[dict]:
        """Models in memory: name, size, size_vram (bytes), context_length."""
        with self._friendly():
            return [{"name": m.model, "size": m.size, "size_vram": m.size_vram,
                     "context_length": m.context_length} for m in self._client().ps().models]

    def installed(self, names: Sequence[str]) -> dict[str, dict]:
        """{name: its entry of `models`} for those of `names` that the server answers for, however they are
        spelled.  What it does not list but shows (a model that runs elsewhere) has a size of 0.
        """
        listed = {name_key(entry["name"]): entry for entry in self.models()}
        found = {name: listed.get(name_key(name)) or self._shown(name) for name in names}
        return {name: entry for name, entry in found.items() if entry}

    def _shown(self, name: str) -> dict | None:
        """What `show` tells, as an entry of `models`; None where it knows no such model."""
        try:
            details = self.show(name).get("details")
        except LabError as error:
            if error.kind not in ("missing", "refused"):
                raise
            return None
        return {"name": name, "size": 0, "digest": "", **_level(details)} if details else None

    def show(self, name: str, verbose: bool = False) -> dict:
        """All the server says of a model: modelfile, parameters, template, system, details, model_info; if
        verbose, tensors too (name, type, shape in GGUF's order), where the store itself cannot be read.
        """
        return self._ask("POST", "/api/show", {"model": name, "verbose": verbose})

    def generate(self, model: str, prompt: str = "", *, options: dict | None = None,
                 cancel: threading.Event | None = None, on_text: Callable[[str], None] | None = None,
                 keep_alive: str | int | None = None, **fields) -> dict:
        """One answer: the server's last message (durations in ns, counts) with the whole text under
        "response".

        An empty prompt only loads the model.  on_text gets each piece as it comes; setting `cancel` stops the
        server too.  fields: others of /api/generate (system, format, think, raw, truncate, shift, logprobs);
        with `messages` the conversation is sent to /api/chat, and no prompt.
        Also in the answer: "thinking", "logprobs" of all tokens, and "first_seconds", from sending to the
        first piece.  "done" is False when the server ended without a last message.  Raises LabError.
        """
        chat = "messages" in fields
        body = {"model": model, "options": dict(options or {}), **fields}
        body |= {} if chat else {"prompt": prompt}
        if keep_alive is not None:
            body["keep_alive"] = keep_alive
        pieces, thoughts, first, start = [], [], None, time.perf_counter()
        logprobs: list[dict] = []
        last: dict = {}
        for last in self._stream("/api/chat" if chat else "/api/generate", body, cancel):
            said = _object_of(last, "message") if chat else last
            pieces.append(str(said.get("content" if chat else "response") or ""))
            thoughts.append(str(said.get("thinking") or ""))
            logprobs += last.get("logprobs") or []
            if first is None and (pieces[-1] or thoughts[-1]):
                first = time.perf_counter() - start
            if on_text and pieces[-1]:
                on_text(pieces[-1])
        return {**last, "done": bool(last.get("done")), "response": "".join(pieces),
                "thinking": "".join(thoughts), "logprobs": logprobs,
                "first_seconds": first}

    def create(self, name: str, progress: Callable[[str], None] | None = None, **fields) -> None:
        """Make the model `name`; fields as /api/create has them (from_, files, system, parameters, quantize,
        ...).

        The server itself would pull a missing `from_`: look for it first (quantlab.lab.custom does).
        """
        with self._friendly():
            for step in self._client().create(name, stream=True, **fields):
                if progress and step.status:
                    progress(step.status)

    def delete(self, name: str) -> None:
        """Remove a model from the server's store.  Raises LabError, "missing" where there is none."""
        with self._friendly():
            self._client().delete(name)

    def upload(self, path: str | Path) -> str:
        """Send a file to the server's store; returns its digest."""
        with self._friendly():
            return self._client().create_blob(Path(path))

    def pull(self, name: str, progress: Callable[[str], None] | None = None,
             cancel: threading.Event | None = None) -> None:
        """Download a model from the registry. Ask the person first: `quantlab.lab.custom.pull_question` has
        the words.

        progress gets each step in words, with how much of it is there.  The time limit holds between two
        messages, not for the whole: gigabytes may take an hour.
        """
        for step in self._stream("/api/pull", {"model": name}, cancel, whole=False):
            done, total = step.get("completed"), step.get("total")
            if progress and step.get("status"):
                progress(f"{step['status']} {done / total:.0%}" if done and total else str(step["status"]))

    # -- the wire

    def _client(self) -> "ollama.Client":
        return _package().Client(self.address, timeout=self._limits(), trust_env=not self.is_here,
                             verify=certificates())

    def _limits(self) -> httpx.Timeout:
        return httpx.Timeout(self.timeout, connect=min(CONNECT_SECONDS, self.timeout))

    def _http(self) -> httpx.Client:
        return client(self.address, self._limits(), not self.is_here)

    def _ask(self, method: str, path: str, body: dict | None = None) -> dict:
        with self._friendly(), self._http() as http:
            answer = http.request(method, path, json=body)
            self._refuse(answer)
            return _as_object(answer.text)

    def _stream(self, path: str, body: dict, cancel: threading.Event | None,
                whole: bool = True) -> Iterator[dict]:
        """The messages of an answer; whole: the time limit counts from the start, not only between two of
        them.
        """
        with self._friendly(), cut_by(cancel, self.timeout if whole else None) as cutter:
            try:
                with self._http() as http, http.stream("POST", path, json=body,
                                                       extensions={"trace": cutter.trace}) as answer:
                    self._refuse(answer)
                    for text in lines(answer):
                        heed(cancel)
                        if text.strip():
                            part = _as_object(text)
                            if part.get("error"):
                                raise LabError(f"Ollama says: {part['error']}")
                            yield part
            except httpx.HTTPError as error:
                if cutter.why:
                    raise self._cut(cutter.why) from error
                raise
            if cutter.why:      # cut between two messages: the rest is missing, though nothing failed
                raise self._cut(cutter.why)

    def _refuse(self, answer: httpx.Response) -> None:
        """Raise what the server said when its status is not a good one."""
        if answer.is_success:
            return
        answer.read()
        said = None
        with suppress(LabError):
            said = _said(_as_object(answer.text).get("error"))
        kind = {404: "missing", 503: "busy"}.get(answer.status_code, "refused")
        raise LabError(f"Ollama says: {said or f'HTTP {answer.status_code}, and no word why'}", kind)

    def _cut(self, why: str) -> LabError:
        """The error for a connection that was cut: "cancelled" or "timeout"."""
        if why == "cancelled":
            return LabError("Cancelled.", why)
        return LabError(f"Ollama did not finish within {self.timeout:g} seconds. A larger timeout, a smaller "
                        "model or a smaller num_predict would help.", why)

    @contextmanager
    def _friendly(self):
        """Turn each way a request can fail into a LabError."""
        if self._unusable:
            raise LabError(self._unusable, "down")
        try:
            yield
        except LabError:
            raise
        except (httpx.ConnectError, httpx.ConnectTimeout, ConnectionError) as error:
            raise LabError(f"No Ollama answers at {self.address}. Start it with `ollama serve` (or open the "
                           f"Ollama app), then run this again.{self.odd and ' ' + self.odd}",
                           "down") from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise self._cut("timeout") from error
        except ImportError as error:
            raise LabError(f"No server can be asked from here: this Python cannot load {error.name}.",
                           "down") from error
        except _package().ResponseError as error:
            kind = "missing" if error.status_code == 404 else "refused"
            raise LabError(f"Ollama says: {error.error}", kind) from error
        except OverflowError as error:
            raise LabError(f"{self.address} sent {error}: not an answer that anybody would read.",
                           "garbled") from error
        except httpx.HTTPError as error:
            raise LabError(f"The connection to {self.address} broke; is Ollama still running? "
                           f"({error or type(error).__name__})", "broken") from error
        except (ValueError, AttributeError, KeyError) as error:     # the client met JSON of another shape
            raise LabError(f"{self.address} answered something that is not Ollama's.", "garbled") from error


def _level(details) -> dict[str, str]:
    return {key: str(details.get(key) or "") for key in ("quantization_level", "parameter_size", "family")}


def _said(error: object) -> object:
    """The words of an error; since 0.30 some are llama-server's own JSON, with the words in it."""
    if isinstance(error, str) and error.startswith("{"):
        with suppress(LabError):
            error = _as_object(error).get("error") or error
    return error.get("message") or error if isinstance(error, dict) else error


def _object_of(message: dict, key: str) -> dict:
    return value if isinstance(value := message.get(key), dict) else {}


def _as_object(text: str) -> dict:
    """A JSON object; LabError for anything else."""
    with suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    raise LabError(f"The server answered something that is not Ollama's: {text[:80]!r}", "garbled")
