"""Files that lie: each family has broken a reader somewhere. Ours must answer with a sentence, at once."""

import random
import time

import pytest

from quantlab.models.gguf_cursor import GGUFArray
from quantlab.models.gguf_file import GGUFFile
from quantlab.models.gguf_header import read_header
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
    "array of arrays": (build([pair("k", 9, u32(9) + u64(2**62))]), "array of arrays"),
    "value type 13": (build([pair("k", 13, u64(0))]), "value type 13"),
    "array type 99": (build([pair("k", 9, u32(99) + u64(1))]), "type 99"),
    "truth value of 2": (build([pair("k", 7, b"\2")]), "truth value of 2"),
    "empty key": (build([pair("", 4, u32(0))]), "key 0 of the metadata is empty"),
    "key twice": (build([pair("k", 4, u32(0))] * 2), "'k' twice"),
    "key is not UTF-8": (build([pair(b"\xff\xfe", 4, u32(0))]), "not UTF-8"),
    "value is not UTF-8": (build([pair("k", 8, string(b"\xc3"))]), "not UTF-8"),
    "tensor name is not UTF-8": (build(PAIRS, [info(b"\xf0\x9f")]), "not UTF-8"),
    "empty tensor name": (build(PAIRS, [info("")]), "without a name"),
    "tensor twice": (build(PAIRS, [info("t"), info("t", offset=64)], b"\0" * 128), "two tensors"),
    "no dimension": (build(PAIRS, [info("t", ()), *INFOS]), "0 dimensions"),
    "five dimensions": (build(PAIRS, [info("t", (32, 1, 1, 1, 1))]), "5 dimensions"),
    "2^31 dimensions": (build(PAIRS, [info("t", n_dims=2**31)]), f"{2**31} dimensions"),
    "dimension of zero": (build(PAIRS, [info("t", (32, 0))]), "dimension of zero"),
    "row of zero": (build(PAIRS, [info("t", (0, 4))]), "dimension of zero"),
    "product wraps to 32": (build(PAIRS, [info("t", (2**42 + 32, 2**22))]), "would end at byte"),
    "product wraps to 0": (build(PAIRS, [info("t", (2**32, 2**32))]), "would end at byte"),
    "four huge dimensions": (build(PAIRS, [info("t", (2**63,) * 4)]), "would end at byte"),
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
    "alignment is a fraction": (build([pair("general.alignment", 6, u32(0x42000000))], INFOS), "alignment is 32.0"),
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


def test_a_hundred_thousand_empty_strings_are_stepped_over_quickly():
    data = build([pair("tokens", 9, u32(8) + u64(100_000) + u64(0) * 100_000)])
    started = time.process_time()
    assert len(read_header(data).metadata["tokens"]) == 100_000
    assert time.process_time() - started < 2


def mutated(rng: random.Random) -> bytes:
    """GOOD with a few bytes changed, a number replaced by an extreme one, or a stretch cut out or doubled."""
    data = bytearray(GOOD)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        choice = rng.randrange(4)
        if choice == 0:
            data[at] = rng.randrange(256)
        elif choice == 1:
            data[at : at + 8] = u64(rng.choice([0, 1, 2**31, 2**32 - 1, HUGE, 2**64 - 1, rng.getrandbits(64)]))
        elif choice == 2:
            del data[at : at + rng.randint(1, 24)]
        else:
            data[at:at] = data[at : at + rng.randint(1, 24)]
    return bytes(data)


def test_three_thousand_mutated_headers_open_or_are_refused_in_words():
    rng, opened, refused = random.Random(20260), 0, 0
    started = time.process_time()
    for _ in range(3000):
        data = mutated(rng)
        try:
            header = read_header(data)
            for value in header.metadata.values():
                if isinstance(value, GGUFArray):
                    assert len(value.decode()) == len(value)
        except ValueError as error:
            assert str(error)
            refused += 1
            continue
        opened += 1
        for tensor in header.tensors.values():      # whatever was opened lies inside the file
            assert tensor.offset >= 0 and tensor.offset + tensor.nbytes <= len(data)
    assert opened > 100 and refused > 1000
    assert time.process_time() - started < 20
