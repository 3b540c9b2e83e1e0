"""Which models this machine has, and what the server says of one whose file cannot be read: the store belongs
to another user on Linux services, and lies elsewhere with Docker, WSL or a remote server.
"""

from html import escape

from ..models.store import pulled_models
from ..profile import is_reference
from ..words import size, text_table


class MyModels(list):
    """Names of the models that this machine has; `.sizes` in bytes by name, `.note` says who told.

    `.first` is the smallest of them, or "sample": a name that can always be opened.
    """

    def __init__(self, sizes: dict[str, int], note: str):
        super().__init__(sorted(sizes))
        self.sizes, self.note = sizes, note

    @property
    def first(self) -> str:
        return min(self, key=self.sizes.__getitem__, default="sample")

    def __repr__(self) -> str:
        models = text_table([(name, size(self.sizes[name])) for name in self])
        return "\n".join([*([models] if self else []), self.note])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def my_models() -> MyModels:
    """What Ollama has pulled on this machine: from its store, and from its server where one answers.

    Never raises for a missing store or server; the reference profile looks at neither.
    """
    if is_reference():
        return MyModels({}, "Reference profile: no store is looked at. On your machine this lists what "
                            "Ollama has pulled.")
    stored = {model.name: model.size for model in pulled_models()}
    told, note = _on_the_server()
    sizes = told | stored
    if not sizes:
        return MyModels({}, f"No pulled models were found. {note}")
    return MyModels(sizes, f"{len(stored)} readable in Ollama's store; {note}")


def shown_by_server(name: str) -> dict:
    """The server's answer to /api/show, its table of tensors included.  Raises LabError, a ValueError."""
    from .server import Server  # ollama and httpx take a third of a second to import

    return Server(timeout=30).show(name, verbose=True)



def _on_the_server() -> tuple[dict[str, int], str]:
    from .server import LabError, Server

    try:
        models = Server(timeout=10).models()
    except LabError as error:
        return {}, str(error)
    return {model["name"]: model["size"] for model in models}, f"the server lists {len(models)}."
