"""From the phantom's MIMIC files through the adapters and the linking, back to its truth."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from cxrfair import datasets, phantom, tables
from cxrfair.cohort.attributes import race_groups
from cxrfair.cohort.link import RUNGS, LinkConfig, combine, link
from cxrfair.cohort.sdoh import SdohConfig, attach
from cxrfair.scales import resolve

NAMES = ("mimic_cxr", "mimic_iv", "mimic_iv_ed", "mimic_sdoh")
CLEAN = {"dirt_share": 0.0, "missing_share": 0.0, "race_conflict_share": 0.0}
DIRTY = {"dirt_share": 0.3, "missing_share": 0.2, "race_conflict_share": 0.2}


@pytest.fixture(scope="module")
def run(repo, tmp_path_factory):
    params = resolve(yaml.safe_load((repo / "params.yaml").read_text()))

    def run_with(**changes):
        small = {**params["phantom"], "patients": 40, "image_size": 64, **changes}
        config = phantom.PhantomConfig.parse(json.dumps(small))
        folder = tmp_path_factory.mktemp("raw")
        read, truth = {}, {}
        for name in NAMES:
            phantom.write(name, config, folder / name, folder / f"{name}.parquet")
            read[name] = datasets.read(name, folder / name, "{}")
            truth[name] = pd.read_parquet(folder / f"{name}.parquet")
        hospitals = read["mimic_iv"], read["mimic_iv_ed"]
        patients = combine(tables.PATIENTS, [hospital.patients for hospital in hospitals])
        stays = combine(tables.STAYS, [hospital.stays for hospital in hospitals])
        rules = LinkConfig.parse(json.dumps(params["link"]))
        linked, flow = link(read["mimic_cxr"].records, patients, stays, rules)
        homes = read["mimic_sdoh"]
        sdoh = SdohConfig.parse(json.dumps(params["sdoh"]))
        linked, more = attach(linked, homes.residences, homes.values, sdoh)
        return SimpleNamespace(
            read=read, truth=truth, linked=linked, flows=(flow, more), stays=stays
        )

    return run_with


def _with_truth(found):
    """Linked records beside the truth of their picture and of their patient's home."""
    images = found.truth["mimic_cxr"].set_index("image_id").reindex(found.linked["image_id"])
    homes = found.truth["mimic_sdoh"].set_index("patient").reindex(images["patient"])
    return found.linked, images.reset_index(), homes.reset_index()


def test_without_dirt_the_truth_comes_back(run):
    found = run(**CLEAN)
    linked, images, homes = _with_truth(found)
    assert set(linked["link_rung"]) <= set(RUNGS) - {"none"}
    assert {"admission", "emergency", "nearest"} <= set(linked["link_rung"])
    assert (linked["sex"] == images["sex"]).all()
    grouped = linked["age_years"] > 85  # perhaps one of those written as 91
    assert (linked["age_years"] - images["age_years"])[~grouped].abs().max() <= 3
    groups = race_groups(linked["race"], "seyyed_kalantari_2021").replace(
        {"hispanic or latino": "hispanic", "american indian or alaska native": "other"}
    )
    stayed = linked["patient_id"].isin(found.stays["patient_id"])
    assert (groups == images["race"])[stayed].all()
    assert linked["race"].notna()[stayed].all()
    np.testing.assert_array_equal(linked["sdoh_income"], homes["income_dollars"])
    np.testing.assert_array_equal(linked["sdoh_insurance_coverage"], homes["uninsured_percent"])


def test_with_dirt_every_image_is_there_and_what_is_unknown_is_counted(run):
    found = run(**DIRTY)
    tables.RECORDS.check(found.linked)
    assert len(found.linked) == len(found.read["mimic_cxr"].records)
    for flow in found.flows:
        tables.FLOW.check(flow)
        assert (flow["images_lost"] == 0).all()
    assert any("end before they begin" in rule for rule in found.read["mimic_iv"].notes)
    ladder, homes = (flow.set_index("step")["why"] for flow in found.flows)
    assert "in overlapping admissions" in ladder["linked to hospital stays"]
    for step, column in (
        ("age when the image was taken", "age_years"),
        ("insurance of the admission", "insurance"),
    ):
        counts = {
            word: int(n.replace(",", ""))
            for word, _, n in (part.rpartition(" ") for part in ladder[step].split(", "))
        }
        known = sum(n for word, n in counts.items() if word.startswith(("known", "anchor above")))
        assert known == found.linked[column].notna().sum()
        assert sum(counts.values()) == len(found.linked)
    unknown = int(found.linked["race"].isna().sum())
    assert f"images without a race {unknown}" in ladder["one race for each patient"]
    known = int(found.linked["sdoh_income"].notna().sum())
    assert f"known {known}" in homes["income of the tract"]
