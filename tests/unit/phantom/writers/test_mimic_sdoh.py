import pandas as pd
import pytest

from cxrfair import datasets, tables
from cxrfair.datasets import mimic_sdoh

CHANGES = {"patients": 2000, "image_size": 32}


@pytest.fixture(scope="module")
def clean(written):
    root, truth = written("mimic_sdoh", dirt_share=0.0, missing_share=0.1, **CHANGES)
    truth = pd.read_parquet(truth).astype({"subject_id": str}).set_index("subject_id")
    return datasets.read("mimic_sdoh", root, "{}"), truth


def test_what_the_adapter_reads_is_the_truth(clean):
    found, truth = clean
    tables.RESIDENCES.check(found.residences)
    tables.SURROUNDINGS.check(found.values)
    assert found.notes == {}
    homes = found.residences.set_index("patient_id")
    known = homes.dropna()
    there = truth.loc[known.index]
    assert (known["county_fips"] == there["county_fips"]).all()
    assert (known["tract_fips"] == there["tract_fips"]).all()
    values = found.values.set_index(["level", "variable", "fips"])["value"].sort_index()
    income = known["tract_fips"].map(values["tract", "ACS_MEDIAN_HH_INC"])
    assert (income == there["income_dollars"]).all()
    for variable in ("SAHIE_PCT_UNINSURED64", "EP_UNINSUR"):
        share = known["county_fips"].map(values["county", variable])
        assert (share == there["uninsured_percent"]).all()


def test_some_homes_are_blank_and_some_are_not_listed(clean):
    found, truth = clean
    n = len(truth)
    assert found.residences[["county_fips", "tract_fips"]].isna().all(axis=1).sum() > 0.03 * n
    assert len(found.residences) < 0.97 * n


def test_places_are_real_states_and_some_begin_with_a_zero(clean):
    found, _ = clean
    counties = found.values.query("level == 'county'")["fips"]
    assert set(counties.str[:2]) == {"25", "09"}
    assert set(counties.str.len()) == {5}
    tracts = found.values.query("level == 'tract'")["fips"]
    assert set(tracts.str.len()) == {11}
    assert set(tracts.str[:5]) == set(counties)


def test_poorer_places_have_lower_incomes_and_more_uninsured(clean):
    _, truth = clean
    places = truth.drop_duplicates("tract_fips")
    assert places["deprivation"].corr(places["income_dollars"], method="spearman") < -0.9
    assert places["deprivation"].corr(places["uninsured_percent"], method="spearman") > 0.5
    assert places["income_dollars"].between(15_000, 400_000).all()
    assert places["uninsured_percent"].between(0.5, 40).all()


def _gap(written, strength):
    _, truth = written("mimic_sdoh", sdoh_path=strength, **CHANGES)
    people = pd.read_parquet(truth)
    by_race = people.groupby("race")["deprivation"].mean()
    by_insurance = people.groupby("insurance")["deprivation"].mean()
    return by_race["black"] - by_race["white"], by_insurance["medicaid"] - by_insurance["private"]


def test_the_path_decides_how_far_groups_live_apart(written):
    none, some, much = (_gap(written, strength) for strength in (0.0, 1.0, 2.0))
    assert max(map(abs, none)) < 0.2
    assert min(some) > 0.5
    assert much[0] > some[0]


def test_dirt_is_what_the_adapter_counts(written, clean):
    root, truth = written("mimic_sdoh", dirt_share=0.3, missing_share=0.1, **CHANGES)
    found = datasets.read("mimic_sdoh", root, "{}")
    assert set(found.notes) == set(mimic_sdoh.RULES)
    for rule in (mimic_sdoh.AGAIN, mimic_sdoh.ELSEWHERE):
        assert found.notes[rule] / len(found.residences) == pytest.approx(0.3 / 4, abs=0.02)
    text = (root / "mimic_sdoh_residences.csv").read_text()
    assert ",9001," in text
    assert "," + "25025.0," in text
    assert "-999" in (root / "svi_county.csv").read_text()
    known = found.residences.set_index("patient_id").dropna()
    truth = pd.read_parquet(truth).astype({"subject_id": str}).set_index("subject_id")
    assert (known["tract_fips"] == truth.loc[known.index, "tract_fips"]).all()
    assert truth["tract_fips"].equals(clean[1]["tract_fips"])


def test_more_patients_move_nobody(written):
    few, many = (
        pd.read_parquet(written("mimic_sdoh", patients=n, image_size=32)[1]) for n in (40, 60)
    )
    pd.testing.assert_frame_equal(few, many.head(40))
