"""Which variants are guided, by how much, and beside whom they stand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report import guidance
from cxrfair.studies import Variant


def named(study):
    return {of.variant: of for of in guidance.guided(study)}


def test_levels_ratios_and_random_maps_are_read_off_lists_and_settings(guided):
    of = named(guided)
    assert list(of) == [name for name in guided.study.variants if name != "erm"]
    assert of["aligned_50"] == ("aligned_50", 0.5, 1.0, False, True)
    assert of["random_maps"] == ("random_maps", 1.0, 1.0, True, True)
    assert of["literal"] == ("literal", 1.0, 1.0, False, False)
    assert of["half_aligned"][1:3] == (1.0, 0.5)
    words = {name: each.words for name, each in of.items()}
    assert words["plain"] == "none"
    assert words["random_maps"] == "100 %, random maps"
    assert words["half_aligned"] == "100 %, 50 % of patients"


def test_an_entry_of_the_strategy_s_own_name_counts_and_others_do_not(guided):
    entries = {"guided_share": {"level": 0.25, "ratio": 1.0}, "none": {}}
    variants = {
        "own": Variant(method="aligner", rebalance="guided_share"),
        "bare": Variant(method="aligner"),
        "erm": Variant(method="erm", rebalance="guided_share"),
    }
    of = guided.study.model_copy(update={"variants": variants, "reference": "own"})
    found = guidance.guided(replace(guided, study=of, lists=entries))
    assert [(each.variant, each.level) for each in found] == [("own", 0.25)]
    assert guidance.guided(replace(guided, study=of, lists={})) == []


def test_random_maps_of_a_card_are_known(guided):
    card = {"settings": {"random_maps": True}}
    found = named(replace(guided, cards={("jsrt", "aligned_50", 0): card}))
    assert found["aligned_50"].random_maps
    assert not found["aligned_100"].random_maps


def test_partners_have_no_guidance_and_as_many_patients(guided):
    found = {of.aligned.variant: of.without.variant for of in guidance.pairs(guided)}
    alone = dict.fromkeys(("aligned_50", "aligned_100", "random_maps", "literal"), "plain")
    assert found == {**alone, "half_aligned": "half"}
    variants = dict(guided.study.variants)
    variants["half"] = variants["half"].model_copy(update={"train": {"epochs": 9}})
    other = guided.study.model_copy(update={"variants": variants})
    found = {of.aligned.variant for of in guidance.pairs(replace(guided, study=other))}
    assert "half_aligned" not in found  # trained otherwise


def test_of_two_partners_the_one_with_the_same_settings_is_taken(guided):
    variants = dict(guided.study.variants)
    settings = variants["literal"].settings
    variants["bare_literal"] = variants["plain"].model_copy(update={"settings": settings})
    other = guided.study.model_copy(update={"variants": variants})
    found = guidance.pairs(replace(guided, study=other))
    partners = {of.aligned.variant: of.without.variant for of in found}
    assert partners["literal"] == "bare_literal"
    assert partners["random_maps"] == "plain"


def test_labels_that_nobody_is_judged_for_are_left_out(guided):
    assert guidance.judged(guided, "jsrt") == ["nodule_or_mass"]
    assert guidance.judged(guided, "chexpert") == ["nodule_or_mass", "edema"]
    hidden = guided.summary.assign(n=pd.array([pd.NA] * len(guided.summary), "Int64"))
    assert guidance.judged(replace(guided, summary=hidden), "jsrt") == list(guided.study.labels)
    nobody = replace(guided, summary=guided.summary.assign(n=0))
    assert guidance.judged(nobody, "jsrt") == list(guided.study.labels)


def test_measures_are_gaps_and_hit_rates_with_differences_from_the_partner_alone(guided):
    found = guidance.measured(guided).set_index(guidance.KEYS)
    assert set(found.index.get_level_values("metric")) == {*guidance.GAPS, "hit_rate"}
    gap = found.loc["jsrt", "nodule_or_mass", "sex", "auroc_gap", "aligned_50"]
    assert (gap["value"], gap["difference_high"]) == (0.08, -0.01)
    other = found.loc["jsrt", "nodule_or_mass", "sex", "auroc_gap", "half_aligned"]
    assert np.isnan(other["difference"])  # it is from `plain`, and the partner is `half`
    variants = dict(guided.study.variants)
    variants["half_aligned"] = variants["half_aligned"].model_copy(update={"against": "half"})
    against = guided.study.model_copy(update={"variants": variants})
    told = guidance.measured(replace(guided, study=against)).set_index(guidance.KEYS)
    assert np.isfinite(
        told.loc["jsrt", "nodule_or_mass", "sex", "auroc_gap", "half_aligned"].difference
    )
    hits = found.loc["chexpert", "edema", "all", "hit_rate", "aligned_100"]
    assert hits["value"] == pytest.approx(0.51)  # seeds 0.50 and 0.52
    assert hits["seed_sd"] == pytest.approx(0.02 / np.sqrt(2))
    assert (hits["ci_low"], hits["ci_high"]) == pytest.approx((0.40, 0.62))


def test_gains_are_smaller_gaps_and_higher_hit_rates(guided):
    rows = guidance.measured(guided)
    of = {pair.aligned.variant: guidance.against(rows, pair) for pair in guidance.pairs(guided)}
    fifty = of["aligned_50"].set_index("metric")
    assert fifty.loc["auroc_gap", "gain"].to_numpy() == pytest.approx(0.02)
    assert set(fifty.loc["auroc_gap", "surely"]) == {1.0}
    assert fifty.loc["hit_rate", "gain"].to_numpy() == pytest.approx(0.1)
    assert set(fifty.loc["hit_rate", "surely"]) == {0.0}  # 0.1 less 0.15 to 0.1 and 0.15
    full = of["aligned_100"].set_index("metric")
    assert set(full.loc["auroc_gap", "surely"]) == {0.0}
    assert set(full.loc["hit_rate", "surely"]) == {1.0}
    assert set(of["literal"].set_index("metric").loc["f1_gap", "surely"]) == {-1.0}
    half = of["half_aligned"].set_index("metric")
    assert half.loc["tpr_gap", "gain"].to_numpy() == pytest.approx(0.05)
    assert half["surely"].isna().all()
