"""Answers of several quantizations side by side, and two recorded experiments that show why a single run
proves little: the same contest with other seeds, and two clocks for one answer. Lesson 07.
"""

from collections.abc import Callable, Mapping, Sequence

from ..canvas.answers import LEADING, MARGIN, MOST_LINES, notice_strip
from ..canvas.style import BITS_TONES, BLUE, GREY, INK, MEANING, SOFT, WIDTH, Picture, ink_on
from ..canvas.svg import circle, line, page, quiet, rect, text
from ..lab.records import provenance, recorded, seed_scores
from ..models.tag import quant_of
from ..profile import stable
from ..stage.base import Stage
from ..stage.exhibit import Exhibit, show
from ..stage.share import recalled
from ..words import bits_of, clipped, printable, size, wrapped

# ---- answers side by side: rows of `compare_quantizations`

GAP, MOST_IN_A_ROW = 12, 3
LETTER = 6.9            # average width of a letter at 12 px


def _named(row: Mapping, letters: int = 40) -> str:
    return clipped(row["quantization"], letters)


def _said(row: Mapping) -> str:
    """The whole answer, its first 200 characters where there is no more, or why there is none."""
    return row.get("error") or row.get("text") or row.get("response", "")


def _tone(row: Mapping) -> str:
    """The blue of its bits per weight, where its type names them; two bits would not show on a quiet panel.
    """
    bits = bits_of(row.get("quantization_level") or quant_of(row["quantization"]))
    return BITS_TONES.get(max(bits, 3), GREY) if bits else GREY


def _finding(rows: Sequence[Mapping]) -> str:
    timed = sorted((row for row in rows if row.get("tokens_per_second")),
                   key=lambda row: -row["tokens_per_second"])
    failed = sum("error" in row for row in rows)
    trouble = f"; {failed} gave no answer" if failed else ""
    if not timed:
        nothing = f"No answer came from {failed} models" if failed > 1 else "No answer came"
        return f"{len(rows) - failed} answers, no speed{trouble}" if failed < len(rows) else nothing
    fastest, slowest = (row["tokens_per_second"] for row in (timed[0], timed[-1]))
    if len(timed) == 1:
        return f"{_named(timed[0])} answered at {fastest:.1f} tokens per second{trouble}"
    times = f"{fastest / slowest:.1f} times as fast as {_named(timed[-1])}"
    return f"{_named(timed[0])} wrote fastest: {times}{trouble}"


def draw_comparison(prompt: str, rows: Sequence[Mapping], notice: str = "") -> Picture:
    """A card for each row, and under them a bar of tokens per second for each answer.

    notice: a line that must be seen, such as when the run was recorded.
    """
    subtitle = f"Prompt: {clipped(prompt, 100)}"
    if not rows:
        return page(120, [], finding="No answers yet: write a prompt, then press Run.", subtitle=subtitle)
    strip, top = notice_strip(notice, 66)
    cards, bottom = _cards(rows, top)
    bars, height = _bars([row for row in rows if "error" not in row], bottom + 14)
    table = (("quantization", "tokens/s", "bytes", "seconds to load", "remarks", "answer or error"),
             *((_named(row), f"{row.get('tokens_per_second', 0):.1f}", f"{row.get('bytes') or 0:,}",
                f"{row.get('load_seconds', 0):.2f}", printable(", ".join(row.get("flags", []))),
                printable(_said(row))) for row in rows))
    return page(int(height), [*strip, *cards, *bars], finding=_finding(rows), subtitle=subtitle, table=table)


def _cards(rows: Sequence[Mapping], top: float) -> tuple[list[str], float]:
    across = min(len(rows), MOST_IN_A_ROW)
    width = (WIDTH - 2 * MARGIN - GAP * (across - 1)) / across
    body: list[str] = []
    for first in range(0, len(rows), across):
        group = [(row, wrapped(_said(row), int((width - 28) / LETTER), MOST_LINES))
                 for row in rows[first : first + across]]
        height = 82 + LEADING * max(len(lines) for _, lines in group)
        for i, (row, lines) in enumerate(group):
            body += _card(row, lines, MARGIN + i * (width + GAP), top, width, height)
        top += height + GAP
    return body, top


def _card(row: Mapping, lines: Sequence[str], x: float, top: float, width: float, height: float) -> list[str]:
    failed, inside = "error" in row, x + 14
    facts = [row.get("quantization_level"), row.get("bytes") and size(row["bytes"])]
    body = [rect(x, top, width, height, SOFT, radius=6),
            rect(x, top, width, 6, MEANING["error"] if failed else _tone(row), radius=3),
            text(inside, top + 28, "✗ " * failed + _named(row, int((width - 28) / 8.6)), bold=True),
            quiet(inside, top + 46, "no answer" if failed else " · ".join(filter(None, facts)))]
    body += [text(inside, top + 68 + LEADING * i, words, size=12) for i, words in enumerate(lines)]
    if row.get("flags"):
        flags = clipped("⚑ " + ", ".join(row["flags"]), int((width - 28) / 6.2))
        body.append(quiet(inside, top + height - 10, flags))
    return body


def _bars(rows: Sequence[Mapping], top: float) -> tuple[list[str], float]:
    """Speed by the server's own clock, one bar a row."""
    if not rows:
        return [], top + 6
    speeds = [row.get("tokens_per_second", 0) for row in rows]
    left, room, fastest = 236, WIDTH - 236 - 150, max(speeds) or 1
    body = [text(MARGIN, top + 12, "Speed, by the server's own clock", size=12, bold=True)]
    for i, (row, speed) in enumerate(zip(rows, speeds, strict=True)):
        y = top + 24 + 26 * i
        body += [text(MARGIN, y + 14, _named(row, 28), size=12), rect(left, y, room, 18, SOFT),
                 rect(left, y, room * speed / fastest, 18, _tone(row)),
                 text(left + room + 10, y + 14, f"{speed:.1f} tokens/s" if speed else "not measured", size=12,
                      bold=True)]
    return body, top + 32 + 26 * len(rows)


def show_comparison(prompt: str, rows: Sequence[dict]) -> Stage:
    """The rows of `compare_quantizations` as cards with bars; a recorded run is labelled as one."""
    notice = next((row["recorded"] for row in rows if row.get("recorded")), "")
    return Stage(show(draw_comparison(prompt, rows, notice)))


# ---- two recorded experiments

LEFT, RIGHT = 150, 560


def _winner(right: Mapping[str, int]) -> str:
    """Whose right answers are more: "q4_K_M wins", or "a tie"."""
    (first, a), (second, b) = right.items()
    return "a tie" if a == b else f"{first if a > b else second} wins"


def draw_seeds(scores: Mapping[int, Mapping[str, int]], questions: int, notice: str) -> Picture:
    """Right answers of two quantizations for each seed: {seed: {quantization: right}}."""
    names = list(next(iter(scores.values())))
    every = [count for right in scores.values() for count in right.values()]
    step, under = (RIGHT - LEFT) / max(max(every) - min(every), 1), 118 + 34 * len(scores)

    def place(count: int) -> float:
        return LEFT + (count - min(every)) * step

    body = [quiet(16, 72, notice)]
    for count in range(min(every), max(every) + 1):
        body += [line(place(count), 96, place(count), under - 12),
                 quiet(place(count), 90, count, anchor="middle")]
    winners = {seed: _winner(right) for seed, right in scores.items()}
    for i, (seed, right) in enumerate(scores.items()):
        y = 118 + 34 * i
        body += [text(16, y + 4, f"seed {seed}"), *_pair(right, place, y),
                 text(RIGHT + 40, y + 4, winners[seed], bold=True)]
    for i, name in enumerate(names):
        x, total = LEFT + 210 * i, sum(right[name] for right in scores.values())
        body += [*_dot(x, under + 16, name),
                 text(x + 18, under + 20, f"{name}: {total} of {questions * len(scores)} in all", size=12)]
    wins = [list(winners.values()).count(words) for words in (*(f"{name} wins" for name in names), "a tie")]
    finding = (f"Five runs, one question sheet: {names[0]} wins {wins[0]}, {names[1]} wins {wins[1]}, "
               f"{wins[2]} ties")
    table = (("seed", *names, "winner"),
             *((str(seed), *map(str, right.values()), winners[seed]) for seed, right in scores.items()))
    return page(under + 42, body, finding=finding, table=table,
                subtitle=f"right answers out of {questions}; only the seed differs")


def _pair(right: Mapping[str, int], place: Callable[[int], float], y: float) -> list[str]:
    """Two dots and the line between them; where both stand at one place they move apart a little."""
    (first, a), (second, b) = right.items()
    apart = 8 if a == b else 0
    return [line(place(a), y, place(b), y, stroke=GREY, width=3), *_dot(place(a) - apart, y, first),
            *_dot(place(b) + apart, y, second)]


def _dot(x: float, y: float, name: str) -> list[str]:
    """A dot with the digit of its quantization: 4 or 8."""
    tone = BITS_TONES[int(name[1])]
    return [circle(x, y, 11, tone, stroke=INK),
            text(x, y + 4, name[1], size=11, fill=ink_on(tone), anchor="middle")]


def draw_clock(runs: Sequence[Mapping], notice: str) -> Picture:
    """Tokens per second by the stopwatch and by the server's counters, a pair of bars for each run.

    runs: turn, quantization, wall_tokens_per_second, tokens_per_second, load_seconds, time (seconds).
    """
    fastest, room = max(run["tokens_per_second"] for run in runs), RIGHT - 200
    body = [quiet(16, 72, notice)]
    for i, run in enumerate(runs):
        y = 92 + 50 * i
        body += [text(16, y + 13, run["quantization"], size=12, bold=True),
                 quiet(16, y + 30, f"{run['turn']}, {run['time']:.1f} s")]
        clocks = (("wall_tokens_per_second", "stopwatch", GREY), ("tokens_per_second", "server", BLUE))
        for top, (key, words, tone) in zip((y, y + 19), clocks, strict=True):
            body += [rect(200, top, room, 16, SOFT), rect(200, top, room * run[key] / fastest, 16, tone),
                     text(210 + room, top + 13, f"{run[key]:.1f} tokens/s, {words}", size=12)]
    share, worst = min(((run["wall_tokens_per_second"] / run["tokens_per_second"], run) for run in runs),
                       key=lambda found: found[0])
    table = (("run", "stopwatch", "server", "seconds to load"),
             *((f"{run['quantization']}, {run['turn']}", f"{run['wall_tokens_per_second']:.1f}",
                f"{run['tokens_per_second']:.1f}", f"{run['load_seconds']:.2f}") for run in runs))
    return page(100 + 50 * len(runs), body, table=table,
                finding=f"The stopwatch hides {100 * (1 - share):.0f} % of the speed of the {worst['turn']} "
                        f"{worst['quantization']} run",
                subtitle="tokens per second of the same answer, by two clocks")


@recalled
def plot_seeds() -> Exhibit:
    """Eight questions, two quantizations, five seeds: who wins each time."""
    scores = {seed: {quant_of(name): count for name, count in right.items()}
              for seed, right in seed_scores().items()}
    return show(draw_seeds(scores, len(recorded("seeds")["rules"]), provenance("seeds")))


@recalled
def plot_clock() -> Exhibit:
    """The same answer timed by a stopwatch and by the server, cold and warm."""
    runs = [{**run, "quantization": quant_of(run["quantization"]), "time": stable(run["time"])}
            for run in recorded("clock")["runs"] if run["turn"] in ("cold", "warm 1")]
    return show(draw_clock(runs, provenance("clock")))
