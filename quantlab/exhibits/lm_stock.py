"""The language model of an exhibit in several types, or a picture that says why it cannot be run."""

from ..inference.in_types import TYPES, ModelInTypes, model_in_types
from ..stage.legacy import Explorer, show
from .file import draw_refusal


def stock_or_refusal(model, qtype: str, need: str, call: str) -> ModelInTypes | Explorer:
    """The model in several types, or a picture that says why it cannot be run: `need` in its title, `call` as
    what does work.

    ValueError for a type that is not one of TYPES.
    """
    if qtype not in TYPES:
        raise ValueError(f"no type {qtype!r} here; there are {', '.join(TYPES)}")
    try:
        return model_in_types(model)
    except ValueError as error:
        return show(draw_refusal(f"{need} a language model that can be run here",
                                 f"{error} {call}() takes the tiny Llama."))
