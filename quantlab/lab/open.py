"""`open_model` as learners call it: the file first, and where only the Ollama server can reach it, the server's table.

The store belongs to another user on Linux services, and lies elsewhere with Docker, WSL or a remote server.
"""

from ..models import source as files
from ..profile import is_reference


def open_model(source) -> files.Model:
    """Open a GGUF file by path, a pulled Ollama model by name (`llama3.2:3b`), or the bundled "sample".

    When no local store can give the file, the server that OLLAMA_HOST names is asked for the tensor table; such a model
    has `.tensors`, `.architecture`, `.ftype` and sizes, but no weights (`.why` says why). Raises ValueError in words.
    The reference profile asks no server.
    """
    return files.open_model(source, None if is_reference() else _ask)


def _ask(name: str) -> dict:
    from .server import Server

    return Server(timeout=30).show(name, verbose=True)
