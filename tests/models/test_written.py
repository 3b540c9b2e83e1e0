"""Files of every known architecture, whole and split, as `gguf` writes them: the architecture and every
weight come back.
"""

import os
import struct

import gguf
import numpy as np
import pytest

from quantlab.models.catalog import MODELS
from quantlab.models.families import FAMILIES
from quantlab.models.gguf_split import SplitFile
from quantlab.models.source import open_model
from tests.memory.own_shapes import MEASURED, SHAPES
from tests.models.gguf_builder import INFOS, build, info, pair, string, u32
from tests.models.test_gguf_file import agree
from tests.models.written import SMALL, write


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    for name, architecture in SMALL.items():
        write(folder / f"{name}.gguf", architecture)
    return folder


def test_every_known_family_is_written_here_or_held_against_the_planner():
    held = {shape.arch for shape in (MODELS | SHAPES).values()} - set(SMALL)  # tests/memory/test_graphs.py
    assert held.isdisjoint(MEASURED) and set(SMALL) | held == FAMILIES


@pytest.mark.parametrize("name", SMALL)
def test_the_architecture_comes_back_from_the_file(written, name):
    agree(written / f"{name}.gguf")
    with open_model(written / f"{name}.gguf") as model:
        assert model.architecture == SMALL[name]
        assert model.ftype == "Q8_0"
        table = model.tensors[["name", "role", "layer", "shape"]].astype(object)
        assert table.where(table.notna(), None).values.tolist() == [
            list(tensor) for tensor in SMALL[name].tensors()
        ]
        assert model.n_weights == SMALL[name].n_params


def test_the_table_has_name_role_layer_shape_type_bytes_and_bpw(written):
    with open_model(written / "llama.gguf") as model:
        table = model.tensors.set_index("name")
    row = table.loc["blk.1.ffn_down.weight"]
    assert (row.role, row.layer, row["shape"], row["type"], row["nbytes"], row["bpw"]) == (
        "ffn_down",
        1,
        (96, 64),
        "Q8_0",
        6528,
        8.5,
    )


# ---- split files

@pytest.fixture
def split(tmp_path):
    """A Qwen3 of experts in parts of seven tensors each; the paths in order."""
    write(tmp_path / "moe.gguf", SMALL["qwen3moe"], split_max_tensors=7)
    paths = sorted(tmp_path.glob("moe-*.gguf"))
    assert len(paths) == 4
    return paths


def test_a_split_model_opens_by_its_first_part_and_has_all_weights(split, written):
    with open_model(split[0]) as parts, open_model(written / "qwen3moe.gguf") as whole:
        assert isinstance(parts.file, SplitFile) and list(parts.file.paths) == split and "files 4" in repr(
            parts)
        assert parts.tensors.sort_values("name", ignore_index=True).equals(
            whole.tensors.sort_values("name", ignore_index=True)
        )
        assert parts.architecture == whole.architecture
        assert parts.ftype == "Q8_0" and parts.nbytes == whole.nbytes
        for name in whole.tensors.name:
            assert parts.file.raw(name) == whole.file.raw(name)
            np.testing.assert_array_equal(parts.tensor(name), whole.tensor(name))


def test_places_in_a_split_model_count_through_all_files(split):
    joined = b"".join(path.read_bytes() for path in split)
    with open_model(split[0]) as model:
        assert model.file.size == len(joined) == model.file.parts[-1][2]
        for start, stop in ((0, 30), (split[0].stat().st_size - 9, split[0].stat().st_size + 9),
                            (-5, len(joined) + 5), (40, 40), (9, 3)):
            assert model.file.bytes_at(start, stop) == joined[max(start, 0) : max(stop, 0)]
        for placed in model.file.infos.values():
            assert joined[placed.offset : placed.offset + placed.nbytes] == model.file.raw(placed.name)
    with pytest.raises(ValueError, match="is closed"):
        model.tensor("output_norm.weight")


def test_each_part_is_what_gguf_reads_of_it(split):
    with open_model(split[0]) as model:
        theirs = [tensor for path in split for tensor in gguf.GGUFReader(path).tensors]
        assert list(model.tensors.name) == [tensor.name for tensor in theirs]


def test_a_missing_part_is_named(split):
    split[1].unlink()
    with pytest.raises(ValueError, match=rf"1 of the others is missing beside it: {split[1].name}"):
        open_model(split[0])
    split[2].unlink()
    with pytest.raises(ValueError,
                       match=rf"2 of the others are missing beside it: {split[1].name}, {split[2].name}"):
        open_model(split[0])


def test_a_later_part_names_the_first(split):
    with pytest.raises(ValueError,
                       match=rf"is part 3 of a model split in 4; the first part must be opened: open "
                             rf"{split[0].name}"):
        open_model(split[2])


def test_a_renamed_part_is_refused_in_words(split):
    lonely = split[0].with_name("sha256-abc")
    split[0].rename(lonely)
    with pytest.raises(ValueError, match=r"its name must end in -00001-of-00004\.gguf"):
        open_model(lonely)
    lonely.rename(split[0])
    split[1].rename(split[1].with_name("kept"))
    split[2].rename(split[1])
    split[1].with_name("kept").rename(split[2])
    with pytest.raises(ValueError,
                       match=r"00002-of-00004\.gguf is not the part that its name says: split\.no is 2, 1 "
                             r"was expected"):
        open_model(split[0])


def _part(number, count, infos, tensors=2, arch=None):
    pairs = [pair("general.architecture", 8, string(arch))] if arch else []
    return build([*pairs, pair("split.no", 2, struct.pack("<H", number)),
                  pair("split.count", 2, struct.pack("<H", count)),
                  pair("split.tensors.count", 5, u32(tensors))], infos, b"\x11" * 64)


@pytest.mark.parametrize(("second", "words"), [
    (_part(1, 3, [info("b")]), "split.count is 3, 2 was expected"),
    (_part(0, 2, [info("b")]), "split.no is 0, 1 was expected"),
    (_part(1, 2, [info("b")], tensors=3), "split.tensors.count is 3, 2 was expected"),
    (_part(1, 2, [info("a")]), "tensor 'a' is in an earlier part too"),
    (_part(1, 2, []), "announces 2 tensors, but its 2 parts have 1"),
    (_part(1, 2, [info("b")], arch="gemma3"), "another model: a 'gemma3', the first part is a 'llama'"),
    (build([pair("split.no", 8, string("1"))], [info("b")]), "split.no is '1'; a whole number"),
    (build([], INFOS, b"\x11" * 80), "split.no is None, 1 was expected"),
    (b"GGUF", "the file ends at byte 4"), (b"", "the file is empty"),
])
def test_parts_that_do_not_fit_are_refused_and_closed(tmp_path, second, words):
    paths = [tmp_path / f"m-0000{n}-of-00002.gguf" for n in (1, 2)]
    paths[0].write_bytes(_part(0, 2, [info("a")], arch="llama"))
    paths[1].write_bytes(_part(1, 2, [info("b")]))
    with open_model(paths[0]) as model:
        assert list(model.tensors.name) == ["a", "b"]
    paths[1].write_bytes(second)
    with pytest.raises(ValueError, match=f"m-0000.*{words}"):
        open_model(paths[0])
    assert not _mapped_here(tmp_path)


@pytest.mark.parametrize(("no", "count"), [(2, 2), (9, 2), (65535, 65535)])
def test_impossible_part_numbers_are_refused(tmp_path, no, count):
    path = tmp_path / "m-00001-of-00002.gguf"
    path.write_bytes(_part(no, count, [info("a")]))
    with pytest.raises(ValueError, match=f"split.count is {count} and split.no is {no}, which cannot be"):
        open_model(path)


def test_sixty_five_thousand_announced_parts_are_missing_in_one_sentence(tmp_path):
    path = tmp_path / "m-00001-of-65535.gguf"
    path.write_bytes(_part(0, 65535, [info("a")]))
    with pytest.raises(ValueError, match="65534 of the others are missing") as error:
        open_model(path)
    assert len(str(error.value)) < 300


def test_a_file_that_only_looks_split_by_name_opens_alone(tmp_path):
    path = tmp_path / "m-00001-of-00002.gguf"
    path.write_bytes(build([], INFOS, b"\x11" * 80))
    with open_model(path) as model:
        assert len(model.tensors) == 2


def _mapped_here(folder) -> list[str]:
    """Files of `folder` that this process still has mapped: on Windows they could not be deleted. Linux can
    tell.
    """
    maps = f"/proc/{os.getpid()}/maps"
    return [line for line in open(maps) if str(folder) in line] if os.path.exists(maps) else []


def test_a_closed_model_holds_no_file(split):
    model = open_model(split[0])
    assert len(_mapped_here(split[0].parent)) in (0, 4)
    weights, vocabulary = model.tensor("output_norm.weight"), model.metadata["tokenizer.ggml.tokens"]
    model.close()
    assert not _mapped_here(split[0].parent) and weights.shape == (64,)
    for path in split:
        path.unlink()
    with pytest.raises(ValueError, match=r"closed: open it again to read 'tokenizer\.ggml\.tokens'"):
        vocabulary.decode()
