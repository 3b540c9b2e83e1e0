"""quantlab: quantization you can touch. Public names, loaded only when used; start with
`notebooks/00_start_here.ipynb`.

    import quantlab as ql
    ql.quantize(x, "Q4_0").dequantize()
"""

from importlib import import_module

from . import profile

__version__ = "0.1.0"

#: Where each public name lives. One line a room; `import quantlab` itself loads none of them.
_ROOMS = {
    "basics.affine": "quantize_absmax",
    "basics.sample": "sample_weights",
    "formats.table": "FORMATS",
    "formats.tensor": "dequantize quantize",
    "models.architecture": "Architecture",
    "models.catalog": "MODELS",
    "models.source": "open_model",
    "models.recipes": "explain_recipe recipe tensor_list types_by_role",
    "models.writer": "quantize_model",
    "inference.calibrate": "calibrate",
    "inference.chunks": "held_out_text",
    "inference.compare": "compare_quality recorded_quality",
    "inference.load": "load_lm",
    "inference.recorded_methods": "recorded_methods",
    "memory.cards": "GPUS",
    "memory.estimate": "estimate_memory",
    "memory.fit": "recommend",
    "memory.kv_cache": "kv_cache_bytes",
    "memory.machine": "read_bandwidth",
    "memory.rule": "recommend_quantization",
    "memory.speed": "expected_speed",
    "memory.weights": "weight_bytes",
    "lab.checks": "has",
    "lab.compare": "compare_quantizations",
    "lab.comparison": "Comparison",
    "lab.custom": "add_tiny_models create_custom_model",
    "lab.open": "my_models",
    "lab.records": "RecordedComparison recorded",
    "lab.tags": "available_table get_available_quantizations",
    "lab.versions": "about_ollama",
    "exhibits.bits": "explore_bits plot_bit_bars plot_lineup",
    "exhibits.block": "explore_block",
    "exhibits.budget": "explore_bit_budget",
    "exhibits.choice": "explore_choice",
    "exhibits.codebook": "explore_codebook plot_levels",
    "exhibits.comparison": "explore_comparison",
    "exhibits.custom": "explore_custom_model",
    "exhibits.error_feedback": "explore_error_feedback",
    "exhibits.errors": "explore_error_map",
    "exhibits.experts": "explore_experts",
    "exhibits.field": "explore_field",
    "exhibits.file": "explore_file",
    "exhibits.fit": "explore_fit plot_rule",
    "exhibits.floats": "explore_float",
    "exhibits.kv_cache": "explore_kv_cache plot_kv_cache",
    "exhibits.llama": "explore_llama",
    "exhibits.measured_speed": "plot_measured_speed",
    "exhibits.memory": "explore_memory",
    "exhibits.methods": "explore_methods",
    "exhibits.model_map": "explore_model_map",
    "exhibits.next_token": "explore_next_token",
    "exhibits.outliers": "explore_outlier plot_scopes",
    "exhibits.quality": "explore_quality plot_quality",
    "exhibits.quantize": "explore_quantize",
    "exhibits.recital": "explore_recital",
    "exhibits.runs": "plot_clock plot_seeds show_comparison",
    "exhibits.search": "explore_scale_search",
    "exhibits.sensitivity": "explore_sensitivity",
    "exhibits.speed": "explore_speed plot_published_speeds",
    "exhibits.split": "explore_split",
    "exhibits.tag": "explore_tag",
    "exhibits.types": "explore_types plot_bytes_by_role",
    "exhibits.votes": "explore_votes",
    "lessons.exercises": "check",
    "lessons.last_quiz": "final_quiz",
    "lessons.quiz": "predict quiz",
    "cli.doctor": "doctor",
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = sorted(_HOME)

#: Names of earlier days, which go on working in learners' own copies; now it is `check("05-1", answer)`.
_HOME |= {name: room for room, names in {
    "lab.records": "seed_scores",
    "lessons.checks": "check_best_scale check_bits_per_pixel check_bits_per_weight check_iq2_xs_bits "
                      "check_q4_0_bytes check_q4_0_gigabytes check_q6_k_bits",
    "lessons.checks_models": "check_best_type check_cache_of_a_window check_file_bits "
                             "check_kv_bytes_per_token check_q5_k_m_bytes check_three_ways",
    "lessons.checks_running": "check_modelfile check_split_speed check_tokens_per_second",
}.items() for name in names.split()}


def __getattr__(name: str):
    """Load the room of a public name on first use (PEP 562), so that `import quantlab` costs almost nothing.
    """
    if name not in _HOME:
        raise AttributeError(f"module 'quantlab' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def _ask_server(name: str) -> dict:
    return import_module(".lab.open", __name__).shown_by_server(name)


profile.ask_server = _ask_server        # whichever room was imported first, a server is asked in the same way
