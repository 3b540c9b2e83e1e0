"""A loopback server that misbehaves on request: for what a real Ollama or a real registry cannot be made to
do.
"""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TAGS = {"models": [{"name": f"m:{kind}", "model": f"m:{kind}", "modified_at": "2026-01-01T00:00:00Z",
                    "size": 1, "digest": kind, "details": {"quantization_level": "Q8_0"}}
                   for kind in ("garbage", "stall", "500", "empty", "loop", "list", "error")]}


@contextmanager
def stand_in(answer):
    """The URL of a server that calls `answer(path, body)`, which returns (status, bytes), or a list of bytes
    to send one by one; a ConnectionAbortedError ends the connection without a word.
    """
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            try:
                status, content = answer(self.path, json.loads(self.rfile.read(length) or b"null"))
            except ConnectionAbortedError:
                return          # not a word: a server that was killed
            self.send_response(status)
            self.end_headers()
            try:
                for piece in content if isinstance(content, list) else [content]:
                    time.sleep(piece if isinstance(piece, float) else 0)
                    self.wfile.write(b"" if isinstance(piece, float) else piece)
                    self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                pass

        do_POST = do_HEAD = do_DELETE = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def ollama_that(path: str, body) -> tuple[int, object]:
    """An Ollama whose model m:KIND fails in the way KIND says."""
    if path == "/api/tags":
        return 200, json.dumps(TAGS).encode()
    if path == "/api/ps":
        return 200, b'{"models": []}'
    if path == "/api/version":
        return 200, b'{"version": "0.0"}'
    kind = (body or {}).get("model", "").split(":")[-1]
    if not (body or {}).get("prompt"):
        return 200, b'{"done": true, "done_reason": "load", "response": ""}\n'
    piece = json.dumps({"response": "moo ", "done": False}).encode() + b"\n"
    return {"garbage": (200, b"<html>hello</html>\n"), "stall": (200, [piece, 3.0, piece]),
            "500": (500, b'{"error": "the runner died"}'),
            "empty": (200, b'{"response": "", "done": true, "done_reason": "stop", "eval_count": 1}\n'),
            "loop": (200, [piece] * 31), "list": (200, b"[1]\n"),
            "error": (200, [piece, b'{"error": "out of memory"}\n'])}[kind]


def manifest(size: int) -> bytes:
    kind = "application/vnd.ollama.image."
    layers = [{"mediaType": kind + "license", "size": 7}, {"mediaType": kind + "model", "size": size}]
    return json.dumps({"schemaVersion": 2, "layers": layers}).encode()


def registry_of(tags: dict[str, int], odd: dict[str, tuple] | None = None):
    """A registry that has these tags of any model (tag -> bytes of the model layer) and answers oddly for the
    others.
    """
    def answer(path: str, _body) -> tuple[int, object]:
        if not path.startswith("/v2/library/") or "/manifests/" not in path:
            return 404, b'{"errors": [{"code": "NOT_FOUND"}]}'
        tag = path.rsplit("/", 1)[1]
        return (odd or {}).get(tag) or ((200, manifest(tags[tag])) if tag in tags
                                        else (404, b'{"errors": []}'))

    return answer
