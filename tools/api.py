"""Write docs/api.md: every public name with its signature and docstring. The source is read, not run.

    python tools/api.py             write it
    python tools/api.py --check     only say whether it is what the docstrings say (`make lint`)

`quantlab._ROOMS` says which names are public and where they live. A table such as FORMATS is explained by the
`#:` lines above it. A default that is a constant of its module is shown as its value.
"""

import ast
import re
import sys
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"
HEAD = """# Public names

`import quantlab as ql` reaches each as `ql.name`. Made from the docstrings by `make api`: change those.

Which tensor types and mixes are read, written, told and drawn: [types.md](types.md).
"""
WIDTH = 100                              # columns of a signature
MARKUP = re.compile(r"([*<~$])")         # what Markdown would take for its own
LESSON = re.compile(r"\b\d\d_[a-z0-9_]+\b")
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """A package's modules, each parsed once."""

    def __init__(self, package: Path):
        self.package = package
        self._parsed: dict[str, tuple[list[str], ast.Module]] = {}

    def module(self, name: str) -> tuple[list[str], ast.Module]:
        """(lines, tree) of "memory.fit", "memory" (the folder's __init__) or "" (the package's own)."""
        if name not in self._parsed:
            path = self._folder(name) / "__init__.py"
            text = (path if path.is_file() else path.parent.with_suffix(".py")).read_text(encoding="utf-8")
            self._parsed[name] = text.splitlines(), ast.parse(text)
        return self._parsed[name]

    def _folder(self, module: str) -> Path:
        return self.package.joinpath(*module.split("."))

    def find(self, module: str, name: str) -> tuple[str, ast.stmt]:
        """(module, statement) that defines `name`, through imports.  LookupError where there is none."""
        for node in self.module(module)[1].body:
            if isinstance(node, Function | ast.ClassDef) and node.name == name:
                return module, node
            if isinstance(node, ast.Assign | ast.AnnAssign) and name in _assigned(node):
                return module, node
            if isinstance(node, ast.ImportFrom) and node.level and node.module:
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        up = node.level - self._folder(module).is_dir()
                        above = module.split(".")[:-up] if up else [module]
                        return self.find(".".join([*above, node.module]), alias.name)
        raise LookupError(f"quantlab.{module} defines no {name}")

    def entry(self, module: str, name: str) -> str:
        """One public name: heading, signature, docstring.  LookupError where it has none."""
        home, node = self.find(module, name)
        members = ""
        if isinstance(node, ast.Assign | ast.AnnAssign):
            kind = _type(": ", node.annotation) if isinstance(node, ast.AnnAssign) else ""
            signature, words = name + kind, _comment_above(self.module(home)[0], node)
        elif isinstance(node, ast.ClassDef):
            signature, words = self._class(home, node), _said(node)
            members = self._members(home, node)
        else:
            signature, words = self._function(home, node), _said(node)
        if not words:
            raise LookupError(f"{name} in quantlab.{home} needs a docstring, or `#:` lines above a table")
        return f"### {name}\n\n```python\n{signature}\n```\n\n{markdown(words)}\n{members}"

    def _function(self, module: str, node: Function, name: str = "", skip: int = 0) -> str:
        returns = "" if skip else _type(" -> ", node.returns)
        if any(ast.unparse(decorator) == "recalled" for decorator in node.decorator_list):
            returns = " -> Stage"                       # stage/share.py puts the exhibit on stage
        return _wrapped(name or node.name, self._arguments(module, node.args)[skip:], returns)

    def _class(self, module: str, node: ast.ClassDef) -> str:
        """The class as it is called: the arguments of its __init__, or the fields of a dataclass."""
        made = self._constructor(module, node)
        if made:
            return "class " + self._function(*made, name=node.name, skip=1)
        fields = [_argument(field.target.id, field.annotation, self._default(module, field.value))
                  for field in node.body if isinstance(field, ast.AnnAssign)]
        keywords = ["*"] if any("kw_only=True" in ast.unparse(d) for d in node.decorator_list) else []
        return "class " + _wrapped(node.name, keywords + fields, "")

    def _constructor(self, module: str, node: ast.ClassDef) -> tuple[str, Function] | None:
        for member in node.body:
            if isinstance(member, Function) and member.name == "__init__":
                return module, member
        for base in node.bases:
            try:
                home, parent = self.find(module, ast.unparse(base))
            except LookupError:              # a class of another library
                continue
            if isinstance(parent, ast.ClassDef) and (made := self._constructor(home, parent)):
                return made
        return None

    def _members(self, module: str, node: ast.ClassDef) -> str:
        """Public methods and properties that have a docstring, as a list."""
        lines = ""
        for member in node.body:
            if not isinstance(member, Function) or member.name[0] == "_" or not _said(member):
                continue
            is_value = any("property" in ast.unparse(decorator) for decorator in member.decorator_list)
            called = "" if is_value else f"({', '.join(self._arguments(module, member.args)[1:])})"
            returns = _type(" -> ", member.returns)
            words = markdown(_said(member)).replace("\n", "\n  ").replace("\n  \n", "\n\n")
            lines += f"\n- `.{member.name}{called}{returns}`\n  {words}"
        return lines + "\n" if lines else ""

    def _arguments(self, module: str, args: ast.arguments) -> list[str]:
        plain = [*args.posonlyargs, *args.args]
        defaults = [None] * (len(plain) - len(args.defaults)) + args.defaults
        shown = [_argument(a.arg, a.annotation, self._default(module, d))
                 for a, d in zip(plain, defaults, strict=True)]
        if args.posonlyargs:
            shown.insert(len(args.posonlyargs), "/")
        if args.vararg:
            shown.append("*" + _argument(args.vararg.arg, args.vararg.annotation, None))
        elif args.kwonlyargs:
            shown.append("*")
        shown += [_argument(a.arg, a.annotation, self._default(module, d))
                  for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
        if args.kwarg:
            shown.append("**" + _argument(args.kwarg.arg, args.kwarg.annotation, None))
        return shown

    def _default(self, module: str, node: ast.expr | None) -> str | None:
        """A default as it is written; a number or text that its module gives a name, as its value."""
        if isinstance(node, ast.Name):
            try:
                value = getattr(self.find(module, node.id)[1], "value", None)
            except LookupError:
                value = None                 # a name of the language, or of another library
            node = value if isinstance(value, ast.Constant) else node
        return None if node is None else ast.unparse(node)


def _said(node: Function | ast.ClassDef | ast.Module) -> str:
    """The docstring without the indentation of the code; "" for none."""
    raw = ast.get_docstring(node, clean=False) or ""
    margin = " " * node.body[0].col_offset
    return "\n".join(line.removeprefix(margin).rstrip() for line in raw.splitlines()).strip()


def _assigned(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _comment_above(lines: list[str], node: ast.stmt) -> str:
    first = node.lineno - 1
    while first and lines[first - 1].startswith("#:"):
        first -= 1
    return "\n".join(line.removeprefix("#:").strip() for line in lines[first:node.lineno - 1])


def _type(before: str, annotation: ast.expr | None) -> str:
    """An annotation as it stands, without the quotes around a name that is defined later; "" for none."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return before + annotation.value
    return before + ast.unparse(annotation) if annotation else ""


def _argument(name: str, annotation: ast.expr | None, default: str | None) -> str:
    kind = _type(": ", annotation)
    equals = " = " if kind else "="
    return name + kind + ("" if default is None else equals + default)


def _wrapped(name: str, arguments: list[str], returns: str) -> str:
    """`name(arguments)returns` on one line where it has room, else with indented lines of arguments."""
    whole = f"{name}({', '.join(arguments)}){returns}"
    if len(whole) <= WIDTH:
        return whole
    lines = [""]
    for argument in arguments:
        if lines[-1] and len(lines[-1]) + len(argument) + 6 > WIDTH:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + argument + ","
    return "\n    ".join([f"{name}(", *lines]) + f"\n){returns}"


def markdown(words: str) -> str:
    """A docstring as Markdown: examples stay code, lessons become links, nothing else is markup."""
    return "\n\n".join(part if part.startswith("    ") else _prose(part) for part in words.split("\n\n"))


def _prose(paragraph: str) -> str:
    pieces = paragraph.split("`")
    pieces[::2] = [LESSON.sub(_link, MARKUP.sub(r"\\\1", piece)) for piece in pieces[::2]]
    return "`".join(pieces)


def _link(found: re.Match) -> str:
    path = f"notebooks/{found[0]}.ipynb"
    return f"[{found[0]}](../{path})" if (ROOT / path).is_file() else found[0]


def page(source: Source) -> str:
    """The whole of docs/api.md."""
    table = source.find("", "_ROOMS")[1]
    names: dict[str, list[tuple[str, str]]] = {}
    for module, listed in ast.literal_eval(table.value).items():
        names.setdefault(module.split(".")[0], []).extend((module, name) for name in listed.split())
    index, parts = [], []
    for room, inside in names.items():
        links = ", ".join(f"[{name}](#{name.lower()})" for _, name in inside)
        index.append(f"- [quantlab.{room}](#quantlab{room}): {links}")
        words = _said(source.module(room)[1])
        parts.append(f"## quantlab.{room}\n\n{markdown(words)}\n")
        parts += [source.entry(module, name) for module, name in inside]
    return "\n".join([HEAD, *index, "", *parts])


def main(arguments: list[str]) -> int:
    text = page(Source(ROOT / "quantlab"))
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
        return 0
    written = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    if written == text:
        return 0
    pairs = zip_longest(written.splitlines(), text.splitlines())
    line = next(number for number, (old, new) in enumerate(pairs, 1) if old != new)
    print(f"docs/api.md is not what the docstrings say, from line {line} on: run `make api`")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
