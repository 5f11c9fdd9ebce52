import numpy as np
import pandas as pd
import pytest

from cxrfair.phantom import population, reporting
from cxrfair.phantom.population import FINDINGS, PATHOLOGIES

PERFECT = {
    "underdiagnosis": {},
    "overdiagnosis": 0.0,
    "uncertain_share": 0.0,
    "unmentioned_share": 0.0,
}


@pytest.fixture(scope="module")
def studies(make_config):
    config = make_config()
    return population.studies(config, population.people(config, np.arange(2000)), "x")


def _report(make_config, studies, **changes):
    return reporting.report(make_config(**{**PERFECT, **changes}), studies, "x")


def test_without_noise_the_report_is_the_truth(make_config, studies):
    said = _report(make_config, studies)
    for finding in FINDINGS:
        assert (said[finding] == np.where(studies[finding], "positive", "negative")).all()
    assert (said["no_finding"] == ~studies[list(PATHOLOGIES)].any(axis=1)).all()


def test_support_devices_are_no_finding(make_config, studies):
    said = _report(make_config, studies)
    lone = studies["support_devices"] & ~studies[list(PATHOLOGIES)].any(axis=1)
    assert lone.any()
    assert said["no_finding"][lone].all()


def test_misses_are_multiplied_over_the_groups_of_a_person(make_config):
    config = make_config(underdiagnosis={"female": 0.1, "black": 0.2})
    people = pd.DataFrame(
        {
            "sex": ["female", "female", "male"],
            "race": ["black", "white", "black"],
            "insurance": ["other"] * 3,
        }
    )
    assert reporting.missed_share(config, people) == pytest.approx([0.28, 0.1, 0.2])


def test_underdiagnosis_strikes_its_group_only(make_config, studies):
    said = _report(make_config, studies, underdiagnosis={"female": 0.4})
    seen = said["pleural_effusion"][studies["pleural_effusion"]] == "positive"
    female = studies["sex"][studies["pleural_effusion"]] == "female"
    assert seen[~female].all()
    assert seen[female].mean() == pytest.approx(0.6, abs=0.06)


def test_overdiagnosis_doubt_and_silence_come_at_their_rates(make_config, studies):
    rates = {"overdiagnosis": 0.2, "uncertain_share": 0.3, "unmentioned_share": 0.8}
    said = _report(make_config, studies, **rates)["nodule"]
    absent = ~studies["nodule"]
    noticed = said.isin(["positive", "uncertain"])
    assert noticed[absent].mean() == pytest.approx(0.2, abs=0.03)
    assert (said[noticed] == "uncertain").mean() == pytest.approx(0.3, abs=0.04)
    assert (said[~noticed] == "unmentioned").mean() == pytest.approx(0.8, abs=0.03)
