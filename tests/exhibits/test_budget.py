"""Spend your bits: the size is the writer's at every stop, the KLD is measured once, the verdict is the
numbers'.
"""

import threading

import pytest

import quantlab as ql
from quantlab.exhibits.budget import explore_bit_budget
from quantlab.exhibits.budget_facts import MIX, Try
from quantlab.exhibits.budget_file import named_types, write_and_run
from quantlab.inference.mixes import TYPES, gap
from quantlab.models.source import open_model
from quantlab.stage.touchable import png
from quantlab.words import size


@pytest.fixture(scope="module")
def game():
    return explore_bit_budget()


def fresh(game) -> None:
    game.set(**game.initial)
    game.wait()


def test_it_opens_at_once_with_recorded_marks_and_measures_nothing(game):
    fresh(game)
    assert game.thread is None and "reference" not in vars(game.game.bench)
    assert "all Q4_K" in game.picture.svg and "Q4_K_M" in game.picture.svg and "recorded" in game.picture.svg


@pytest.mark.parametrize("stop", [MIX, *TYPES])
def test_every_stop_of_every_slider_changes_the_size_at_once(game, stop, monkeypatch):
    monkeypatch.setattr(game, "_unknown", lambda: False)         # sizes only
    types = game.game.types("Q3_K_M", dict.fromkeys(game.game.roles, stop))
    game.set(budget="Q3_K_M", **dict.fromkeys(game.game.roles, stop))
    total = sum(part.nbytes for part in game.game.parts("Q3_K_M", dict.fromkeys(game.game.roles, stop)))
    assert total == game.game.bench.nbytes(types)
    over = total - game.game.limit("Q3_K_M")
    left = f"{size(-over)} to spend" if over else "spent to the last byte"
    words = f"{size(over)} too much" if over > 0 else left
    assert words in game.picture.svg and png(game.picture)
    assert ("over the budget" in game.finding) == (over > 0)


def test_a_mix_is_measured_after_the_hand_rests_and_only_once(game, monkeypatch):
    fresh(game)
    count = []
    measure = game.game.bench.measure
    monkeypatch.setattr(game.game.bench, "measure",
                        lambda types, **how: count.append(1) or measure(types, **how))
    for stop in ("Q4_K", "Q5_K", "Q4_K"):                       # on the way: not measured
        game.set(attn_v=stop)
        assert "measuring" in game.finding and "measuring…" in game.picture.svg
    game.wait()
    # the mix, and the one to beat
    assert "KLD" in game.finding and "measuring" not in game.picture.svg and len(count) == 2
    game.set(attn_v="Q3_K")
    game.set(attn_v="Q4_K")
    assert "measuring" not in game.finding and game.thread is None and len(count) == 2


def test_the_presets_and_the_best_so_far(game):
    fresh(game)
    game.buttons["mix"].click()
    assert "Can you beat it" in game.finding and game.thread is None
    game.buttons["alike"].click()
    assert set(game.values().values()) - {"Q3_K_M"} == {"Q3_K"} and "left to spend" in game.finding
    game.buttons["favoured"].click()
    game.wait()
    values = game.values()
    assert values["attn_v"] == values["ffn_down"] == "Q6_K" and values["ffn_up"] == "Q2_K"
    assert "your best" not in game.game.finding("Q3_K_M", {k: v for k, v in values.items() if k != "budget"})
    best = game.game.best("Q3_K_M")
    assert best.nbytes <= game.game.limit("Q3_K_M")
    game.buttons["alike"].click()
    assert "your best" in game.picture.svg
    game.buttons["best"].click()
    assert game.game.find(game.game.types("Q3_K_M", {k: v for k, v in game.values().items()
                                                     if k != "budget"})) is best
    game.buttons["hold"].click()
    assert "On the next 1,016 tokens" in game.picture.svg and "Q3_K_M" in game.verdict[1]


def test_the_mix_of_lesson_16_holds_on_text_it_was_not_tuned_on(game):
    fresh(game)
    game.set(budget="Q4_K_M", token_embd="Q5_K", attn_v="Q5_K", attn_output="Q5_K",
             **{role: "Q4_K" for role in ("attn_q", "attn_k", "ffn_gate", "ffn_up", "ffn_down")})
    game.wait()
    assert "You beat Q4_K_M: KLD 0.0204 is 12 % below Q4_K_M's 0.0232" in game.finding
    game.buttons["hold"].click()
    assert "KLD 0.0199 against Q4_K_M's 0.0233, yours is nearer" in game.verdict[1]
    rules = game.game
    mine, theirs = (rules.other().measure(types).kld for types in (
        rules.types("Q4_K_M", rules.best("Q4_K_M").values), rules.bench.mix("Q4_K_M")))
    found = gap(mine, theirs)
    assert -found.mean == pytest.approx(0.0034, abs=5e-5) and 2 * found.se == pytest.approx(0.0012, abs=5e-5)
    fresh(game)


def test_the_other_budgets_rename_the_button_and_move_the_limit(game):
    fresh(game)
    game.set(budget="Q4_K_M")
    game.wait()
    assert "llama.cpp's Q4_K_M" in [button.description for button in game.buttons.values()]
    assert size(game.game.limit("Q4_K_M")) in game.picture.svg
    fresh(game)


@pytest.mark.parametrize(("mine", "words"), [(0.5, "You beat Q3_K_M"), (1.0, "A tie with Q3_K_M"),
                                             (1.5, "50 % above"), (4.0, "4.0 times")])
def test_the_title_says_what_the_numbers_say(game, mine, words):
    fresh(game)
    rules, values = game.game, dict.fromkeys(game.game.roles, "Q3_K") | {"attn_k": "Q4_K"}
    rival = rules.find(rules.bench.mix("Q3_K_M"))
    at = tuple(sorted(rules.types("Q3_K_M", values).items()))
    before = rules.known.get(at)
    rules.known[at] = Try(rules.bench.nbytes(dict(at)), mine * rival.kld, rival.kld_se, None, values)
    try:
        assert words in rules.finding("Q3_K_M", values)
    finally:
        rules.known.pop(at) if before is None else rules.known.update({at: before})


def test_the_table_has_every_role_and_every_mark(game):
    fresh(game)
    rows = [row[0] for row in game.picture.table]
    assert set(game.game.roles) <= set(rows) and {"norms", "all Q2_K", "Q3_K_M", "Q5_K_M"} <= set(rows)


def test_handles_have_names_and_nothing_is_left_running(game):
    fresh(game)
    assert len(set(game.assistant.labels.values())) == len(game.assistant.labels) == 9
    assert game._repr_mimebundle_()["text/plain"] == game.finding
    assert not [thread for thread in threading.enumerate() if thread is game.thread]


def test_bad_arguments_are_words():
    with pytest.raises(ValueError, match="Q4_K_L"):
        ql.explore_bit_budget(budget="Q4_K_L")
    with pytest.raises(ValueError, match="3 are the least"):
        ql.explore_bit_budget(text="To be")
    assert "no such file" in ql.explore_bit_budget("no such file.gguf").picture.svg


# ---- as a file

def test_the_mix_becomes_a_file_with_these_very_types_and_bytes(game, tmp_path, monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")             # nobody listens
    monkeypatch.chdir(tmp_path)
    bench, said = game.game.bench, []
    types = game.game.types("Q3_K_M", {role: {"attn_v": "Q6_K", "ffn_down": "F16"}.get(role, MIX)
                                       for role in game.game.roles})
    words = write_and_run(bench, types, "Q3_K_M", said.append)
    path = tmp_path / "tiny-Q3_K_M-mine.gguf"
    assert said[0] == f"Writing {path.name}"
    assert words.startswith(f"{path.name} (") and "not in Ollama" in words
    with open_model(path) as model:
        assert {name: model.types[name][0] for name in types} == {
            name: "F16" if qtype == "F16" else qtype for name, qtype in types.items()}
        assert model.nbytes == bench.nbytes(types) and model.ftype == "Q3_K_M"
    lm = ql.load_lm(path)
    assert bench.reference.divergence(lm).mean_kld == bench.measure(types).mean_kld
    assert named_types(bench, types)[r"^blk\.0\.ffn_down\.weight$"] == "F16"


def test_the_button_writes_nothing_under_the_reference_profile(game, tmp_path, monkeypatch):
    fresh(game)
    monkeypatch.chdir(tmp_path)
    game.buttons["run"].click()
    assert "reference profile writes no file" in game.verdict[1] and not list(tmp_path.iterdir())
    assert "Your file" in game.picture.svg and game.thread is None


def test_the_button_writes_in_a_thread_and_measuring_goes_on(game, tmp_path, monkeypatch):
    fresh(game)
    monkeypatch.setattr("quantlab.exhibits.budget.is_reference", lambda: False)
    monkeypatch.setattr("quantlab.exhibits.budget.write_and_run", lambda *more, **how: "done")
    game.buttons["run"].click()
    game.wait()
    assert game.verdict == ("Your file", "done")
    game.set(attn_q="Q5_K")
    game.wait()
    assert "measuring" not in game.finding


# ---- stopped on the way

def test_a_measurement_can_be_cancelled_says_so_and_goes_on_at_the_next_move(game, monkeypatch):
    fresh(game)
    begun, measure = threading.Event(), game.game.bench.measure

    def slow(types, progress, cancel):
        begun.set()
        cancel.wait(60)
        return measure(types, progress, cancel)
    assert game.buttons["cancel"].disabled
    with monkeypatch.context() as patched:
        patched.setattr(game.game.bench, "measure", slow)
        game.set(attn_q="Q6_K", ffn_gate="Q2_K")
        assert begun.wait(60) and not game.buttons["cancel"].disabled
        game.buttons["cancel"].click()
        game.wait()
    assert game.verdict[0] == "Not measured" and game.verdict[1].startswith("stopped after 0 of 2,048 tokens")
    assert "Not measured" in game.picture.svg and not game.working
    game.set(ffn_gate="Q4_K")
    game.wait()
    assert "measuring" not in game.finding and "Not measured" not in game.picture.svg


def test_a_file_that_is_cancelled_while_it_is_written_is_gone(game, tmp_path, monkeypatch):
    fresh(game)
    monkeypatch.setattr("quantlab.exhibits.budget.is_reference", lambda: False)
    monkeypatch.setattr("quantlab.exhibits.budget_file.is_reference", lambda: False)
    monkeypatch.chdir(tmp_path)
    shown = []

    def stop_half_way(words, busy=False, share=None):
        shown.append((words, busy, share))
        if share and share > 0.4:
            game.buttons["cancel"].click()
    monkeypatch.setattr(game, "tell", stop_half_way)
    game.buttons["run"].click()
    game.wait()
    words = "stopped while tiny-Q3_K_M-mine.gguf was written; nothing is left of it"
    assert game.verdict == ("Your file", words) and not list(tmp_path.iterdir())
    assert 0.4 < max(share or 0 for _, _, share in shown) < 0.9 and shown[0][0].startswith("Writing tiny-")
