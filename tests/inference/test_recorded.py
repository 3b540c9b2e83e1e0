"""The shipped tables belong to the shipped model, and rows measured again here come out the same."""

import json
from pathlib import Path

import numpy as np
import pytest

from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import quantize
from quantlab.inference.chunks import HELD_OUT
from quantlab.inference.compare import (
    FOLDER,
    IMPORTANCE,
    QUALITY,
    RECORDED,
    compare_quality,
    recorded_quality,
    recorded_table,
    when_and_where,
)
from quantlab.inference.load import load_lm
from quantlab.inference.mixes import READ, MixBench
from quantlab.inference.quality import Reference
from quantlab.inference.sensitivity import sensitivity
from quantlab.inference.variants import USUAL_CHUNKS
from quantlab.models.digests import sha256
from quantlab.models.writer import quantize_model
from tools import record_importance
from tools.off_the_grid import make, moved, steps
from tools.record_tiny_quality import imatrix_behind
from tools.test_models import DIGESTS

LESSON_11 = Path(__file__).parents[2] / "notebooks" / "11_scale_search_and_imatrix.ipynb"
KLD = dict(rel=0.02, abs=2e-6)          # another processor's float32 sums move the third digit of a small KLD


@pytest.mark.parametrize("name", RECORDED)
def test_each_table_names_its_model_text_date_and_machine(name):
    table = recorded_table(name)
    assert table, f"{name}.json is of other weights: run tools/record_tiny_quality.py {name}"
    assert table["sha256"] == sha256(FOLDER / "tiny.gguf") and table["text_sha256"] == sha256(HELD_OUT)
    assert table["date"][:2] == "20" and table["machine"] and "seed" in table
    assert table["chunks"] == (READ // 256 if name == "budget" else USUAL_CHUNKS)
    assert table["predicted"] == 127 * table["chunks"]
    assert f"{table['predicted']:,} predicted tokens" in when_and_where(table)


def test_quality_measured_again_is_what_was_recorded():
    rows = {(row["pure"], row["ftype"]): row for row in recorded_table("quality")["rows"]}
    for pure, name in ((False, "Q4_K_M"), (True, "Q3_K"), (False, "IQ2_M")):
        imatrix = imatrix_behind() if rows[pure, name].get("imatrix") else None
        found = compare_quality("tiny", name, pure=pure, imatrix=imatrix, progress=None, cache=None).iloc[0]
        row = rows[pure, name]
        assert row["nbytes"] == found["nbytes"] and row["bpw"] == pytest.approx(found["bpw"], rel=1e-5)
        assert row["kld"] == pytest.approx(found["kld"], **KLD)
        assert row["ppl"] == pytest.approx(found["ppl"], rel=1e-3)
        assert row["top1"] == pytest.approx(found["top1"], abs=0.003)
        assert row["recited"] == pytest.approx(found["recited"], abs=1)


def test_sensitivity_measured_again_is_what_was_recorded():
    rows = {(row["by"], row["layer"], row["role"]): row for row in recorded_table("sensitivity")["rows"]
            if row["qtype"] == "Q2_K"}
    assert sum(by == "tensor" for by, _, _ in rows) == 36 and sum(by == "role" for by, _, _ in rows) == 8
    two = sensitivity("tiny", "Q2_K", by="role", progress=lambda step: step.done <= 2 * USUAL_CHUNKS * 256,
                      cache=None)[:2]
    for found in two.to_dict("records"):
        row = rows["role", None, found["role"]]
        assert row["saved"] == found["saved"] and row["kld"] == pytest.approx(found["kld"], **KLD)


def test_the_marks_of_the_budget_measured_again_are_what_was_recorded():
    bench = MixBench("tiny", HELD_OUT.read_text(encoding="utf-8"))
    for row in recorded_table("budget")["rows"][::7]:
        types = bench.mix(row["name"]) if row["kind"] == "mix" else bench.alike(row["name"])
        assert row["nbytes"] == bench.nbytes(types)
        assert row["kld"] == pytest.approx(bench.measure(types).mean_kld, **KLD)


def test_no_table_for_other_weights_and_no_other_names(monkeypatch):
    monkeypatch.setattr("quantlab.inference.compare.sha256", lambda path: "of another tiny.gguf")
    assert recorded_table("quality") is None
    with pytest.raises(ValueError, match="sensitivity"):
        recorded_table("speed")


def test_tables_of_quality_look_like_measured_ones():
    tiny, again = recorded_quality(), recorded_quality("smollm2_q4_1")
    assert tiny.ftype.is_unique and tiny.kld[tiny.ftype == "F16"].item() == 0 and tiny.recited.max() == 28
    assert "Q4_1" in again.attrs["model"] and "2,040 predicted tokens" in again.attrs["provenance"]
    assert (again.error == "").all()
    with pytest.raises(ValueError, match="smollm2_q4_1"):
        recorded_quality("llama")


@pytest.mark.parametrize("source", ["Q4_1", "Q5_0", "Q4_K"])
def test_off_the_grid_a_type_costs_what_it_costs_from_16_bits(tiny, text, tmp_path, source):
    """The tables of Gemma 3 and SmolLM2 rest on it. On the grid a type costs nothing, or half as much again.
    """
    file = quantize_model("tiny", tmp_path / "q.gguf", source, pure=True, progress=None)
    moved, ratios = load_lm(make(file, tmp_path / "moved.gguf")), {}
    for base in (tiny, moved):
        reference = Reference(base, text, n_ctx=128, chunks=4)
        matrices = {name: weights for name, weights in base.weights.items() if weights.ndim == 2}
        for qtype in ("Q5_0", "Q4_0", "Q3_K"):
            rounded = {name: quantize(weights, qtype).dequantize() for name, weights in matrices.items()}
            ratios.setdefault(qtype, []).append(reference.divergence(base.with_weights(rounded)).mean_kld)
    assert all(cost[1] == pytest.approx(cost[0], rel=0.25) for cost in ratios.values()), ratios


@pytest.mark.parametrize("source", ["Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"])
def test_off_the_grid_is_within_the_step_that_a_weight_was_rounded_to(source):
    rng = np.random.default_rng(0)
    blocks = quantize(rng.normal(size=(4, 512)), source).blocks
    weights, step = FORMATS[source].decode(blocks).ravel(), steps(blocks, source).ravel()
    places = (moved(blocks.tobytes(), source, rng) - weights) / np.where(step, step, 1)
    assert np.abs(places).max() <= 0.5001 and 0.25 < places.std() < 0.32
    near = np.sort(weights.reshape(-1, 16), axis=1)         # neighbours in a group with one scale
    gaps = np.diff(near, axis=1) / step.reshape(-1, 16)[:, :1]
    assert np.abs(gaps - np.rint(gaps)).max() < 1e-3 and (gaps > 0).any()


@pytest.mark.parametrize("name", ["gemma3_270m", "smollm2_135m"])
def test_the_tables_of_real_models_name_their_files_and_order_types_by_bits(name):
    recorded, table = json.loads(QUALITY[name].read_text()), recorded_quality(name).set_index("ftype")
    assert recorded["source_sha256"] in DIGESTS.values() and recorded["text_sha256"] == sha256(HELD_OUT)
    assert recorded["predicted"] == 2040 and "what that file lost" in recorded_quality(name).attrs["against"]
    assert table.index[0] == "Q8_0" and (table.error == "").all() and table.kld_se.max() < 0.05
    assert table.kld[["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q3_K_S"]].is_monotonic_increasing
    assert (table.kld_se < 0.1 * table.kld).all() and table.top1.between(0.5, 0.99).all()


def test_what_an_importance_matrix_is_worth_names_the_same_weights_as_the_table_of_quality():
    found = json.loads(IMPORTANCE.read_text())
    table = json.loads(QUALITY["smollm2_135m"].read_text())
    same = ("sha256", "source_sha256", "text_sha256", "n_ctx", "chunks", "predicted", "seed", "model")
    assert {key: found[key] for key in same} == {key: table[key] for key in same}
    assert found["matrices"] == 7 * found["stored"] == 210 and found["times"] > 100
    cost = {row["imatrix"]: row["kld"] for row in found["rows"]}
    assert tuple(cost) == tuple(record_importance.WAYS)
    assert cost["measured"] < cost["alike"] / 2 < cost["without"] / 4
    assert all(row["kld_se"] < 0.05 * row["kld"] for row in found["rows"])


def test_importances_are_worth_what_lesson_11_measures(tiny):
    """The record's own tool on the tiny model: the numbers that the lesson's cells print."""
    found = record_importance.measured(tiny, "attn_v", "IQ3_S", read=16, predicted=4)
    cells = json.loads(LESSON_11.read_text())["cells"]
    printed = "".join(json.dumps(cell.get("outputs", [])) for cell in cells)
    assert f"{found['times']:.1f} times, in {found['matrices']} matrices" in printed
    assert str({row["imatrix"]: round(row["kld"], 4) for row in found["rows"]}) in printed


def test_the_table_of_caches_has_short_and_long_texts():
    table = recorded_quality("kv_cache")
    assert set(table.model) == {"SmolLM2-135M-Instruct", "Gemma 3 270M"} and {512, 8192} == set(table.n_ctx)
    for _, rows in table.groupby(["model", "n_ctx"]):
        cost = rows[rows.type_k == rows.type_v].set_index("type_k").kld
        assert 0 < cost["q8_0"] < cost["q4_0"] / 50 and cost["q4_0"] < 0.1


def test_what_was_quantized_before_looks_lossless_in_its_own_type_and_measures_grids_that_meet(smollm_q4_1):
    """What lesson 09 says of the table, and that the table is of the file that everybody can fetch."""
    table = recorded_quality("smollm2_q4_1").set_index("ftype")
    assert sha256(smollm_q4_1) == json.loads(QUALITY["smollm2_q4_1"].read_text())["sha256"]
    assert table.kld["Q4_1"] == 0 and table.nbytes["Q4_1"] < table.nbytes["Q6_K"] and table.kld["Q6_K"] > 0
    assert table.kld["Q4_K_M"] < table.kld["Q5_K_M"] and table.bpw["Q4_K_M"] < table.bpw["Q5_K_M"]
    found = compare_quality(smollm_q4_1, ["Q4_1"], n_ctx=32, chunks=1, progress=None, cache=None)
    assert found.kld[0] == 0 and found.nbytes[0] == table.nbytes["Q4_1"]
