"""The lesson's rule of thumb, exactly as it is taught. How far it is from the truth is lesson 06's subject."""

import math

#: Gigabytes per billion parameters, as the lesson gives them; best quality last.
GB_PER_BILLION = {"q4_K_M": 0.5, "q5_K_M": 0.625, "q8_0": 1.0, "f16": 2.0}
OVERHEAD = 1.2
TOO_LARGE = "Model too large for available VRAM"
LARGEST_BILLIONS = 10_000.0


def rule_of_thumb_gb(model_params_b: float) -> dict[str, float]:
    """GB that the lesson's rule expects for each quantization of a model with so many billion parameters.

    Raises ValueError unless 0 < model_params_b <= 10,000.
    """
    if not (math.isfinite(model_params_b) and 0 < model_params_b <= LARGEST_BILLIONS):
        raise ValueError(f"model_params_b={model_params_b} is not a number of billions of parameters: "
                         f"give something between 0.01 and {LARGEST_BILLIONS:,.0f}, such as 7 for a 7B model")
    return {quant: model_params_b * ratio * OVERHEAD for quant, ratio in GB_PER_BILLION.items()}


def recommend_quantization(vram_gb: float, model_params_b: float) -> str:
    """The best of q4_K_M, q5_K_M, q8_0 and f16 that fits by the lesson's rule (parameters x ratio x 1.2), or TOO_LARGE.

    vram_gb: memory of the card in GB, 0 or more.  model_params_b: parameters in billions.  Weights only: the
    context's memory is not in it, nor does the rule know real bits per weight.  Raises ValueError for NaN, infinite or
    negative numbers.  Source: the lesson, "Practical Quantization Selection".
    """
    if not (math.isfinite(vram_gb) and vram_gb >= 0):
        raise ValueError(f"vram_gb={vram_gb} is not an amount of memory: give 0 or more GB, such as 8 or 24")
    fitting = [quant for quant, needed in rule_of_thumb_gb(model_params_b).items() if needed <= vram_gb]
    return fitting[-1] if fitting else TOO_LARGE
