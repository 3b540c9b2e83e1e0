"""What ggml's reader opens is opened, by every way in: names and texts of any bytes, tensors without weights,
odd alignments.
"""

import json
import tracemalloc

import numpy as np
import pytest

from quantlab.exhibits.file import explore_file
from quantlab.exhibits.model_map import explore_model_map
from quantlab.models.gguf_file import GGUFFile
from quantlab.models.gguf_header import read_header
from quantlab.models.resolve import open_weights, shape_of
from quantlab.models.source import BUNDLED, from_show, open_model
from quantlab.models.writer import quantize_model
from tests.inference.files import copied
from tests.models.ggml_reader import ggml_opens
from tests.models.gguf_builder import INFOS, PAIRS, build, info, pair, string, u32, u64
from tests.models.test_gguf_hostile import HOSTILE

DATA = b"\x11" * 96         # the two tensors of INFOS, padded
MARK, BAD = info("mark", (0,), 0), b"\xe9t\xe9 \xff\xfe"
LEGAL = {
    "a mark first": build(PAIRS, [MARK, *INFOS], DATA),
    "a mark between": build(PAIRS, [INFOS[0], info("mark", (0,), 0, 64), INFOS[1]], DATA),
    "a mark last": build(PAIRS, [*INFOS, info("mark", (0,), 0, 96)], DATA),
    "only a mark": build(PAIRS, [MARK], b""),
    "two marks, one of blocks": build(PAIRS, [MARK, info("other", (32, 0), 2), *INFOS], DATA),
    "rows of nothing": build(PAIRS, [info("mark", (0, 4, 2), 12), *INFOS], DATA),
    "a single number": build(PAIRS, [info("one", (), 0)], b"\0" * 32),
    "name of no UTF-8": build([*PAIRS, pair("general.name", 8, string(BAD))], INFOS, DATA),
    "text of no UTF-8": build([*PAIRS, pair("general.license", 8, string(b"\xc3"))], INFOS, DATA),
    "key of no UTF-8": build([*PAIRS, pair(b"k\xff", 4, u32(7))], INFOS, DATA),
    "words of no UTF-8": build([*PAIRS, pair("words", 9, u32(8) + u64(2) + string("a") + string(BAD))],
                               INFOS, DATA),
    "architecture of no UTF-8": build([pair("general.architecture", 8, string(BAD))], INFOS, DATA),
    "tensor name of no UTF-8": build(PAIRS, [info(b"t\xf0\x9f"), INFOS[1]], DATA),
    "longest tensor name": build(PAIRS, [info(b"\xff" * 63), INFOS[1]], DATA),
    "tensor without a name": build(PAIRS, [info(""), INFOS[1]], DATA),
    "NULs": build([*PAIRS, pair("a\0b", 8, string("c\0d"))], INFOS, DATA),
    "truth of 2": build([*PAIRS, pair("yes", 7, b"\2")], INFOS, DATA),
    "truths of 2": build([*PAIRS, pair("truths", 9, u32(7) + u64(3) + b"\0\1\2")], INFOS, DATA),
    **{f"alignment {n}": build([*PAIRS, pair("general.alignment", 4, u32(n))], [info("t", (2**17,), 0)],
                               b"\0" * 2**19, align=n) for n in (1, 2, 4, 8, 2**16, 2**17)},
}


@pytest.fixture(params=LEGAL, ids=LEGAL)
def legal(request, tmp_path):
    path = tmp_path / "legal.gguf"
    path.write_bytes(LEGAL[request.param])
    return path


def test_what_ggml_opens_is_opened_by_every_way_in(legal, tmp_path, monkeypatch):
    assert ggml_opens(legal)
    with open_model(legal) as model:
        shown = f"{model!r} {model._repr_html_()} {model.tensors} {list(model.metadata)}"
        assert shown.encode() and "error" not in shown
        for name, (_, shape) in model.types.items():
            assert model.tensor(name).shape == shape[::-1]
        for value in model.metadata.values():
            assert str(list(value) if hasattr(value, "decode") and not isinstance(value, str)
                       else value).encode()
        assert shape_of(model) is model
    with pytest.raises(ValueError, match="and was opened"), open_weights(legal):
        raise ValueError("and was opened")
    for stage in (explore_file(legal), explore_model_map(legal)):
        assert "was not opened" not in stage.finding
    digest = "sha256:" + "a" * 64
    manifest = tmp_path / "manifests/registry.ollama.ai/library/legal/latest"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"layers": [{"mediaType": "application/vnd.ollama.image.model",
                                                "digest": digest, "size": 1}]}))
    (tmp_path / "blobs").mkdir()
    legal.rename(tmp_path / "blobs" / digest.replace(":", "-"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    with open_model("legal") as model:
        assert model.file is not None


def test_it_is_opened_where_hugging_face_keeps_it(legal, tmp_path):
    """Its cache has links with the files' names, to blobs without."""
    blob = tmp_path / "models--a--b" / "blobs" / ("a" * 64)
    link = tmp_path / "models--a--b" / "snapshots" / "c" / "m.gguf"
    for folder in (blob.parent, link.parent):
        folder.mkdir(parents=True)
    legal.rename(blob)
    try:
        link.symlink_to(blob)
    except OSError:
        pytest.skip("this system makes no links for you")
    with open_model(link) as linked, open_model(blob) as direct:
        assert linked.types == direct.types and list(linked.metadata) == list(direct.metadata)


def test_a_server_may_tell_of_marks_and_single_numbers():
    model = from_show({"model_info": {"general.architecture": "llama"}, "tensors": [
        {"name": "mark", "type": "F32", "shape": [0]}, {"name": "one", "type": "F32", "shape": []}]})
    assert model.types == {"mark": ("F32", (0,)), "one": ("F32", (1,))}
    assert np.isnan(model.tensors.bpw[0]) and model.bpw == 32
    with pytest.raises(ValueError, match="tensor of shape"):
        from_show({"tensors": [{"name": "t", "type": "F32", "shape": [-1]}]})


def test_parts_of_a_split_model_may_have_them(tmp_path):
    for number, infos in enumerate(([MARK, *INFOS], [info("z", (0,), 0), info("t")])):
        pairs = [pair("split.no", 2, number.to_bytes(2, "little")), pair("split.count", 2, b"\2\0"),
                 pair("split.tensors.count", 5, u32(5)), pair("general.name", 8, string(BAD))]
        path = tmp_path / f"m-{number + 1:05}-of-00002.gguf"
        path.write_bytes(build([PAIRS[0], *pairs], infos, DATA))
        assert ggml_opens(path)
    with open_model(tmp_path / "m-00001-of-00002.gguf") as model:
        assert list(model.types) == ["mark", "blk.0.attn_q.weight", "norm", "z", "t"]
        assert model.metadata["general.name"] == r"\xe9t\xe9 \xff\xfe"


def test_bad_bytes_are_shown_escaped_and_written_as_they_were(tmp_path):
    path = tmp_path / "odd.gguf"
    path.write_bytes(LEGAL["name of no UTF-8"])
    with GGUFFile(path) as file:
        assert file.metadata["general.name"] == r"\xe9t\xe9 \xff\xfe"
        assert BAD in file.bytes_at(*file.pairs["general.name"])
    path.write_bytes(LEGAL["words of no UTF-8"])
    with GGUFFile(path) as file:
        assert file.metadata["words"].decode() == ["a", r"\xe9t\xe9 \xff\xfe"]
    path.write_bytes(LEGAL["truths of 2"])
    with GGUFFile(path) as file:
        assert file.metadata["truths"].decode().tolist() == [False, True, True]


def test_nothing_hostile_is_opened_by_ggml(tmp_path):
    """But what is larger than any model: these two limits are ours."""
    ours = ("metadata beyond any model", "nothing, of huge rows")
    path = tmp_path / "hostile.gguf"
    for name, (data, _) in HOSTILE.items():
        path.write_bytes(data)
        assert ggml_opens(path) == (name in ours), name


def test_a_mark_survives_quantizing(tmp_path):
    path, target = copied(BUNDLED["tiny"], tmp_path / "marked.gguf", tensors={
        "mark": np.zeros(0, np.float32)}), tmp_path / "q8.gguf"
    assert ggml_opens(path)
    quantize_model(path, target, "Q8_0", progress=None, allow_requantize=True)
    assert ggml_opens(target)
    with open_model(path) as before, open_model(target) as after:
        assert set(before.types) == set(after.types) and after.types["mark"] == ("F32", (0,))
        assert after.ftype == "Q8_0" and after.bpw == pytest.approx(8.5, abs=0.1)


def test_a_name_that_cannot_be_written_is_not_written_as_another(tmp_path):
    path = copied(BUNDLED["tiny"], tmp_path / "odd.gguf", tensors={"odd!.weight": np.ones(32, np.float32)})
    path.write_bytes(path.read_bytes().replace(b"odd!.weight", b"odd\xff.weight"))
    assert ggml_opens(path)
    with pytest.raises(ValueError, match=r"called odd\\xff\.weight"):
        quantize_model(path, tmp_path / "q8.gguf", "Q8_0", progress=None, allow_requantize=True)


def test_megabytes_that_are_no_text_are_cut_where_they_are_shown():
    data = build([pair("k", 8, string(b"\xff" * 50_000_000))])
    tracemalloc.start()
    shown = read_header(data).metadata["k"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shown.startswith(r"\xff\xff") and shown.endswith(" … 50000000 bytes") and peak < 30e6
    for text in ("ä" * 700_000, "a" + "🦙" * 300_000):          # letters across the stretches
        assert read_header(build([pair("k", 8, string(text))])).metadata["k"] == text
