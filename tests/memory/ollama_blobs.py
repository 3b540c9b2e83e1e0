"""Files as Ollama's own converters wrote them, each beside the one that Ollama's llama/compat shows to
llama.cpp in its place.
"""

from dataclasses import replace
from pathlib import Path

from quantlab.models.recipes import recipe
from quantlab.oracles import planner as oracle
from tests.memory.rewritten import rewritten
from tests.models.written import SMALL

#: Keys and values of one width, as GLM 4.7 Flash has them.
GLM = replace(SMALL["deepseek2"], v_head_dim=48)
ENCODER = [("v.blk.0.attn_q.weight", (64, 64), "F16"), ("mm.mm_input_projection.weight", (64, 64), "F16")]


def words(count: int) -> dict:
    """A vocabulary of `count` pieces, with those that a SentencePiece one must have."""
    pieces = ["<unk>", "<s>", "</s>", "\n", *(f"w{i}" for i in range(count - 4))]
    return {"tokenizer.ggml.model": (8, "llama"), "tokenizer.ggml.tokens": (9, (8, pieces)),
            "tokenizer.ggml.scores": (9, (6, [0.0] * count)),
            "tokenizer.ggml.token_type": (9, (5, [2, 3, 3, *[1] * (count - 3)]))}


def gpt_oss_names(name: str) -> str:
    return name.replace("attn_output.", "attn_out.").replace("attn_sinks.weight", "attn_sinks").replace(
        "post_attention_norm", "ffn_norm")


#: Name -> (family, changed keys, other changes): as Ollama 0.17.4's converters wrote (convert/convert_*.go).
BLOBS: dict[str, tuple[str, dict, dict]] = {
    "gptoss": ("gpt-oss", {"gptoss.expert_feed_forward_length": None},
               {"names": gpt_oss_names, "spelled": "gptoss"}),
    "gptoss with its widths": ("gpt-oss", {}, {"names": gpt_oss_names, "spelled": "gptoss"}),
    "gemma3 without epsilon": ("gemma3", {"gemma3.attention.layer_norm_rms_epsilon": None}, {}),
    "gemma3 of other keys": ("gemma3", {"gemma3.attention.layer_norm_rms_epsilon": None,
                                        "gemma3.rope.global.freq_base": (6, 1e6),
                                        "gemma3.rope.local.freq_base": (6, 1e4)}, {}),
    "gemma3 with more words": ("gemma3", {"gemma3.mm.tokens_per_image": (4, 256), **words(44)}, {}),
    "gemma3 that sees": ("gemma3", {"gemma3.vision.block_count": (4, 1)}, {"add": ENCODER}),
    "glm4moelite": ("deepseek2", {
        "glm4moelite.attention.head_count_kv": (4, 4), "glm4moelite.attention.key_length": (4, 48),
        "glm4moelite.attention.value_length": (4, 48), "glm4moelite.attention.key_length_mla": (4, 48),
        "glm4moelite.attention.value_length_mla": (4, 32)}, {"spelled": "glm4moelite"}),
}


def pair(name: str, folder: Path) -> tuple[Path, Path]:
    """(the blob, the file that llama.cpp is shown), both hollow."""
    family, changes, more = BLOBS[name]
    a = SMALL[family] if name != "glm4moelite" else GLM
    hollow = oracle.write_hollow(folder / "hollow.gguf", a, recipe("F16", a))
    plain = rewritten(hollow, folder / "plain.gguf", {f"{a.arch}.vocab_size": None, **words(a.n_vocab)})
    return rewritten(plain, folder / "blob.gguf", changes, **more), plain

