"""One rule says what fits: the estimate, the recommendation, the advice of lesson 08, the cells of lesson 06
and the rule's picture are held against each other on the models, cards, types and contexts of the explorers.
"""

import itertools

import pytest

import quantlab as ql
from quantlab.exhibits.cards import SIZES
from quantlab.exhibits.choice import CONTEXTS as CHOICE_CONTEXTS
from quantlab.exhibits.fit import CONTEXTS
from quantlab.memory import advice
from quantlab.memory.advice import SLIDER
from quantlab.memory.cards import GPUS
from quantlab.memory.fit import fits
from quantlab.memory.settings import Settings
from quantlab.models.catalog import MODELS
from tests.thinned import some

GIB = 2**30
FTYPES = tuple(dict.fromkeys((*SLIDER, *advice.FTYPES)))
N_CTX = tuple(sorted({*CONTEXTS.values(), *CHOICE_CONTEXTS}))
SAMPLE = some(MODELS, 8)
CARDS = some(sorted({card.vram_bytes for card in GPUS.values()} | {int(size * GIB) for size in SIZES}), 3)


def test_estimate_and_advice_agree_on_every_card_type_and_context(capsys):
    count = verdicts = 0
    for model, n_ctx in itertools.product(SAMPLE, N_CTX):
        types = advice.types_of(MODELS[model], FTYPES)
        needed = {ftype: ql.estimate_memory(model, ftype, n_ctx=n_ctx).needed for ftype in types}
        for card in CARDS:
            fitting = {ftype for ftype in types if needed[ftype] <= card}
            options = advice.candidates(model, card, n_ctx)
            told = {option.estimate.ftype for option in options}
            others = [fits(model, card, ftype, Settings(n_ctx=n_ctx))
                      for ftype in types if ftype not in told]
            for found in (*options, *others):
                assert found.room == card - needed[found.estimate.ftype]
                assert (found.room >= 0) == (found.estimate.ftype in fitting)
                count += 1
            for wish, order in advice.WISHES.items():
                best = advice.choose(options, wish)
                order = types if MODELS[model].only_type else order
                first = next((ftype for ftype in order if ftype in fitting), None)
                assert (best.estimate.ftype if best else None) == first
            for option in options:
                words = advice.reason(option, best, "speed")
                assert ("too much" in words) != (option.estimate.ftype in fitting)
                verdicts += 1
    with capsys.disabled():
        print(f"\n{count:,} combinations of model, card, type and context, "
              f"{verdicts:,} verdicts of lesson 08", end=" ")


@pytest.mark.parametrize(("start", "card"), [*enumerate(["GeForce RTX 4060", "GeForce RTX 4090"])])
def test_the_cells_of_lesson_06_and_recommend_say_the_same(start, card):
    explorer = ql.explore_fit()
    for model in some(SAMPLE, 2, start):
        explorer.set(card=card, model=model)
        cells = {row[0]: row[1:] for row in explorer.picture.table[1:]}
        for i in (0, 4):
            n_ctx = list(CONTEXTS.values())[i]
            for option in ql.recommend(model, GPUS[card].vram_bytes / GIB, n_ctx=n_ctx,
                                       ftypes=advice.types_of(MODELS[model])):
                found = fits(model, GPUS[card].vram_bytes, option.ftype, Settings(n_ctx=n_ctx))
                assert (option.headroom, option.n_gpu_layers) == (found.room, found.layers)
                words = {"fits": f"fits, {found.room / GIB:.2f} GiB to spare",
                         "splits": f"{found.layers} of {MODELS[model].n_layer + 1} layers on the card",
                         "no": "no layer fits"}[found.kind]
                if option.ways[0].n_cpu_moe:
                    words = f"; {option.ways[0].words}"
                    assert option.ways[0].n_cpu_moe == found.experts
                assert words in cells[option.ftype][i], (model, option.ftype, n_ctx)


def test_a_cell_agrees_with_a_verdict_on_every_card():
    cells, choice = ql.explore_fit(), ql.explore_choice()
    for card, model in some(itertools.product(some(GPUS, 5), ("gemma3:12b", "deepseek-v2:16b")), 3):
        cells.set(card=card, model=model)
        for i, n_ctx in ((0, 2048), (6, 131072)):
            choice.set(card=card, model=model, n_ctx=n_ctx)
            told = {row[0]: row[1 + i] for row in cells.picture.table[1:]}
            for row in choice.picture.table[1:]:
                assert ("too much" in row[-1]) == ("too much" in told[row[0]]), (card, model, n_ctx, row[0])


def test_the_rules_picture_adds_up_what_is_counted_everywhere():
    for model in MODELS:
        for row in ql.plot_rule(model).picture.table[1:]:
            found = fits(model, 0, "Q4_K_M", Settings(n_ctx=int(row[0].replace(",", "")))).estimate
            assert sum(map(float, row[1:4])) == pytest.approx(found.total / GIB, abs=0.016)
            assert found.needed - found.total == found.overhead.usual
