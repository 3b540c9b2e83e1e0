"""The behaviour of every exhibit, pinned down through the public API: a changed house is held against it.

    python -m tests.exhibits.recording                      hold all exhibits against the record
    python -m tests.exhibits.recording --diff fit           the same for those with "fit" in their call
    python -m tests.exhibits.recording --write fit          record them anew; presses and moves stay
    python -m tests.exhibits.recording --write --fresh fit  ... and are drawn anew
    python -m tests.exhibits.recording --dump DIR fit       pictures and tables as files: `diff -r` them with
                                                            those of another commit

A control is known by its words (description, placeholder or tooltip), so boxes may be nested otherwise. A
picture or table is three hashes: of its words, of its shapes, and of all of it, colours and classes included.
A step keeps what it changed. After a control was renamed on purpose, replace its old words in record.json
first: so the rest is still held against what was recorded before.
"""

import argparse
import json
import os
import random
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import chdir, contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

from .cases import COMPUTED, MOVES, REFUSALS, call, cases, refused
from .page import clipped, fingerprint, no_paths, pieces_of
from .touching import Hand, said

RECORD = Path(__file__).with_name("record.json")
MOST_MOVES = 25
STEPS = ("presets", "moves", "answers")
OTHER_SHAPES = ": other shapes ("

Keep = Callable[[str, dict[str, list[str]]], None]


# ---- one record

@contextmanager
def elsewhere():
    """The reference profile in an empty folder, which is also the home: no store, nothing measured before."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        place = {"HOME": folder, "USERPROFILE": folder, "OLLAMA_MODELS": "", "QUANTLAB_CACHE": "",
                 "QUANTLAB_PROFILE": "reference"}
        with patch.dict(os.environ, place), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            yield


def record(name: str, old: dict | None = None, keep: Keep | None = None) -> dict:
    """Everything that is kept of a case; presses and moves are those of `old`, or drawn from the name."""
    with elsewhere():
        if name.startswith(REFUSALS):
            return {"answers": [[expression, answer(expression)] for expression in refused(name)]}
        hand = Hand(name, keep)
        made = {"first": hand.look("first"), "bundle": bundle(hand.root), "table": hand.as_table(True)}
        hand.as_table(False)
        presses = [action for action, _ in old["presets"]] if old else hand.buttons()
        made["presets"] = [[action, hand.do(action)] for action in presses]
    with elsewhere():
        hand = Hand(name, keep and (lambda step, pieces: keep(f"moves {step}", pieces)))
        hand.look("again")
        hand.as_table(True)
        made["moves"] = moves(hand, name, old)
    return json.loads(json.dumps(made))


def moves(hand: Hand, name: str, old: dict | None) -> list[list]:
    """[action, what it changed] of each move; the table stands open."""
    if old:
        return [[action, hand.do(action)] for action, _ in old["moves"]]
    rng, made = random.Random(name), []
    while len(made) < MOVES.get(name, MOST_MOVES) and (action := hand.draw(rng)) is not None:
        made.append([action, hand.do(action)])
    return made


def bundle(root) -> str:
    """The kinds of a saved output, and its text where that is not the finding."""
    data = root._repr_mimebundle_()
    text = "" if data["text/plain"] == root.finding else f"; text: {data['text/plain']}"
    return ", ".join(sorted(data)) + text


def answer(expression: str) -> list[str]:
    """What comes of bad arguments: an error, or a page with its finding."""
    try:
        root = call(expression)
    except Exception as error:          # any kind of refusal is recorded
        return ["raises", said(error)]
    pieces = pieces_of(root)
    return ["shows", no_paths(root.finding), fingerprint(pieces["svg"]), clipped(" | ".join(pieces["text"]))]


# ---- two records

@cache
def load() -> dict[str, dict]:
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def compare(name: str, keep: Keep | None = None, *, here: bool = True,
            most: Mapping[str, int] | None = None) -> list[str]:
    """How the present run of a case differs from its record; [] when it does not.

    here: on the processor of the record, or one like it; elsewhere the shapes of COMPUTED may differ.
    most: how many of its "presets" and "moves" are made, from the first on; all without it.
    """
    old = load().get(name)
    if old is None:
        return ["nothing is recorded of it: use --write"]
    old = {step: made[:most[step]] if most and step in most else made for step, made in old.items()}
    found = differences(old, record(name, old, keep))
    return [words for words in found if here or OTHER_SHAPES not in words or not name.startswith(COMPUTED)]


def differences(old, new, where: str = "") -> list[str]:
    """Some words for each thing that is not as it was."""
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = ((key, old.get(key), new.get(key)) for key in {**old, **new})
        return [words for key, was, now in pairs for words in differences(was, now, f"{where} {key}".strip())]
    if where in STEPS and isinstance(old, list) and isinstance(new, list):
        return _other_steps(old, new, where)
    if where.endswith((" svg", " table")) and old and new:
        hashes = zip(("words", "shapes"), old.split("."), new.split("."), strict=False)
        other = " and ".join(what for what, was, now in hashes if was != now) or "colours or classes"
        return [f"{where}: other {other} ({old} -> {new})"]
    was, now = (json.dumps(value, ensure_ascii=False) for value in (old, new))
    return [f"{where}:\n    was {was}\n    now {now}"]


def _other_steps(old: list, new: list, where: str) -> list[str]:
    found = [] if len(old) == len(new) else [f"{where}: {len(old)} are recorded, {len(new)} were made"]
    for number, ((action, was), (done, now)) in enumerate(zip(old, new, strict=False), 1):
        did, does = (json.dumps(one, ensure_ascii=False) for one in (action, done))
        what = f"{where[:-1]} {number}, {did},"
        found += differences(was, now, what) if did == does else [f"{what} is now {does}"]
    return found


def written(records: dict[str, dict]) -> str:
    """JSON with a line for each step and control, so that `git diff` of a changed record can be read."""
    def line(value) -> str:
        return json.dumps(value, ensure_ascii=False)

    def part(value) -> str:
        if isinstance(value, list) and value:
            return "[\n   " + ",\n   ".join(map(line, value)) + "]"
        if isinstance(value, dict) and value:
            return "{\n   " + ",\n   ".join(f"{line(key)}: {line(item)}" for key, item in value.items()) + "}"
        return line(value)

    def whole(made: dict) -> str:
        return "{\n  " + ",\n  ".join(f"{line(key)}: {part(value)}" for key, value in made.items()) + "}"

    return "{\n " + ",\n ".join(f"{line(name)}: {whole(made)}" for name, made in records.items()) + "}\n"


# ---- the command

def keeper(folder: Path) -> Keep:
    """Writes the HTML of each step below `folder`, a tag a line."""
    def keep(step: str, pieces: dict[str, list[str]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        html = [f"<!-- {kind} -->\n{piece}\n" for kind in pieces for piece in pieces[kind]]
        file = folder / (re.sub(r"[^\w+.-]+", "_", step)[:80] + ".html")
        file.write_text("".join(html).replace("><", ">\n<"), encoding="utf-8")
    return keep


def main() -> int:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("recording", description=__doc__, formatter_class=as_written)
    parser.add_argument("names", nargs="*", help="parts of calls; without one, all exhibits")
    parser.add_argument("--diff", action="store_true", help="print what differs; so does no option at all")
    parser.add_argument("--write", action="store_true", help="keep the present run as the record")
    parser.add_argument("--fresh", action="store_true", help="with --write: draw presses and moves anew")
    parser.add_argument("--dump", type=Path, help="a folder for every picture and table")
    asked = parser.parse_args()
    chosen = [name for name in cases() if not asked.names or any(part in name for part in asked.names)]
    records, wrong = dict(load()), 0
    for name in chosen:
        keep = keeper(asked.dump.absolute() / re.sub(r"\W+", "-", name).strip("-")) if asked.dump else None
        if asked.write:
            records[name] = record(name, None if asked.fresh else records.get(name), keep)
        elif found := compare(name, keep):
            wrong += 1
            print(name, *found, sep="\n  ")
    if asked.write:
        kept = {name: records[name] for name in cases() if name in records}
        RECORD.write_text(written(kept), encoding="utf-8")
    print(f"{len(chosen)} cases {'written' if asked.write else f'compared, {wrong} differ'}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
