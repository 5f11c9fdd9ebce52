from dataclasses import replace

import pytest

from cxrfair.report._present import split
from cxrfair.report.suppression import suppress
from cxrfair.report.tables.methods import COLUMNS, make

VARIANTS = {
    "erm": {"method": "erm", "rebalance": "balanced"},
    "dro": {"method": "group_dro", "groups": ("sex", "age")},
    "jtt": {"method": "jtt", "upstream": "erm"},
    "fair": {"post": "equalised_odds", "upstream": "dro", "groups": ("sex",)},
}


@pytest.fixture(scope="module")
def study(made, results):
    of = made.study(variants=VARIANTS)
    return replace(results, study=of, cards=made.cards(of))


def rows(study, dataset="nih"):
    found = make(study)
    return found[found["dataset"] == dataset].set_index("variant").to_dict("index")


def test_there_is_one_row_a_data_set_and_variant_in_the_study_s_order(study):
    found = make(study)
    assert tuple(found.columns) == COLUMNS
    assert found[["dataset", "variant"]].to_numpy().tolist() == [
        [dataset, variant] for dataset in ("nih", "mimic") for variant in VARIANTS
    ]


def test_a_trained_variant_is_described_by_its_card(study):
    assert rows(study)["dro"] == {
        "dataset": "nih",
        "method": "group_dro",
        "training_list": "none",
        "groups": "sex x age",
        "starts_from": "none",
        "settings": "step_size 0.01",
        "words": "none",
        "batch_statistics": "one mixed forward pass",
        "provenance": "none",
        "source": "A paper, 2020",
    }
    erm = rows(study)["erm"]
    assert erm["groups"] == "blind"
    assert erm["training_list"] == "balanced"
    assert erm["settings"] == "weighted_bce false"


def test_what_a_method_starts_from_is_named_with_its_weights(study):
    assert rows(study)["jtt"]["starts_from"] == "erm, early weights"


def test_a_variant_that_is_not_trained_shows_its_rule_and_whose_scores_it_takes(study):
    fair = rows(study)["fair"]
    assert fair["method"] == "equalised odds"
    assert fair["groups"] == "sex"
    assert fair["starts_from"] == "dro, scores"
    assert "validation" in fair["provenance"]
    assert "Hardt" in fair["source"]


def changed(study, key, **card):
    return replace(study, cards={**study.cards, key: {**study.cards[key], **card}})


def test_what_read_the_labels_names_is_said(study):
    read = changed(study, ("nih", "dro", 0), text="an encoder, version 1")
    assert rows(read)["dro"]["words"] == "an encoder, version 1; none"


def test_settings_that_a_search_chose_are_those_of_the_data_set(study):
    for seed in (0, 1):
        study = changed(study, ("mimic", "dro", seed), settings={"step_size": 0.123456})
    assert rows(study)["dro"]["settings"] == "step_size 0.01"
    assert rows(study, "mimic")["dro"]["settings"] == "step_size 0.1235"


def test_what_differs_between_seeds_is_shown_seed_by_seed(study):
    odd = changed(study, ("nih", "jtt", 1), settings={"upweight": 20}, source="Another, 2021")
    found = rows(odd)["jtt"]
    assert found["settings"] == "seed 0: upweight 5; seed 1: upweight 20"
    assert found["source"] == "A paper, 2020; Another, 2021"


def test_predictions_that_were_given_have_no_such_table(study):
    assert make(replace(study, cards={})).empty


def test_every_cell_says_something_in_public_too(study):
    for shown in split(make(suppress(study)), study):
        assert len(shown.rows) == len(VARIANTS)
        for row in shown.rows:
            assert all(cell.text and cell.state in ("", "repeat") for cell in row)
