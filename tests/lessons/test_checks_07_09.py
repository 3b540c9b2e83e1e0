"""The exercises of lessons 07 and 09: the right answer, each near miss, and nonsense."""

import pytest

from quantlab.lab.records import recorded
from quantlab.lessons.checks_running import check_modelfile, check_tokens_per_second

GOOD = "FROM m\nSYSTEM Answer in one word.\nPARAMETER temperature 0\nPARAMETER stop ."


def test_tokens_per_second():
    run = next(r for r in recorded("clock")["runs"] if r["turn"] == "cold"
               and r["quantization"].endswith("q8_0"))
    counters = run["counters"]
    count, right = counters["eval_count"], run["tokens_per_second"]
    assert right == pytest.approx(count / counters["eval_duration"] * 1e9, abs=1e-3)
    voices = [check_tokens_per_second(a).voice
              for a in (..., right, run["wall_tokens_per_second"], right / 1e9, 1 / right,
                        count / (run["time"] - counters["load_duration"] / 1e9), right * 1.3, "fast")]
    assert voices == ["not started", "correct", "almost", "almost", "almost", "almost", "not yet",
                      "wrong kind"]
    assert check_tokens_per_second((count + counters["prompt_eval_count"]) / count * right).voice == "almost"


@pytest.mark.parametrize(("answer", "voice", "word"),
                         [(..., "not started", "dots"), (GOOD, "correct", "m"),
                          (GOOD.replace(" 0", " 0.7"), "almost", "0.7"),
                          (GOOD.replace("SYSTEM", "SYSTM"), "not yet", "SYSTEM"),
                          ("FROM m", "not yet", "PARAMETER stop"), (3, "wrong kind", "text"),
                          (GOOD.replace("FROM m", ""), "not yet", "no FROM line"),
                          (GOOD.replace("FROM", "FORM"), "not yet", "the nearest is FROM"),
                          (GOOD.replace(" 0", " zero"), "not yet", "takes a number, not 'zero'"),
                          (GOOD.replace("temperature", "temp"), "not yet", "the nearest is temperature"),
                          (GOOD.replace("temperature 0", "temperature=0"), "not yet", "is no parameter"),
                          (GOOD.replace("PARAMETER stop", "STOP"), "not yet", "no Modelfile command"),
                          (GOOD.replace("stop .", "stop"), "not yet", "has no value"),
                          (GOOD.replace("SYSTEM Answer in one word.", ""), "not yet", "a SYSTEM line"),
                          (GOOD.replace("SYSTEM", 'SYSTEM """'), "not yet", "never closed"),
                          ("", "not yet", "no FROM line"), (["FROM m"], "wrong kind", "list")])
def test_modelfile(answer, voice, word):
    feedback = check_modelfile(answer)
    assert feedback.voice == voice and word in feedback.message
