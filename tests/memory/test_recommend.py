"""The lesson's rule, kept as taught: the oracle is the lesson's own code."""

import pytest

from quantlab.memory.rule import recommend_quantization


def the_lessons_code(vram_gb, model_params_b):
    """Retyped from the lesson, errors and all."""
    vram_per_b = {"q4_K_M": 0.5, "q5_K_M": 0.625, "q8_0": 1.0, "f16": 2.0}
    recommendations = []
    for quant, ratio in vram_per_b.items():
        needed = model_params_b * ratio * 1.2
        if needed <= vram_gb:
            recommendations.append((quant, needed))
    if recommendations:
        return recommendations[-1][0]
    return "Model too large for available VRAM"


def test_the_lessons_own_examples():
    assert recommend_quantization(8, 7) == "q5_K_M"
    assert recommend_quantization(24, 34) == "q4_K_M"


@pytest.mark.parametrize("params", [0.01, 0.135, 0.5, 1, 3, 6.667, 7, 8, 13, 34, 70, 405, 10_000])
def test_answers_are_the_lessons_everywhere(params):
    for vram in [0, 0.6, 4, 4.2, 5.25, 6, 8, 8.4, 10, 16, 16.8, 24, 48, 80, 141, 1e6]:
        assert recommend_quantization(vram, params) == the_lessons_code(vram, params), (vram, params)


@pytest.mark.parametrize(("vram", "params", "named"),
                         [(-1, 7, "vram_gb=-1"), (float("nan"), 7, "vram_gb=nan"),
                          (float("inf"), 7, "vram_gb=inf"), (8, 0, "model_params_b=0"),
                          (8, -7, "model_params_b=-7"), (8, float("nan"), "model_params_b=nan"),
                          (8, 1e6, "model_params_b=1000000.0"),])
def test_impossible_numbers_are_named(vram, params, named):
    with pytest.raises(ValueError, match=named):
        recommend_quantization(vram, params)
