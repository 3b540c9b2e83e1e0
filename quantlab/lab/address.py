"""Where an Ollama server is: what OLLAMA_HOST means, read as Ollama itself reads it (envconfig.Host and
ConnectableHost of 0.34.2).
"""

import ipaddress
import os
import re
from contextlib import suppress
from urllib.parse import quote

USUAL_PORT = "11434"
# Go's net.SplitHostPort: a host in brackets, or one without a colon, and what stands behind the last colon
_HOST_PORT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):([^:\[\]]*)")
_NO_HOST = re.compile(r"[\s\\\"'<>^`{|}?#%:\[\]@]")


def server_address(host: str | None = None) -> str:
    """The URL that a client calls for `host` (None: OLLAMA_HOST); "any address" becomes the loopback.

    No scheme means http and port 11434; http:// alone means port 80, https:// 443.  ValueError for what no
    client could call.
    """
    return read_address(host)[0]


def read_address(host: str | None = None) -> tuple[str, str]:
    """(the URL of `server_address`, what is odd about it: "" or a sentence)."""
    words = os.environ.get("OLLAMA_HOST", "") if host is None else host
    words = words.strip().strip("\"'").strip()
    scheme, rest, port = _scheme(words)
    place, _, path = rest.partition("/")
    if "@" in place:
        raise ValueError(f"OLLAMA_HOST={words.replace(place.rpartition('@')[0], '…')!r} has a user or a "
                         "password in it: Ollama takes none in its address. Leave out what stands before the "
                         "@; where a proxy wants a password, an SSH tunnel to the server helps.")
    if found := _HOST_PORT.fullmatch(place):
        name, given = found[1] or found[2] or "", found[3]
    else:
        inner = place.strip("[]")
        name, given = inner if _as_number(inner) else place, port
    odd = ""
    if not (re.fullmatch(r"[+-]?[0-9]+", given) and 0 <= int(given) <= 65535):
        odd = f"OLLAMA_HOST={words!r} has no port between 0 and 65535, so Ollama takes {port}."
        given = port
    elif int(given) == 0:
        odd = f"OLLAMA_HOST={words!r} lets a server take any free port: a client needs the real one."
    path = quote(path.strip("/"), safe="$&+,/:;=@")
    return f"{scheme}://{_callable(name, words)}:{int(given)}" + (f"/{path}" if path else ""), odd


def _scheme(words: str) -> tuple[str, str, str]:
    """(http or https, what follows the scheme, the port where none is given)."""
    if words == "ollama.com":
        return "https", words, "443"
    scheme, found, rest = words.partition("://")
    if not found:
        return "http", words, USUAL_PORT
    if scheme.lower() not in ("http", "https"):
        raise ValueError(f"OLLAMA_HOST={words!r} is no address (it begins with {scheme}://, not with http:// "
                         "or https://); 127.0.0.1:11434 is the usual one.")
    return scheme.lower(), rest, {"http": "80", "https": "443"}.get(scheme, USUAL_PORT)


def _callable(name: str, words: str) -> str:
    """A host as it stands in a URL that a client can call."""
    number = _as_number(name)
    if number is None:
        if _NO_HOST.search(name):
            raise ValueError(f"OLLAMA_HOST={words!r} is no address (its host would be {name!r}); "
                             "127.0.0.1:11434 is the usual one.")
        return name or "127.0.0.1"
    if isinstance(number, ipaddress.IPv6Address) and not number.ipv4_mapped:
        return "[::1]" if number.is_unspecified else f"[{name}]"
    inner = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else number
    return "127.0.0.1" if inner == ipaddress.IPv4Address(0) else f"{inner}"


def _as_number(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):          # what is no number stays a name
        return ipaddress.ip_address(name) if re.fullmatch(r"[0-9A-Fa-f:.]+(%[\w.-]+)?", name) else None
    return None
