"""A small Qwen3 with weights drawn by chance, for one question: how much memory does an engine take?  Its
words mean nothing.

Ollama 0.17 runs this architecture on an engine of its own, llama.cpp's models on llama.cpp: the two count
memory differently.
"""

from pathlib import Path

import gguf
import numpy as np

from quantlab.models.architecture import Architecture
from quantlab.oracles.planner import keys_of

SHAPE = Architecture(arch="qwen3", n_layer=8, n_embd=512, n_head=8, n_head_kv=4, head_dim=64, n_ff=1536,
                     n_vocab=49152, tied_embeddings=True, n_ctx_train=32768)


def write_qwen3(path: Path, tokenizer_of: Path) -> Path:
    """Write the model to `path` as Q8_0, with the tokenizer of another GGUF file that has 49,152 words.
    Returns the path.
    """
    writer, chance = gguf.GGUFWriter(path, SHAPE.arch), np.random.default_rng(0)
    for key, value in keys_of(SHAPE).items():
        if key != "qwen3.vocab_size":
            (writer.add_float32 if isinstance(value, float) else writer.add_uint32)(key, value)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    for name, field in gguf.GGUFReader(tokenizer_of).fields.items():
        if name.startswith("tokenizer."):
            if field.types[0] == gguf.GGUFValueType.ARRAY:
                writer.add_array(name, field.contents())
            else:
                writer.add_key_value(name, field.contents(), field.types[0])
    for tensor in SHAPE.tensors():
        x = chance.standard_normal(tensor.shape[::-1]).astype(np.float32) * 0.02
        if tensor.stays_f32:
            writer.add_tensor(tensor.name, np.ones_like(x))
        else:
            q8_0 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor.name, gguf.quantize(x, q8_0), raw_dtype=q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
