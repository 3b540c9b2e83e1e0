"""Answers side by side: cards with what each quantization said, bars with how fast. Model output is only ever
drawn as text.

Answers side by side as HTML that wraps like text. What a model wrote arrives escaped or is escaped here;
nothing of it is markup.
"""

import textwrap
import unicodedata
from collections.abc import Sequence
from html import escape

from .style import BITS_TONES, GREEN, GREY, MUTE, ORANGE, SOFT, VERMILION, WIDTH, Picture, Table
from .svg import line, page, rect, text

MARGIN, GAP, LEADING, MOST_LINES = 16, 12, 17, 19
MOST_IN_A_ROW = 3
LETTER = 6.9            # average width of a letter at 12 px


def draw_comparison(prompt: str, rows: Sequence[dict], notice: str = "", before: str = "") -> Picture:
    """Cards for the rows of `compare_quantizations`, and under them a bar of tokens per second for each.

    notice: a line that must be seen, such as when the run was recorded.  before: what to say while there are
    no rows.
    """
    if not rows:
        return page(120, [], finding=before or "No answers yet: write a prompt, then press Run.",
                    subtitle=shown(prompt, 100))
    strip, top = _notice(notice, 66)
    cards, bottom = _cards(rows, top)
    bars, height = _bars([row for row in rows if "error" not in row], bottom + 14)
    return page(int(height), [*strip, *cards, *bars], finding=_finding(rows),
                subtitle=f"Prompt: {shown(prompt, 100)}", table=_table(rows))


def draw_custom_model(name: str, printed: str, question: str = "", answer: str = "", notice: str = "",
                      written: str = "") -> Picture:
    """What the server says it made (`show --modelfile`), and below it what the model answered.

    written: the Modelfile it was made from; lines that stand in both are marked as the learner's own.
    """
    name = shown(name, 40)
    if not printed:
        return page(80, [], finding=f"{name} has not been created yet",
                    subtitle="Write its Modelfile, then press Create.")
    strip, top = _notice(notice, 66)
    lines = wrapped(_own_lines(printed), 96, 14)
    body = [*strip, rect(MARGIN, top, WIDTH - 2 * MARGIN, 34 + LEADING * len(lines), SOFT, radius=6),
            text(MARGIN + 12, top + 20, f"$ ollama show {name} --modelfile", size=12, fill=MUTE, mono=True)]
    yours = {" ".join(words.split()) for words in written.splitlines() if words.strip()}
    own = [i for i, words in enumerate(lines) if " ".join(words.split()) in yours]
    body += [text(MARGIN + 12, top + 40 + LEADING * i, words, size=12, mono=True)
             for i, words in enumerate(lines)]
    body += [rect(MARGIN, top + 28 + LEADING * i, 4, LEADING, ORANGE, radius=0) for i in own]
    body += [text(WIDTH - MARGIN - 12, top + 40 + LEADING * i, "yours", size=11, fill=MUTE, anchor="end")
             for i in own]
    top += 46 + LEADING * len(lines)
    if question:
        said = wrapped(answer or "(asking ...)", 104, MOST_LINES)
        body += [text(MARGIN + 12, top + 18, f"You: {shown(question, 90)}", bold=True),
                 line(MARGIN, top - 4, MARGIN, top + 34 + LEADING * len(said), stroke=ORANGE, width=3)]
        body += [text(MARGIN + 12, top + 40 + LEADING * i, words, size=12) for i, words in enumerate(said)]
        top += 46 + LEADING * len(said)
    yours = "1 line is yours" if len(own) == 1 else f"{len(own)} lines are yours"
    finding = f"{name} stands: {yours}, {len(lines) - len(own)} came with the base model"
    return page(int(top) + 8, body, finding=finding, subtitle="the server's own words",
                table=_custom_table(printed, question, answer))


def wrapped(words: str, letters: int, most: int) -> list[str]:
    """Text as lines of at most `letters`, at most `most` of them; the last one ends with an ellipsis if more
    was said.

    Characters that SVG cannot hold, or that would move the cursor, are shown as a box.
    """
    if sum(unicodedata.east_asian_width(c) in "WF" for c in words) > len(words) / 4:
        letters //= 2
    lines = []
    for paragraph in printable(words).strip().split("\n"):
        # plain spaces would vanish in SVG
        indent = "\u00a0" * (len(paragraph) - len(paragraph.lstrip(" ")))
        lines += textwrap.wrap(paragraph.lstrip(" "), letters, break_on_hyphens=False,
                               initial_indent=indent) or [""]
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][: letters - 2] + " …"]
    return lines


def printable(words: str) -> str:
    """The text with every control character but the line end replaced by a box."""
    return "".join(c if c == "\n" or (c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF) else " "
                   if c == "\t" else "▯" for c in str(words).replace("\r\n", "\n"))


def shown(words: str, letters: int) -> str:
    """One line of at most `letters`."""
    words = " ".join(printable(words).split())
    return words if len(words) <= letters else words[: letters - 1] + "…"


def _notice(words: str, top: float) -> tuple[list[str], float]:
    """A strip with a line that must be seen; returns it and where the rest begins."""
    if not words:
        return [], top
    lines = wrapped(words, 116, 3)
    height = 12 + 15 * len(lines)
    strip = [rect(MARGIN, top, WIDTH - 2 * MARGIN, height, SOFT),
             rect(MARGIN, top, 4, height, ORANGE, radius=0)]
    strip += [text(MARGIN + 14, top + 17 + 15 * i, words, size=11) for i, words in enumerate(lines)]
    return strip, top + height + 12


def _cards(rows: Sequence[dict], top: float) -> tuple[list[str], float]:
    across = min(len(rows), MOST_IN_A_ROW)
    width = (WIDTH - 2 * MARGIN - GAP * (across - 1)) / across
    body = []
    for first in range(0, len(rows), across):
        group = [(row, wrapped(row.get("error") or row.get("text") or row.get("response", ""),
                               int((width - 28) / LETTER), MOST_LINES))
                 for row in rows[first : first + across]]
        height = 62 + LEADING * max(len(lines) for _, lines in group) + 20
        for i, (row, lines) in enumerate(group):
            body += _card(row, lines, MARGIN + i * (width + GAP), top, width, height)
        top += height + GAP
    return body, top


def _card(row: dict, lines: list[str], x: float, top: float, width: float, height: float) -> list[str]:
    failed = "error" in row
    tone = VERMILION if failed else _tone(row)
    facts = "no answer" if failed else " · ".join(w
                                                  for w in (row.get("quantization_level")
                                                            or "", _megabytes(row.get("bytes"))) if w)
    body = [rect(x, top, width, height, SOFT, radius=6), rect(x, top, width, 6, tone, radius=3),
            text(x + 14, top + 28, ("✗ " if failed else "")
                 + shown(row["quantization"], int((width - 28) / 8.6)), bold=True),
            text(x + 14, top + 46, facts, size=11, fill=MUTE)]
    body += [text(x + 14, top + 68 + LEADING * i, words, size=12) for i, words in enumerate(lines)]
    if row.get("flags"):
        body.append(text(x + 14, top + height - 10,
                         shown("⚑ " + ", ".join(row["flags"]), int((width - 28) / 6.2)), size=11, fill=MUTE))
    return body


def _bars(rows: Sequence[dict], top: float) -> tuple[list[str], float]:
    """Speed by the server's own clock, one bar a row."""
    if not rows:
        return [], top + 6
    fastest = max(row.get("tokens_per_second", 0) for row in rows) or 1
    left, room = 236, WIDTH - 236 - 150
    body = [text(MARGIN, top + 12, "Speed, by the server's own clock", size=12, bold=True)]
    for i, row in enumerate(rows):
        y, speed = top + 24 + 26 * i, row.get("tokens_per_second", 0)
        body += [text(MARGIN, y + 14, shown(row["quantization"], 28), size=12), rect(left, y, room, 18, SOFT),
                 rect(left, y, room * speed / fastest, 18, _tone(row)),
                 text(left + room + 10, y + 14, f"{speed:.1f} tokens/s" if speed else "not measured", size=12,
                      bold=True)]
    return body, top + 32 + 26 * len(rows)


def _tone(row: dict) -> str:
    """The blue of its bits per weight, where the level names them."""
    digits = [int(c) for c in str(row.get("quantization_level") or row.get("quantization", ""))
              if c.isdigit()]
    tones = {4: BITS_TONES[4], 5: BITS_TONES[5], 6: BITS_TONES[6], 8: BITS_TONES[8], 2: BITS_TONES[3],
             3: BITS_TONES[3]}
    level = str(row.get("quantization_level") or "")
    return BITS_TONES[16] if level.upper().startswith(("F16", "BF16")) else tones.get(digits[0] if digits
                                                                                      else 0, GREY)


def _finding(rows: Sequence[dict]) -> str:
    good = sorted((row for row in rows if row.get("tokens_per_second")), key=lambda row:
                  -row["tokens_per_second"])
    failed = sum("error" in row for row in rows)
    trouble = f"; {failed} gave no answer" if failed else ""
    if len(good) > 1:
        times = good[0]["tokens_per_second"] / good[-1]["tokens_per_second"]
        return f"{_named(good[0])} wrote fastest: {times:.1f} times as fast as {_named(good[-1])}{trouble}"
    if good:
        return f"{_named(good[0])} answered at {good[0]['tokens_per_second']:.1f} tokens per second{trouble}"
    return f"No answer came from {len(rows)} models" if failed > 1 else "No answer came" if failed else f"{len(rows)} answers, no speed"


def _named(row: dict) -> str:
    return shown(row["quantization"], 40)


def _table(rows: Sequence[dict]) -> Table:
    head = ("quantization", "tokens/s", "bytes", "seconds to load", "remarks", "answer or error")
    return (head,
            *((_named(row), f"{row.get('tokens_per_second', 0):.1f}", f"{row.get('bytes') or 0:,}",
               f"{row.get('load_seconds', 0):.2f}", printable(", ".join(row.get("flags", []))),
               printable(row.get("error") or row.get("text") or row.get("response", ""))) for row in rows))


def _megabytes(count: int | None) -> str:
    return f"{count / 1e9:.2f} GB" if count and count >= 1e9 else f"{count / 1e6:.0f} MB" if count else ""


def _own_lines(printed: str) -> str:
    """A printed Modelfile without its comment lines and licence: the lines a person would have written."""
    kept = [words for words in printed.split("\nLICENSE")[0].splitlines() if words.strip()
            and not words.startswith("#")]
    return "\n".join(shown(words, 96) for words in kept)


def _custom_table(printed: str, question: str, answer: str) -> Table:
    lines = [("show --modelfile", printable(words)) for words in printed.splitlines() if words.strip()]
    return (("where", "words"), *lines, *([("you", printable(question)), ("the model", printable(answer))]
                                          if question else []))


WORDS = "white-space:pre-wrap;overflow-wrap:anywhere;max-height:16em;overflow:auto;margin:4px 0 0;font-family:inherit;font-size:12px"
SMALL = f"color:{MUTE};font-size:11px"
LINES = "line-height:1.4"      # a picture's frame has none of its own, a widget's is twice the letters
CARD = f"background:{SOFT};border-radius:6px;padding:8px 12px"


def answers_html(prompt: str, cards: Sequence[dict]) -> str:
    """Cards with a model's answer each.  cards: name, note, flags, marked (escaped HTML with ins and del for
    words that differ).
    """
    body = "".join(
        f'<div style="{CARD}"><b>{escape(shown(card["name"], 60))}</b> <span style="{SMALL}">{escape(card["note"])}</span>'
        f'{_flags(card["flags"])}<div class="ql-said" style="{WORDS}">{_toned(printable(card["marked"]))}</div></div>'
        for card in cards)
    return (f'<div class="ql-answers" style="{LINES}" role="group" aria-label="Answers side by side">'
            f'<p style="margin:6px 0"><b>Prompt:</b> {escape(shown(prompt, 300))}</p><div style="{_grid(len(cards))}">{body}</div></div>')


def live_html(model: str, written: str) -> str:
    """What a model is writing just now."""
    return (
        f'<div style="{CARD};{LINES};max-width:{WIDTH}px"><span style="{SMALL}">{escape(shown(model, 60))} writes</span>'
        f'<div class="ql-writes" style="{WORDS};height:5em">{escape(printable(written[-1500:]))}</div></div>')


def notes_html(notes: Sequence[str]) -> str:
    """What preflight found and does not stop a run; "" for nothing."""
    lines = "".join(f"<li>{escape(printable(note))}</li>" for note in notes)
    return (
        f'<div class="ql-notes" role="note" style="{SMALL};max-width:{WIDTH}px;{LINES}">Checked beforehand:'
        f'<ul style="margin:2px 0 4px;padding-left:18px">{lines}</ul></div>') if notes else ""


def ballot_html(prompt: str, left: str, right: str, place: str) -> str:
    """Two answers without names.  place: "3 of 12"."""
    cards = "".join(
        f'<div style="{CARD}"><b>{side}</b><div class="ql-said" style="{WORDS}">{escape(printable(words[:4000]))}</div></div>'
        for side, words in (("Left", left), ("Right", right)))
    return (
        f'<div class="ql-ballot" style="{LINES}" role="group" aria-label="Two answers"><p style="margin:6px 0"><b>Which is better?</b> '
        f'{escape(place)}. <b>Prompt:</b> {escape(shown(prompt, 300))}</p><div style="{_grid(2)}">{cards}</div></div>')


def _grid(cards: int) -> str:
    """Three beside each other, or two where that leaves none alone in its row; fewer on a narrow page."""
    least = 330 if cards in (2, 4) else 230
    return f"display:grid;grid-template-columns:repeat(auto-fit,minmax({least}px,1fr));gap:12px;max-width:{WIDTH}px"


def _flags(flags: Sequence[str]) -> str:
    return f'<div style="{SMALL}">⚑ {escape(printable(", ".join(flags)))}</div>' if flags else ""


def _toned(marked: str) -> str:
    """Colours for the marks; they are also underlined and struck through."""
    return (marked.replace("<ins>", f'<ins style="background:{GREEN}33">').replace("<del>",
                                                                                   f'<del style="background:{VERMILION}22">'))
