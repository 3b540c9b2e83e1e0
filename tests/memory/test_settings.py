"""Settings are refused in words that name the number, and split as llama.cpp splits them."""

import pytest

from quantlab.memory.estimate import estimate_memory
from quantlab.memory.settings import Settings


def test_each_conversation_gets_its_part_or_all_share_one_pool():
    assert Settings(n_ctx=4096).n_ctx_seq == 4096
    apart, together = Settings(n_ctx=8192, n_parallel=3), Settings(n_ctx=8192, n_parallel=3, unified=True)
    assert (apart.n_ctx_seq, apart.n_streams) == (2816, 3)          # 2730, in steps of 256
    assert (together.n_ctx_seq, together.n_streams) == (8192, 1)


def test_no_more_tokens_at_a_time_than_there_are():
    assert Settings(n_ctx=1, n_ubatch=512).n_tokens == 256
    assert Settings(n_ctx=256, n_outputs=512).n_rows == 256
    assert Settings(n_parallel=4).n_rows == 4


def test_every_setting_names_what_it_mirrors():
    assert [name for name in Settings().as_dict() if name not in estimate_memory.__doc__] == []


@pytest.mark.parametrize(("wrong", "words"), [({"n_ctx": 0}, "n_ctx=0"), ({"n_ctx": 10**12}, "16,777,216"),
                                              ({"n_ctx": float("nan")}, "n_ctx=nan"),
                                              ({"n_ctx": True}, "n_ctx=True"),
                                              ({"n_ubatch": -1}, "n_ubatch=-1"),
                                              ({"n_parallel": 0}, "n_parallel=0"),
                                              ({"n_outputs": 0}, "n_outputs=0"),
                                              ({"n_gpu_layers": -1}, "n_gpu_layers=-1"),
                                              ({"unified": 1}, "unified=1"),
                                              ({"flash_attention": None}, "flash_attention=None"),
                                              ({"type_k": "q9_9"}, "there are f32"),
                                              ({"flash_attention": False, "type_v": "q8_0"},
                                               "needs flash attention"),])
def test_impossible_settings_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        Settings(**wrong)


def test_a_step_is_never_longer_than_the_context_that_was_asked_for():
    # though three parts of 512 make 1,536 cells
    assert Settings(n_ctx=1024, n_ubatch=2048, n_parallel=3).n_tokens == 1024


def test_a_type_that_no_card_has_flash_attention_for_is_refused():
    for types in ({"type_k": "iq4_nl"}, {"type_v": "iq4_nl"}):
        with pytest.raises(ValueError, match=r"iq4_nl.*processor; use q4_0"):
            Settings(**types)
    assert Settings(type_k="iq4_nl", flash_attention=False).type_k == "iq4_nl"
