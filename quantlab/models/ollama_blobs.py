"""Files that Ollama's own converters wrote for its engine of before 0.30, read as llama.cpp is shown them.

Ollama's library still holds them. Other names of architectures, keys and tensors, keys that are missing, and
a picture encoder in the same file: Ollama's build of llama.cpp translates all that while it loads, so what
is counted here is the translated file. llama.cpp as others build it refuses most of them.
Source: github.com/ollama/ollama v0.34.2, llama/compat/README.md and llama-ollama-compat.cpp.
"""

from collections.abc import Mapping

from .gguf_cursor import GGUFArray

#: general.architecture as Ollama's converters spell it -> as llama.cpp does.
SPELLINGS = {"gptoss": "gpt-oss", "glm4moelite": "deepseek2", "olmo3": "olmo2", "qwen25vl": "qwen2vl",
             "glmocr": "glm4", "deepseekocr": "deepseek2-ocr"}
#: As spelled in the file -> parts of tensor names, and llama.cpp's for them.
TENSOR_NAMES = {"gptoss": {".attn_out.": ".attn_output.", ".attn_sinks": ".attn_sinks.weight",
                           ".ffn_norm.": ".post_attention_norm."}}
#: Architecture -> beginnings of the tensors of a picture encoder in the same file, which is loaded apart.
ENCODERS = {"gemma3": ("v.", "mm.")}
EPSILON = "gemma3.attention.layer_norm_rms_epsilon"


def architecture_name(metadata: Mapping[str, object]) -> str | None:
    """The `general.architecture` of the metadata, in llama.cpp's spelling; None when it is not said."""
    spelled = metadata.get("general.architecture")
    return SPELLINGS.get(spelled, spelled) if isinstance(spelled, str) else None


def llama_cpp_name(name: str, spelled: object) -> str:
    """A tensor's name as llama.cpp knows it.  spelled: the file's general.architecture."""
    for part, other in TENSOR_NAMES.get(spelled, {}).items() if isinstance(spelled, str) else ():
        if part in name and other not in name:
            name = name.replace(part, other, 1)
    return name


def in_encoder(name: str, arch: str) -> bool:
    """Whether the tensor belongs to a picture encoder that lies in the same file."""
    return name.startswith(ENCODERS.get(arch, ("\0",)))


def llama_cpp_metadata(metadata: Mapping[str, object],
                       shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, object]:
    """The metadata as llama.cpp is shown them; those of any other file come back as they are.

    shapes: tensor name, as in the file -> shape in ggml's order.  Of keys that no size depends on only those
    are filled in without which nothing loads.
    """
    spelled, arch = metadata.get("general.architecture"), architecture_name(metadata)
    if arch == "gemma3" and _marked(metadata, shapes):
        return _gemma3(metadata, shapes)
    if arch is None or spelled == arch:
        return metadata
    found = {key.replace(f"{spelled}.", f"{arch}.", 1) if key.startswith(f"{spelled}.") else key: value
             for key, value in metadata.items()} | {"general.architecture": arch}
    if spelled == "gptoss" and len(gate := shapes.get("blk.0.ffn_gate_exps.weight", ())) > 1:
        found.setdefault("gpt-oss.expert_feed_forward_length", gate[1])
    if spelled == "glm4moelite":
        _widths_of_glm(found)
    return found


def _marked(metadata: Mapping[str, object], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a gemma3 file has one of the marks by which Ollama knows its own (detect_ollama_gemma3)."""
    marks = ("gemma3.mm.tokens_per_image", "gemma3.rope.global.freq_base", "gemma3.rope.local.freq_base",
             "tokenizer.ggml.add_padding_token", "tokenizer.ggml.add_unknown_token")
    return (any(mark in metadata for mark in marks) or EPSILON not in metadata
            or any(in_encoder(name, "gemma3") for name in shapes))


def _gemma3(metadata: Mapping[str, object], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """With the key that all of them lack, and no more words than the table of vectors has rows."""
    found = {EPSILON: 1e-6, **metadata}
    rows = shapes.get("token_embd.weight", (0, 0))[-1]
    for part in ("tokens", "scores", "token_type"):
        listed = found.get(f"tokenizer.ggml.{part}")
        if isinstance(listed, GGUFArray) and len(listed) > rows:
            found[f"tokenizer.ggml.{part}"] = listed.first(rows)
    return found


def _widths_of_glm(found: dict[str, object]) -> None:
    """GLM 4.7 Flash is a deepseek2; its keys say the width of one head where llama.cpp wants that of the
    compressed vector, and the other way round.
    """
    head, rank, rope = (found.get(f"deepseek2.{key}") for key in (
        "attention.key_length", "attention.kv_lora_rank", "rope.dimension_count"))
    found["deepseek2.attention.head_count_kv"] = 1
    if isinstance(rank, int) and isinstance(rope, int):
        found |= {"deepseek2.attention.key_length": rank + rope, "deepseek2.attention.value_length": rank}
    if head is not None:
        found |= {"deepseek2.attention.key_length_mla": head, "deepseek2.attention.value_length_mla": head}
    for key in ("expert_group_count", "expert_group_used_count"):
        found.setdefault(f"deepseek2.{key}", 1)
