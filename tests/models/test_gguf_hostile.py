"""Files that lie: each family has broken a reader somewhere. Ours must answer with a sentence, at once."""

import struct
import time
import tracemalloc

import pytest

from quantlab.models.gguf_cursor import MOST_STRINGS
from quantlab.models.gguf_file import GGUFFile
from quantlab.models.gguf_header import MOST_TENSORS, MOST_VALUES, read_header
from quantlab.models.metadata import architecture_of
from tests.models.gguf_builder import GOOD, INFOS, PAIRS, build, info, pair, string, u32, u64

HUGE = 2**63


def test_the_good_file_is_good():
    header = read_header(GOOD)
    assert header.metadata["tokens"].decode() == ["a", "", "läma"]
    assert header.metadata["scores"].decode().tolist() == [1.5, -2]
    assert header.metadata["general.quantized"] is True
    assert header.tensors["norm"].nbytes == 16
    assert [part[0] for part in header.parts] == ["header", "metadata", "tensor list", "weights"]
    assert header.parts[0][1] == 0 and header.parts[-1][2] == len(GOOD)
    assert all(before[2] == after[1] for before, after in zip(header.parts, header.parts[1:], strict=False))


HOSTILE = {
    "a gap": (build(PAIRS, [INFOS[0], info("t", (4,), 0, 96)], b"\0" * 128),
              "starts at 96, but the one listed before it ends at 64"),
    "a gap before the first": (build(PAIRS, [info("t", offset=32)], b"\0" * 128),
                           "starts at 32, but the one listed before it ends at 0"),
    "in another order": (build(PAIRS, [info("b", offset=64), info("a")], b"\0" * 128), "starts at 64"),
    "a long name": (build(PAIRS, [info("n" * 64), INFOS[1]]), "a name of 64 bytes; 63 are the most"),
    "a long name of no UTF-8": (build(PAIRS, [info(b"\xff" * 64), INFOS[1]]), "a name of 64 bytes"),
    "empty": (b"", "file ends at byte 0"),
    "wrong magic": (build(magic=b"GGML"), "GGML"),
    "zip archive": (b"PK\x03\x04" + b"\0" * 40, "ZIP"),
    "safetensors": (u64(9) + b'{"a": 1}  ', "safetensors"),
    "version 1": (build(PAIRS, INFOS, version=1), "version 1"),
    "version 99": (build(PAIRS, INFOS, version=99), "version 99"),
    "big endian": (build(PAIRS, INFOS, version=0x03000000), "big-endian"),
    "tensor count": (build(PAIRS, INFOS, n_tensors=HUGE), str(HUGE)),
    "metadata count": (build(PAIRS, INFOS, n_pairs=HUGE), str(HUGE)),
    "tensor count a little too large": (build(PAIRS, INFOS, n_tensors=7), "tensor count of 7"),
    "key longer than the file": (build([string("k", HUGE)]), str(HUGE)),
    "value longer than the file": (build([pair("k", 8, string("v", 2**64 - 1))]), str(2**64 - 1)),
    "array of 2^63 bytes": (build([pair("k", 9, u32(0) + u64(HUGE))]), str(HUGE)),
    "array of 2^63 strings": (build([pair("k", 9, u32(8) + u64(HUGE))]), str(HUGE)),
    "array whose bytes wrap": (build([pair("k", 9, u32(10) + u64(2**61 + 1))]), str(2**61 + 1)),
    "string in an array": (build([pair("k", 9, u32(8) + u64(1) + u64(HUGE))]), str(HUGE)),
    "second string in an array":
    (build([pair("k", 9, u32(8) + u64(3) + string("a") + u64(HUGE) + string("b"))]),
     f"{HUGE} bytes were announced"),
    "array of strings, cut in a length": (build([], data=b"")[:16] + u64(1)
                                          + pair("k", 9, u32(8) + u64(1) + string("a"))[:-4],
                                          "each takes"),
    "array of arrays": (build([pair("k", 9, u32(9) + u64(2**62))]), "array of arrays"),
    "value type 13": (build([pair("k", 13, u64(0))]), "value type 13"),
    "array type 99": (build([pair("k", 9, u32(99) + u64(1))]), "type 99"),
    "empty key": (build([pair("", 4, u32(0))]), "key 0 of the metadata is empty"),
    "key twice": (build([pair("k", 4, u32(0))] * 2), "'k' twice"),
    "tensor twice": (build(PAIRS, [info("t"), info("t", offset=64)], b"\0" * 128), "two tensors"),
    "a single number in blocks of 32": (build(PAIRS, [info("t", ()), *INFOS]), "a row of 1 weights"),
    "five dimensions": (build(PAIRS, [info("t", (32, 1, 1, 1, 1))]), "5 dimensions"),
    "2^31 dimensions": (build(PAIRS, [info("t", n_dims=2**31)]), f"{2**31} dimensions"),
    "nothing, past the end": (build(PAIRS, [info("t", (32, 0), offset=2**40)]), "would end at byte"),
    "nothing, inside of another": (build(PAIRS, [info("t", (32, 2)), info("z", (0,), 0, 32)]), "overlap"),
    "product wraps to 32": (build(PAIRS, [info("t", (2**42 + 32, 2**22))]), "larger than any can be"),
    "product wraps to 0": (build(PAIRS, [info("t", (2**32, 2**32))]), "larger than any can be"),
    "nothing, of huge rows": (build(PAIRS, [info("t", (2**62, 0), 0)]), "larger than any can be"),
    "four huge dimensions": (build(PAIRS, [info("t", (2**63,) * 4)]), "larger than any can be"),
    "row is no whole block": (build(PAIRS, [info("t", (33,))]), "33"),
    "unknown tensor type": (build(PAIRS, [info("t", qtype=77)]), "type 77"),
    "removed tensor type": (build(PAIRS, [info("t", qtype=4)]), "Q4_2"),
    "offset past the end": (build(PAIRS, [info("t", offset=2**40)]), "would end at byte"),
    "offset near 2^64": (build(PAIRS, [info("t", offset=2**64 - 32)]), "would end at byte"),
    "offset unaligned": (build(PAIRS, [info("t", offset=8)]), "no multiple of 32"),
    "tensors overlap": (build(PAIRS, [info("a", (32, 3)), info("b", offset=32)], b"\0" * 128), "overlap"),
    "same place": (build(PAIRS, [info("a"), info("b")]), "overlap"),
    "alignment 2^30": (build([pair("general.alignment", 4, u32(2**30))], INFOS), str(2**30)),
    "alignment 0": (build([pair("general.alignment", 4, u32(0))], INFOS), "alignment is 0"),
    "alignment 33": (build([pair("general.alignment", 4, u32(33))], INFOS), "alignment is 33"),
    "alignment -32": (build([pair("general.alignment", 5, u32(2**32 - 32))], INFOS), "alignment is -32"),
    "alignment is text": (build([pair("general.alignment", 8, string("32"))], INFOS), "alignment is '32'"),
    "alignment is true": (build([pair("general.alignment", 7, b"\1")], INFOS), "alignment is True"),
    "alignment is a fraction": (build([pair("general.alignment", 6, u32(0x42000000))], INFOS),
                                "alignment is 32.0"),
    "alignment is INT32": (build([pair("general.alignment", 5, u32(32))], INFOS), "value type 5"),
    "alignment is UINT64": (build([pair("general.alignment", 10, u64(32))], INFOS), "value type 10"),
    "alignment 3": (build([pair("general.alignment", 4, u32(3))], INFOS), "alignment is 3"),
    "alignment 2^31": (build([pair("general.alignment", 4, u32(2**31))], INFOS), str(2**31)),
    "alignment at the end, tensors of the default": (build([*PAIRS, pair("general.alignment", 4, u32(128))],
                                                           INFOS, b"\0" * 256),
                                                     "'norm' starts at 64, which is no multiple of 128"),
    "big endian throughout": (b"GGUF" + struct.pack(">IQQ", 3, 1, 1) + b"\0" * 80,
                              "big-endian GGUF file (version 3)"),
    "version 0": (build(PAIRS, INFOS, version=0), "version 0"),
    "cut off in the length of an array": (b"GGUF" + u32(3) + u64(0) + u64(1)
                                          + pair("k", 9, u32(0) + b"\xff" * 6), "file ends at byte 47"),
    "nested array in an array": (build([pair("k", 9, u32(9) + u64(1) + u32(9) + u64(2**62))]),
                                 "array of arrays"),
    "metadata beyond any model": (build([pair(f"k{i:05}", 0, b"\0") for i in range(65537)]),
                                  "metadata count of 65537"),
    "tensors beyond any model": (build([], [info(f"{i:05}", (1,), 0) for i in range(65537)]),
                                 "tensor count of 65537"),
    "type 4 outside gpt-oss": (build([pair("general.architecture", 8, string("gemma"))],
                                     [info("t", (32, 1), 4)]), "Q4_2"),
    "alignment is a list": (build([pair("general.alignment", 9, u32(4) + u64(1) + u32(32))], INFOS), "array"),
}


@pytest.mark.parametrize(("data", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_file_is_refused_in_words(data, words, tmp_path):
    path = tmp_path / "hostile.gguf"
    path.write_bytes(data)
    started = time.process_time()
    if data:
        with pytest.raises(ValueError) as direct:
            read_header(data)
        assert words in str(direct.value)
    with pytest.raises(ValueError, match="hostile") as error:
        GGUFFile(path)
    assert time.process_time() - started < 1
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


def test_cut_off_anywhere_is_refused():
    for length in range(len(GOOD)):
        with pytest.raises(ValueError):
            read_header(GOOD[:length])


def test_arrays_may_be_empty_and_end_with_the_file():
    header = read_header(b"GGUF" + u32(3) + u64(0) + u64(2) + pair("a", 9, u32(8) + u64(0))
                         + pair("b", 9, u32(8) + u64(0)))
    assert header.metadata["a"].decode() == header.metadata["b"].decode() == []


def test_the_vocabulary_of_150_thousand_words_is_stepped_over_in_a_blink():
    words = b"".join(string(f"wörd{i}") for i in range(151_936))
    data = build([pair("tokenizer.ggml.tokens", 9, u32(8) + u64(151_936) + words),
                  pair("tokenizer.ggml.token_type", 9, u32(5) + u64(151_936) + b"\1\0\0\0" * 151_936),
                  pair("tokenizer.ggml.merges", 9, u32(8) + u64(151_936) + words)])
    tracemalloc.start()
    header = read_header(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000 and header.metadata["tokenizer.ggml.merges"].decode()[-1] == "wörd151935"
    started = time.process_time()
    read_header(data)
    assert time.process_time() - started < 0.3      # usually 0.04


def test_a_hundred_gigabytes_of_empty_strings_are_not_walked(tmp_path):
    """A sparse file: no bound by the file's size alone would end this within the hour."""
    path = tmp_path / "sparse.gguf"
    with path.open("wb") as file:
        file.write(b"GGUF" + u32(3) + u64(0) + u64(1) + pair("tokens", 9, u32(8) + u64(2**33)))
        file.truncate(100 * 2**30)
    with pytest.raises(ValueError, match=f"{2**33} strings; no model has more than {MOST_STRINGS}"):
        GGUFFile(path)


@pytest.mark.parametrize("data",
                         [build([], [info(f"blk.{i}", (8,), 0, 32 * i) for i in range(MOST_TENSORS)],
                                b"\0" * 32 * MOST_TENSORS),
                          build([pair(f"general.{i}", 9, u32(4) + u64(1) + u32(i))
                                 for i in range(MOST_VALUES)])], ids=["tensors", "values"])
def test_the_largest_header_that_is_read_takes_less_than_64_megabytes(data):
    tracemalloc.start()
    header = read_header(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(header.tensors) + len(header.metadata) == MOST_TENSORS == MOST_VALUES
    assert peak < 64e6


HEADS = {"head_count": 4, "block_count": 1, "embedding_length": 32}


@pytest.mark.parametrize(("key", "value_type", "payload", "words"), [
    ("block_count", 4, u32(2**32 - 1), "n_layer=4294967295"), ("head_count", 4, u32(0), "n_head=0"),
    ("head_count", 10, u64(2**64 - 1), f"n_head={2**64 - 1}"),
    ("embedding_length", 5, u32(2**32 - 5), "n_embd=-5"),
    ("block_count", 6, struct.pack("<f", float("nan")), "is nan; a whole number"),
    ("block_count", 7, b"\1", "is True; a whole number"),
    ("head_count", 9, u32(6) + u64(1) + struct.pack("<f", float("inf")), "is inf; a whole number"),
    ("head_count", 9, u32(8) + u64(1) + string("4"), "is '4'; a whole number"),
    ("head_count", 9, u32(4) + u64(0), "head_count"),
    ("head_count", 9, u32(0) + u64(5000) + b"\4" * 5000, "5000 numbers; 4096 layers"),
])
def test_numbers_that_no_architecture_can_have_are_refused_in_words(key, value_type, payload, words):
    numbers = {**{name: (4, u32(number)) for name, number in HEADS.items()}, key: (value_type, payload)}
    place = {"head_count": "attention.head_count"}
    header = read_header(build([PAIRS[0], *(pair(f"llama.{place.get(name, name)}", *value)
                                            for name, value in numbers.items())],
                               [info("token_embd.weight")]))
    with pytest.raises(ValueError, match=words):
        architecture_of(header.metadata, {tensor.name: tensor.shape for tensor in header.tensors.values()})


@pytest.mark.parametrize("claimed", [1, 2**31, None])
def test_the_vocabulary_is_as_large_as_its_table_whatever_the_file_claims(claimed):
    numbers = {"attention.head_count": 4, "block_count": 1, "embedding_length": 32} | (
        {"vocab_size": claimed} if claimed else {}
    )
    header = read_header(
        build([PAIRS[0], *(pair(f"llama.{key}", 4, u32(number)) for key, number in numbers.items())],
              [info("token_embd.weight", (32, 2))]))
    assert architecture_of(header.metadata, {"token_embd.weight": (32, 2)}).n_vocab == 2
