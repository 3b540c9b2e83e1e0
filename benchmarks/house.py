"""How large is the house? Modules, code tokens, longest module and function, public names, long lines: now,
and before it was rebuilt (commit ea76663, as far as this clone has it).
"""

import ast
import io
import subprocess
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEFORE = "ea76663"
NOT_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


def main() -> dict:
    """The same counts for both."""
    now = {path.relative_to(ROOT).as_posix(): path.read_text()
           for path in sorted((ROOT / "quantlab").rglob("*.py"))}
    return {"now": counted(now), "before": counted(before()) if before() else "not in this clone"}


def before() -> dict[str, str]:
    """Path -> source of the package at BEFORE; empty where the commit is not there."""
    listed = _git("ls-tree", "-r", "--name-only", BEFORE, "quantlab")
    return {name: _git("show", f"{BEFORE}:{name}") for name in listed.split() if name.endswith(".py")}


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout


def counted(sources: dict[str, str]) -> dict:
    """What a maintainer would want to know; code tokens are Python's without comments, line ends and indents.
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    functions = [node for tree in trees.values() for node in ast.walk(tree)
                 if isinstance(node, ast.FunctionDef)]
    rooms = next(ast.literal_eval(node.value) for node in trees["quantlab/__init__.py"].body
                 if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_ROOMS")
    tokens = {name: sum(token.type not in NOT_CODE
                        for token in tokenize.generate_tokens(io.StringIO(source).readline))
              for name, source in sources.items()}
    by_room: dict[str, int] = {}
    for name, count in tokens.items():
        room = name.split("/")[1].removesuffix(".py")
        by_room[room] = by_room.get(room, 0) + count
    return {"modules": len(sources), "code_tokens": sum(tokens.values()), "code_tokens_by_room": by_room,
            "public_names": sum(len(names.split()) for names in rooms.values()),
            "longest_module_lines": max(source.count("\n") for source in sources.values()),
            "longest_function_lines": max(node.end_lineno - node.lineno + 1 for node in functions),
            "lines_over_110_columns": sum(len(line) > 110 for source in sources.values()
                                          for line in source.splitlines())}
