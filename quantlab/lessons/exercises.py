"""The exercises by number: which check belongs to which lesson.

    check("15-1", answer)            lesson 15, its first exercise

The checks themselves stand by subject in checks.py and its neighbours.
"""

from collections.abc import Callable

from ..words import one_of
from . import checks, checks_models, checks_recipes, checks_running
from .feedback import Feedback

#: Number of an exercise -> what judges its answer.
EXERCISES: dict[str, Callable[[object], Feedback]] = {
    "00-1": checks.check_bits_per_pixel,
    "01-1": checks.check_q4_0_gigabytes,
    "02-1": checks.check_bits_per_weight,
    "03-1": checks.check_q4_0_bytes,
    "04-1": checks_models.check_file_bits,
    "05-1": checks.check_q6_k_bits,
    "06-1": checks_models.check_three_ways,
    "07-1": checks_running.check_tokens_per_second,
    "08-1": checks_models.check_best_type,
    "09-1": checks_running.check_modelfile,
    "10-1": checks_models.check_q5_k_m_bytes,
    "11-1": checks.check_best_scale,
    "12-1": checks.check_iq2_xs_bits,
    "13-1": checks_models.check_kv_bytes_per_token,
    "13-2": checks_models.check_cache_of_a_window,
    "14-1": checks_running.check_split_speed,
    "15-1": checks_recipes.check_weight_of_q4_k,
    "16-1": checks_recipes.check_more_bits,
    "17-1": checks_running.check_divergence,
    "18-1": checks_recipes.check_moved_weight,
    "19-1": checks_running.check_experts_read,
}


def check(number: str, answer: object) -> Feedback:
    """Judge the answer to an exercise of the lessons by its number, such as "05-1" (lesson 05, its first).

    answer: what the exercise asks for; three dots are an exercise that was not started.
    Raises ValueError for a number that there is not.
    """
    return EXERCISES[one_of("exercise", number, EXERCISES)](answer)
