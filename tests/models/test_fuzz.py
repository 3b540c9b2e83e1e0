"""2,000 of `make fuzz`'s mutants, and the judge itself: it must find what it is there to find."""

import pytest

from benchmarks.fuzz import ODD_NAME, Fault, family, judge, run, same_as_gguf
from quantlab.models.gguf_cursor import Cursor
from quantlab.models.source import open_model
from tests.models.gguf_builder import GOOD, INFOS, PAIRS, build, info, pair, string, u32, u64
from tests.models.mutations import Steps, mutant, seeds


def test_two_thousand_mutants_open_rightly_or_are_refused_in_words():
    found = run(range(2000), real=False, oracle_every=4)
    assert found["mutants"] == 2000 and found["faults"] == 0
    against = found["opened_and_gguf_s_reader"]
    assert found["opened"] > 160 and against["same"] > 32 and found["families_of_words"] > 30
    # gguf refuses nothing that ours accepts, but names that ggml takes
    assert against["same"] + against["not asked"] + against[ODD_NAME] == found["opened"]
    # judge() holds each to its own size
    assert found["most"]["steps"] < 100_000 and found["most"]["memory_mb"] < 64


def test_a_mutant_is_the_same_each_time(tmp_path):
    material = seeds(tmp_path, real=False)
    assert [mutant(n, material)[1:] for n in range(50)] == [mutant(n, material)[1:] for n in range(50)]
    for seed in material:       # the map of a header is true: each text lies behind its length
        assert seed.texts and all(int.from_bytes(seed.header[at - 8 : at], "little") == size
                                  for at, size in seed.texts)


def _judged(tmp_path, data: bytes) -> dict:
    path = tmp_path / "judged.file"
    path.write_bytes(data)
    return judge(path, True)


def test_the_judge_knows_good_from_bad(tmp_path):
    assert _judged(tmp_path, GOOD) == _judged(tmp_path, GOOD) | {"outcome": "opened", "gguf": "same"}
    assert _judged(tmp_path, GOOD[:-1])["outcome"].startswith("refused: tensor _ would end at byte _")
    assert _judged(tmp_path, b"")["outcome"].startswith("refused: the file ends at byte _")


def test_the_judge_finds_a_walk_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(Steps, "step", lambda self, n, what: setattr(self, "steps", self.steps + 100)
                        or Cursor.step(self, n, what))
    with pytest.raises(Fault, match="steps for a file of"):
        _judged(tmp_path, GOOD)


def test_the_judge_finds_too_much_memory(tmp_path, monkeypatch):
    def greedy(cursor):
        raise ValueError(f"refused, but only after {len(bytes(80_000_000))} bytes")

    monkeypatch.setattr("benchmarks.fuzz.read_header", greedy)
    with pytest.raises(Fault, match="bytes for a file of"):
        _judged(tmp_path, GOOD)
    monkeypatch.setattr("benchmarks.fuzz.read_header", lambda cursor: [][0])
    with pytest.raises(IndexError):         # what is no ValueError is not caught: it ends the run
        _judged(tmp_path, GOOD)


def test_the_judge_finds_another_value(tmp_path):
    (tmp_path / "one").write_bytes(GOOD)
    (tmp_path / "two").write_bytes(build([*PAIRS[:1], pair("general.file_type", 4, u32(3)), *PAIRS[2:]],
                                         INFOS, b"\x11" * 80))
    with open_model(tmp_path / "two") as model:
        assert same_as_gguf(tmp_path / "two", model) == "same"
        with pytest.raises(Fault, match=r"general\.file_type is 3, gguf reads 2"):
            same_as_gguf(tmp_path / "one", model)


def test_the_judge_finds_another_text_that_is_not_utf8(tmp_path, monkeypatch):
    path = tmp_path / "words"
    path.write_bytes(
        build([pair("words", 9, u32(8) + u64(3) + string("a") + string(b"\xff") + string(b"\xc3"))]))
    with open_model(path) as model:
        assert same_as_gguf(path, model) == "same"
        monkeypatch.setattr("benchmarks.fuzz._escaped", lambda raw: raw.decode(errors="replace"))
        with pytest.raises(Fault, match=r"words is .*, gguf reads "):
            same_as_gguf(path, model)


def test_steps_grow_with_the_file_and_not_with_its_claims():
    for count in (10, 1000):
        cursor = Steps(build([pair("k", 9, u32(8) + u64(count) + string("abc") * count)], [info("t")]))
        cursor.at = 24 + 9 + 4 + 4
        assert cursor.count("strings", 8) == count
        cursor.skip_strings(count, "strings")
        assert cursor.steps == count + 1
    cursor = Steps(b"\xff" * 80)
    with pytest.raises(ValueError, match=rf"{2**64 - 1} bytes were announced at byte 8, 72 are left"):
        cursor.skip_strings(10**6, "strings")
    assert cursor.steps < 5


def test_families_leave_out_what_is_particular():
    assert family("tensor 'blk.0' has 5 dimensions") == family(
        "tensor 'x' has 77 dimensions") == "tensor _ has _ dimensions"
