"""The check of lesson 06: right answer, each near miss, untouched, nonsense."""

import pytest

import quantlab as ql

RIGHT = 2 * 2 * 32 * 8 * 128        # key and value, two bytes, layers, heads that keep them, numbers a head


def test_the_right_answer():
    assert ql.check_kv_bytes_per_token(RIGHT).voice == "correct"


@pytest.mark.parametrize("wrong, word", [(RIGHT // 2, "Nearly"), (RIGHT // 32, "one layer"),
                                         (RIGHT * 8, "bits"), (RIGHT / 1024, "KiB"), (RIGHT * 4, "n_head_kv"),
                                         (RIGHT // 4, "factor of two")])
def test_each_near_miss_has_its_hint(wrong, word):
    feedback = ql.check_kv_bytes_per_token(wrong)
    assert feedback.voice == "almost" and word in feedback.message


@pytest.mark.parametrize("answer, voice", [(..., "not started"), ("many", "wrong kind"), (None, "wrong kind"),
                                           (float("nan"), "wrong kind"), (1, "not yet"), (-RIGHT, "almost")])
def test_untouched_and_nonsense(answer, voice):
    assert ql.check_kv_bytes_per_token(answer).voice == voice


FITS = [dict(type_k="q8_0", type_v="q8_0"), dict(n_ctx=16384), dict(ftype="Q2_K"), dict(n_gpu_layers=30)]


@pytest.mark.parametrize("left_out", range(4))
def test_any_three_levers_are_right(left_out):
    feedback = ql.check_three_ways([way for i, way in enumerate(FITS) if i != left_out])
    assert feedback.voice == "correct" and "You changed" in feedback.message


@pytest.mark.parametrize("way, voice, word", [(dict(ftype="Q3_K_M"), "not yet", "Way 3 is still 0.17 GiB"),
                                              (dict(n_ctx=8192), "almost", "the context is changed twice"),
                                              (dict(n_ctx=8192, ftype="Q2_K"), "almost", "One at a time"),
                                              (dict(model="qwen3:8b"), "almost", "another model"),
                                              (dict(type_kv="q8_0"), "not yet", "type_k and type_v"),
                                              (dict(num_ctx=8192), "not yet", "called n_ctx"),
                                              (dict(vram=16), "not yet", "the card stays"),
                                              (dict(depth=3), "not yet", "changes nothing here; there are"),
                                              (dict(context=8192), "not yet", "called n_ctx"),
                                              (dict(n_ubatch=64), "not yet", "still 1.75 GiB"),
                                              (dict(n_gpu_layers=40), "not yet", "still 1.60 GiB"),
                                              (dict(flash_attention=True), "not yet", "on already"),
                                              (dict(n_parallel=1), "not yet", "one conversation"),
                                              (dict(n_cpu_moe=9), "not yet", "has none"),
                                              (dict(n_ctx="8192"), "not yet", "n_ctx='8192'"),
                                              (dict(n_ctx=0), "not yet", "n_ctx=0"),
                                              (dict(ftype="Q5"), "not yet", "Q5"),
                                              (dict(), "not yet", "changes nothing"),
                                              (dict(n_ctx=32768), "not yet", "changes nothing"),
                                              (dict(type_k=3), "not yet", "type_k=3")])
def test_each_wrong_way_is_told_what_is_wrong(way, voice, word):
    feedback = ql.check_three_ways([FITS[0], FITS[1], way])
    assert feedback.voice == voice and word in feedback.message, feedback


@pytest.mark.parametrize("half, other", [("type_k", "type_v"), ("type_v", "type_k")])
def test_half_of_a_cache_is_told_the_other_half(half, other):
    feedback = ql.check_three_ways([FITS[1], FITS[2], {half: "q8_0"}])
    assert feedback.voice == "not yet" and f"give {other}, too" in feedback.message, feedback


@pytest.mark.parametrize("answer, voice", [(..., "not started"), ([..., ..., ...], "not started"),
                                           (7, "wrong kind"), ([1, 2, 3], "wrong kind"),
                                           ([dict(n_ctx=1024)], "not yet")])
def test_untouched_and_nonsense_ways(answer, voice):
    assert ql.check_three_ways(answer).voice == voice


@pytest.mark.parametrize("answer, voice", [(5, "correct"), (34, "almost"), (29, "almost"), (34 / 6, "almost"),
                                           (7, "not yet"), (..., "not started")])
def test_the_layers_without_a_window(answer, voice):
    assert ql.check_cache_of_a_window(answer).voice == voice
