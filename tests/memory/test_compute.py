"""The compute buffer against llama.cpp's planner: 608 measured cases, byte for byte."""

import random
import time
from itertools import pairwise

import pytest

from quantlab.memory.compute import compute_bytes, layers_to_walk
from quantlab.memory.settings import Settings
from quantlab.memory.walk import ENDLESS, Space
from quantlab.models.catalog import MODELS
from tests.memory.test_placement import cases


def test_all_608_cases_are_exact():
    wrong = [(row["model"], row["settings"], ours, row["compute_gpu_bytes"]) for row in cases()
             if (ours := compute_bytes(MODELS[row["model"]], row["settings"])) != row["compute_gpu_bytes"]]
    assert not wrong


def test_the_layers_between_add_nothing(monkeypatch):
    sample = random.Random(0).sample(cases(), 40)
    compute_bytes.cache_clear()
    monkeypatch.setattr("quantlab.memory.compute.layers_to_walk", lambda a: tuple(range(a.n_layer)))
    assert all(compute_bytes(MODELS[row["model"]], row["settings"]) == row["compute_gpu_bytes"]
               for row in sample)
    compute_bytes.cache_clear()


def test_layers_to_walk_have_every_kind_and_the_last():
    assert layers_to_walk(MODELS["llama3.1:70b"]) == (0, 1, 2, 79)
    assert layers_to_walk(MODELS["gemma3:27b"]) == (0, 1, 2, 5, 6, 7, 59, 60, 61)
    assert layers_to_walk(MODELS["deepseek-v2:16b"]) == (0, 1, 2, 3, 26)


def test_an_estimate_takes_far_less_than_a_millisecond():
    contexts = [256 * n for n in range(1, 201)]
    started = time.process_time()
    for n_ctx in contexts:
        compute_bytes(MODELS["llama3.1:8b"], Settings(n_ctx=n_ctx, n_ubatch=511))
    assert (time.process_time() - started) / len(contexts) < 1e-3


def test_flash_attention_saves_the_table_of_scores():
    shape = MODELS["llama3.1:8b"]
    with_it, without = (compute_bytes(shape, Settings(n_ctx=32768, flash_attention=on))
                        for on in (True, False))
    # heads x tokens x cells x 4 bytes, less what was there before
    assert without - with_it > 32 * 512 * 32768 * 4 * 0.9


def test_a_space_fills_gaps_and_gives_whole_ones_back():
    space = Space()
    a, b, c = space.take(1000), space.take(128), space.take(1)
    assert (a, b, c) == ((0, 1024), (1024, 128), (1152, 128)) and space.peak == 1280
    space.give(a)
    assert space.take(512) == (0, 512) and space.peak == 1280      # the smallest gap that holds it
    assert space.take(1024) == (1280, 1024)                         # none does: the buffer grows
    space.give(b, c, (0, 512), (1280, 1024))
    assert space.gaps == [[0, ENDLESS]]


@pytest.mark.parametrize("seed", range(20))
def test_places_never_overlap(seed):
    choose, space, live = random.Random(seed), Space(), []
    for _ in range(300):
        if live and choose.random() < 0.45:
            space.give(live.pop(choose.randrange(len(live))))
        else:
            live.append(space.take(choose.randrange(1, 5000)))
        ends = sorted(live)
        assert all(x[0] + x[1] <= y[0] for x, y in pairwise(ends))
        assert all(offset + nbytes <= space.peak for offset, nbytes in live)
