"""What a code cell of a lesson shows: an exhibit, a guess, a quiz, targets. Read from its text; nothing of it
is run here.
"""

import ast
from typing import NamedTuple

from quantlab.lessons.predictions import written
from quantlab.lessons.quiz import of_lessons
from quantlab.stage.aims import aims
from quantlab.stage.on_site import ALIVE, MAIN


class Told(NamedTuple):
    """exhibit: (name, call) of the one that moves on a page and is called with plain arguments.  guess,
    quiz: numbers of their tables; the quiz of all lessons is "10".  targets: numbers.  waits: whether the
    exhibit waits for the guess.  picture: the call of a picture without handles that does.  still: the call
    of whatever else draws a picture here.
    """

    exhibit: tuple[str, str] | None = None
    guess: str = ""
    quiz: str = ""
    targets: tuple[str, ...] = ()
    waits: bool = False
    picture: str = ""
    still: str = ""


def told(source: str) -> Told:
    """What a cell's text calls; nothing where it is no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return Told()
    found = Told()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        said, name = _plain(node.args), node.func.attr
        if name == "predict" and len(said) == 1 and said[0] in written():
            found = found._replace(guess=said[0])
        elif name == "quiz" and len(said) == 1 and said[0] in of_lessons():
            found = found._replace(quiz=said[0])
        elif name == "final_quiz":
            found = found._replace(quiz="10")
        elif name == "aim" and {*said} <= {*aims()}:
            found = found._replace(targets=said)
        elif name == "then" and node.args:              # .then(ql.explore_x, its arguments)
            found = found._replace(waits=True)
            node = ast.Call(node.args[0], node.args[1:], node.keywords)
            if getattr(node.func, "attr", "").startswith("plot_") and _literal(node):
                found = found._replace(picture=ast.unparse(node))
        if not found.exhibit and _moves(node):
            found = found._replace(exhibit=(node.func.attr, ast.unparse(node)))
        elif getattr(node.func, "attr", "").startswith(("plot_", "explore_")) and _literal(node):
            found = found._replace(still=ast.unparse(node))
    return found


def _plain(nodes: list[ast.expr]) -> tuple:
    """Their values; () where one of them is more than a constant."""
    values = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return tuple(values) if len(values) == len(nodes) else ()


def _literal(call: ast.Call) -> bool:
    """Whether its arguments are constants, tuples of them, or such calls of quantlab's own."""
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return all(isinstance(node, ast.Constant | ast.Tuple | ast.Load | ast.Call | ast.keyword | ast.Attribute)
               or (isinstance(node, ast.Name) and node.id == "ql")
               for value in values for node in ast.walk(value))


def _moves(call: ast.Call) -> bool:
    """Whether it is an exhibit with frames, or one that the page's Python draws, and its arguments are plain.
    """
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return (all(isinstance(value, ast.Constant) for value in values)
            and getattr(call.func, "attr", "") in (*MAIN, *ALIVE))
