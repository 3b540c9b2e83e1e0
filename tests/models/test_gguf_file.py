"""The reader against gguf's own: same keys, same values, same tensors, same weights."""

import gguf
import numpy as np
import pytest

from quantlab.models.gguf_cursor import GGUFArray
from quantlab.models.gguf_file import GGUFFile
from tests.models.gguf_builder import GOOD

KEYS = {"u8": ("add_uint8", 200), "i8": ("add_int8", -100), "u16": ("add_uint16", 60000),
        "i16": ("add_int16", -30000), "u32": ("add_uint32", 4_000_000_000),
        "i32": ("add_int32", -2_000_000_000), "u64": ("add_uint64", 2**63 + 1),
        "i64": ("add_int64", -(2**62)), "f32": ("add_float32", 0.1), "f64": ("add_float64", 0.1),
        "yes": ("add_bool", True), "no": ("add_bool", False), "text": ("add_string", "Lama ä 🦙"),
        "none": ("add_string", ""), "ints": ("add_array", [1, -2, 3]), "floats": ("add_array", [0.5, 1.25]),
        "truths": ("add_array", [True, False]), "words": ("add_array", ["one", "zwei", "три", ""])}


@pytest.fixture(scope="module", params=[32, 64, 8])
def written(request, tmp_path_factory):
    """A file by gguf's writer, with each kind of value and tensor."""
    path = tmp_path_factory.mktemp("gguf") / "written.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(request.param)
    for key, (method, value) in KEYS.items():
        getattr(writer, method)(key, value)
    rng = np.random.default_rng(7)
    for number, shape in enumerate([(64,), (3, 64), (2, 5, 32), (2, 3, 2, 32)]):
        writer.add_tensor(f"t{number}", rng.normal(size=shape).astype(np.float32))
    writer.add_tensor("half", rng.normal(size=(3, 5)).astype(np.float16))
    writer.add_tensor("whole", np.arange(-5, 5, dtype=np.int32))
    for name in ("Q4_0", "Q8_0", "Q5_1"):
        blocks = gguf.quantize(rng.normal(size=(4, 96)).astype(np.float32), gguf.GGMLQuantizationType[name])
        writer.add_tensor(name, blocks, raw_dtype=gguf.GGMLQuantizationType[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def plain(value):
    """Our value as gguf's `contents()` gives it."""
    return list(value.decode()) if isinstance(value, GGUFArray) else value


def agree(path):
    """Keys, values, tensor list, offsets and every stored byte are what gguf's reader sees."""
    oracle = gguf.GGUFReader(path)
    with GGUFFile(path) as file:
        theirs = {key: field for key, field in oracle.fields.items() if not key.startswith("GGUF.")}
        assert list(file.metadata) == list(theirs)
        for key, field in theirs.items():
            ours, truth = plain(file.metadata[key]), field.contents()
            assert ours == truth, key
        assert list(file.infos) == [tensor.name for tensor in oracle.tensors]
        for tensor in oracle.tensors:
            info = file.infos[tensor.name]
            assert info.shape == tuple(int(n) for n in tensor.shape)
            assert (info.qtype, info.offset) == (tensor.tensor_type.name, tensor.data_offset)
            assert info.nbytes == tensor.n_bytes
            assert file.raw(tensor.name) == tensor.data.tobytes()
        assert oracle.data_offset == file.parts[-1][1]
        return file


def test_we_read_what_gguf_wrote(written):
    file = agree(written)
    assert file.metadata["u64"] == 2**63 + 1 and file.metadata["text"] == "Lama ä 🦙"


def test_weights_are_what_gguf_decodes(written):
    oracle = gguf.GGUFReader(written)
    with GGUFFile(written) as file:
        for tensor in oracle.tensors:
            truth = tensor.data.astype(np.float32)
            if tensor.tensor_type.name.startswith("Q"):
                truth = gguf.dequantize(tensor.data, tensor.tensor_type)
            ours = file.tensor(tensor.name)
            assert ours.dtype == np.float32 and ours.shape == tuple(tensor.shape)[::-1]
            np.testing.assert_array_equal(ours, truth.reshape(ours.shape), tensor.name)


def test_version_2_reads_as_version_3(tmp_path):
    path = tmp_path / "two.gguf"
    path.write_bytes(GOOD[:4] + b"\2" + GOOD[5:])
    with GGUFFile(path) as file:
        assert file.version == 2 and len(file.infos) == 2


def test_missing_tensor_names_a_near_one(tmp_path):
    path = tmp_path / "good.gguf"
    path.write_bytes(GOOD)
    with GGUFFile(path) as file, pytest.raises(ValueError, match="the nearest is blk"):
        file.tensor("attn_q")


def test_a_closed_file_says_so(tmp_path):
    path = tmp_path / "good.gguf"
    path.write_bytes(GOOD)
    with GGUFFile(path) as file:
        pass
    with pytest.raises(ValueError, match="is closed"):
        file.tensor("norm")


def test_what_is_no_file_is_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        GGUFFile(tmp_path / "nowhere.gguf")
    with pytest.raises(ValueError, match="is not a file"):
        GGUFFile(tmp_path)
    (tmp_path / "empty.gguf").touch()
    with pytest.raises(ValueError, match="empty"):
        GGUFFile(tmp_path / "empty.gguf")
