"""The plots of the two tables say what the tables say."""

import re

import pandas as pd
import pytest

import quantlab as ql
from quantlab.exhibits.measuring import plain_rows
from quantlab.exhibits.quality import QualityFacts
from quantlab.exhibits.sensitivity import plot_sensitivity

KLD = [0, 0.01, 0.02, 0.4, None]
TYPES = pd.DataFrame({"ftype": ["F16", "Q4_K", "Q4_0", "Q2_K", "Q9"],
                      "nbytes": pd.array([8e6, 2.4e6, 2.4e6, 1.4e6, None], "Int64"),
                      "bpw": [16, 4.5, 4.5, 2.6, None], "ppl": [20, 20.1, 20.2, 27, None], "kld": KLD,
                      "kld_se": KLD, "kld99": KLD, "ln_ratio": KLD, "ln_ratio_se": KLD,
                      "top1": [1, 0.9, 0.88, 0.6, None], "recited": pd.array([28, 28, 28, 3, None], "Int64"),
                      "passages": pd.array([28, 28, 28, 28, None], "Int64"),
                      "controls": pd.array([0, 0, 0, 0, None], "Int64"),
                      "error": ["", "", "", "", "there is no Q9"]})


def test_the_finding_is_the_last_type_that_recites_all_and_what_comes_next():
    said = ql.plot_quality(TYPES, "tiny").finding
    assert said == "Q4_K (2.4 MB) recites 28 of 28 passages, Q2_K 3"


def test_without_passages_it_is_the_share_of_equal_tokens():
    said = ql.plot_quality(TYPES.assign(recited=pd.array([None] * 5, "Int64"))).finding
    assert said == "Q4_K (2.4 MB) says the same token in 90 % of all places, Q2_K in 60 %"


def test_a_table_without_numbers_says_why():
    plot = ql.plot_quality(TYPES[4:])
    assert "No row" in plot.finding and "there is no Q9" in plot.picture.svg
    assert "No row" in ql.plot_quality(TYPES[:1]).finding


def test_a_type_that_loses_nothing_has_its_place_and_a_beaten_one_is_hollow():
    table = TYPES.replace({"ftype": {"F16": "Q4_1"}})                # a file that was Q4_1 already
    words = re.findall(r"<text[^>]*>([^<]*)</text>", ql.plot_quality(table, "mine").picture.svg)
    assert {"Q4_1", "Q4_K", "Q4_0", "Q2_K", "no change"} <= set(words) and "Q9" not in words
    assert any(word.startswith("mine against its own weights; 1 not measured") for word in words)
    facts = QualityFacts(plain_rows(table))
    assert [point.name for point in facts.points("kld", "MB") if point.beaten] == ["Q4_0"]


def sensitivities(layers=(0, 0, 1, 1, None)):
    return pd.DataFrame({"layer": pd.array(layers, "Int64"),
                         "role": ["attn_q", "attn_v", "attn_q", "attn_v", "token_embd"], "qtype": "Q2_K",
                         "saved": pd.array([1000] * 5, "Int64"), "kld": [0.01, 0.02, 0.001, 0.002, 0.05],
                         "kld_se": 1e-4, "error": ""})


def test_the_map_names_the_worst_and_the_mildest():
    plot = plot_sensitivity(sensitivities(), "mine")
    assert plot.finding == "token_embd in Q2_K hurts most: 50 times as much as attn_q of layer 1"
    assert "mine: KLD when" in plot.picture.svg and 'role="group"' not in plot.picture.svg
    assert len(plot.picture.table) == 6 and plot.picture.table[1][0] == "token_embd"
    assert "No row" in plot_sensitivity(sensitivities().assign(kld=float("nan"), error="stopped")).finding


def test_a_table_by_role_is_refused_in_words():
    with pytest.raises(ValueError, match="by='tensor'"):
        plot_sensitivity(sensitivities((None,) * 5))
