"""Two pictures of why a single run proves little: the same contest with other seeds, and two clocks for one
answer.

Answers side by side, and two recorded experiments as pictures: the noise between seeds, and the two clocks.
Lesson 07.
"""

from collections.abc import Mapping, Sequence

from ..canvas.answers import draw_comparison
from ..canvas.style import BITS_TONES, BLUE, GREY, INK, MUTE, ORANGE, SOFT, Picture, ink_on
from ..canvas.svg import circle, line, page, rect, text
from ..lab.names import quant_of
from ..lab.records import recorded, seed_scores
from ..profile import stable
from ..stage.legacy import Explorer, show

LEFT, RIGHT = 150, 560


def draw_seeds(scores: Mapping[int, Mapping[str, int]], questions: int, labels: Sequence[str],
               notice: str) -> Picture:
    """Right answers of two models for each seed. scores: {seed: {name: right}}; labels: short names in the
    same order.
    """
    names = list(next(iter(scores.values())))
    wins = {name: sum(row[name] > row[other] for row in scores.values()) for name,
            other in zip(names, reversed(names), strict=True)}
    ties = len(scores) - sum(wins.values())
    highest = max(max(row.values()) for row in scores.values())
    lowest = min(min(row.values()) for row in scores.values())
    step = (RIGHT - LEFT) / max(highest - lowest, 1)

    def place(value):
        return LEFT + (value - lowest) * step

    body = [text(16, 72, notice, size=11, fill=MUTE)]
    for value in range(lowest, highest + 1):
        body += [line(place(value), 96, place(value), 106 + 34 * len(scores)),
                 text(place(value), 90, value, size=11, fill=MUTE, anchor="middle")]
    for i, (seed, row) in enumerate(scores.items()):
        y = 118 + 34 * i
        body += [text(16, y + 4, f"seed {seed}"), line(place(row[names[0]]), y, place(row[names[1]]), y,
                                                       stroke=GREY, width=3)]
        body += _dots(row, names, labels, place, y)
        body.append(text(RIGHT + 40, y + 4, f"{_winner(row, names, labels)}", bold=True))
    for i, (name, label) in enumerate(zip(names, labels, strict=True)):
        x, y, total = LEFT + 210 * i, 134 + 34 * len(scores), sum(row[name] for row in scores.values())
        body += [*_dot(x, y, i, label),
                 text(x + 18, y + 4, f"{label}: {total} of {questions * len(scores)} in all", size=12)]
    finding = f"Five runs, one question sheet: {labels[0]} wins {wins[names[0]]}, {labels[1]} wins {wins[names[1]]}, {ties} ties"
    table = (("seed", *labels, "winner"),
             *((str(seed), *(str(row[n]) for n in names), _winner(row, names, labels)) for seed,
               row in scores.items()))
    return page(160 + 34 * len(scores), body, finding=finding, table=table,
                subtitle=f"right answers out of {questions}; only the seed differs")


def draw_clock(runs: Sequence[Mapping], notice: str) -> Picture:
    """Tokens per second by the stopwatch and by the server's counters, a pair of bars for each run.

    runs: turn, quantization, wall_tokens_per_second, tokens_per_second, load_seconds, time (seconds).
    """
    fastest = max(run["tokens_per_second"] for run in runs)
    room, body = RIGHT - 200, [text(16, 72, notice, size=11, fill=MUTE)]
    for i, run in enumerate(runs):
        y = 92 + 50 * i
        body += [text(16, y + 13, run["quantization"], size=12, bold=True),
                 text(16, y + 30, f"{run['turn']}, {run['time']:.1f} s", size=11, fill=MUTE)]
        for j, (key, words, tone) in enumerate((("wall_tokens_per_second", "stopwatch", ORANGE),
                                                ("tokens_per_second", "server", BLUE))):
            body += [rect(200, y + 19 * j, room, 16, SOFT),
                     rect(200, y + 19 * j, room * run[key] / fastest, 16, tone),
                     text(200 + room + 10, y + 13 + 19 * j, f"{run[key]:.1f} tokens/s, {words}", size=12)]
    worst = min(runs, key=lambda run: run["wall_tokens_per_second"] / run["tokens_per_second"])
    share = 1 - worst["wall_tokens_per_second"] / worst["tokens_per_second"]
    finding = f"The stopwatch hides {100 * share:.0f} % of the speed of the {worst['turn']} {worst['quantization']} run"
    table = (("run", "stopwatch", "server", "seconds to load"),
             *((f"{run['quantization']}, {run['turn']}", f"{run['wall_tokens_per_second']:.1f}",
                f"{run['tokens_per_second']:.1f}", f"{run['load_seconds']:.2f}") for run in runs))
    return page(100 + 50 * len(runs), body, finding=finding,
                subtitle="tokens per second of the same answer, by two clocks", table=table)


def _dots(row, names, labels, place, y) -> list[str]:
    """Two lettered dots; where both stand at one place they move apart a little."""
    apart = 8 if row[names[0]] == row[names[1]] else 0
    body = []
    for i, (name, label) in enumerate(zip(names, labels, strict=True)):
        body += _dot(place(row[name]) + (-apart, apart)[i], y, i, label)
    return body


def _dot(x: float, y: float, i: int, label: str) -> list[str]:
    """A dot with the digit of its quantization: 4 or 8."""
    return [circle(x, y, 11, _tone(i), stroke=INK),
            text(x, y + 4, label[1], size=11, fill=ink_on(_tone(i)), anchor="middle")]


def _tone(i: int) -> str:
    return (BITS_TONES[4], BITS_TONES[8])[i]


def _winner(row, names, labels) -> str:
    first, second = row[names[0]], row[names[1]]
    return "a tie" if first == second else f"{labels[0 if first > second else 1]} wins"


def plot_seeds() -> Explorer:
    """Eight questions, two quantizations, five seeds: who wins each time."""
    scores = seed_scores()
    labels = [quant_of(name) for name in next(iter(scores.values()))]
    return show(draw_seeds(scores, len(recorded("seeds")["rules"]), labels, _short("seeds")))


def plot_clock() -> Explorer:
    """The same answer timed by a stopwatch and by the server, cold and warm."""
    runs = [{**run, "quantization": quant_of(run["quantization"]), "time": stable(run["time"])}
            for run in recorded("clock")["runs"]]
    return show(draw_clock([run for run in runs if run["turn"] in ("cold", "warm 1")], _short("clock")))


def _short(name: str) -> str:
    run = recorded(name)
    return f"Recorded on {run['date']}, Ollama {run['ollama']}, SmolLM2-135M, one thread of a busy machine without a GPU."


def show_comparison(prompt: str, rows: Sequence[dict]) -> Explorer:
    """The rows of `compare_quantizations` as cards with bars; a recorded run is labelled as one."""
    return show(draw_comparison(prompt, rows, next((row["recorded"] for row in rows if row.get("recorded")),
                                                   "")))
