"""A run against servers that misbehave: each fault is a row or a sentence, and what was finished stays."""

import json
import threading

import pytest

from quantlab.lab.checks import has
from quantlab.lab.comparison import Comparison
from quantlab.lab.measure import LOOP, THOUGHT
from quantlab.lab.preflight import plain_cache_bytes
from quantlab.lab.server import Server
from tests.lab.stand_in import registry_of, stand_in

GOOD = {"done": True, "done_reason": "stop", "eval_count": 2, "eval_duration": 10**9, "prompt_eval_count": 9,
        "prompt_eval_duration": 10**8, "load_duration": 10**6, "total_duration": 12 * 10**8}


class Pretend:
    """An Ollama that answers `words` to every prompt, unless `odd` has something for it: a (status, content),
    or a list of them.
    """

    def __init__(self, words="moo", odd=None, can=("completion",)):
        self.words, self.odd, self.can, self.asked, self.resident = words, odd or {}, can, [], []
        self.sent = []          # (path, body) of each question

    def __call__(self, path, body):
        if path == "/api/version":
            return 200, b'{"version": "0.0"}'
        if path == "/api/ps":
            return 200, json.dumps(
                {"models": [{"model": name, "name": name, "size": 2, "size_vram": 0, "context_length": 2048}
                            for name in self.resident]}).encode()
        if path == "/api/tags":
            return 200, json.dumps(
                {"models": [{"model": f"m:{tag}", "modified_at": "2026-01-01T00:00:00Z", "size": 1,
                             "digest": tag} for tag in "ab"]}).encode()
        if path == "/api/show":
            return 200, json.dumps({"capabilities": self.can}).encode()
        if body.get("keep_alive") == 0:
            self.resident.remove(body["model"])
            return 200, b'{"done": true}\n'
        if body["model"] not in ("m:a", "m:b"):
            return 404, b'{"error": "model not found"}'
        self.resident = list(dict.fromkeys([*self.resident, body["model"]]))
        if body["options"]["num_predict"] == 1:
            return 200, json.dumps(GOOD).encode() + b"\n"
        prompt = body["messages"][-1]["content"] if path == "/api/chat" else body["prompt"]
        self.asked.append((body["model"], prompt))
        self.sent.append((path, body))
        odd = self.odd.get(prompt)
        if isinstance(odd, list):
            odd = odd.pop(0) if odd else None
        said = {"message": {"content": self.words}} if path == "/api/chat" else {"response": self.words}
        return odd or (200, json.dumps({**GOOD, **said}).encode() + b"\n")


def run(pretend, tmp_path, prompts=("one", "two"), models=("m:a", "m:b"), timeout=5, rounds=2, **more):
    with stand_in(pretend) as url:
        made = Comparison(list(prompts), list(models), rounds=rounds, file=tmp_path / "run.jsonl",
                          server=Server(url, timeout=timeout))
        return made.run(**more)


def test_every_call_is_a_row_and_the_second_run_asks_nothing(tmp_path):
    pretend = Pretend()
    made = run(pretend, tmp_path)
    assert made.stopped == "" and made.missing == 0 and len(made.rows()) == len(pretend.asked) == 8
    assert pretend.asked[:4] == [("m:a", "one"), ("m:a", "two"), ("m:b", "one"), ("m:b", "two")]
    assert pretend.asked[4:] == pretend.asked[3::-1]
    assert {row["tokens_per_second"] for row in made.rows()} == {2.0} and list(made.table()["text"]) == [
        "moo"] * 8
    assert run(pretend, tmp_path).missing == 0 and len(pretend.asked) == 8


def test_a_results_file_is_a_comparison_again_and_a_damaged_one_is_a_sentence(tmp_path):
    made = run(Pretend(), tmp_path, prompts=({"prompt": "one", "expected": "moo"},), rounds=1)
    again = Comparison.from_file(made.file, check=has(), server=made.server)
    assert again.plan == made.plan and again.missing == 0 and list(again.summary()["pass_rate"]) == [1, 1]
    head, session, call, *_ = made.file.read_text().splitlines(keepends=True)
    for lines in ((head.replace("prompts", "poems"), session, call), (head.replace('"plan"', '"votes"'),),
                  (head, session, call.replace("answer", "x")), (head, session.replace("models", "x"), call)):
        made.file.write_text("".join(lines))
        with pytest.raises(ValueError, match="damaged, or not the results file"):
            Comparison.from_file(made.file)
    with pytest.raises(ValueError, match="cannot be read"):
        Comparison.from_file(tmp_path / "none.jsonl")


def test_only_one_model_is_in_memory_and_a_stranger_is_left_alone_and_flagged(tmp_path):
    pretend = Pretend()
    run(pretend, tmp_path)
    assert pretend.resident == ["m:a"]          # the last round is the mirror image
    pretend.resident.append("somebody:else")
    (tmp_path / "run.jsonl").unlink()
    made = run(pretend, tmp_path)
    assert "somebody:else" in pretend.resident and {tuple(row["flags"])
                                                    for row in made.rows()} == {("other models in memory",)}


@pytest.mark.parametrize("odd, kind, words",
                         [((404, b'{"error": "model not found"}'), "missing", "not installed"),
                          ((500, b'{"error": "the runner died"}'), "refused", "the runner died"),
                          ((200, b"<html>\n"), "garbled", "not Ollama's"),
                          ((200, [b"", 3.0, b"\n"]), "timeout", "within 1 seconds"),
                          ((200, b'{"response": "m", "error": "out of memory"}\n'), "refused",
                           "out of memory"),])
def test_a_fault_is_a_row_and_the_others_are_asked(tmp_path, odd, kind, words):
    pretend = Pretend(odd={"one": odd})
    rows = run(pretend, tmp_path, timeout=1, rounds=1).rows()
    assert [bool(row["error"]) for row in rows] == [True, False, True, False]
    assert rows[0]["error_kind"] == kind and words in rows[0]["error"] and rows[0]["text"] == ""
    pretend.odd.clear()
    assert run(pretend, tmp_path, rounds=1).rows()[0]["error"], "what failed is not asked again by itself"
    assert [row["error"] for row in run(pretend, tmp_path, rounds=1, again=True).rows()] == [""] * 4


def test_a_missing_model_is_rows_that_name_real_ones(tmp_path):
    rows = run(Pretend(), tmp_path, models=["m:a", "m:zzz"], rounds=1).rows()
    assert ["m:zzz is not installed" in row["error"] for row in rows] == [
        False,
        False,
        True,
        True,
    ] and "m:a" in rows[2]["error"]


def test_a_full_server_is_waited_for_and_the_waiting_is_not_counted(tmp_path):
    busy = (503, b'{"error": "server busy, please try again"}')
    row = run(Pretend(odd={"one": [busy, busy]}), tmp_path, ["one"], ["m:a"], rounds=1).rows()[0]
    assert row["text"] == "moo" and row["wall_seconds"] < 0.3
    (tmp_path / "run.jsonl").unlink()
    rows = run(Pretend(odd={"two": busy}), tmp_path, ["two"], ["m:a"], rounds=1, timeout=1).rows()
    assert rows[0]["error_kind"] == "busy"


def test_without_a_server_the_run_says_so_and_keeps_what_was_finished(tmp_path):
    pretend = Pretend()
    with stand_in(pretend) as url:
        made = Comparison(["one", "two"], ["m:a"], file=tmp_path / "run.jsonl", server=Server(url, timeout=2))
        cancel = threading.Event()
        made.run(cancel=cancel, on_progress=lambda now: now.done == 3 and cancel.set())
        assert made.stopped == "Cancelled." and made.missing == 1 and len(made.rows()) == 3
    made.run(patience=0.1)
    assert "ollama serve" in made.stopped and made.missing == 1 and len(made.rows()) == 3
    assert run(pretend, tmp_path, models=["m:a"]).missing == 0 and len(pretend.asked) == 4


def test_scripts_and_a_megabyte_are_kept_as_text(tmp_path):
    words = "<script>alert(1)</script>" + "x" * 1_000_000
    made = run(Pretend(words), tmp_path, ["one"], ["m:a"], rounds=1)
    assert made.rows()[0]["text"] == words


def test_flags_of_answers_and_of_files(tmp_path):
    loop = (200, json.dumps({**GOOD, "response": "moo " * 40}).encode() + b"\n")
    thought = (200, json.dumps({**GOOD, "response": "", "thinking": "hm"}).encode() + b"\n")
    rows = run(Pretend(odd={"one": loop, "two": thought}), tmp_path, models=["m:a"], rounds=1).rows()
    assert [row["flags"] for row in rows] == [[LOOP], [THOUGHT]]


def test_as_its_own_control_the_reference_is_one_more_in_each_round(tmp_path):
    with stand_in(
        Pretend(odd={"two": [(200, json.dumps({**GOOD, "response": "moo moo"}).encode() + b"\n")]})) as url:
        made = Comparison(["one", "two"], ["m:a", "m:b"], rounds=2, file=tmp_path / "run.jsonl",
                          server=Server(url), control=True).run()
    table, lines = made.table(), made.summary()
    assert len(table) == 12 and list(lines["model"]) == ["m:a", "m:b", "m:a (again)"]
    assert lines["verdict"][2] == "the reference again: the noise floor" and not isinstance(
        lines["answer"][2], str)
    assert lines["same_answers"].tolist()[1:] == [0.75, 0.75] and table[
        "first_difference"
    ].dropna().tolist() == [2, 2]
    assert "75 % of its answers the same" in made.noise_floor()
    assert "1.00 times (2 prompts: too few" in made.noise_floor()
    other = Comparison(["one", "two"], ["m:a", "m:b"], rounds=2)
    assert made.plan.key != other.plan.key and "control" not in other.plan.as_dict()


def test_what_is_missing_is_pulled_after_one_question_with_its_bytes_and_never_unasked(tmp_path, monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    pulled, asked, told, pretend = [], [], [], Pretend()

    def with_pull(path, body):
        if path == "/api/pull":
            pulled.append(body["model"])
            return 200, b'{"status": "pulling", "completed": 3000, "total": 4000}\n{"status": "success"}\n'
        return (200, b'{"model_info": {}}') if path == "/api/show" else pretend(path, body)

    with stand_in(with_pull) as url, stand_in(registry_of({"new": 4_000_000})) as registry:
        server = Server(url)
        found = Comparison(["one"], ["m:a", "m:new", "m:none"], server=server).preflight(registry)
        assert (
            found.to_pull == ["m:new"]
            and [row["bytes"] for row in found.rows] == [1, 4_000_000, None]
            and not found.ok
        )
        assert any(note.startswith("disk: the downloads need 4 MB") for note in found.notes)
        assert "m:none" in found.stops[1]
        assert found.pull(server, lambda words: asked.append(words) or False) == [] == pulled
        assert found.pull(server, lambda words: True, told.append)
    assert pulled == ["m:new"] and told == ["m:new: pulling 75%", "m:new: success"]
    assert "Download m:new? Together 4 MB; the disk of Ollama's models has" in asked[0]


def test_the_cache_s_bytes_come_from_what_show_tells():
    info = {"llama.block_count": 30, "llama.attention.head_count": 9, "llama.attention.head_count_kv": 3,
            "llama.embedding_length": 576}
    assert plain_cache_bytes({"model_info": info}, 2048) == 30 * 3 * (64 + 64) * 2 * 2048
    assert plain_cache_bytes({"model_info": {**info, "llama.attention.head_count_kv": [3, 0]}},
                       2048) == plain_cache_bytes({}, 2048) == 0


def test_a_file_of_another_comparison_is_refused_before_any_call(tmp_path):
    run(Pretend(), tmp_path)
    pretend = Pretend()
    with pytest.raises(ValueError, match="another comparison"):
        run(pretend, tmp_path, prompts=["three"])
    assert pretend.asked == []


def test_the_time_left_is_told_before_each_call(tmp_path):
    told = []
    run(Pretend(), tmp_path, on_progress=told.append)
    assert [now.done for now in told] == list(range(9)) and told[0].eta_seconds is None and told[
        7].eta_seconds > 0 == told[8].eta_seconds
    assert told[8].words == "All 8 calls are there."
    assert told[1].words.startswith("1 of 8 calls, about ") and "m:a: two" in told[1].words
