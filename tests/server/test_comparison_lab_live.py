"""`ql.Comparison` on the real server: preflight, a whole run, kill -9 in the middle of one, replayed answers,
and its own cost.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

import quantlab as ql
from quantlab.lab.checks import says_number
from quantlab.lab.custom import remove_tiny_models
from quantlab.lab.measure import CUT, TRUNCATED
from quantlab.lab.replay import _rendered
from quantlab.lab.server import LabError, Server
from tests.models.gguf_builder import build, info, pair, string, u32
from tests.ollama_fixture import start, stop

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("tiny")]

QUANTS = ["f16", "q4_K_M"]                          # of the tiny Llama: loaded in no time
OPTIONS = {"num_thread": 1, "num_ctx": 256, "num_predict": 4}
PROMPTS = ["Who painted the Mona Lisa?", "Name a colour.", "What do bees make?"]


@pytest.fixture(scope="module")
def tiny(smollm):
    server = Server(smollm.url)
    ql.add_tiny_models(("F16", "Q4_K_M"), server=server)
    yield
    remove_tiny_models(server=server)


def comparison(path, prompts=PROMPTS, models=QUANTS, base="quantlab-tiny", **more):
    return ql.Comparison(prompts, models, base=base, file=path,
                         options={**OPTIONS, **more.pop("options", {})}, **more)


def test_preflight_names_what_is_there_what_is_not_and_who_are_twins(live, tmp_path):
    models = ["135m-instruct-q8_0", "135m-instruct-q4_K_M", "smollm2:135m-instruct-q8_0", "no-such:1b"]
    found = comparison(tmp_path / "a", models=models, base="smollm").preflight(registry="http://127.0.0.1:9")
    assert found.version.count(".") == 2 and [row["state"] for row in found.rows][:3] == ["installed"] * 3
    assert not found.ok and found.stops[0].startswith("no-such:1b") and found.to_pull == []
    assert any("same file" in note for note in found.notes) and "Stop: no-such" in repr(found)
    assert comparison(tmp_path / "a").preflight().ok


def test_a_run_measures_what_the_server_counts(live, tmp_path):
    made = comparison(tmp_path / "a.jsonl").run()
    rows = made.table()
    assert made.stopped == "" and len(rows) == 12 and set(rows["error"]) == {""} and (
        rows["text"].str.len() > 0).all()
    assert (rows["tokens_per_second"] > 0.1).all() and (rows["first_seconds"] < rows["wall_seconds"]).all()
    assert (rows["overhead_seconds"] >= 0).all()
    assert all(CUT in flags for flags in rows["flags"]) and set(rows["quantization"]) == {"F16", "Q4_K_M"}
    assert rows.groupby(["model", "prompt_number"])[
        "text"].nunique().max() == 1, "temperature 0 repeats itself"
    assert len(made.summary()) == 2 and "n = 3" in str(made.summary()["speed_ratio"][1])


def test_a_prompt_that_does_not_fit_is_flagged_and_never_cut_in_silence(live, tmp_path):
    rows = comparison(tmp_path / "a.jsonl", ["word " * 20_000], QUANTS[:1], rounds=1).run().rows()
    assert rows[0]["flags"] == [TRUNCATED] and rows[0]["error"].startswith("Ollama says: request (")
    assert "exceeds the available context size" in rows[0]["error"]


RUN = """
import sys
from tests.server.test_comparison_lab_live import comparison
comparison(sys.argv[1]).run(on_progress=lambda now: print(now.done, flush=True))
"""


def test_killed_at_five_random_moments_and_resumed_no_call_is_lost_or_repeated(live, tmp_path):
    path, before, draw = tmp_path / "a.jsonl", [], random.Random(20261124)
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", RUN, str(path)], stdout=subprocess.PIPE,
                              text=True) as run:
            run.stdout.readline()           # it has begun
            time.sleep(draw.uniform(0, 1))
            os.kill(run.pid, signal.SIGKILL)
        keys = _keys(path)
        assert keys[: len(before)] == before
        before = keys
    comparison(path).run()
    keys = _keys(path)
    assert keys[: len(before)] == before and sorted(keys) == sorted(
        call.key for call in comparison(path).plan.calls()
    )


SCHEMA = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
TALK = [{"role": "user", "content": "My name is Zebedee."},
        {"role": "assistant", "content": "Hello, Zebedee!"}]


def test_a_study_with_system_prompt_schema_conversation_and_a_check_for_each_prompt(live, tmp_path):
    """SmolLM2 obeys the schema, for the server makes a grammar of it; the prompt is rendered as asked for."""
    asked = [{"prompt": "Which colour is the sky?", "check": "json: colour", "tags": "form"},
             {"prompt": "A colour, please.", "check": "has: red|blue", "tags": "form"},
             {"prompt": "How many legs has a spider?", "expected": 8}]
    more = dict(system="Answer in JSON.", format=SCHEMA, messages=TALK, check=says_number())
    made = comparison(tmp_path / "a.jsonl", asked, ["135m-instruct-q8_0"], base="smollm", rounds=1,
                      options={"num_predict": 24}, **more)
    assert made.preflight().ok
    rows = made.run().rows()
    assert made.stopped == "" and {json.loads(row["text"])["colour"] for row in rows} <= {"red", "blue"}
    assert [row["passed"] for row in rows] == [True, True, False] and made.judged()[0]["judged"] == 3
    assert made.table()["expected"].tolist() == ["", "", "8"]
    rendered = _rendered(made.server, made.plan, 0)
    places = [rendered.index(words) for words in ("Answer in JSON.", *(turn["content"] for turn in TALK),
                                                  "Which colour")]
    assert places == sorted(places), "system prompt, conversation, prompt"
    page = made.report(tmp_path / "a.html").read_text()
    assert "right if it is JSON with colour" in page and "My name is Zebedee." in page


def test_what_the_server_cannot_do_is_stopped_before_anything_is_loaded(live, tmp_path):
    """The server itself would refuse each call; a model for embedding is a file with a kind of pooling."""
    pooled = [pair("general.architecture", 8, string("bert")), pair("bert.pooling_type", 4, u32(1)),
              pair("bert.block_count", 4, u32(1))]
    (tmp_path / "embed.gguf").write_bytes(build(pooled, [info("token_embd.weight", (32, 2))], b"\0" * 36))
    live.cli("create", "embed", "-f", str(modelfile(tmp_path, tmp_path / "embed.gguf")))
    try:
        for models, more, words in ((QUANTS, {"think": True}, "quantlab-tiny:f16 cannot think"),
                                    (["embed"], {"base": ""}, "embed:latest writes no answers")):
            made = comparison(tmp_path / f"{len(models)}.jsonl", models=models, **more)
            assert words in " ".join(made.preflight().stops)
            with pytest.raises(ValueError, match=words):
                made.run()
            assert not made.records
        with pytest.raises(LabError, match="does not support generate"):
            Server().generate("embed", "Hi")
        with pytest.raises(LabError, match="does not support thinking"):
            Server().generate("quantlab-tiny:f16", "Hi", think=True)
    finally:
        live.cli("rm", "embed")


def modelfile(folder, file):
    path = folder / "Modelfile"
    path.write_text(f"FROM {file}\n")
    return path


def test_replayed_to_itself_the_reference_diverges_by_almost_nothing_and_a_quant_by_more(live, tmp_path):
    made = comparison(tmp_path / "a.jsonl", rounds=1)
    found = made.diverge(places=2)
    again, quant = found["again"], found[f"quantlab-tiny:{QUANTS[1]}"]
    assert sum(again.kl.values()) < 1e-3 < sum(
        quant.kl.values()) and again.places == 6 and again.coverage > 0.5
    count = len(made.records)
    made.diverge(places=2)
    assert len(made.records) == count, "a second call asks nothing"


def test_the_server_killed_midway_and_restarted_costs_no_call(live, tmp_path):
    second = start(live.binary, tmp_path, live.store)
    again, killed, told = [], [], []

    def on_progress(now):
        if now.done == 2 and not killed:
            os.killpg(second.process.pid, signal.SIGKILL)
            second.process.wait()
            killed.append(time.monotonic())

    def on_wait(words):
        told.append((time.monotonic(), words))
        again.append(start(live.binary, tmp_path, live.store, second.url))

    try:
        made = comparison(tmp_path / "a.jsonl", rounds=1,
                          server=Server(second.url)).run(on_progress=on_progress, on_wait=on_wait)
        rows = made.rows()
        assert made.stopped == "" and len(rows) == 6 and not any(row["error"] for row in rows) and again
        (at, words), = told
        assert at - killed[0] < 3 and "No Ollama answers" in words, "it is said within three seconds"
    finally:
        for server in again or [second]:
            stop(server.process)


def test_a_server_that_stays_away_is_a_sentence_and_what_was_finished_stays(nobody, tmp_path):
    made = comparison(tmp_path / "a.jsonl").run(patience=0.2)
    assert "ollama serve" in made.stopped and made.missing == 12 and made.preflight().stops == [
        str(made.stopped).split(" What was")[0]]


def test_two_comparisons_share_one_server_and_neither_loses_a_call(live, tmp_path):
    made = [comparison(tmp_path / f"{i}.jsonl", PROMPTS[: 2], rounds=1, server=Server(live.url))
            for i in range(2)]
    threads = [threading.Thread(target=one.run) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    rows = [row for one in made for row in one.rows()]
    assert (
        len(rows) == 8 and not any(row["error"] for row in rows) and [one.stopped for one in made] == ["", ""]
    )
    assert all(row["waited_seconds"] >= 0 and row["first_seconds"] <= row["wall_seconds"] for row in rows)


def test_a_second_run_on_one_file_is_refused_while_the_first_goes_on(live, tmp_path):
    refused = []

    def meanwhile(now):
        if now.done == 1:
            with pytest.raises(ValueError, match="another run is writing") as told:
                made.run()
            refused.append(told)

    made = comparison(tmp_path / "a.jsonl", PROMPTS[:2], QUANTS[:1], rounds=1)
    made.run(on_progress=meanwhile)
    assert refused and made.missing == 0


def test_a_pull_that_the_server_cannot_do_is_its_own_sentence(live):
    with pytest.raises(LabError, match=r"refused|failed|dial"):
        Server().pull("127.0.0.1:9/nobody/nothing:1b")


def _keys(path):
    lines = path.read_text().splitlines() if path.exists() else []
    return [record["key"] for line in lines if (record := _parsed(line)).get("kind") == "call"]


def _parsed(line):
    try:
        return json.loads(line)
    except ValueError:          # torn by the kill
        return {}
