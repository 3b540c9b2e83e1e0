"""Shapes that are not in the catalog, with the numbers of their published configurations, and settings drawn
by chance.
"""

import random
from dataclasses import replace

from quantlab.memory.settings import Settings
from quantlab.models.architecture import Architecture

#: Architectures of the measured table; those that came later are in test_graphs.py.
MEASURED = {"llama", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3", "gpt-oss", "deepseek2"}

SHAPES = {
    "llama3.2-1b": Architecture(arch="llama", n_layer=16, n_embd=2048, n_head=32, n_head_kv=8, head_dim=64,
                                n_ff=8192, n_vocab=128256,
                                tied_embeddings=True, rope_freqs=True, n_ctx_train=131072),
    "smollm2-135m": Architecture(arch="llama", n_layer=30, n_embd=576, n_head=9, n_head_kv=3, head_dim=64,
                                 n_ff=1536, n_vocab=49152,
                                 tied_embeddings=True, n_ctx_train=8192),
    "tinyllama-1.1b": Architecture(arch="llama", n_layer=22, n_embd=2048, n_head=32, n_head_kv=4, head_dim=64,
                                   n_ff=5632,
                                   n_vocab=32000, n_ctx_train=2048),
    "llama2-13b": Architecture(arch="llama", n_layer=40, n_embd=5120, n_head=40, n_head_kv=40, head_dim=128,
                               n_ff=13824, n_vocab=32000,
                               n_ctx_train=4096),
    "nemo-12b": Architecture(arch="llama", n_layer=40, n_embd=5120, n_head=32, n_head_kv=8, head_dim=128,
                             n_ff=14336, n_vocab=131072,
                             n_ctx_train=131072),
    "mixtral-8x22b": Architecture(arch="llama", n_layer=56, n_embd=6144, n_head=48, n_head_kv=8, head_dim=128,
                                  n_ff=16384,
                                  n_vocab=32768, n_expert=8, n_expert_used=2, n_ff_exp=16384,
                                  n_ctx_train=65536),
    "qwen2.5-0.5b": Architecture(arch="qwen2", n_layer=24, n_embd=896, n_head=14, n_head_kv=2, head_dim=64,
                                 n_ff=4864, n_vocab=151936,
                                 tied_embeddings=True, n_ctx_train=32768),
    "qwen2.5-3b": Architecture(arch="qwen2", n_layer=36, n_embd=2048, n_head=16, n_head_kv=2, head_dim=128,
                               n_ff=11008, n_vocab=151936,
                               tied_embeddings=True, n_ctx_train=32768),
    "qwen2.5-72b": Architecture(arch="qwen2", n_layer=80, n_embd=8192, n_head=64, n_head_kv=8, head_dim=128,
                                n_ff=29568,
                                n_vocab=152064, n_ctx_train=32768),
    "qwen3-1.7b": Architecture(arch="qwen3", n_layer=28, n_embd=2048, n_head=16, n_head_kv=8, head_dim=128,
                               n_ff=6144, n_vocab=151936,
                               tied_embeddings=True, n_ctx_train=40960),
    "qwen3-235b": Architecture(arch="qwen3moe", n_layer=94, n_embd=4096, n_head=64, n_head_kv=4, head_dim=128,
                               n_ff=12288,
                               n_vocab=151936, n_expert=128, n_expert_used=8, n_ff_exp=1536,
                               n_ctx_train=40960),
    "gemma3-1b": Architecture(arch="gemma3", n_layer=26, n_embd=1152, n_head=4, n_head_kv=1, head_dim=256,
                              n_ff=6912, n_vocab=262144,
                              tied_embeddings=True, sliding_window=512, n_ctx_train=32768),
    "gemma2-2b": Architecture(arch="gemma2", n_layer=26, n_embd=2304, n_head=8, n_head_kv=4, head_dim=256,
                              n_ff=9216, n_vocab=256000,
                              tied_embeddings=True, sliding_window=4096, n_ctx_train=8192),
    "gemma2-27b": Architecture(arch="gemma2", n_layer=46, n_embd=4608, n_head=32, n_head_kv=16, head_dim=128,
                               n_ff=36864,
                               n_vocab=256000, tied_embeddings=True, sliding_window=4096, n_ctx_train=8192),
    "phi3-mini": Architecture(arch="phi3", n_layer=32, n_embd=3072, n_head=32, n_head_kv=32, head_dim=96,
                              n_ff=8192, n_vocab=32064,
                              longrope=True, n_ctx_train=131072),
    "phi3-medium": Architecture(arch="phi3", n_layer=40, n_embd=5120, n_head=40, n_head_kv=10, head_dim=128,
                                n_ff=17920, n_vocab=32064,
                                n_ctx_train=4096),
    "gpt-oss-120b": Architecture(arch="gpt-oss", n_layer=36, n_embd=2880, n_head=64, n_head_kv=8, head_dim=64,
                                 n_ff=2880,
                                 n_vocab=201088, n_expert=128, n_expert_used=4, n_ff_exp=2880,
                                 sliding_window=128, n_ctx_train=131072),
    "deepseek-v2-236b": Architecture(arch="deepseek2", n_layer=60, n_embd=5120, n_head=128, n_head_kv=128,
                                     head_dim=192, n_ff=12288,
                                     n_vocab=102400, n_expert=160, n_expert_used=6, n_ff_exp=1536,
                                     n_expert_shared=2, n_layer_dense=1,
                                     kv_lora_rank=512, q_lora_rank=1536, rope_dim=64, qk_nope_dim=128,
                                     v_head_dim=128,
                                     n_ctx_train=163840),
    "odd-80": Architecture(arch="llama", n_layer=24, n_embd=2560, n_head=32, n_head_kv=32, head_dim=80,
                           n_ff=6912, n_vocab=50304,
                           n_ctx_train=4096),
}
# of the architectures that came after: what the catalog has no published count for, or only larger ones
HYBRID = {"head_dim": 256, "n_vocab": 248320, "pattern": "rrra", "ssm_d_conv": 4, "ssm_d_state": 128,
          "ssm_n_group": 16, "n_ctx_train": 262144}
GEMMA = {"n_vocab": 262144, "tied_embeddings": True, "n_embd_per_layer": 256, "sliding_window": 512}
LLAMA4 = {"arch": "llama4", "n_layer": 48, "n_embd": 5120, "n_head": 40, "n_head_kv": 8, "head_dim": 128,
          "n_ff": 16384, "n_vocab": 202048, "n_expert_used": 1, "n_ff_exp": 8192, "n_expert_shared": 1,
          "sliding_window": 8192, "query_scale": True, "n_ctx_train": 131072}
GLM = {"arch": "glm4moe", "n_head": 96, "n_head_kv": 8, "head_dim": 128, "n_vocab": 151552,
       "n_expert_used": 8, "n_expert_shared": 1, "expert_norm": True, "router_bias": True, "qkv_bias": True,
       "n_ctx_train": 131072}
SHAPES |= {
    "llama4-scout": Architecture(n_expert=16, n_moe_layer_step=1, rope_freqs=True, **LLAMA4),
    "llama4-maverick": Architecture(n_expert=128, n_moe_layer_step=2, **LLAMA4),
    "glm4.5-air": Architecture(n_layer=46, n_embd=4096, n_ff=10944, n_expert=128, n_ff_exp=1408,
                               n_layer_dense=1, **GLM),
    "glm4.5-short": Architecture(n_layer=12, n_embd=5120, n_ff=12288, n_expert=160, n_ff_exp=1536,
                                 n_layer_dense=3, qk_norm=True, **GLM),
    "qwen3.5-4b": Architecture(arch="qwen35", n_layer=32, n_embd=2560, n_head=16, n_head_kv=4, n_ff=9216,
                               tied_embeddings=True, ssm_d_inner=4096, ssm_dt_rank=32, **HYBRID),
    "nemotron-nano-9b-v2": Architecture(
        arch="nemotron_h", n_layer=56, n_embd=4480, n_head=40, n_head_kv=8, head_dim=128, n_ff=15680,
        n_vocab=131072, pattern="RFRFRFRRFRFRFRAFRFRFRAFRFRFRFRAFRFRFRFRAFRFRRFRFRFRFRFRF", ssm_d_conv=4,
        ssm_d_inner=10240, ssm_d_state=128, ssm_dt_rank=128, ssm_n_group=8, no_rope=True, n_ctx_train=131072),
    "granite4-1b-h": Architecture(
        arch="granitehybrid", n_layer=40, n_embd=1536, n_head=12, n_head_kv=4, head_dim=128, n_ff=4096,
        n_vocab=100352, tied_embeddings=True, pattern="rrrrrarrrrrrrrrarrrrrrrrrarrrrrrrrrarrrr",
        ssm_d_conv=4, ssm_d_inner=3072, ssm_d_state=128, ssm_dt_rank=48, ssm_n_group=1, no_rope=True,
        n_ctx_train=131072),
    "gemma3n-e4b": Architecture(arch="gemma3n", n_layer=35, n_embd=2048, n_head=8, n_head_kv=2, head_dim=256,
                                n_ff=16384, n_layer_kv_shared=15, n_ctx_train=32768, **GEMMA),
    "gemma4-e2b": Architecture(arch="gemma4", n_layer=35, n_embd=1536, n_head=8, n_head_kv=1, head_dim=512,
                               head_dim_swa=256, n_ff=6144, n_ff_shared=12288, swa_pattern=5,
                               n_layer_kv_shared=20, rope_freqs=True, n_ctx_train=131072, **GEMMA),
}
# the same as its files were made before April 2025; and one whose keys are as long as its values
SHAPES["deepseek-v2-236b-2024"] = replace(SHAPES["deepseek-v2-236b"], full_kv=True)
SHAPES["deepseek-even-heads"] = replace(SHAPES["deepseek-v2-236b"], full_kv=True, n_layer=12, n_embd=2048,
                                        n_head=20, n_head_kv=20, head_dim=256, q_lora_rank=768,
                                        qk_nope_dim=192, v_head_dim=256)


def some_settings(choose: random.Random, shape: Architecture) -> Settings:
    """Settings that llama.cpp accepts for this shape. A Phi with separate caches that are quantized makes it
    abort (too many tensors), and so does a Granite with experts and any such cache.
    """
    flash_attention = choose.random() < 0.6
    # heads that are no whole number of quantized blocks
    whole = bool(shape.kv_lora_rank or shape.head_dim % 32 or shape.arch == "granitemoe")
    types = ("f16",) if whole else ("f16", "q8_0", "q4_0", "q5_1", "bf16", "f32")
    plain = [name for name in types if name in ("f16", "bf16", "f32")]
    n_ubatch = choose.choice((32, 100, 256, 512, 1024))
    return Settings(n_ctx=choose.choice((1024, 3000, 4096, 8192, 16384, 32768, 65536, 131072)),
                    n_ubatch=n_ubatch, n_parallel=choose.choice((1, 2, 3, 4, 8)),
                    flash_attention=flash_attention, type_k=choose.choice(types),
                    type_v=choose.choice(types if flash_attention else plain),
                    n_outputs=choose.choice((1, 1, n_ubatch)), unified=choose.random() < 0.5
                    or shape.arch == "phi3")
