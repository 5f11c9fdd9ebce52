import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from cxrfair.phantom import population

OFF = {"sex": 0.0, "race": 0.0, "age": 0.0, "insurance": 0.0}


@pytest.fixture(scope="module")
def crowd(make_config):
    return population.people(make_config(), np.arange(20_000))


def test_shares_are_those_of_the_settings_and_the_paper(crowd):
    assert (crowd["sex"] == "female").mean() == pytest.approx(0.48, abs=0.015)
    shares = crowd["race"].value_counts(normalize=True)
    wanted = {"white": 0.70, "black": 0.15, "hispanic": 0.08, "asian": 0.05, "other": 0.02}
    assert shares.to_dict() == pytest.approx(wanted, abs=0.015)
    shares = crowd["insurance"].value_counts(normalize=True)
    wanted = {"medicare": 0.42, "private": 0.38, "medicaid": 0.15, "other": 0.05}
    assert shares.to_dict() == pytest.approx(wanted, abs=0.02)
    bins = pd.cut(crowd["age_years"], [18, 31, 51, 66, 81, 96], right=False)
    wanted = [0.12, 0.25, 0.28, 0.24, 0.11]
    assert bins.value_counts(normalize=True, sort=False).tolist() == pytest.approx(wanted, abs=0.02)


def test_more_patients_change_nobody(make_config):
    few, many = (population.people(make_config(), np.arange(n)) for n in (50, 3000))
    assert_frame_equal(few, many.head(50))


def _person(**attributes):
    plain = {"sex": "other", "age_bin": 9, "race": "other", "insurance": "other"}
    return pd.DataFrame([{**plain, **attributes}])


@pytest.mark.parametrize(
    ("finding", "base", "person", "published"),
    [
        ("pleural_effusion", 0.21, {"sex": "male"}, 0.24),
        ("pleural_effusion", 0.21, {"sex": "female"}, 0.18),
        ("cardiomegaly", 0.23, {"race": "black"}, 0.27),
        ("cardiomegaly", 0.23, {"age_bin": 0}, 0.08),
        ("cardiomegaly", 0.23, {"age_bin": 4}, 0.43),
        ("pneumonia", 0.10, {"insurance": "medicaid"}, 0.13),
        ("pneumonia", 0.10, {"race": "hispanic"}, 0.12),
    ],
)
def test_prevalence_by_group_is_as_published(make_config, finding, base, person, published):
    config = make_config(prevalence={finding: base})
    rate = population.prevalence(config, _person(**person))[finding]
    assert rate == pytest.approx([published])


def test_indirect_path_at_zero_gives_every_group_one_prevalence(make_config, crowd):
    config = make_config(indirect_path=OFF)
    for finding, rate in population.prevalence(config, crowd).items():
        assert rate == pytest.approx(getattr(config.prevalence, finding))


def test_studies_show_findings_as_often_as_they_should(make_config):
    config = make_config(patients=5000)
    crowd = population.people(config, np.arange(5000))
    studies = population.studies(config, crowd, "x")
    merged = crowd.set_index("patient").loc[studies["patient"]]
    for finding, rate in population.prevalence(config, merged).items():
        assert studies[finding].mean() == pytest.approx(rate.mean(), abs=0.015)
        severity = studies[f"{finding}_severity"]
        assert severity.between(0, 1).all()
        assert (severity[~studies[finding]] == 0).all()
        assert severity[studies[finding]].mean() == pytest.approx(0.5, abs=0.05)


def test_a_prevalence_of_zero_or_one_is_kept(make_config):
    config = make_config(prevalence={"nodule": 0.0, "edema": 1.0})
    studies = population.studies(config, population.people(config, np.arange(50)), "x")
    assert not studies["nodule"].any()
    assert studies["edema"].all()


def test_studies_follow_one_another(make_config):
    config = make_config(patients=3000, studies_per_patient=2.0)
    studies = population.studies(config, population.people(config, np.arange(3000)), "x")
    counts = studies.groupby("patient").size()
    assert counts.between(1, population.MAX_STUDIES).all()
    assert counts.mean() == pytest.approx(2.0, abs=0.08)
    assert (studies.loc[studies["study"] == 0, "day"] == 0).all()
    assert (studies.groupby("patient")["day"].diff().dropna() > 0).all()
    assert studies["key"].is_unique


def test_one_study_each_is_possible(make_config):
    config = make_config(studies_per_patient=1.0)
    assert len(population.studies(config, population.people(config, np.arange(30)), "x")) == 30


def test_disease_is_the_patients_own_in_every_data_set(make_config):
    config = make_config(patients=4000)
    crowd = population.people(config, np.arange(4000))
    first = [
        population.studies(config, crowd, name).query("study == 0").set_index("patient")
        for name in ("a", "b")
    ]
    sick, well = first[0]["pleural_effusion"], ~first[0]["pleural_effusion"]
    again = first[1]["pleural_effusion"]
    assert again[sick].mean() > again[well].mean() + 0.2
    assert (again != first[0]["pleural_effusion"]).any()
