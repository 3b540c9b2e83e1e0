"""The compute buffer against llama.cpp's planner: 608 measured cases, byte for byte."""

import random
import time
from itertools import pairwise

import pytest

from quantlab.memory import compute
from quantlab.memory.alike import layers_to_walk
from quantlab.memory.compute import compute_bytes
from quantlab.memory.settings import Settings
from quantlab.memory.space import ENDLESS, Space
from quantlab.models.catalog import MODELS
from tests.memory.test_placement import cases


def test_all_608_cases_are_exact():
    wrong = [(row["model"], row["settings"], ours, row["compute_gpu_bytes"]) for row in cases()
             if (ours := compute_bytes(MODELS[row["model"]], row["settings"])) != row["compute_gpu_bytes"]]
    assert not wrong


def test_the_main_memory_of_all_608_cases_is_exact():
    for row in cases():
        shape, settings = MODELS[row["model"]], row["settings"]
        sizes = compute._sizes(shape, settings, compute._any_types(shape), (0,) * (shape.n_layer + 1), 1)
        assert sizes == (row["compute_gpu_bytes"], row["compute_host_bytes"]), row


def test_the_layers_between_add_nothing(monkeypatch):
    sample = random.Random(0).sample(cases(), 40)
    compute_bytes.cache_clear()
    monkeypatch.setattr(compute, "layers_to_walk", lambda kinds: tuple(range(len(kinds))))
    assert all(compute_bytes(MODELS[row["model"]], row["settings"]) == row["compute_gpu_bytes"]
               for row in sample)
    compute_bytes.cache_clear()


@pytest.mark.parametrize(("kinds", "kept"), [
    ("faaaaaaaaaal", (0, 1, 2, 10, 11)), ("abcd", (0, 1, 2, 3)), ("aab", (0, 1, 2)), ("aaaaa", (0, 1, 4)),
    ("rrrarrrarrrarrrarr", (0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17)), ("a", (0,)), ("", ())])
def test_of_layers_that_come_again_and_again_the_first_and_the_last_are_walked_through(kinds, kept):
    assert layers_to_walk(kinds) == kept


def test_an_estimate_takes_a_few_milliseconds():
    contexts = [256 * n for n in range(1, 201)]
    started = time.process_time()
    for n_ctx in contexts:
        compute_bytes(MODELS["llama3.1:8b"], Settings(n_ctx=n_ctx, n_ubatch=511))
    assert (time.process_time() - started) / len(contexts) < 5e-3


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


def test_a_place_of_no_bytes_may_leave_a_gap_of_none_that_a_neighbour_takes_in():
    space = Space()
    nothing, a, b = space.take(0), space.take(128), space.take(128)
    space.give(nothing)                                     # nobody's neighbour: the gap stays, with no bytes
    assert space.gaps == [[0, 0], [256, ENDLESS - 256]]
    space.give(a)
    space.give(b)
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
