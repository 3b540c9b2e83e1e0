"""The shipped tables belong to the shipped model, and rows measured again here come out the same."""

import json

import pytest

from quantlab.inference.compare import (
    FOLDER,
    HELD_OUT,
    NAMES,
    QUALITY,
    USUAL_CHUNKS,
    compare_quality,
    provenance,
    recorded_quality,
    recorded_table,
    sha256,
)
from quantlab.inference.mixes import READ, MixBench
from quantlab.inference.sensitivity import sensitivity

KLD = dict(rel=0.02, abs=2e-6)          # another processor's float32 sums move the third digit of a small KLD


@pytest.mark.parametrize("name", NAMES)
def test_each_table_names_its_model_text_date_and_machine(name):
    table = recorded_table(name)
    assert table, f"{name}.json is of other weights: run tools/record_tiny_quality.py {name}"
    assert table["sha256"] == sha256(FOLDER / "tiny.gguf") and table["text_sha256"] == sha256(HELD_OUT)
    assert table["date"][:2] == "20" and table["machine"] and "seed" in table
    assert table["predicted"] == 127 * table["chunks"] and table["chunks"] == (READ // 256 if name == "budget"
                                                                               else USUAL_CHUNKS)
    assert f"{table['predicted']:,} predicted tokens" in provenance(table)


def test_quality_measured_again_is_what_was_recorded():
    rows = {(row["pure"], row["ftype"]): row for row in recorded_table("quality")["rows"]}
    for pure, names in ((False, ["Q4_K_M", "Q2_K"]), (True, ["Q3_K"])):
        for found in compare_quality("tiny", names, pure=pure, progress=None, cache=None).to_dict("records"):
            row = rows[pure, found["ftype"]]
            assert row["nbytes"] == found["nbytes"] and row["bpw"] == pytest.approx(found["bpw"], rel=1e-5)
            assert row["kld"] == pytest.approx(found["kld"],
                                               **KLD) and row["ppl"] == pytest.approx(found["ppl"], rel=1e-3)
            assert row["top1"] == pytest.approx(found["top1"],
                                                abs=0.003) and row["recited"] == pytest.approx(
                                                    found["recited"], abs=1)


def test_kld_falls_with_more_bits_within_each_family():
    rows = {row["ftype"]: row["kld"] for row in recorded_table("quality")["rows"] if row["pure"]}
    for family in (("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"), ("Q4_0", "Q5_0", "Q8_0"), ("Q4_1", "Q5_1")):
        klds = [rows[name] for name in family]
        assert klds == sorted(klds, reverse=True)


def test_sensitivity_measured_again_is_what_was_recorded():
    rows = {(row["by"], row["layer"], row["role"]): row for row in recorded_table("sensitivity")["rows"]
            if row["qtype"] == "Q2_K"}
    assert sum(by == "tensor" for by, _, _ in rows) == 36 and sum(by == "role" for by, _, _ in rows) == 8
    three = sensitivity("tiny", "Q2_K", by="role", progress=lambda step: step.done <= 3 * USUAL_CHUNKS * 256,
                        cache=None)[:3]
    for found in three.to_dict("records"):
        row = rows["role", None, found["role"]]
        assert row["saved"] == found["saved"] and row["kld"] == pytest.approx(found["kld"], **KLD)


def test_the_marks_of_the_budget_measured_again_are_what_was_recorded():
    bench = MixBench("tiny", HELD_OUT.read_text(encoding="utf-8"))
    for row in recorded_table("budget")["rows"][::4]:
        types = bench.mix(row["name"]) if row["kind"] == "mix" else bench.alike(row["name"])
        assert row["nbytes"] == bench.nbytes(types) and row["kld"] == pytest.approx(
            bench.measure(types).mean_kld, **KLD)


def test_no_table_for_other_weights_and_no_other_names(tmp_path):
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    assert recorded_table("quality", tmp_path / "other.gguf") is None
    with pytest.raises(ValueError, match="sensitivity"):
        recorded_table("speed")


def test_tables_of_quality_look_like_measured_ones():
    tiny, again = recorded_quality(), recorded_quality("smollm2_q4_1")
    assert tiny.ftype.is_unique and tiny.kld[tiny.ftype == "F16"].item() == 0 and tiny.recited.max() == 28
    assert "Q4_1" in again.attrs["model"] and "2,040 predicted tokens" in again.attrs["provenance"] and (
        again.error == "").all()
    with pytest.raises(ValueError, match="smollm2_q4_1"):
        recorded_quality("llama")


def test_what_was_quantized_before_looks_lossless_in_its_own_type_and_measures_grids_that_meet(smollm_q4_1):
    """What lesson 09 says of the table, and that the table is of the file that everybody can fetch."""
    table = recorded_quality("smollm2_q4_1").set_index("ftype")
    assert sha256(smollm_q4_1) == json.loads(QUALITY["smollm2_q4_1"].read_text())["sha256"]
    assert table.kld["Q4_1"] == 0 and table.nbytes["Q4_1"] < table.nbytes["Q6_K"] and table.kld["Q6_K"] > 0
    assert table.kld["Q4_K_M"] < table.kld["Q5_K_M"] and table.bpw["Q4_K_M"] < table.bpw["Q5_K_M"]
    found = compare_quality(smollm_q4_1, ["Q4_1"], n_ctx=512, chunks=1, progress=None, cache=None)
    assert found.kld[0] == 0 and found.nbytes[0] == table.nbytes["Q4_1"]
