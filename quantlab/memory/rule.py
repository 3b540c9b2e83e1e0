"""A common rule of thumb, exactly as it is taught (how far it is from the truth is lesson 06's subject),
and a shape for "about 7 billion parameters" when no model is named: what most open models of that size look
like.

    typical_shape(7).n_params / 1e9        # 7.0
    typical_words(7)                       # "shaped like Llama-3.1-8B (32 layers, 8 KV heads)"

Layers, width and heads are those of the published model next in size (STEPS); the width of the feed-forward
part is then chosen so that the parameters come out right. Only an assumption: real models of one size differ
in their KV cache by a factor of ten (lesson 13).
"""

import math
from functools import lru_cache
from typing import NamedTuple

from ..models.architecture import Architecture
from .settings import is_amount

#: Gigabytes per billion parameters, as the rule gives them; best quality last.
GB_PER_BILLION = {"q4_K_M": 0.5, "q5_K_M": 0.625, "q8_0": 1.0, "f16": 2.0}
OVERHEAD = 1.2
TOO_LARGE = "Model too large for available VRAM"
LARGEST_BILLIONS = 10_000.0


def rule_of_thumb_gb(model_params_b: float) -> dict[str, float]:
    """GB that the rule expects for each quantization of a model with so many billion parameters.

    Raises ValueError unless 0 < model_params_b <= 10,000.
    """
    if not (math.isfinite(model_params_b) and 0 < model_params_b <= LARGEST_BILLIONS):
        raise ValueError(f"model_params_b={model_params_b} is not a number of billions of parameters: "
                         f"give something between 0.01 and {LARGEST_BILLIONS:,.0f}, such as 7 for a 7B model")
    return {quant: model_params_b * ratio * OVERHEAD for quant, ratio in GB_PER_BILLION.items()}


def recommend_quantization(vram_gb: float, model_params_b: float) -> str:
    """The best of q4_K_M, q5_K_M, q8_0 and f16 that fits by the rule of thumb (parameters x ratio x 1.2), or
    TOO_LARGE.

    vram_gb: memory of the card in GB, 0 or more.  model_params_b: parameters in billions.  Weights only: the
    context's memory is not in it, nor does the rule know real bits per weight.  Raises ValueError for NaN,
    infinite or negative numbers.  Source: the lesson, "Practical Quantization Selection".
    """
    if not (math.isfinite(vram_gb) and vram_gb >= 0):
        raise ValueError(f"vram_gb={vram_gb} is not an amount of memory: give 0 or more GB, such as 8 or 24")
    fitting = [quant for quant, needed in rule_of_thumb_gb(model_params_b).items() if needed <= vram_gb]
    return fitting[-1] if fitting else TOO_LARGE


SMALLEST, LARGEST = 0.1, 500.0          # billions of parameters
ROWS = 256                              # widths are whole super-blocks, so that every K-quant can be had


class Proportions(NamedTuple):
    """A published dense model whose proportions are borrowed.

    params_b: its billions of parameters; tied: one table of words for both ends.
    """

    params_b: float
    like: str
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    head_dim: int
    n_vocab: int
    tied: bool


#: From the models' published configurations (config.json).
STEPS = (
    Proportions(0.1345, "SmolLM2-135M", 30, 576, 9, 3, 64, 49152, True),
    Proportions(0.494, "Qwen2.5-0.5B", 24, 896, 14, 2, 64, 151936, True),
    Proportions(1.236, "Llama-3.2-1B", 16, 2048, 32, 8, 64, 128256, True),
    Proportions(3.213, "Llama-3.2-3B", 28, 3072, 24, 8, 128, 128256, True),
    Proportions(8.030, "Llama-3.1-8B", 32, 4096, 32, 8, 128, 128256, False),
    Proportions(14.768, "Qwen3-14B", 40, 5120, 40, 8, 128, 151936, False),
    Proportions(32.762, "Qwen3-32B", 64, 5120, 64, 8, 128, 151936, False),
    Proportions(70.554, "Llama-3.1-70B", 80, 8192, 64, 8, 128, 128256, False),
    Proportions(122.6, "Mistral-Large-2407", 88, 12288, 96, 8, 128, 32768, False),
    Proportions(405.853, "Llama-3.1-405B", 126, 16384, 128, 8, 128, 128256, False),
)


@lru_cache(maxsize=512)
def typical_shape(params_b: float) -> Architecture:
    """A dense Llama of about params_b billion parameters, within 6 %.

    Raises ValueError unless params_b is from 0.1 to 500.
    """
    step = nearest_step(params_b)
    thin, thick = (_shape(step, n_ff).n_params for n_ff in (ROWS, 2 * ROWS))
    n_ff = ROWS * max(1, round(1 + (params_b * 1e9 - thin) / (thick - thin)))
    return _shape(step, n_ff)


def nearest_step(params_b: float) -> Proportions:
    """The published model that is nearest in size, by ratio.  Raises ValueError for what is no size."""
    if not is_amount(params_b, SMALLEST, LARGEST):
        raise ValueError(f"params_b={params_b!r} is no size of a model here: give billions of parameters "
                         f"from {SMALLEST:g} to {LARGEST:g}, such as 7")
    return min(STEPS, key=lambda step: max(step.params_b / params_b, params_b / step.params_b))


def typical_words(params_b: float) -> str:
    """Which shape is assumed, in a few words."""
    shape, step = typical_shape(params_b), nearest_step(params_b)
    return f"shaped like {step.like} ({shape.n_layer} layers, {shape.n_head_kv} KV heads)"


def _shape(step: Proportions, n_ff: int) -> Architecture:
    return Architecture(arch="llama", n_layer=step.n_layer, n_embd=step.n_embd, n_head=step.n_head,
                        n_head_kv=step.n_head_kv, head_dim=step.head_dim, n_ff=n_ff, n_vocab=step.n_vocab,
                        tied_embeddings=step.tied, n_ctx_train=131072)
