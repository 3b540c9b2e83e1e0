"""Taking an exhibit along as code: the call that makes it again as it stands."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

from .. import __version__
from .exhibit import Exhibit

if TYPE_CHECKING:
    from .base import Stage

P = ParamSpec("P")
PLAIN = (str, int, float, bool, type(None))


def recalled(function: Callable[P, "Exhibit | Stage"]) -> Callable[P, "Stage"]:
    """The function whose exhibits stand on stage and know the call that made them (`call`, Python with `ql`).

    `inspect.unwrap` gives the function itself, whose `Exhibit` needs no widgets.
    """
    @wraps(function)
    def made(*args: P.args, **kwargs: P.kwargs) -> "Stage":
        from .base import Stage

        exhibit = function(*args, **kwargs)
        staged = Stage(exhibit) if isinstance(exhibit, Exhibit) else exhibit
        given = [*map(as_code, args), *(f"{name}={as_code(value)}" for name, value in kwargs.items())]
        staged.maker = made
        staged.made_by(f"ql.{function.__name__}({', '.join(given)})")
        return staged

    return made


def as_code(value: Any) -> str:
    """`value` as Python; three dots for what has no short form (an array, an open model)."""
    if isinstance(value, tuple | list) and all(isinstance(part, PLAIN) for part in value) and len(value) < 20:
        return repr(value)
    return repr(value) if isinstance(value, PLAIN) else "..."


def again(call: str, changed: Mapping[str, Any]) -> str:
    """The call that makes an exhibit as it stands.  changed: the handles that were moved."""
    moved = ", ".join(f"{name}={as_code(value)}" for name, value in changed.items())
    return f"import quantlab as ql\n\n{call}" + (f".at({moved})" if moved else "")


def source(call: str) -> str:
    """Where a picture comes from, in a line."""
    return f"quantlab {__version__}: {call}"
