"""How soon does a picture follow the hand? From key press and pointer move to the painted frame, in a real
browser.

    python -m benchmarks.latency             the first explorers of 01, 02, 05, 06 and 11; in 03 the block
                                             explorer, in 05 the model map's menu and keys, in 06 the memory
                                             bar, too
    python -m benchmarks.latency 06 --moves 80
    python -m benchmarks.latency --every     the first slider of every explorer of every lesson, by key
"""

import argparse
import json
from itertools import cycle, islice

from playwright.sync_api import Locator, TimeoutError

from tests.browser.lab import Lab
from tests.browser.page import TOUCHABLE, LessonPage
from tests.browser.window import Window, open_browser

LESSONS = ("01", "02", "03", "05", "06", "11")
MOVES, WARM_UP, GOAL_MS = 40, 5, 100
STOPS = (0.3, 0.5, 0.7, 0.9, 0.7, 0.5)                                   # of the track, for drags


def main(lessons=LESSONS, moves: int = MOVES, how=None) -> dict:
    """lesson -> {"key": ..., "drag": ...}, each with p50_ms, p95_ms and the number of moves that were timed.

    how: `measure` unless said, or `every`.
    """
    results = {}
    with Lab() as lab, open_browser() as browser, Window(lab, browser) as window:
        for path in sorted(lab.folder.glob("*.ipynb")):
            if path.name.startswith(tuple(lessons)):
                with LessonPage(window, path.name) as lesson:
                    results[path.stem] = (how or measure)(lesson, moves)
    return {"unit": "ms from the event in the page to the painted frame", "goal_p95_ms": GOAL_MS,
            "lessons": results}


def measure(lesson: LessonPage, moves: int) -> dict:
    """Run the lesson and time the first handle of its first explorer, by keyboard and by drag."""
    lesson.open()
    lesson.run_all()
    if lesson.name.startswith("03"):
        return {f"block explorer, {qtype}": summary(flips(lesson, qtype, moves))
                for qtype in ("Q4_0", "Q4_K", "IQ2_XS")}
    explorer = lesson.explorers()[0]
    keys(lesson, explorer, WARM_UP)
    found = {"key": summary(keys(lesson, explorer, moves)), "drag": summary(drags(lesson, explorer, moves))}
    if lesson.name.startswith("06"):
        bar = lesson.explorers()[1]
        keys(lesson, bar, WARM_UP)
        found |= {"memory bar, key": summary(keys(lesson, bar, moves)),
                  "memory bar, drag": summary(drags(lesson, bar, moves))}
    if lesson.name.startswith("05"):
        found["model map, ftype from its menu"] = summary(choices(lesson, explorer, moves))
        found["model map, from tensor to tensor"] = summary(walks(lesson, explorer, moves))
    return found


def every(lesson: LessonPage, moves: int) -> dict:
    """Each explorer of a lesson that redraws at once, named after what it shows first."""
    lesson.open()
    lesson.run_all()
    found = {}
    for explorer in lesson.explorers():
        name = (explorer.locator(".ql-view svg").first.get_attribute("aria-label") or "")[:60]
        keys(lesson, explorer, WARM_UP)
        if times := keys(lesson, explorer, moves):
            found[name] = summary(times)
    return found


def keys(lesson: LessonPage, explorer: Locator, moves: int) -> list[float]:
    """Times of single key presses, turning round at the ends of the slider."""
    handle = explorer.locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    times, key = [], "ArrowRight"
    for _ in range(moves):
        if handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax"):
            key = "ArrowLeft"
        elif handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemin"):
            key = "ArrowRight"
        times += timed(lesson, explorer, "keydown", lambda key=key: lesson.page.keyboard.press(key))
    return times


def flips(lesson: LessonPage, qtype: str, moves: int) -> list[float]:
    """Times of bits walked to and flipped by key in the picture of the block explorer."""
    explorer = lesson.page.locator(TOUCHABLE).first
    explorer.scroll_into_view_if_needed()
    explorer.locator(".ql-c-qtype select").select_option(label=qtype)
    lesson.wait_until(lambda: f"{qtype}:" in explorer.locator(".ql-view svg").text_content())
    explorer.locator(".ql-view").focus()
    times = []
    for i in range(moves + WARM_UP):
        times += timed(
            lesson,
            explorer,
            "keydown",
            lambda i=i: lesson.page.keyboard.press("Space" if i % 2 else "ArrowRight"),
        )
    return times[WARM_UP:]


def choices(lesson: LessonPage, explorer: Locator, moves: int) -> list[float]:
    """Times of ftypes chosen one after the other from the menu of the model map."""
    menu, times = explorer.locator(".ql-c-ftype select"), []
    names = menu.locator("option").all_text_contents()
    for name in islice(cycle(names), moves):
        times += timed(lesson, explorer, "change", lambda name=name: menu.select_option(label=name))
    return times


def walks(lesson: LessonPage, explorer: Locator, moves: int) -> list[float]:
    """Times of steps by arrow key from tensor to tensor in the picture of the model map."""
    explorer.locator(".ql-view").focus()
    lesson.page.keyboard.press("Home")
    times = []
    for key in islice(cycle(("ArrowRight", "ArrowDown", "ArrowRight", "ArrowUp")), moves + WARM_UP):
        times += timed(lesson, explorer, "keydown", lambda key=key: lesson.page.keyboard.press(key))
    return times[WARM_UP:]


def drags(lesson: LessonPage, explorer: Locator, moves: int) -> list[float]:
    """Times of moves with the button held, from stop to stop along the track."""
    handle, track = explorer.locator(".noUi-handle").first, explorer.locator(".noUi-target").first
    box, rail = handle.bounding_box(), track.bounding_box()
    y = box["y"] + box["height"] / 2
    lesson.page.mouse.move(box["x"] + box["width"] / 2, y)
    lesson.page.mouse.down()
    times = []
    for stop in islice(cycle(STOPS), moves):
        x = rail["x"] + stop * rail["width"]
        times += timed(lesson, explorer, "pointermove", lambda x=x: lesson.page.mouse.move(x, y))
    lesson.page.mouse.up()
    return times


def timed(lesson: LessonPage, explorer: Locator, event: str, act) -> list[float]:
    """[milliseconds] from the event to the new picture; [] when this move changed nothing (a stop of a coarse
    slider).
    """
    explorer.evaluate("(e, event) => look.arm(e, event)", event)
    act()
    try:
        lesson.page.wait_for_function("look.latency() !== null", timeout=2000, polling=5)
    except TimeoutError:
        return []
    time = lesson.page.evaluate("look.latency()")
    lesson.page.wait_for_timeout(60)
    return [time]


def summary(times: list[float]) -> dict:
    """p50 and p95 by nearest rank, and how many moves they are made of."""
    if not times:
        raise ValueError("no move changed the picture: is the slider dead?")
    ordered = sorted(times)
    rank = {p: ordered[max(0, -(-p * len(ordered) // 100) - 1)] for p in (50, 95)}
    return {"p50_ms": round(rank[50], 1), "p95_ms": round(rank[95], 1), "max_ms": round(ordered[-1], 1),
            "moves": len(times)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", default=LESSONS)
    parser.add_argument("--moves", type=int, default=MOVES)
    parser.add_argument("--every", action="store_true")
    options = parser.parse_args()
    print(json.dumps(main(("0", "1") if options.every and options.lessons == LESSONS else options.lessons,
                          options.moves, every if options.every else measure), indent=1))
