"""One tensor, role or layer at a time: the numbers are those of a model with just these tensors replaced."""

import pytest

import quantlab as ql
from quantlab.inference.compare import HELD_OUT, STOPPED
from quantlab.inference.quality import divergence
from quantlab.inference.sensitivity import COLUMNS, mix_quality, sensitivity
from tests.inference.test_compare import folder  # noqa: F401

QUICK = {"chunks": 2, "n_ctx": 64}
pytestmark = pytest.mark.usefixtures("folder")


def test_a_row_per_matrix_role_or_layer():
    matrices = [shape for _, shape in ql.open_model("tiny").types.values() if len(shape) == 2]
    weights = sum(n * rows for n, rows in matrices)
    tables = {by: sensitivity("tiny", "Q2_K", by=by, progress=None, **QUICK)
              for by in ("tensor", "role", "layer")}
    assert {by: len(table) for by, table in tables.items()} == {"tensor": len(matrices), "role": 8,
                                                                "layer": 5}
    for by, table in tables.items():
        assert tuple(table.columns) == COLUMNS and (table.error == "").all() and (table.kld > 0).all()
        assert by == "layer" or table.n_weights.sum() == weights
        assert (table.saved == table.n_weights * 16 // 8 - table.n_weights // 256 * 84).all()
    assert tables["role"].layer.isna().all() and tables["layer"].role.isna().all()
    assert tables["tensor"].layer.isna().sum() == 1         # the word vectors


def test_a_rows_kld_is_that_of_the_model_with_this_matrix_replaced():
    table = sensitivity("tiny", "Q3_K", progress=None, **QUICK).set_index(["role", "layer"])
    lm = ql.load_lm("tiny")
    changed = lm.with_weights({"blk.1.ffn_down.weight": ql.quantize(lm.weights["blk.1.ffn_down.weight"],
                                                                    "Q3_K").dequantize()})
    assert table.kld["ffn_down", 1] == divergence(lm, changed, HELD_OUT.read_text(), **QUICK).mean_kld


def test_a_stopped_map_keeps_its_rows_and_goes_on():
    said = []

    def stop(progress):
        said.append(str(progress))
        return len(said) < 5 and None
    table = sensitivity("tiny", "Q4_0", by="role", progress=stop, **QUICK)
    assert (table.error == "").sum() == 2 and (table.error == STOPPED).sum() == 6
    assert (sensitivity("tiny", "Q4_0", by="role", progress=None, **QUICK).error == "").all()


def test_a_mix_of_all_roles_in_one_type_is_that_pure_type():
    roles = sensitivity("tiny", "Q4_0", by="role", progress=None, **QUICK).role
    mix = mix_quality("tiny", dict.fromkeys(roles, "Q4_0"), **QUICK)
    pure = ql.compare_quality("tiny", "Q4_0", pure=True, progress=None, **QUICK)
    assert mix["kld"] == pure.kld[0] and mix["nbytes"] == pure.nbytes[0] and mix["recited"] == pure.recited[0]
    assert mix_quality("tiny", {}, **QUICK)["kld"] == 0


@pytest.mark.parametrize(("call", "words"), [(lambda: sensitivity("tiny", "Q2_K", by="head"), "by='head'"),
                                             (lambda: sensitivity("tiny", "Q4_K_M"), "mix of types"),
                                             (lambda: mix_quality("tiny", {"router": "Q4_0"}),
                                              "no matrices called 'router'"),
                                             (lambda: mix_quality("tiny", {"ffn_down": "IQ1_S"}), "IQ1_S")])
def test_what_is_not_there_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_type_that_cannot_be_written_has_rows_that_say_so():
    table = sensitivity("tiny", "IQ2_XS", by="layer", progress=None, **QUICK)
    assert table.error.str.contains("importance matrix").all() and table.kld.isna().all()
