"""The explorers of measured quality: every menu draws, every number is the table's, keys reach every point,
measuring can be stopped.
"""

import itertools
import re
from xml.etree import ElementTree

import pytest

import quantlab as ql
from quantlab.exhibits.quality import MEASURES, SIZES, QualityFacts, explore_quality, wanted
from quantlab.exhibits.sensitivity import (
    HARM,
    MARKED_MIXES,
    PER_BYTE,
    QTYPES,
    SensitivityFacts,
    explore_sensitivity,
    raised_by,
)
from quantlab.inference.compare import recorded_table
from quantlab.models.recipes import recipe
from quantlab.stage.touchable import png
from quantlab.words import bits

SVG = "{http://www.w3.org/2000/svg}"


def sound(lab) -> str:
    """The picture is well formed, small, and no letter is under 9 pixels."""
    svg = lab.picture.svg
    assert len(svg) < 120_000 and "\n" not in lab.picture.finding
    assert min(float(size) for size in re.findall(r'font-size="([\d.]+)"', svg)) >= 9
    here = [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if g.get("id") == "here"]
    assert len(here) == 1 and here[0].get("aria-label")
    return svg


@pytest.fixture(scope="module")
def quality():
    return explore_quality()


@pytest.fixture(scope="module")
def lab():
    return explore_sensitivity()


def test_every_measure_unit_and_kind_draws_every_type(quality):
    seen = set()
    for pure, unit, key in itertools.product((False, True), SIZES, MEASURES):
        for name, value in (("pure", pure), ("unit", unit), ("key", key)):
            quality.controls[name].value = value
        seen.add(sound(quality))
        words = set(re.findall(r"<text[^>]*>([^<]*)</text>", quality.picture.svg))
        assert set(quality.types.names) <= words and "Recorded on" in quality.picture.svg
    assert len(seen) == 2 * len(SIZES) * len(MEASURES)


def test_arrows_walk_through_all_types_in_the_order_of_size(quality):
    quality.controls["pure"].value, quality.controls["key"].value = False, "kld"
    quality.touched({"key": "Home"})
    for row in quality.types.rows:
        assert quality.controls["focus"].value == row["ftype"]
        assert quality.finding.startswith(f"{row['ftype']}: KLD ")
        assert f"{bits(row['bpw'])} bits per weight" in quality.picture.svg
        assert f"Perplexity {row['ppl']:.4g}" in quality.picture.svg
        quality.touched({"key": "ArrowRight"})
    quality.touched({"cell": 0})
    assert quality.controls["focus"].value == quality.types.names[0]
    quality.touched({"key": "PageDown"})
    assert quality.controls["key"].value == "ppl"
    quality.touched({"cell": 10**9})
    assert quality.controls["focus"].value == quality.types.names[-1]


def row(name, nbytes, kld, *, rise=0.1, se=0.01, pure=False):
    return {"pure": pure, "ftype": name, "nbytes": nbytes, "bpw": nbytes / 1e6, "kld": kld,
            "kld_se": kld / 50, "kld99": 5 * kld, "ppl": 30.0, "ln_ratio": rise, "ln_ratio_se": se,
            "top1": 1 - kld, "recited": None, "passages": None, "controls": None}


def test_a_type_is_beaten_by_what_is_as_small_and_better():
    facts = QualityFacts([row("A", 1e6, 0.5), row("B", 2e6, 0.1), row("C", 3e6, 0.2), row("D", 3e6, 0.01)],
                         False)
    assert [point.name for point in facts.points("kld", "MB") if point.beaten] == ["C"]
    assert facts.finding("C", "kld", "MB") == "C: KLD 0.2, 3 MB; D does better with as many bytes"
    assert "nothing as small does better" in facts.finding("B", "kld", "MB")
    assert facts.measures() == ["kld", "ppl", "top1"]


def test_a_change_of_perplexity_within_chance_is_no_change():
    facts = QualityFacts([row("A", 1e6, 0.5, rise=0.015), row("B", 2e6, 0.1, rise=-0.02),
                          row("C", 3e6, 0.1, rise=0.5)], False)
    assert [point.noise for point in facts.points("ppl", "MB")] == [True, True, False]
    said = facts.finding("B", "ppl", "MB")
    assert said.endswith("A does as well with 1 MB") and "(chance)" in said


def test_what_is_measured_can_be_written_without_an_importance_matrix():
    assert "Q4_K_M" in wanted(False) and "F16" not in wanted(True)
    assert not {"IQ2_XS", "MXFP4_MOE"} & {*wanted(False)}
    recorded = recorded_table("quality")["rows"]
    assert {r["ftype"] for r in recorded if not r["pure"]} == {"F16", *wanted(False), *wanted(False, True)}
    # no importances were measured for the word vectors, and three types are not written without
    assert {*wanted(True), *wanted(True, True)} - {r["ftype"] for r in recorded if r["pure"]} == {
        "IQ1_S", "IQ2_XXS", "IQ2_XS"}
    assert all(r.get("imatrix", False) == (r["ftype"] in wanted(r["pure"], True)) for r in recorded)


def test_what_was_measured_with_importances_is_said_to_be():
    lab = explore_quality()
    lab.set(focus="IQ2_M")
    assert "with an importance matrix" in lab.picture.svg
    assert "importance matrix of the 32" in lab.status.value
    lab.set(focus="Q2_K")
    assert "with an importance matrix" not in lab.picture.svg
    assert not {"Q1_0", "Q2_0", "TQ1_0"} & set(lab.types.names)
    assert {"Q1_0", "IQ1_S"} <= {line[0] for line in lab.picture.table}


def test_measure_here_and_stop(monkeypatch, tmp_path):
    monkeypatch.setenv("QUANTLAB_CACHE", str(tmp_path))
    monkeypatch.setattr("quantlab.exhibits.quality.wanted", lambda pure: ["Q8_0", "Q4_K_M"])
    lab = explore_quality()
    before = {r["ftype"]: r["kld"] for r in lab.types.rows}
    lab.buttons["run"].click()
    assert lab.buttons["run"].disabled and not lab.buttons["cancel"].disabled
    lab.thread.join(600)
    assert "Measured here" in lab.picture.svg and lab.types.names == ["Q4_K_M", "Q8_0"]
    assert not lab.buttons["run"].disabled and "Measured here" in lab.status.value
    assert [r["kld"] for r in lab.types.rows] == pytest.approx([before["Q4_K_M"], before["Q8_0"]], rel=0.02)
    monkeypatch.setattr("quantlab.exhibits.quality.wanted", lambda pure: ["Q8_0", "Q2_K"])

    def stop_at_q2_k(words, busy=False, share=None):
        if busy and "Q2_K" in words:
            lab.buttons["cancel"].click()

    monkeypatch.setattr(lab, "tell", stop_at_q2_k)
    lab.buttons["run"].click()
    lab.thread.join(600)
    assert lab.types.names == ["Q8_0"] and "Stopped: 1 of 2" in lab.tables["tiny", False][1]
    lab.reset()
    assert lab.controls["focus"].value == "Q8_0", "there is no Q4_K_M any more"


def test_reset_goes_back_to_the_first_picture(quality, lab):
    for explorer, moves in ((quality, {"pure": True, "key": "top1", "unit": "MB"}),
                            (lab, {"qtype": "Q4_K", "per": PER_BYTE, "mix": ""})):
        explorer.reset()
        first = explorer.picture.svg
        explorer.set(**moves)
        explorer.touched({"key": "End"})
        assert explorer.picture.svg != first
        explorer.buttons["Reset"].click()
        assert explorer.picture.svg == first


def test_a_model_that_was_not_measured_says_so(tmp_path):
    with ql.open_model("tiny") as model:
        (tmp_path / "mine.gguf").write_bytes(model.file.paths[0].read_bytes())
    for lab in (explore_quality(str(tmp_path / "mine.gguf")),
                explore_sensitivity(str(tmp_path / "mine.gguf"))):
        assert "has not been measured here yet" in lab.finding and png(lab.picture)
        lab.touched({"key": "ArrowRight"})
        lab.controls["model"].value = "tiny"
        assert "Recorded on" in lab.picture.svg


# ---- the sensitivity map

def test_every_type_mix_and_view_draws_every_tensor(lab):
    for qtype, mix, per in itertools.product(QTYPES, (*MARKED_MIXES, ""), (HARM, PER_BYTE)):
        for name, value in (("qtype", qtype), ("mix", mix), ("per", per)):
            lab.controls[name].value = value
        svg = sound(lab)
        assert svg.count("▲ Q") == len(raised_by("tiny", MARKED_MIXES)[mix] if mix else ()) + bool(mix)
        assert len(lab.tensors.single) == 36 and "Recorded on" in svg


def test_the_marks_are_what_the_recipe_raises():
    with ql.open_model("tiny") as model:
        for mix, usual in (("Q3_K_M", "Q3_K"), ("Q4_K_M", "Q4_K")):
            types = recipe(mix, model)
            expected = {name for name, qtype in types.items() if qtype not in (usual, "F32")}
            raised = raised_by("tiny", MARKED_MIXES)[mix]
            named = {f"{role}.weight" if layer is None else f"blk.{layer}.{role}.weight": qtype
                     for (layer, role), qtype in raised.items()}
            assert set(named) == expected and all(types[name] == qtype for name, qtype in named.items())


def test_the_title_names_the_most_and_the_least_of_the_recorded_table(lab):
    for name, value in (("qtype", "Q2_K"), ("mix", "Q3_K_M"), ("per", HARM)):
        lab.controls[name].value = value
    rows = [r for r in recorded_table("sensitivity")["rows"] if r["qtype"] == "Q2_K" and r["by"] == "tensor"]
    most, least = max(rows, key=lambda r: r["kld"]), min(rows, key=lambda r: r["kld"])
    assert lab.picture.finding.startswith(most["role"])
    assert least["role"] in lab.picture.finding.split("times")[1]
    assert lab.picture.table[1][0].startswith(most["role"])


def test_sums_and_bytes_are_those_of_the_rows():
    rows = [{"by": "tensor", "layer": i, "role": role, "qtype": "Q2_K", "saved": 1000 * (i + 1),
             "kld": 0.001 * (i + 1), "kld_se": 1e-5} for i in range(3) for role in ("attn_q", "ffn_up")]
    facts = SensitivityFacts(rows, "Q2_K", HARM, "", {})
    assert [facts.of_layer(i) for i in range(3)] == pytest.approx([0.002, 0.004, 0.006])
    assert facts.of_role("attn_q") == pytest.approx(0.006)
    per_byte = SensitivityFacts(rows, "Q2_K", PER_BYTE, "", {})
    assert [per_byte.of_layer(i) for i in range(3)] == pytest.approx([1, 1, 1])
    half = SensitivityFacts(rows, "Q2_K", HARM, "M", {(2, "attn_q"): "Q6_K", (0, "attn_q"): "Q6_K"})
    assert "M raises 2 of 6 tensors: 1 of the 2 that hurt most; blind choice would hit 0.7" in half.verdict()


def test_keys_reach_every_tensor(lab):
    lab.touched({"cell": 0})
    seen = set()
    for _ in range(40):
        seen.add(lab.tensor)
        assert lab.finding == lab.tensors.said(lab.tensor)
        lab.touched({"key": "ArrowRight"})
    assert len(seen) == 36
    lab.touched({"key": "Home"})
    for place in lab.tensors.order:
        assert lab.tensor == place
        lab.touched({"key": "n"})
    lab.touched({"key": "p"})
    assert lab.tensor == lab.tensors.order[-2]
    for key in ("ArrowUp",) * 9 + ("ArrowDown",) * 9 + ("End", "PageUp", "PageDown", "x"):
        lab.touched({"key": key})
    lab.touched({"cell": -5})
    lab.touched({"cell": 10**9})
    assert lab.tensor == (None, "token_embd")


def test_names_and_bad_arguments(quality, lab):
    for explorer in (quality, lab):
        labels = list(explorer.assistant.labels.values())
        assert len(set(labels)) == len(labels)
        assert explorer._repr_mimebundle_()["text/plain"] == explorer.finding
    with pytest.raises(ValueError, match="Q5_K"):
        explore_sensitivity(qtype="Q5_K")
    with pytest.raises(ValueError, match="Q4_K_L"):
        explore_sensitivity(mix="Q4_K_L")
