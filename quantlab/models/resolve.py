"""One way in for "a model", whatever it is given as: `shape_of` where its shapes will do, `open_weights`
where its weights are needed.

    shape_of("llama3.1:8b").architecture.n_layer
    with open_weights("tiny") as model:
        model.tensor("token_embd.weight")
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

from .architecture import Architecture
from .catalog import MODELS, catalog_name, library_name
from .no_model import NoModel
from .source import BUNDLED, Model, open_model
from .store import StoreError, name_key


def shape_of(model, *, file_first: bool = False) -> Architecture | Model:
    """A shape, or an open model whose tensor list is known; `.architecture` of either is the shape.

    model: a name of MODELS or of SHORT_NAMES, the name of a pulled model, the path of a GGUF file, "tiny" or
    "sample"; an Architecture or an open model comes back as it is.
    A name of MODELS means the catalog's shape, so that an answer is the same on every machine; file_first: a
    pulled model of that name goes before it, for what shows the bytes of a file, of any kind.
    Raises ValueError that says what was tried, the nearest names, and what would be right; and NoModel for a
    file of another kind, such as a LoRA adapter.
    """
    if isinstance(model, Architecture):
        return model
    if isinstance(model, Model):
        return model if file_first else _checked(model, close=False)
    known = MODELS.get(catalog_name(model) or "") if isinstance(model, str) else None
    if known and not file_first:
        return known
    try:
        return open_model(model) if file_first else _checked(open_model(model))
    except StoreError:
        if known:
            return known
        raise


def listed_as(model, names: Iterable[str]):
    """The one of these names that `model` is another spelling of; without one, `model` as it was given."""
    return next((name for name in names if _key(name) == _key(model)), model)


def _key(model) -> str:
    """What all spellings have in common that `open_model` takes for the same model."""
    text = library_name(str(model)).strip()
    return text.lower() if text.lower() in BUNDLED else name_key(text)


def _checked(found: Model, close: bool = True) -> Model:
    """The model, if it is one that writes."""
    try:
        found.demand_model()
    except NoModel:
        if close:
            found.close()
        raise
    return found


@contextmanager
def open_weights(model) -> Iterator[Model]:
    """An open model with its weights, closed at the end unless it was given open.

    model: as in `shape_of`, and the file always goes first.  Raises ValueError in the same words; for a name
    that only the catalog has, and for an Architecture, they say how to get the file.
    """
    if isinstance(model, Architecture):
        raise ValueError(f"only the shape of a {model.arch} model is given, and its weights are needed: give "
                         "the name of a pulled model or the path of a GGUF file")
    with nullcontext(model) if isinstance(model, Model) else open_model(model) as found:
        found.demand_model()
        _ = found.gguf
        yield found
