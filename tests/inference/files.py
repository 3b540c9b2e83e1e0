"""Copies of a model's file with something changed, and small vocabularies without weights, written with
`gguf`.
"""

import gguf
import numpy as np

from quantlab.models.gguf_file import GGUFFile
from quantlab.models.gguf_header import header_bytes, padding, pair

ALIGNMENT = 32
OWN = ("GGUF.", "general.architecture", "general.file_type")   # written by the writer itself


def copied(source, target, *, metadata=None, tensors=None, f32=False, arch=None):
    """`source` written again as `target`, which is returned.

    metadata: key -> new value, None to leave it out.  tensors: name -> new array, None to leave it out; new
    names are added.
    f32: all weights as float32.  arch: another `general.architecture`.
    """
    reader, metadata, tensors = gguf.GGUFReader(source), metadata or {}, dict(tensors or {})
    writer = gguf.GGUFWriter(target, arch or reader.get_field("general.architecture").contents())
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if f32 else gguf.LlamaFileType.MOSTLY_F16)
    for name, field in reader.fields.items():
        if not name.startswith(OWN) and name not in metadata:
            array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=field.types[-1] if array
                                 else None)
    for name, value in metadata.items():
        if value is not None:
            kind = gguf.GGUFValueType.UINT32 if type(value) is int else gguf.GGUFValueType.get_type(value)
            writer.add_key_value(name, value, kind)
    for tensor in reader.tensors:
        weights = tensors.pop(tensor.name, tensor.data)
        if weights is not None:
            writer.add_tensor(tensor.name, np.asarray(weights, np.float32) if f32 else weights)
    for name, weights in tensors.items():
        writer.add_tensor(name, weights)
    return _finish(writer, target)


def in_float32(source, target, weights=None):
    """`source` with all weights as float32, written as `target`, which is returned; of 262,144 words `copied`
    makes Python's objects for ten seconds, here metadata stay the bytes they are.

    weights: name -> array; a tensor that is not in it is decoded from the file.
    """
    with GGUFFile(source) as file, open(target, "wb") as new:
        pairs = {key: file.bytes_at(*place) for key, place in file.pairs.items()}
        pairs["general.file_type"] = pair("general.file_type", int(gguf.LlamaFileType.ALL_F32))
        tensors = [(info.name, info.shape, "F32") for info in file.infos.values()]
        new.write(header_bytes(pairs.values(), tensors, ALIGNMENT))
        for name in file.infos:
            values = (weights or {}).get(name)
            raw = np.asarray(file.tensor(name) if values is None else values, "<f4").tobytes()
            new.write(raw + bytes(padding(len(raw), ALIGNMENT)))
    return target


def vocabulary(target, tokens, *, model="gpt2", pre="gpt-2", merges=(), scores=None, types=None, bos=0, eos=0,
               **more):
    """A file of a vocabulary only, as `llama.cpp` reads it with vocab_only."""
    writer = gguf.GGUFWriter(target, "llama")
    for add, number in (("block_count", 1), ("context_length", 64), ("embedding_length", 32),
                        ("feed_forward_length", 32), ("head_count", 1), ("layer_norm_rms_eps", 1e-5),
                        ("rope_dimension_count", 32), ("vocab_size", len(tokens))):
        getattr(writer, f"add_{add}")(number)
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types or [1] * len(tokens))
    if merges:
        writer.add_token_merges(merges)
    if scores:
        writer.add_token_scores(scores)
    writer.add_bos_token_id(bos)
    writer.add_eos_token_id(eos)
    for name, value in more.items():
        getattr(writer, name)(value)
    return _finish(writer, target)


def _finish(writer, target):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
