"""`quantize_model`: every byte of the new file is what llama-quantize would write, whoever encodes it."""

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import gguf
import numpy as np
import pytest

import quantlab as ql
from quantlab.models import writer as module
from quantlab.models.progress import Cancelled
from quantlab.models.source import open_model
from quantlab.models.types import FTYPES, ftype_number
from tests.formats import ggml_oracle
from tests.models.written import SMALL, write

#: Small, but with rows of whole super-blocks; the mixtures of experts have four.
LLAMA = replace(SMALL["llama"], n_layer=4, n_embd=256, n_head=4, n_head_kv=2, head_dim=64, n_ff=512,
                rope_dim=64)
MOE = replace(SMALL["qwen3moe"], n_embd=256, n_head=4, head_dim=64, n_ff_exp=256)
needs_ggml = pytest.mark.skipif(ggml_oracle.GGML is None, reason=ggml_oracle.REASON)


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for name, architecture in (("llama", LLAMA), ("moe", MOE)):
        for qtype in ("F16", "BF16", "F32"):
            write(folder / f"{name}-{qtype}.gguf", architecture, qtype)
    return folder


def tensors(path) -> dict[str, tuple[str, bytes]]:
    """Name -> (type, bytes), as `gguf` reads the file."""
    return {tensor.name: (tensor.tensor_type.name, tensor.data.tobytes())
            for tensor in gguf.GGUFReader(path).tensors}


def fields(path) -> dict[str, tuple]:
    """Key -> (value types, value), as `gguf` reads the file."""
    reader = gguf.GGUFReader(path)
    return {key: (field.types, field.contents()) for key, field in reader.fields.items()
            if not key.startswith("GGUF.")}


def wanted(path, types, imatrix=None) -> dict[str, tuple[str, bytes]]:
    """What ggml itself makes of each tensor of the file."""
    found = {}
    for tensor in gguf.GGUFReader(path).tensors:
        qtype, was = types[tensor.name], tensor.tensor_type.name
        if qtype == was:
            found[tensor.name] = qtype, tensor.data.tobytes()
            continue
        # (matrices, rows, columns)
        x = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(-1, *tensor.shape[1::-1].tolist())
        importance = (imatrix or {}).get(tensor.name, [None] * len(x))
        rows = [ggml_oracle.quantize(part, qtype, weights)
                for part, weights in zip(x, importance, strict=True)]
        found[tensor.name] = qtype, np.concatenate(rows).tobytes()
    return found


@needs_ggml
@pytest.mark.parametrize(("ftype", "number"), [("Q4_K", 15), ("Q4_K_S", 14), ("Q3_K", 12), ("MXFP4", 38),
                                               ("Q2_K", 10)])
def test_a_pure_file_has_one_type_and_a_number_that_llama_cpp_knows(sources, tmp_path, ftype, number):
    source, new = sources / "llama-F16.gguf", tmp_path / "new.gguf"
    ql.quantize_model(source, new, ftype, pure=True, progress=None)
    with open_model(source) as model:
        types = ql.recipe(ftype, model, pure=True)
    assert tensors(new) == wanted(source, types) and set(types.values()) == {ftype.removesuffix("_S"), "F32"}
    assert fields(new)["general.file_type"][1] == number


def test_a_file_of_any_one_type_has_a_number():
    assert all(FTYPES[ftype_number(name)].startswith(name) for name in ql.FORMATS)


@needs_ggml
@pytest.mark.parametrize("source", ["F16", "BF16", "F32"])
@pytest.mark.parametrize("model", ["llama", "moe"])
def test_every_tensor_is_what_ggml_writes(sources, tmp_path, model, source):
    src = sources / f"{model}-{source}.gguf"
    for ftype in ("Q4_K_M", "Q3_K_M", "IQ4_XS", "Q5_0", "MXFP4_MOE"):
        out = ql.quantize_model(src, tmp_path / "out.gguf", ftype)
        with open_model(src) as opened:
            assert tensors(out) == wanted(src, ql.recipe(ftype, opened)), ftype


@needs_ggml
def test_pieces_of_any_size_give_the_same_bytes(sources, tmp_path, monkeypatch):
    src = sources / "moe-F16.gguf"
    whole = ql.quantize_model(src, tmp_path / "whole.gguf", "Q4_K_M").read_bytes()
    monkeypatch.setattr(module, "SLAB", 1000)
    assert ql.quantize_model(src, tmp_path / "pieces.gguf", "Q4_K_M").read_bytes() == whole


def test_metadata_is_the_source_s_but_for_what_llama_quantize_sets(sources, tmp_path):
    src = sources / "llama-F16.gguf"
    before, after = fields(src), fields(ql.quantize_model(src, tmp_path / "out.gguf", "q4_k_m"))
    number = [gguf.GGUFValueType.UINT32]
    assert after == before | {"general.quantization_version": (number, 2), "general.file_type": (number, 15)}
    assert list(after) == [*(key for key in before if key != "general.file_type"),
                           "general.quantization_version", "general.file_type"]
    assert set(tensors(src)) == set(tensors(tmp_path / "out.gguf"))


def test_what_does_not_change_is_copied_byte_for_byte(sources, tmp_path):
    pairs = []
    for path in (sources / "llama-F16.gguf",
                 ql.quantize_model(sources / "llama-F16.gguf", tmp_path / "out.gguf", "Q8_0")):
        with open_model(path) as model:
            start, stop = model.file.parts[1][1:]
            pairs.append({key: model.file.bytes_at(*place) for key, place in model.file.pairs.items()})
            assert b"".join(pairs[-1].values()) == model.file.bytes_at(start, stop)
    same = [key for key in pairs[0] if key != "general.file_type"]
    assert len(same) > 10 and [pairs[0][key] for key in same] == [pairs[1][key] for key in same]


def test_a_file_keeps_its_alignment_and_places_tensors_as_gguf_does(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "in.gguf", "llama")
    writer.add_custom_alignment(128)
    for method, number in (("block_count", 1), ("embedding_length", 32), ("head_count", 1),
                           ("feed_forward_length", 32)):
        getattr(writer, f"add_{method}")(number)
    for name, rows in (("token_embd.weight", 3), ("output_norm.weight", 0), ("blk.0.attn_q.weight", 5)):
        writer.add_tensor(name, np.ones((rows, 32), np.float16) if rows else np.ones(32, np.float32))
    for step in ("header_to_file", "kv_data_to_file", "tensors_to_file"):
        getattr(writer, f"write_{step}")()
    writer.close()
    out = ql.quantize_model(tmp_path / "in.gguf", tmp_path / "out.gguf", "Q8_0")
    reader = gguf.GGUFReader(out)
    assert reader.alignment == 128 and [tensor.data_offset % 128 for tensor in reader.tensors] == [0, 0, 0]
    # 5 blocks of 34, padded
    assert out.stat().st_size % 128 == 0 and out.stat().st_size == reader.tensors[-1].data_offset + 256


def test_a_split_model_becomes_one_file(tmp_path):
    write(tmp_path / "whole.gguf", MOE, "F16")
    write(tmp_path / "parts.gguf", MOE, "F16", split_max_tensors=7)
    first, second = sorted(tmp_path.glob("parts-*.gguf"))[:2]
    one = ql.quantize_model(tmp_path / "whole.gguf", tmp_path / "one.gguf", "Q4_K_M")
    other = ql.quantize_model(first, tmp_path / "other.gguf", "Q4_K_M")
    assert tensors(other) == tensors(one) and fields(other) == fields(one)
    with pytest.raises(ValueError, match="same file"):
        ql.quantize_model(first, second, "Q4_K_M")


def test_an_open_model_stays_open_and_floats_can_be_the_goal(sources, tmp_path):
    with open_model(sources / "llama-F32.gguf") as model:
        half = ql.quantize_model(model, tmp_path / "half.gguf", "F16")
        assert model.tensor("output.weight").shape == (40, 256)
    assert {qtype for qtype, _ in tensors(half).values()} == {"F32", "F16"}
    assert tensors(half)["output.weight"][1] == tensors(sources / "llama-F32.gguf")["output.weight"][1] or (
        np.frombuffer(tensors(half)["output.weight"][1], np.float16) == np.frombuffer(
            tensors(sources / "llama-F32.gguf")["output.weight"][1], np.float32).astype(np.float16)).all()


# ---- elsewhere

@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_writes_the_same_file(sources, tmp_path, pool, monkeypatch):
    src = sources / "moe-F16.gguf"
    here = ql.quantize_model(src, tmp_path / "here.gguf", "Q4_K_M").read_bytes()
    monkeypatch.setattr(module, "SLAB", 20_000)
    monkeypatch.setattr(module, "IN_FLIGHT", 60_000)
    with pool(2) as executor:
        assert ql.quantize_model(src, tmp_path / "there.gguf", "Q4_K_M",
                                 executor=executor).read_bytes() == here
        with pytest.raises(Cancelled):
            ql.quantize_model(src, tmp_path / "stopped.gguf", "Q4_K_M", executor=executor,
                              progress=lambda step: False)
    assert not [name for name in os.listdir(tmp_path) if "stopped" in name]


def test_a_dask_cluster_writes_the_same_file(sources, tmp_path):
    """README: the way to a model too large for one machine. Two workers, processes of their own, on this one.
    """
    distributed = pytest.importorskip("distributed",
                                      reason="dask.distributed is not installed (`make test` brings it)")
    src = sources / "moe-F16.gguf"
    here = ql.quantize_model(src, tmp_path / "here.gguf", "Q4_K_M").read_bytes()
    with (distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None,
                                   memory_limit=0) as cluster, distributed.Client(cluster) as client):
        out = ql.quantize_model(src, tmp_path / "there.gguf", "Q4_K_M", executor=client.get_executor())
    assert out.read_bytes() == here


# ---- with an importance matrix

@pytest.fixture
def imatrix(sources, tmp_path):
    """llama-imatrix's file for the model of experts, and the importances in it."""
    rng, values = np.random.default_rng(3), {}
    writer = gguf.GGUFWriter(tmp_path / "imatrix.gguf", "")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["calibration.txt", "more.txt"])
    writer.add_uint32("imatrix.chunk_count", 77)
    writer.add_uint32("imatrix.chunk_size", 512)
    for tensor in MOE.tensors():
        if tensor.stays_f32 or tensor.layer is None:
            continue
        columns, experts = tensor.shape[0], tensor.shape[2] if len(tensor.shape) > 2 else 1
        sums = rng.random((experts, columns), np.float32) * 100
        # the first expert saw no token
        counts = np.arange(experts, dtype=np.float32)[:, None] * 7 + (experts == 1) * 5
        values[tensor.name] = np.where(counts > 0, sums / np.maximum(counts, 1), np.float32(1))
        writer.add_tensor(f"{tensor.name}.in_sum2", sums)
        writer.add_tensor(f"{tensor.name}.counts", counts)
    for step in ("header_to_file", "kv_data_to_file", "tensors_to_file"):
        getattr(writer, f"write_{step}")()
    writer.close()
    return tmp_path / "imatrix.gguf", values


@needs_ggml
def test_llama_cpp_s_imatrix_reaches_every_expert_and_the_metadata(sources, tmp_path, imatrix):
    src, (path, values) = sources / "moe-F16.gguf", imatrix
    for ftype in ("Q4_K_M", "IQ4_XS", "Q4_0", "Q2_K_S"):
        out = ql.quantize_model(src, tmp_path / "out.gguf", ftype, imatrix=path)
        with open_model(src) as opened:
            assert tensors(out) == wanted(src, ql.recipe(ftype, opened, imatrix=True), values), ftype
    text, number = [gguf.GGUFValueType.STRING], [gguf.GGUFValueType.UINT32]
    added = {key: field for key, field in fields(out).items() if key.startswith("quantize.")}
    assert added == {"quantize.imatrix.file": (text, str(path)[:127]),
                     "quantize.imatrix.dataset": (text, "calibration.txt"),
                     "quantize.imatrix.entries_count": (number, len(values)),
                     "quantize.imatrix.chunks_count": (number, 77)}


def test_importances_may_be_given_as_numbers(sources, tmp_path, imatrix):
    src, (path, values) = sources / "moe-F16.gguf", imatrix
    by_file = ql.quantize_model(src, tmp_path / "a.gguf", "Q4_K_M", imatrix=path)
    by_hand = ql.quantize_model(src, tmp_path / "b.gguf", "Q4_K_M", imatrix=values)
    assert (
        tensors(by_file) == tensors(by_hand) != tensors(ql.quantize_model(src, tmp_path / "c.gguf", "Q4_K_M"))
    )
    assert [key for key in fields(by_hand)
            if key.startswith("quantize.")] == ["quantize.imatrix.entries_count"]


def test_an_imatrix_that_is_none_is_refused(sources, tmp_path, imatrix):
    (tmp_path / "old.dat").write_bytes(b"\x10\0\0\0legacy")
    name = "blk.0.attn_q.weight"
    for given, words in ((tmp_path / "old.dat", "--output-format gguf"),
                         (sources / "llama-F16.gguf", "no imatrix"),
                         ({name: [1.0] * 64}, "belongs to another model"),
                         ({name: [-1.0] * 256}, "one is -1"), ({name: [float("nan")] * 256}, "one is nan"),
                         ({name: np.ones((1, 1, 256))}, "shape"), (3, "not int"),
                         (tmp_path / "none.gguf", "there is no file")):
        with pytest.raises(ValueError, match=words):
            ql.quantize_model(sources / "llama-F16.gguf", tmp_path / "out.gguf", "Q4_K_M", imatrix=given)
    half = {name: [1.0] * 256}
    for given, words in ((None, "Q2_K_S needs an imatrix"), (half, "has no numbers for it")):
        with pytest.raises(ValueError, match=words):
            ql.quantize_model(sources / "llama-F16.gguf", tmp_path / "out.gguf", "Q2_K_S", imatrix=given)
    assert not (tmp_path / "out.gguf").exists()
