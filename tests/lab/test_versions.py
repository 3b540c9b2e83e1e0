"""The table of statements about Ollama holds together, agrees with the numbers that the package computes
with, and speaks to each server of its own version.
"""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

import quantlab as ql
from quantlab.cli.doctor import doctor
from quantlab.lab.custom import create_custom_model
from quantlab.lab.modelfile import PARAMETERS, ModelfileError
from quantlab.lab.preflight import preflight
from quantlab.lab.server import LabError, Server
from quantlab.lab.versions import (
    ANCIENT,
    CHECKED,
    KEYS,
    NEWER,
    OLDER,
    SAME,
    STATEMENTS,
    UNKNOWN,
    differences,
    release,
    said_of,
    standing,
    statement,
    why_refused,
)
from quantlab.memory.settings import BATCHES, CONTEXT_BY_VRAM, ONE_AT_A_TIME, ollama_batch
from tests.lab.stand_in import stand_in

SERVER_TESTS = Path(__file__).resolve().parents[1] / "server"


@pytest.mark.parametrize("key", KEYS)
def test_the_versions_of_a_statement_follow_each_other_without_gap_or_overlap(key):
    rows = [one for one in STATEMENTS if one.key == key]
    assert rows[-1].until == "" and rows[-1] is statement(key) and rows[-1].holds("99.0.0")
    for before, after in pairwise(rows):
        assert before.until == after.since and release(after.since), (before, after)
        assert before.says != after.says
    for one in rows:
        assert one.holds(one.since or "0.0.1") and (not one.until or not one.holds(one.until))
        assert re.search(r"[.!]$", one.says) and one.checked and one.refused in ("", "yes")
        assert one.checked == "server" or re.search(r"\d+\.\d+\.\d+", one.checked), "which version was read?"


def test_what_a_server_is_said_to_have_shown_has_a_test_there_and_no_test_speaks_of_anything_else():
    marked = {key for path in SERVER_TESTS.glob("*.py")
              for keys in re.findall(r"mark\.statement\((.*?)\)", path.read_text())
              for key in re.findall(r'"(\w+)"', keys)}
    assert marked == {one.key for one in STATEMENTS if one.checked == "server"}
    assert all(one.holds(CHECKED) for one in STATEMENTS if one.checked == "server")


def test_the_numbers_in_the_sentences_are_those_that_the_package_computes_with():
    def numbers(key: str) -> list[int]:
        return [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\d|\d", statement(key).says)]

    assert set(numbers("context")) == {n for pair in CONTEXT_BY_VRAM.items() for n in pair if n}
    smallest, *rest = numbers("batch")
    assert rest == [n for above, batch, *_ in reversed(BATCHES) for n in (above, batch)]
    assert smallest == ollama_batch(1)
    assert all(name in ONE_AT_A_TIME
               for name in re.findall(r"\b[a-z_]+\d*[a-z_]*\b", statement("one_at_a_time").says.split(":")[1])
               if name not in ("and", "their", "relatives"))
    assert numbers("tight_batch") == [512, 512, 256, 8]
    assert ollama_batch(5000, flash_attention=False, cuda_card=8 * 2**30) == 256


@pytest.mark.parametrize("version, numbers, stands", [
    ("0.34.2", (0, 34, 2), SAME), ("v0.34.2", (0, 34, 2), SAME), ("0.34.2-rc1", (0, 34, 2), SAME),
    ("0.34.10", (0, 34, 10), NEWER), ("0.35.0", (0, 35, 0), NEWER), ("1.0.0", (1, 0, 0), NEWER),
    ("0.34.1", (0, 34, 1), OLDER), ("0.17.4", (0, 17, 4), OLDER), ("0.12.5", (0, 12, 5), OLDER),
    ("0.9.99", (0, 9, 99), ANCIENT), ("0.1.2", (0, 1, 2), ANCIENT),
    ("0.0.0", None, UNKNOWN), ("unknown", None, UNKNOWN), ("", None, UNKNOWN), ("main", None, UNKNOWN),
    ("0.34", None, UNKNOWN), ("0.34.2.1", None, UNKNOWN), ("0,34,2", None, UNKNOWN)])
def test_a_version_is_read_and_put_in_its_place(version, numbers, stands):
    assert release(version) == numbers and standing(version) == stands


@pytest.mark.parametrize("version", ["0.0.0", "main", "0.34.2", "0.99.0"])
def test_a_server_that_is_new_or_nameless_is_taken_for_the_one_that_was_checked(version):
    said = said_of(version)
    assert [one.key for one in said.statements] == list(KEYS) and said.today == {}
    assert differences(version).statements == () and version in said.heading and CHECKED in said.heading


def test_an_older_server_gets_its_own_sentences_and_todays_beside_them():
    said = said_of("0.17.4", "kv_without_flash", "logprobs")
    assert "stays f16" in said.lines()[0] and "no model loads" in said.lines()[0]
    assert f"(Ollama {CHECKED}: " in said.lines()[0] and "(Ollama" not in said.lines()[1]
    old = {one.key for one in differences("0.17.4").statements}
    assert {"engine", "create_quantize", "repeat_penalty"} <= old
    assert "logprobs" not in {one.key for one in differences("0.12.11").statements}
    assert "cannot be measured" in str(differences("0.12.10"))
    assert "0.1.2 is older than 0.12.5" in said_of("0.1.2").heading


@pytest.mark.parametrize("key, takes, refuses", [
    ("adapter", ["0.12.5", "0.34.0"], ["0.34.1", "0.34.2", "0.40.0", "0.0.0"]),
    ("typical_p", ["0.17.4", "0.34.0"], ["0.34.1", "0.34.2", "1.0.0", "main"]),
    ("create_quantize", ["0.17.4", "0.34.0"], ["0.34.1", "0.34.2"]),
    ("draft_num_predict", ["0.30.0", "0.34.2", "0.0.0"], ["0.12.5", "0.24.0"]),
    ("logprobs", ["0.12.11", "0.34.2", "0.0.0"], ["0.12.10", "0.12.5"]),
    ("ternary", ["0.17.4", "0.34.0"], ["0.34.1", "0.34.2"]), ("engine", ["0.12.5", "0.34.2"], [])])
def test_what_a_version_refuses(key, takes, refuses):
    assert [why_refused(key, version) for version in takes] == [""] * len(takes)
    assert all(version in why_refused(key, version) for version in refuses)


def test_an_unknown_key_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"no statement about Ollama 'longest_prompt' here.*long_prompt"):
        ql.about_ollama("longest_prompt")


def test_without_a_server_and_in_the_reference_profile_todays_is_said(nobody, monkeypatch):
    said = ql.about_ollama("engine")
    assert said.version == "" and "no server to ask" in repr(said) and "llama-server" in repr(said)
    assert "<code>llama-server</code>" in said._repr_html_()
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    monkeypatch.setattr(Server, "version", lambda self: pytest.fail("the reference profile asks nobody"))
    assert repr(ql.about_ollama("engine")) == repr(said)


# ---- servers of other versions

def ollama_of(version: str):
    """A server of this version with one model; whatever would change it fails the test."""
    tags = {"models": [{"name": "m:q8_0", "model": "m:q8_0", "size": 1, "digest": "d",
                        "details": {"quantization_level": "Q8_0"}}]}
    answers = {"/api/version": {"version": version}, "/api/tags": tags,
               "/api/show": {"details": {"family": "l"}}}
    return stand_in(lambda path, body: (200, json.dumps(answers[path]).encode()) if path in answers
                    else (418, b'{"error": "asked for what it cannot do"}'))


@pytest.fixture(params=["0.17.4", "0.12.5", "0.0.0", "not a version", "0.34.2", "0.41.0"])
def other(request, monkeypatch):
    with ollama_of(request.param) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        monkeypatch.setenv("QUANTLAB_PROFILE", "live")
        yield request.param


def test_doctor_and_preflight_say_how_a_server_stands_and_what_it_does_otherwise(other):
    said = said_of(other)
    page = repr(doctor())
    plan = ql.Comparison(["Hi"], ["m:q8_0"]).plan
    found = preflight(plan, Server())
    if standing(other) == SAME:
        assert said.heading not in page and said.heading not in found.notes
    else:
        assert said.heading in " ".join(page.split()) and said.heading in found.notes and found.ok
    old = standing(other) == OLDER
    for one in differences(other).statements:
        assert one.says in page
    assert ("1.1 where nobody sets it" in " ".join(found.notes)) == old
    assert ("There are no logprobs" in " ".join(found.notes)) == (other == "0.12.5")
    assert repr(ql.about_ollama("loop")) == repr(said_of(other, "loop"))


@pytest.mark.parametrize("line, key, words", [
    ("ADAPTER {path}", "adapter", "llama-export-lora"), ("PARAMETER typical_p 0.9", "typical_p", "min_p"),
    ("PARAMETER draft_num_predict 4", "draft_num_predict", "no parameter")])
def test_a_modelfile_is_refused_where_the_server_would(other, tmp_path, monkeypatch, line, key, words):
    monkeypatch.setattr(Server, "upload", lambda *_: "sha256:1")
    adapter = tmp_path / "lora.gguf"
    adapter.write_bytes(b"GGUF")
    text = f"FROM m:q8_0\n{line.format(path=adapter)}"
    refused = bool(why_refused(key, other))
    error, said = (ModelfileError, words) if refused else (LabError, "asked for")
    with pytest.raises(error, match=said):
        create_custom_model("x", text)


def test_options_that_a_server_refuses_stop_a_comparison_before_it_begins(other):
    for option, value in (("typical_p", 0.9), ("draft_num_predict", 4)):
        found = preflight(ql.Comparison(["Hi"], ["m:q8_0"], options={option: value}).plan, Server())
        assert found.stops == ([why_refused(option, other)] if why_refused(option, other) else [])


def test_below_0_12_11_nothing_is_replayed_and_nothing_is_written_that_would_stay(other, tmp_path):
    study = ql.Comparison(["Hi"], ["m:q8_0"], file=tmp_path / "study.jsonl")
    if other == "0.12.5":
        assert study.diverge() == {} and "There are no logprobs" in study.stopped
        assert all(record["kind"] not in ("script", "replay") for record in study.records)
    else:
        with pytest.raises(LabError, match="asked for"):
            study.diverge()


def test_every_parameter_of_a_statement_is_one_that_modelfiles_know():
    assert {"typical_p", "repeat_penalty", "draft_num_predict"} <= set(PARAMETERS)
