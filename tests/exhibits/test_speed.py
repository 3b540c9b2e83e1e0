"""The speed explorer: what does not fit is split and slower, other handles change the picture, published and
recorded runs are drawn.
"""

import re

import pytest

import quantlab as ql
from quantlab.exhibits.speed import FTYPES, SpeedRow, draw_speeds


def test_what_does_not_fit_is_split_and_slower():
    explorer = ql.explore_speed()
    rows = explorer.picture.table[1:]
    assert [row[0]
            for row in rows] == list(FTYPES) and rows[0][-1] == "all on the card" and "of 33 layers" in rows[
                -1][-1]
    limits = [float(row[2]) for row in rows]
    assert limits == sorted(limits, reverse=True) and "Q8_0 is split" in explorer.finding


@pytest.mark.parametrize("change", [dict(ram=100), dict(n_ctx=32768), dict(card="GeForce RTX 3060 12GB"),
                                    dict(model="qwen3:30b")])
def test_each_handle_changes_the_picture(change):
    explorer = ql.explore_speed()
    before = explorer.picture.svg
    explorer.set(**change)
    assert explorer.picture.svg != before and "cannot" not in explorer.finding


def test_a_card_large_enough_has_nothing_split_and_one_too_small_nothing_whole():
    assert ql.explore_speed("qwen3:0.6b", "GeForce RTX 4090").finding.startswith("All types fit")
    assert ql.explore_speed("llama3.1:70b", "GeForce RTX 4060").finding.startswith("None fits whole")


@pytest.mark.parametrize("names", [("llama9:1b", "GeForce RTX 4060"), ("llama3.1:8b", "GeForce RTX 1")])
def test_unknown_names_are_refused(names):
    with pytest.raises(ValueError, match=r"here.*the nearest are"):
        ql.explore_speed(*names)


def test_published_and_recorded_runs_are_drawn_with_what_they_reach():
    assert ql.plot_published_speeds().finding == "17 of 20 published runs reach 40 to 90 % of the limit"
    shown, record = ql.plot_measured_speed(), ql.recorded("speed")
    assert "of what memory allows" in shown.finding and f"Recorded on {record['date']}" in shown.picture.svg
    assert all(len(row[3].split(", ")) >= 3 for row in shown.picture.table[1:])


def test_what_lesson_14_says_of_the_recorded_run_holds():
    record = ql.recorded("speed")
    best = {(run["threads"], run["model"].split("-")[-1]): max(run["tokens_per_second"])
            for run in record["runs"]}
    for threads in (1, 2):
        memory = max(record["read_bandwidth"][str(threads)])
        share = {run["model"].split("-")[-1]: max(run["tokens_per_second"]) * run["bytes_per_token"] / memory
                 for run in record["runs"] if run["threads"] == threads}
        assert max(share, key=share.get) == "fp16"
        # its bytes would allow 2.4 times as much
        assert best[threads, "q4_K_M"] < 2 * best[threads, "fp16"]
        assert best[threads, "iq4_xs"] > 1.2 * best[threads, "q4_K_M"]


def test_without_a_server_the_recorded_run_is_shown_and_says_why(nobody):
    shown, usual = ql.plot_measured_speed().picture, draw_speeds([SpeedRow("a", 1, 2, 3, "")], finding="",
                                                                 subtitle="", note="one line")
    assert "No Ollama answers" in shown.svg and "Recorded on" in shown.svg
    lines = [words for words in re.findall(r">([^<>]+)</text>", shown.svg) if len(words) > 60]
    assert max(map(len, lines)) <= 125, "a long reason is wrapped, not cut"
    assert usual.height == draw_speeds([SpeedRow("a", 1, 2, 3, "")], finding="", subtitle="").height + 22


def test_what_targets_are_measured_by_is_what_is_drawn():
    shown = ql.explore_speed().at(card="GeForce RTX 3070", model="qwen3:30b")
    numbers = shown.picture.numbers
    for name, expected, *_ in shown.picture.table[1:]:
        assert numbers[f"low_{name}"] == pytest.approx(float(expected.split(" to ")[0]), rel=5e-3)
    assert (numbers["bandwidth"], numbers["vram"]) == (448, 8) and 30 < numbers["billions"] < 31
    assert "448 GB/s" in shown.picture.svg
