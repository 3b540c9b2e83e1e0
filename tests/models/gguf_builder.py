"""Bytes of small GGUF files, true or broken on purpose, for the tests of the reader."""

import struct


def u32(n):
    return struct.pack("<I", n)


def u64(n):
    return struct.pack("<Q", n)


def string(text, length=None):
    raw = text if isinstance(text, bytes) else text.encode()
    return u64(len(raw) if length is None else length) + raw


def pair(key, value_type, payload):
    return string(key) + u32(value_type) + payload


def info(name, shape=(32, 2), qtype=2, offset=0, n_dims=None):
    dims = b"".join(u64(n) for n in shape)
    return string(name) + u32(len(shape) if n_dims is None else n_dims) + dims + u32(qtype) + u64(offset)


def build(pairs=(), infos=(), data=b"\x11" * 64, *, magic=b"GGUF", version=3, n_tensors=None, n_pairs=None,
          align=32):
    """The file's bytes: header, metadata, tensor list, padding, data. Counts may lie."""
    head = magic + u32(version) + u64(len(infos) if n_tensors is None else n_tensors)
    head += u64(len(pairs) if n_pairs is None else n_pairs) + b"".join(pairs) + b"".join(infos)
    return head + b"\0" * (-len(head) % align) + data


PAIRS = [pair("general.architecture", 8, string("llama")), pair("general.file_type", 4, u32(2)),
         pair("llama.block_count", 4, u32(1)), pair("general.quantized", 7, b"\1"),
         pair("scale", 6, struct.pack("<f", 0.5)),
         pair("tokens", 9, u32(8) + u64(3) + string("a") + string("") + string("läma")),
         pair("scores", 9, u32(6) + u64(2) + struct.pack("<ff", 1.5, -2))]
INFOS = [info("blk.0.attn_q.weight"), info("norm", (4,), 0, 64)]
GOOD = build(PAIRS, INFOS, b"\x11" * 80)      # 2 blocks of Q4_0 (36 bytes), padded to 64, then 4 floats
