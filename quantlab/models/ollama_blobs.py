"""Files that Ollama's own converters wrote for its engine of before 0.30, read as llama.cpp is shown them.

Ollama's library still holds them. Other names of architectures, keys and tensors, keys that are missing, and
encoders of pictures and sound in the same file: Ollama's build of llama.cpp translates all that while it
loads, so what is counted here is the translated file. llama.cpp as others build it refuses most of them.
Not translated here: what makes one tensor of two (the experts of Gemma 4, the fused matrix of GLM-OCR) or
shortens one (the word vectors of Gemma 3n). Such a file is refused in words.
Source: github.com/ollama/ollama v0.34.2, llama/compat/README.md and llama-ollama-compat.cpp.
"""

import re
from collections.abc import Callable, Mapping

from .gguf_cursor import GGUFArray

Found = dict[str, object]
Shapes = Mapping[str, tuple[int, ...]]

#: general.architecture as Ollama's converters spell it -> as llama.cpp does.
SPELLINGS = {"gptoss": "gpt-oss", "glm4moelite": "deepseek2", "olmo3": "olmo2", "qwen25vl": "qwen2vl",
             "glmocr": "glm4", "deepseekocr": "deepseek2-ocr"}
#: One spelling for two architectures of llama.cpp: with experts, and without.
OMNI = "nemotron_h_omni"
#: As spelled in the file -> patterns in tensor names, and what llama.cpp has in their place.
TENSOR_NAMES = {"gptoss": {r"\.attn_out\.": ".attn_output.", r"\.attn_sinks$": ".attn_sinks.weight",
                           r"\.ffn_norm\.": ".post_attention_norm."},
                "lfm2": {r"^output_norm\.weight$": "token_embd_norm.weight"},
                "gemma4": {r"\.ffn_gate_inp\.per_expert_scale$": ".ffn_down_exps.scale"},
                **{qwen: {r"\.ssm_dt$": ".ssm_dt.bias"} for qwen in ("qwen35", "qwen35moe", "qwen3next")}}
#: As spelled -> beginnings of the tensors of encoders in the same file, which are loaded apart.
ENCODERS = {**dict.fromkeys(("gemma3", "mistral3", "llama4", "qwen35", "qwen35moe"), ("v.", "mm.")),
            "gemma4": ("a.", "v.", "mm.", "model.vision_tower."), OMNI: ("a.", "v.", "mm.")}
#: Architecture -> the beginning of the tensors of heads that guess further words, which stay in the file.
HEADS_AHEAD = dict.fromkeys(("qwen35", "qwen35moe", "nemotron_h_moe"), "mtp.")
_VISION = "vision.block_count image_token_id ssm.v_head_reordered rope.mrope_interleaved"
#: As spelled -> keys that only Ollama's files have, where llama.cpp spells the architecture alike.
MARKS = {"gemma3": "mm.tokens_per_image rope.global.freq_base rope.local.freq_base",
         "mistral3": "rope.scaling.beta_fast rope.scaling.mscale_all_dim rope.scaling_beta",
         "qwen35": _VISION, "qwen35moe": f"{_VISION} feed_forward_length"}
#: As spelled -> its keys, and llama.cpp's for the same numbers; "" for what llama.cpp does not read.
KEY_NAMES = {
    "gemma3": {"rope.global.freq_base": "rope.freq_base", "rope.local.freq_base": "rope.freq_base_swa"},
    "mistral3": {"rope.scaling.beta_fast": "rope.scaling.yarn_beta_fast",
                 "rope.scaling.beta_slow": "rope.scaling.yarn_beta_slow",
                 "rope.scaling.mscale_all_dim": "rope.scaling.yarn_log_multiplier",
                 "rope.scaling_beta": "attention.temperature_scale",
                 "rope.scaling.mscale": "", "image_token_index": "", "spatial_merge_size": ""}}
EPSILON = "gemma3.attention.layer_norm_rms_epsilon"
PRE = "tokenizer.ggml.pre"


def architecture_name(metadata: Mapping[str, object]) -> str | None:
    """The `general.architecture` of the metadata, in llama.cpp's spelling; None when it is not said."""
    spelled = metadata.get("general.architecture")
    if spelled == OMNI:
        experts = any(metadata.get(f"{OMNI}.expert_{part}") for part in ("count", "used_count"))
        return "nemotron_h_moe" if experts else "nemotron_h"
    return SPELLINGS.get(spelled, spelled) if isinstance(spelled, str) else None


def llama_cpp_name(name: str, spelled: object) -> str:
    """A tensor's name as llama.cpp knows it.  spelled: the file's general.architecture."""
    for pattern, other in TENSOR_NAMES.get(spelled, {}).items() if isinstance(spelled, str) else ():
        name = re.sub(pattern, other, name, count=1)
    return name


def in_encoder(name: str, spelled: object) -> bool:
    """Whether the tensor belongs to an encoder of pictures or sound that lies in the same file."""
    return isinstance(spelled, str) and name.startswith(ENCODERS.get(spelled, ("\0",)))


def looks_ahead(name: str, arch: object) -> bool:
    """Whether the tensor is of a head that guesses further words, in the names of its maker."""
    return isinstance(arch, str) and name.startswith(HEADS_AHEAD.get(arch, "\0"))


def llama_cpp_metadata(metadata: Mapping[str, object], shapes: Shapes) -> Mapping[str, object]:
    """The metadata as llama.cpp is shown them; those of any other file come back as they are.

    shapes: tensor name, as in the file -> shape in ggml's order.  Words of the chat and the ends of an answer
    are not filled in.
    """
    spelled, arch = metadata.get("general.architecture"), architecture_name(metadata)
    if arch is None or (spelled == arch and not _marked(metadata, arch, shapes)):
        return metadata
    found: Found = {key.replace(f"{spelled}.", f"{arch}.", 1) if key.startswith(f"{spelled}.") else key: value
                    for key, value in metadata.items()} | {"general.architecture": arch}
    for own, other in KEY_NAMES.get(arch, {}).items():
        value = found.pop(f"{arch}.{own}", None)
        if other and value is not None:
            found.setdefault(f"{arch}.{other}", value)
    if fix := FIXES.get(str(spelled)):
        fix(found, shapes)
    return found


def _marked(metadata: Mapping[str, object], arch: str, shapes: Shapes) -> bool:
    """Whether the file has one of the marks by which Ollama knows its own (detect_ollama_...)."""
    if arch not in FIXES:
        return False
    if arch == "lfm2":
        return "output_norm.weight" in shapes and "token_embd_norm.weight" not in shapes
    if arch == "gemma3" and (EPSILON not in metadata or any(
            f"tokenizer.ggml.add_{kind}_token" in metadata for kind in ("padding", "unknown"))):
        return True
    if arch == "gemma4" and metadata.get("tokenizer.ggml.model") == "llama":
        return True
    return any(f"{arch}.{mark}" in metadata for mark in MARKS.get(arch, "").split()) or any(
        in_encoder(name, arch) or looks_ahead(name, arch) or llama_cpp_name(name, arch) != name
        for name in shapes)


def _gpt_oss(found: Found, shapes: Shapes) -> None:
    if len(gate := shapes.get("blk.0.ffn_gate_exps.weight", ())) > 1:
        found.setdefault("gpt-oss.expert_feed_forward_length", gate[1])
    found.setdefault("gpt-oss.rope.scaling.type", "yarn")
    found[PRE] = "gpt-4o"


def _gemma3(found: Found, shapes: Shapes) -> None:
    """With the keys that they lack, and no more words than the table of vectors has rows."""
    for key, usual in ((EPSILON, 1e-6), ("gemma3.rope.freq_base", 1e6), ("gemma3.rope.freq_base_swa", 1e4)):
        found.setdefault(key, usual)
    trained = found.get("gemma3.context_length")
    if isinstance(trained, int) and trained >= 131072:
        found.setdefault("gemma3.rope.scaling.type", "linear")
        found.setdefault("gemma3.rope.scaling.factor", 8.0)
    rows = shapes.get("token_embd.weight", (0, 0))[-1]
    for part in ("tokens", "scores", "token_type"):
        listed = found.get(f"tokenizer.ggml.{part}")
        if isinstance(listed, GGUFArray) and len(listed) > rows:
            found[f"tokenizer.ggml.{part}"] = listed.first(rows)


def _gemma4(found: Found, _shapes: Shapes) -> None:
    if found.get("tokenizer.ggml.model") == "llama":
        found["tokenizer.ggml.model"] = "gemma4"


def _mistral3(found: Found, _shapes: Shapes) -> None:
    if found.get(PRE, "") in ("", "default"):
        found[PRE] = "tekken"


def _lfm2(found: Found, shapes: Shapes) -> None:
    """The width that the tensors have: some files say another."""
    found[PRE] = "lfm2"
    if len(gate := shapes.get("blk.0.ffn_gate.weight", ())) > 1:
        found["lfm2.feed_forward_length"] = gate[1]


def _qwen(found: Found, shapes: Shapes) -> None:
    """One number of heads for all layers, and the heads that guess further words counted as layers."""
    arch = found["general.architecture"]
    key = f"{arch}.attention.head_count_kv"
    if isinstance(heads := found.get(key), GGUFArray | list):
        most = max((int(number) for number in heads), default=0) or (0 if arch == "qwen3next" else 2)
        found |= {key: most} if most else {}
    ahead = [name for name in shapes if looks_ahead(name, arch)]
    if not ahead or any(name.startswith("blk.") and ".nextn." in name for name in shapes):
        return
    layers, heads_ahead = (max((int(number[1]) + 1 for name in shapes if (number := re.match(start, name))),
                               default=0) for start in (r"blk\.(\d{1,9})\.", r"mtp\.layers\.(\d{1,9})\.."))
    found |= {f"{arch}.nextn_predict_layers": heads_ahead or 1,
              f"{arch}.block_count": layers + (heads_ahead or 1)} if layers else {}


def _glm(found: Found, _shapes: Shapes) -> None:
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
    found[PRE] = "glm4"


#: As spelled -> what is done to the metadata besides other names.
FIXES: dict[str, Callable[[Found, Shapes], None]] = {
    "gptoss": _gpt_oss, "gemma3": _gemma3, "gemma4": _gemma4, "mistral3": _mistral3, "lfm2": _lfm2,
    "glm4moelite": _glm, **dict.fromkeys(("qwen35", "qwen35moe", "qwen3next"), _qwen)}
