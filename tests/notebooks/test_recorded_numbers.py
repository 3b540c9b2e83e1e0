"""What lessons 07 and 08 say of recorded runs is what was recorded: a new recording moves the words, too."""

import pytest

from quantlab.lab.records import RecordedComparison, recorded, seed_scores
from tests.notebooks.test_structure import prose


def of(name: str) -> dict[str, dict]:
    """The end of a model's name -> its row in the summary of a recorded comparison."""
    rows = RecordedComparison(name).summary().to_dict("records")
    return {row["model"].removeprefix("smollm2:135m-instruct-").rpartition(":")[2]: row for row in rows}


def sayings() -> dict[str, list[str]]:
    """Lesson -> pieces of its sentences, with the numbers worked out."""
    small, tiny, seeds = of("smollm2"), of("tiny"), [[*row.values()] for row in seed_scores().values()]
    four, eight = (sum(one) for one in zip(*seeds, strict=True))
    cold = recorded("clock")["runs"][4]
    counters = cold["counters"]
    hidden = 1 - counters["eval_duration"] / 1e9 / cold["time"]
    speeds = {row["model"].rpartition("-")[2]: row["tokens_per_second"]
              for row in RecordedComparison("smollm2").rows()
              if row["prompt"] == "Who painted the Mona Lisa?" and row["round"] == 0}
    fewer = 1 - small["q4_K_M"]["bytes"] / small["q8_0"]["bytes"]
    gain = tiny["q4_K_M"]["tokens_per_second"] / tiny["f16"]["tokens_per_second"]
    return {
        "07_quality_testing": [
            f"4 bits gave {four} right answers\nout of 40, and 8 bits {eight}",
            f"*good enough* with {small['q8_0']['harm'].mean:.3f} nats",
            f"*worse* with {small['q2_K']['harm'].mean:.2f}",
            f"about {small['q4_K_M']['more']:.0f} more prompts",
            f"good enough with {tiny['q4_K_M']['harm'].mean:.3f} nats, and q2_K is worse with "
            f"{tiny['q2_K']['harm'].mean:.2f}",
            f"q4_K_M has {fewer:.0%} fewer bytes".replace("%", " %"),
            f"{speeds['q4_K_M'] / speeds['q8_0']:.2f} times as fast",
            f"{counters['load_duration'] / 1e9:.1f} of {cold['time']:.1f} seconds",
            f"hides {hidden:.0%}".replace("%", " %")],
        "08_when_to_use_which": [f"wrote {gain:.1f} times as fast, not three times",
                                 f"wrote {gain:.1f} times as fast as the original"]}


@pytest.mark.parametrize("lesson", sayings())
def test_a_lesson_says_what_was_recorded(lesson):
    assert [said for said in sayings()[lesson] if said not in prose(lesson)] == []
