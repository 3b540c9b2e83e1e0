"""What a reader types into a field: numbers, sums, texts, lists, a short function. Never the whole of Python,
as the page may be served to others.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ..words import listed

LONGEST = 400           # letters
LARGEST_POWER = 64      # 2**64 is enough for any number of bytes
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.USub: operator.neg, ast.UAdd: operator.pos}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "dict": dict, "float": float, "int": int, "max": max, "min": min, "round": round, "sum": sum}
NUMBERS = (int, float)


def read_expression(words: str) -> Any:
    """The value of what was typed: 4.5, (16 * 4 + 16) / 16, "Q4_0", [dict(n_ctx=4096)], or lambda a: 2 * a.

    What is no Python at all is taken as text, so that a type's name needs no quotes.  ValueError, with what
    can be written, for what is more than that.
    """
    if len(words) > LONGEST:
        raise ValueError(f"{len(words)} letters: {LONGEST} at most can be read here")
    if not words.strip():
        return ...
    try:
        tree = ast.parse(words.strip().replace("\N{MINUS SIGN}", "-").replace("×", "*"), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return words.strip()
    if isinstance(tree.body, ast.Name):
        return tree.body.id                     # q4_K_M, without quotes
    try:
        return _value(tree.body, {})
    except ZeroDivisionError:
        raise ValueError(f"{words.strip()}: something is divided by 0") from None
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{words.strip()}: {error}") from None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value) if value is ... or isinstance(value, (*NUMBERS, str)):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.UnaryOp(op=sign, operand=part) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](_number(part, names))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, power = _number(left, names), _number(right, names)
            if abs(power) > LARGEST_POWER or abs(base) > 1e6:
                raise ValueError(f"{base} ** {power} is more than is reckoned here: at most 1,000,000 ** "
                                 f"{LARGEST_POWER}")
            return base**power
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](_number(left, names), _number(right, names))
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, names) for part in parts]
        case ast.Dict(keys=keys, values=values) if all(keys):
            return {_value(key, names): _value(value, names)        # type: ignore[arg-type]
                    for key, value in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id=name), args=given, keywords=named) if (
                name in FUNCTIONS and all(one.arg for one in named)):
            more = {str(one.arg): _value(one.value, names) for one in named}
            return FUNCTIONS[name](*[_value(part, names) for part in given], **more)
        case ast.Lambda(args=arguments, body=body):
            return _function([one.arg for one in arguments.args], body)
    raise ValueError(f"{ast.unparse(node)!r} cannot be used here. Write numbers, + - * / **, texts in "
                     f"quotes, lists, lambda, and {listed(sorted(FUNCTIONS))}")


def _number(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """A value that can be reckoned with; a text times a number would be a long text."""
    value = _value(node, names)
    if not isinstance(value, NUMBERS) and not hasattr(value, "dtype"):
        raise ValueError(f"{ast.unparse(node)} is not a number")
    if isinstance(value, int) and value.bit_length() > 4096:
        raise ValueError("a number of more than 4,096 bits is not reckoned here")
    return value


def _function(arguments: list[str], body: ast.expr) -> Callable[..., Any]:
    """`lambda arguments: body`, with the arguments' names as its signature."""
    from inspect import Parameter, Signature

    signature = Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in arguments])

    def function(*given, **named):
        return _value(body, signature.bind(*given, **named).arguments)

    function.__signature__ = signature          # type: ignore[attr-defined]
    return function
