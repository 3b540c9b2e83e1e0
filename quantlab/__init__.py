"""quantlab: quantization you can touch. Public names, loaded only when used; start with `notebooks/00_start_here.ipynb`.

    import quantlab as ql
    ql.quantize(x, "Q4_0").dequantize()
"""

from importlib import import_module

__version__ = "0.1.0"

#: Where each public name lives. One line a room; `import quantlab` itself loads none of them.
_ROOMS = {
    "formats.table": "FORMATS Format",
    "formats.tensor": "quantize dequantize QuantizedTensor",
    "basics.floats": "float_anatomy FLOATS",
    "basics.affine": "quantize_absmax quantize_affine quantize_nf4",
    "basics.sample": "sample_weights",
    "models.architecture": "Architecture",
    "models.tensor_lists": "tensor_list types_by_role",
    "models.recipes": "recipe explain_recipe",
    "models.writer": "quantize_model",
    "inference.load": "load_lm",
    "inference.quality": "perplexity divergence",
    "inference.compare": "compare_quality",
    "inference.sensitivity": "sensitivity mix_quality",
    "inference.workbench": "held_out_text",
    "inference.recorded": "recorded_quality",
    "inference.imatrix": "collect_imatrix",
    "inference.recital": "recital",
    "models.imatrix_file": "read_imatrix write_imatrix",
    "memory.catalog": "MODELS GPUS CPUS",
    "memory.recommend": "recommend_quantization",
    "memory.estimate": "estimate_memory MemoryEstimate",
    "memory.profiles": "memory_profile",
    "memory.fit": "recommend",
    "memory.speed": "expected_speed",
    "memory.bandwidth": "read_bandwidth",
    "memory.weights": "weight_bytes",
    "memory.kv_cache": "kv_cache_bytes",
    "memory.machine": "my_machine",
    "lab.tags": "get_available_quantizations available_table",
    "lab.compare": "compare_quantizations",
    "lab.comparison": "Comparison",
    "lab.checks": "has is_json says_number by_function",
    "lab.speed": "measure_speed",
    "lab.custom": "create_custom_model",
    "lab.open": "open_model my_models",
    "lab.records": "recorded seed_scores",
    "explore.codebook": "explore_codebook plot_levels",
    "explore.quality_plots": "plot_quality plot_sensitivity",
    "explore.custom": "explore_custom_model",
    "lab.tiny": "add_tiny_models remove_tiny_models",
    "lab.recorded_lab": "RecordedComparison",
    "explore.comparison": "explore_comparison",
    "explore.votes": "explore_votes",
    "explore.runs": "plot_seeds plot_clock show_comparison",
    "explore.base": "show",
    "explore.bits": "explore_bits plot_lineup plot_bit_bars",
    "explore.blocks": "explore_block",
    "explore.budget": "explore_bit_budget",
    "explore.errors": "explore_error_map",
    "explore.floats": "explore_float",
    "explore.next_token": "explore_next_token",
    "explore.outliers": "explore_outlier plot_scopes",
    "explore.files": "explore_file",
    "explore.models": "plot_bytes_by_role",
    "explore.model_map": "explore_model_map explore_kquants plot_model_map",
    "explore.quality": "explore_quality",
    "explore.quantize": "explore_quantize",
    "explore.recital": "explore_recital",
    "explore.sensitivity": "explore_sensitivity",
    "explore.speed": "explore_speed plot_measured_speed plot_published_speeds",
    "explore.search": "explore_scale_search",
    "explore.tags": "explore_tag",
    "explore.llama": "explore_llama",
    "explore.fit": "explore_fit plot_rule",
    "explore.kv_cache": "plot_kv_cache",
    "explore.memory": "explore_memory",
    "explore.choice": "explore_choice",
    "explore.types": "explore_types",
    "lessons.checks": "check_bits_per_pixel check_q5_k_m_bytes check_q4_0_bytes check_q6_k_bits "
                      "check_tokens_per_second check_modelfile check_q4_0_gigabytes check_bits_per_weight "
                      "check_kv_bytes_per_token check_file_bits check_best_type check_best_scale "
                      "check_iq2_xs_bits check_split_speed",
    "lessons.checks_memory": "check_three_ways check_cache_of_a_window",
    "lessons.feedback": "check_number check_choice check_function",
    "lessons.predict": "predict",
    "lessons.quiz": "quiz Question",
    "lessons.final_quiz": "final_quiz",
    "cli.doctor": "doctor",
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    """Load the room of a public name on first use (PEP 562), so that `import quantlab` costs almost nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'quantlab' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
