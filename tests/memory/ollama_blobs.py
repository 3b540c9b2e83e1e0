"""Files as Ollama's own converters wrote them, each beside the one that Ollama's llama/compat shows to
llama.cpp in its place.
"""

from dataclasses import replace
from pathlib import Path

from quantlab.models.architecture import Architecture
from quantlab.models.recipes import recipe
from quantlab.oracles import planner as oracle
from tests.memory.rewritten import rewritten
from tests.models.written import SMALL

#: Keys and values of one width, as GLM 4.7 Flash has them.
GLM = replace(SMALL["deepseek2"], v_head_dim=48)
ENCODER = [("v.blk.0.attn_q.weight", (64, 64), "F16"), ("mm.mm_input_projection.weight", (64, 64), "F16")]


_PLAIN = dict(n_embd=64, n_head=4, n_head_kv=2, head_dim=16, n_ff=96, n_vocab=40, n_ctx_train=2048)
_EXPERTS = dict(n_expert=4, n_expert_used=2, n_ff_exp=32, n_ff_shexp=32)
_DELTA = {**_PLAIN, "n_layer": 4, "head_dim": 64, "pattern": "rrra", "ssm_d_conv": 4, "ssm_d_inner": 64,
          "ssm_d_state": 16, "ssm_dt_rank": 4, "ssm_n_group": 2}
_MAMBA = {**_PLAIN, "n_layer": 3, "pattern": "RAF", "ssm_d_conv": 4, "ssm_d_inner": 128, "ssm_d_state": 16,
          "ssm_dt_rank": 8, "ssm_n_group": 2, "no_rope": True}
SHAPES = SMALL | {"glm4moelite": GLM} | {a.arch: a for a in (
    Architecture(arch="mistral3", n_layer=2, query_scale=True, **_PLAIN),
    Architecture(arch="qwen35", tied_embeddings=True, **_DELTA),
    Architecture(arch="qwen35moe", **_DELTA | {"n_ff": 0}, **_EXPERTS),
    Architecture(arch="qwen3next", **_DELTA | {"n_ff": 0}, **_EXPERTS),
    Architecture(arch="lfm2", n_layer=3, pattern="rra", ssm_d_conv=3, tied_embeddings=True, **_PLAIN),
    Architecture(arch="llama4", n_layer=4, n_expert=4, n_expert_used=1, n_ff_exp=32, n_expert_shared=1,
                 n_moe_layer_step=2, sliding_window=8192, query_scale=True, **_PLAIN),
    Architecture(arch="gemma4", n_layer=4, head_dim_swa=16, swa_pattern=2, sliding_window=512,
                 n_embd_per_layer=32, rope_freqs=True, tied_embeddings=True, **_PLAIN | {"head_dim": 32}),
    Architecture(arch="nemotron_h", **_MAMBA),
    Architecture(arch="nemotron_h_moe", router_bias=True, expert_norm=True, **_MAMBA, **_EXPERTS))}


def words(count: int) -> dict:
    """A vocabulary of `count` pieces, with those that a SentencePiece one must have."""
    pieces = ["<unk>", "<s>", "</s>", "\n", *(f"w{i}" for i in range(count - 4))]
    return {"tokenizer.ggml.model": (8, "llama"), "tokenizer.ggml.tokens": (9, (8, pieces)),
            "tokenizer.ggml.scores": (9, (6, [0.0] * count)),
            "tokenizer.ggml.token_type": (9, (5, [2, 3, 3, *[1] * (count - 3)]))}


def gpt_oss_names(name: str) -> str:
    return name.replace("attn_output.", "attn_out.").replace("attn_sinks.weight", "attn_sinks").replace(
        "post_attention_norm", "ffn_norm")


def ahead(a: Architecture) -> list[tuple[str, tuple[int, ...], str]]:
    """The tensors of a head that guesses one more word, called as in Qwen's own files: a layer, and more."""
    n, last = a.n_embd, f"blk.{a.n_layer - 1}."
    return [(tensor.name.replace(last, "mtp.layers.0."), tensor.shape, "F32" if tensor.stays_f32 else "F16")
            for tensor in a.tensors() if tensor.name.startswith(last)] + [
        ("mtp.fc.weight", (2 * n, n), "F16"), *((f"mtp.{name}.weight", (n,), "F32") for name in (
            "pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"))]


def qwen_names(name: str) -> str:
    return name.replace("ssm_dt.bias", "ssm_dt")


def qwen(arch: str) -> dict:
    return {f"{arch}.attention.head_count_kv": (9, (4, [0, 0, 0, 2])),
            f"{arch}.rope.dimension_sections": (9, (5, [11, 11, 10])), f"{arch}.ssm.v_head_reordered": (7, 1),
            f"{arch}.rope.mrope_interleaved": (7, 1), f"{arch}.feed_forward_length": (4, 96)}


SOUND = [*ENCODER, ("a.blk.0.attn_q.weight", (64, 64), "F16")]
MISTRAL = {"mistral3.attention.temperature_scale": None, "mistral3.rope.scaling_beta": (6, 0.1),
           "mistral3.rope.scaling.type": (8, "yarn"), "mistral3.rope.scaling.factor": (6, 16.0),
           "mistral3.rope.scaling.beta_fast": (6, 24.0), "mistral3.rope.scaling.beta_slow": (6, 2.0),
           "mistral3.rope.scaling.mscale": (6, 1.0), "mistral3.rope.scaling.mscale_all_dim": (6, 0.5)}
#: Keys that a plain file needs besides.
BESIDE = {"gemma4": {"tokenizer.ggml.model": (8, "gemma4"), "tokenizer.ggml.merges": (9, (8, ["w 0"])),
                     "gemma4.rope.dimension_count_swa": (4, 16)}}
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
    "mistral3 of other keys": ("mistral3", MISTRAL, {}),
    "mistral3 that sees": ("mistral3", MISTRAL, {"add": ENCODER}),
    "qwen35": ("qwen35", qwen("qwen35"), {"names": qwen_names}),
    "qwen35 that sees": ("qwen35", qwen("qwen35"), {"names": qwen_names, "add": ENCODER}),
    "qwen35 with a head ahead": ("qwen35", qwen("qwen35"),
                                 {"names": qwen_names, "add": ahead(SHAPES["qwen35"])}),
    "qwen35moe": ("qwen35moe", qwen("qwen35moe"), {"names": qwen_names}),
    "qwen35moe with a head ahead": ("qwen35moe", qwen("qwen35moe"),
                                    {"names": qwen_names, "add": ahead(SHAPES["qwen35moe"])}),
    "qwen3next": ("qwen3next", {"qwen3next.attention.head_count_kv": (9, (4, [0, 0, 0, 2]))},
                  {"names": qwen_names}),
    "lfm2": ("lfm2", {"lfm2.feed_forward_length": (4, 144)},
             {"names": lambda name: "output_norm.weight" if name == "token_embd_norm.weight" else name}),
    "llama4 that sees": ("llama4", {"llama4.vision.block_count": (4, 1)}, {"add": ENCODER}),
    "gemma4": ("gemma4", {"tokenizer.ggml.model": (8, "llama")}, {}),
    "gemma4 that sees and hears": ("gemma4", {"tokenizer.ggml.model": (8, "llama")}, {"add": SOUND}),
    "nemotron_h_moe with a head ahead": ("nemotron_h_moe", {},
                                         {"add": [("mtp.fc.weight", (128, 64), "F16")]}),
    "nemotron_h_omni that sees": ("nemotron_h", {}, {"spelled": "nemotron_h_omni", "add": SOUND}),
    "nemotron_h_omni of experts that sees":
        ("nemotron_h_moe", {}, {"spelled": "nemotron_h_omni", "add": SOUND}),
}


def pair(name: str, folder: Path) -> tuple[Path, Path]:
    """(the blob, the file that llama.cpp is shown), both hollow."""
    family, changes, more = BLOBS[name]
    a = SHAPES[name if name in SHAPES else family]
    hollow = oracle.write_hollow(folder / "hollow.gguf", a, recipe("F16", a))
    plain = rewritten(hollow, folder / "plain.gguf", {
        f"{a.arch}.vocab_size": None, **words(a.n_vocab), **BESIDE.get(a.arch, {})})
    return rewritten(plain, folder / "blob.gguf", changes, **more), plain

