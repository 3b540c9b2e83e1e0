"""One tensor, role or layer at a time: the numbers are those of a model with just these tensors replaced."""

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.chunks import HELD_OUT
from quantlab.inference.quality import divergence
from quantlab.inference.sensitivity import COLUMNS, sensitivity
from quantlab.inference.variants import STOPPED
from tests.inference.random_models import N_VOCAB, write
from tests.inference.test_compare import folder  # noqa: F401

QUICK = {"chunks": 2, "n_ctx": 64}
pytestmark = pytest.mark.usefixtures("folder")


def test_a_row_per_matrix_role_or_layer():
    matrices = [shape for _, shape in ql.open_model("tiny").types.values() if len(shape) == 2]
    weights = sum(n * rows for n, rows in matrices)
    tables = {by: sensitivity("tiny", "Q2_K", by=by, progress=None, chunks=1, n_ctx=16)
              for by in ("tensor", "role", "layer")}
    rows = {by: len(table) for by, table in tables.items()}
    assert rows == {"tensor": len(matrices), "role": 8, "layer": 5}
    for by, table in tables.items():
        assert tuple(table.columns) == COLUMNS and (table.error == "").all() and (table.kld > 0).all()
        assert by == "layer" or table.n_weights.sum() == weights
        assert (table.saved == table.n_weights * 16 // 8 - table.n_weights // 256 * 84).all()
    assert tables["role"].layer.isna().all() and tables["layer"].role.isna().all()
    assert tables["tensor"].layer.isna().sum() == 1         # the word vectors


def test_a_rows_kld_is_that_of_the_model_with_this_matrix_replaced():
    table = sensitivity("tiny", "Q3_K", progress=lambda step: step.done <= 3 * 128, **QUICK)
    lm, row = ql.load_lm("tiny"), table.iloc[2]
    name = f"blk.{row.layer}.{row.role}.weight"
    changed = lm.with_weights({name: ql.quantize(lm.weights[name], "Q3_K").dequantize()})
    assert row.kld == divergence(lm, changed, HELD_OUT.read_text(), **QUICK).mean_kld > 0


def test_a_stopped_map_keeps_its_rows_and_goes_on():
    said = []

    def stop(progress):
        said.extend([str(progress)] * (not progress.tensor.endswith("quantized")))
        return len(said) < 5 and None
    table = sensitivity("tiny", "Q4_0", by="role", progress=stop, **QUICK)
    assert (table.error == "").sum() == 2 and (table.error == STOPPED).sum() == 6
    assert (sensitivity("tiny", "Q4_0", by="role", progress=None, **QUICK).error == "").all()


@pytest.mark.parametrize(("call", "words"), [
    (lambda: sensitivity("tiny", "Q2_K", by="head"), "no grouping 'head'"),
    (lambda: sensitivity("tiny", "Q4_K_M"), "mix of types")])
def test_what_is_not_there_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_type_that_cannot_be_written_has_rows_that_say_so():
    table = sensitivity("tiny", "IQ2_XS", by="layer", progress=None, **QUICK)
    assert table.error.str.contains("importance matrix").all() and table.kld.isna().all()


@pytest.mark.parametrize("arch", ["qwen3moe", "gpt-oss"])
def test_experts_are_measured_too_and_what_is_never_quantized_is_not(arch, tmp_path):
    file = write(tmp_path / "m.gguf", arch, block_count=2)
    text = np.random.default_rng(1).integers(0, N_VOCAB, 64)
    table = sensitivity(file, "Q4_0", text, by="role", progress=None, n_ctx=32, cache=None)
    assert set(table.role) == {"token_embd", "output", "attn_q", "attn_k", "attn_v", "attn_output",
                               "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"}
    assert (table.kld > 0).all() and (table.error == "").all()
    assert set(table[table.role.str.endswith("exps")].n_weights) == {2 * 8 * 64 * 32}
