"""compare_quality: one row a type whatever happens, remembered as soon as it is measured, and never
remembered wrongly.
"""

import json
import threading

import pandas as pd
import pytest

import quantlab as ql
from quantlab.inference.chunks import HELD_OUT
from quantlab.inference.compare import COLUMNS
from quantlab.inference.load import load_lm
from quantlab.inference.quality import Divergence, divergence
from quantlab.inference.remembered import Measurements, cache_folder, code_digest
from quantlab.inference.sensitivity import collect_imatrix
from quantlab.inference.variants import STOPPED
from quantlab.models.digests import digest, files_digest
from quantlab.models.source import BUNDLED
from tests.inference.files import copied

QUICK = {"chunks": 2, "n_ctx": 64, "progress": None}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("QUANTLAB_CACHE", str(tmp_path / "measured"))
    return tmp_path / "measured"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The tiny model under another name: it is not asked to recite, which takes longest."""
    return copied(BUNDLED["tiny"], tmp_path_factory.mktemp("model") / "stranger.gguf",
                  metadata={"general.name": "someone"})


@pytest.fixture
def measured(monkeypatch):
    """The types that were really measured, in order."""
    seen = []
    plain = Divergence.numbers

    def counting(found):
        seen.append(found.n)
        return plain(found)
    monkeypatch.setattr(Divergence, "numbers", counting)
    return seen


def test_a_row_is_the_divergence_of_the_loaded_model_and_the_size_of_its_file(folder, tmp_path):
    table = ql.compare_quality("tiny", ["f16", "Q4_K_M"], **QUICK)
    assert tuple(table.columns) == COLUMNS and table.ftype.tolist() == ["F16", "Q4_K_M"]
    assert (table.error == "").all()
    found = divergence(ql.load_lm("tiny"), ql.load_lm("tiny", "Q4_K_M"), HELD_OUT.read_text(), chunks=2,
                       n_ctx=64)
    for name, value in found.numbers().items():
        if name in table:
            assert table[name][1] == value
    assert table.kld[0] == 0 and table.top1[0] == 1 and table.passages.tolist() == [28, 28]
    with ql.open_model(ql.quantize_model(BUNDLED["tiny"], tmp_path / "q.gguf", "Q4_K_M",
                                         progress=None)) as model:
        assert (table.nbytes[1], table.bpw[1]) == (model.nbytes, model.bpw)


def test_what_was_measured_is_not_measured_again(folder, measured, model):
    first = ql.compare_quality(model, ["Q8_0", "Q4_0"], **QUICK)
    again = ql.compare_quality(model, ["Q4_0", "Q5_0", "Q8_0", "Q4_0"], **QUICK)
    assert len(measured) == 3 and again.ftype.tolist() == ["Q4_0", "Q5_0", "Q8_0"]
    pd.testing.assert_series_equal(first.loc[1], again.loc[0], check_names=False)


def test_another_text_setting_file_or_code_is_measured_anew(folder, measured, tmp_path, monkeypatch, model):
    base = {"text": HELD_OUT.read_text()[:4000], **QUICK}
    ql.compare_quality(model, "Q4_0", **base)
    ql.compare_quality(model, "Q4_0", **base | {"text": base["text"] + "!"})
    ql.compare_quality(model, "Q4_0", **base | {"n_ctx": 32})
    ql.compare_quality(model, "Q4_0", **base | {"chunks": 1})
    ql.compare_quality(model, "Q4_0", **base | {"pure": True})
    ql.compare_quality(model, "Q4_0", **base | {"imatrix": {"blk.0.attn_q.weight": list(range(256))}})
    ql.compare_quality(copied(BUNDLED["tiny"], tmp_path / "renamed.gguf"), "Q4_0", **base)
    monkeypatch.setattr("quantlab.inference.variants.code_digest", lambda: "another")
    ql.compare_quality(model, "Q4_0", **base)
    assert len(measured) == 8
    monkeypatch.undo()


def test_without_a_cache_nothing_is_written(folder, measured, model):
    for _ in range(2):
        ql.compare_quality(model, "Q4_0", cache=None, **QUICK)
    assert len(measured) == 2 and not folder.exists()


def test_a_damaged_entry_is_measured_again_and_mended(folder, measured, model):
    good = ql.compare_quality(model, "Q4_0", **QUICK)
    (file,) = folder.iterdir()
    entry = json.loads(file.read_text())
    entry["value"]["kld"] += 1          # still JSON, one digit changed
    for damage in (b"", b"{", b"[]", b'{"key": 1}', b"\xff\xfe\x00", json.dumps(entry).encode()):
        measured.clear()
        file.write_bytes(damage)
        again = ql.compare_quality(model, "Q4_0", **QUICK)
        assert len(measured) == 1 and again.kld[0] == good.kld[0]
        assert json.loads(file.read_text())["value"]["kld"] == good.kld[0]
        assert list(folder.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path, model):
    (tmp_path / "file").write_text("in the way")
    table = ql.compare_quality(model, "Q4_0", cache=tmp_path / "file", **QUICK)
    assert table.error[0] == "" and (tmp_path / "file").read_text() == "in the way"


def test_a_type_that_fails_has_a_row_that_says_why(folder, model):
    table = ql.compare_quality(model, ["Q4_K", "IQ2_XS", "Q9", "Q8_0"], pure=True, **QUICK)
    assert table.ftype.tolist() == ["Q4_K", "IQ2_XS", "Q9", "Q8_0"]
    assert table.error[0] == table.error[3] == "" and table.kld.notna().tolist() == [True, False, False, True]
    assert "imatrix" in table.error[1] and "Q9" in table.error[2]


def stop_at(ftype: str, error=None):
    def report(progress):
        if progress.tensor == ftype:
            if error:
                raise error
            return False
        return None
    return report


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
def test_a_stopped_run_keeps_what_is_finished_and_goes_on_from_there(folder, measured, error, model):
    types = ["Q8_0", "Q5_0", "Q4_0"]
    table = ql.compare_quality(model, types, **QUICK | {"progress": stop_at("Q5_0", error)})
    assert table.error.tolist() == ["", STOPPED, STOPPED]
    assert table.kld.notna().tolist() == [True, False, False]
    whole = ql.compare_quality(model, types, **QUICK)
    assert (whole.error == "").all() and len(measured) == 3 and whole.kld[0] == table.kld[0]


def test_a_cancelled_run_says_so(folder, model):
    cancel = threading.Event()
    cancel.set()
    assert (ql.compare_quality(model, ["Q8_0", "Q4_0"], cancel=cancel, **QUICK).error == STOPPED).all()


def test_progress_counts_the_tokens_that_are_left_to_read(folder, model):
    said = []
    ql.compare_quality(model, "Q8_0", **QUICK)
    ql.compare_quality(model, ["Q8_0", "Q4_0"], **QUICK | {"progress": said.append})
    made = [p.tensor for p in said if p.done == 0]                  # before anything is read
    assert made[-1] == "Q4_0, 100 % quantized" and len(made) == len(ql.load_lm(model).weights)
    told = [(p.done, p.total, p.tensor, p.unit) for p in said[len(made):]]
    assert told == [(64, 128, "Q4_0", "tokens"), (128, 128, "Q4_0", "tokens")]
    assert str(said[-1]).startswith("128 tokens in")


def test_a_model_that_learned_no_passages_is_not_asked_to_recite(folder, model):
    table = ql.compare_quality(model, "Q8_0", **QUICK)
    assert table.recited.isna().all() and table.kld.notna().all()


def test_an_imatrix_changes_the_numbers(folder, model):
    imatrix = collect_imatrix(load_lm("tiny"), HELD_OUT.read_text()[4000:], chunks=2, progress=None)
    plain, helped = (ql.compare_quality(model, "Q2_K", imatrix=given, pure=True, chunks=1, progress=None)
                     for given in (None, imatrix))
    assert helped.kld[0] < plain.kld[0]


def test_a_cache_of_few_bits_has_a_row_of_its_own(folder, model, measured):
    kinds = ["f16", "Q8_0", "q4_0", "q6_k"]
    table = ql.compare_quality(model, type_k=kinds, type_v=kinds, **QUICK)
    assert tuple(table.columns) == ("ftype", "type_k", "type_v", *COLUMNS[1:]) and len(measured) == 3
    assert table.ftype.unique() == ["F16"] and table.nbytes.nunique() == 1
    assert table.type_k.tolist() == table.type_v.tolist() == [kind.lower() for kind in kinds]
    assert 0 < table.kld[0] < table.kld[1] / 9 < table.kld[2] / 900 and "q6_k" in table.error[3]
    keys = ql.compare_quality(model, ["Q4_K_M", "F16"], type_k="q4_0", **QUICK)
    assert keys.type_v.tolist() == ["f32", "f32"] and keys.kld[1] < table.kld[2] < keys.kld[0]
    lm = ql.load_lm(model)
    found = divergence(lm, lm.with_cache("q4_0"), HELD_OUT.read_text(), chunks=2, n_ctx=64)
    assert keys.kld[1] == found.mean_kld


@pytest.mark.parametrize(("ftypes", "settings", "words"),
                         [([], {}, "no ftypes"), (["Q8_0"], {"text": ""}, "empty"),
                          (["Q8_0"], {"text": "To be, or not to be"}, "fewer than one chunk"),
                          (["Q8_0"], {"n_ctx": 4096}, "beyond the 256"), (None, {}, "no ftypes"),
                          (["Q8_0"], {"text": 5}, "not int"),
                          (["Q8_0"], {"progress": "hide"}, "progress='hide'"),
                          (["Q8_0"], {"cancel": True}, "cancel=True"),
                          (None, {"type_k": ["q8_0", "q4_0"], "type_v": ["f16"] * 3}, "2 types and type_v 3"),
                          (None, {"type_k": []}, "type_k has 0 types")])
def test_what_cannot_be_measured_at_all_is_refused_in_words(folder, ftypes, settings, words):
    with pytest.raises(ValueError, match=words):
        ql.compare_quality("tiny", ftypes, **QUICK | settings)


def test_the_cache_lies_in_the_users_own_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("QUANTLAB_CACHE", raising=False)
    for platform, variable in (("linux", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA")):
        monkeypatch.setattr("sys.platform", platform)
        monkeypatch.setenv(variable, str(tmp_path))
        assert cache_folder() == tmp_path / "quantlab" / "quality"
    assert Measurements(None).folder is None and Measurements(tmp_path).get({"never": "put"}) is None


def test_digests_tell_files_apart_and_read_the_stores_names(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"same")
    two.write_bytes(b"same")
    assert files_digest([one]) == files_digest([two]) != digest(b"same")
    two.write_bytes(b"other")
    assert files_digest([one]) != files_digest([two])
    blob = tmp_path / ("sha256-" + "ab" * 32)
    blob.write_bytes(b"never read")
    assert files_digest([blob]) == digest(["ab" * 32]) and len(code_digest()) == 32
