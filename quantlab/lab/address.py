"""Where a server is, and how its failures are told."""

import ipaddress
import os
from urllib.parse import urlsplit


class LabError(ValueError):
    """A failed request as a sentence for a person. kind: "down", "missing", "timeout", "busy", "refused", "garbled",
    "broken" (in the middle of an answer) or "cancelled"."""

    def __init__(self, sentence: str, kind: str = "refused"):
        super().__init__(sentence)
        self.kind = kind


def server_address(host: str | None = None) -> str:
    """The URL that `host` (None: OLLAMA_HOST) means, by Ollama's own rules; "any address" becomes the loopback.

    Ollama: envconfig.Host. No scheme means http and port 11434; http:// alone means port 80, https:// 443.
    """
    words = (os.environ.get("OLLAMA_HOST", "") if host is None else host).strip().strip("\"'")
    scheme, found, rest = words.partition("://")
    scheme, rest = (scheme, rest) if found else ("http", words)
    port = {"http": 80, "https": 443}.get(scheme, 11434) if found else 11434
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port or port
    except ValueError as error:
        raise LabError(f"OLLAMA_HOST={words!r} is no address ({error}); 127.0.0.1:11434 is the usual one.") from None
    name = parts.hostname or "127.0.0.1"
    try:
        number = ipaddress.ip_address(name)
        name = "127.0.0.1" if number == ipaddress.IPv4Address("0.0.0.0") else f"[{name}]" if number.version == 6 else name
        name = "[::1]" if name == "[::]" else name
    except ValueError:
        pass
    path = parts.path.strip("/")
    return f"{scheme}://{name}:{port}" + (f"/{path}" if path else "")
