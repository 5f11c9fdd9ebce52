"""Records to a cohort with folds: the stages cohort, split and group, on files."""

import json

import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.cohort.filters import CohortConfig
from cxrfair.cohort.flow import ingested
from cxrfair.cohort.sdoh import SdohConfig
from cxrfair.labels import LabelConfig
from cxrfair.leakage import LeakageError
from cxrfair.splits import SplitConfig, assign
from cxrfair.stages.cohort import cohort
from cxrfair.stages.group import group
from cxrfair.stages.split import split

COHORT = {
    "views": ["AP"],
    "age_years": {"min": 0, "max": 120},
    "unknown_attributes": "drop",
    "duplicate_images": "drop",
    "age_bins_years": [40, 60],
    "race_groups": "seyyed_kalantari_2021",
}
LABELS = {"uncertain": {"default": "keep"}, "unmentioned": {"default": "zero"}, "union": {}}
STATES = ("positive", "negative", "uncertain", "unmentioned")
SPLIT = {"by": "fraction", "seed": 7, "stratify": [], "validation": 0.2, "test": 0.25}
INCOME = {
    "variable": "tract.INCOME",
    "cut": {"rule": "quantile", "at": [0.5]},
    "groups": ["low", "high"],
}


@pytest.fixture
def files(tmp_path):
    """120 patients with two images each; the first two images of the set are of one picture."""
    n = 240
    ids = [f"i{k:03d}" for k in range(n)]
    records = tables.RECORDS.empty().reindex(range(n))
    records = records.assign(
        image_id=ids,
        dataset="d",
        patient_id=[f"p{k // 2}" for k in range(n)],
        study_id=ids,
        path=ids,
        view="AP",
        sex=["female", "male", "male", "female"] * (n // 4),
        age_years=50.0,
        sdoh_income=[float(k // 2) for k in range(n)],
    )
    index = pd.DataFrame(
        {
            "image_id": ids,
            "row": range(n),
            "checksum": ids,
            "quarantine": None,
            "decode_error": None,
        }
    )
    index = index.assign(width=9, height=9)
    index.loc[2, "checksum"] = "i000"  # of another patient
    states = pd.DataFrame({"image_id": ids, "label": "edema", "state": list(STATES) * 60})
    tables.RECORDS.write(records, tmp_path / "records")
    tables.STORE_INDEX.write(index, tmp_path / "index")
    tables.LABELS.write(states, tmp_path / "labels")
    tables.FLOW.write(ingested(records, tables.ABSENT.empty()), tmp_path / "ingest_flow")
    return tmp_path


def _chosen(files, **changes):
    cohort(
        records=files / "records",
        flows_before=(files / "ingest_flow",),
        states=files / "labels",
        index=files / "index",
        config=CohortConfig.parse(json.dumps(COHORT | changes)),
        policy=LabelConfig.parse(json.dumps(LABELS)),
        attributes=("sex", "income", "sex x income"),
        labels=("edema",),
        chosen=files / "chosen",
        targets=files / "targets",
        flow=files / "flow",
    )
    return tables.CHOSEN.read(files / "chosen")


def _split(files, **changes):
    split(
        chosen=files / "chosen",
        targets=files / "targets",
        index=files / "index",
        home_chosen=(),
        home_index=(),
        config=SplitConfig.parse(json.dumps(SPLIT | changes)),
        splits=files / "splits",
        leakage=files / "leakage.json",
    )
    return tables.SPLITS.read(files / "splits")


def test_from_records_to_a_cohort(files):
    chosen = _chosen(files)
    assert len(chosen) == 239
    assert "sdoh_income" in chosen
    targets = tables.TARGETS.read(files / "targets")
    assert set(targets["image_id"]) == set(chosen["image_id"])
    assert (
        targets["target"] == -1
    ).sum() == 59  # one in four; the second name of i000 was in doubt
    assert tables.FLOW.read(files / "flow")["images_out"].iloc[-1] == 239
    assert set(_split(files)["image_id"]) == set(chosen["image_id"])
    config = SdohConfig.parse(json.dumps({"attributes": {"income": INCOME}}))
    group(
        chosen=files / "chosen",
        splits=files / "splits",
        sdoh=config,
        cohort=files / "cohort",
        cuts=files / "cuts.json",
    )
    people = tables.COHORT.read(files / "cohort")
    assert set(people["income"]) == {"low", "high"}
    assert "income" in json.loads((files / "cuts.json").read_text())


def test_the_gate_s_findings_are_kept(files):
    _chosen(files)
    splits = _split(files)
    found = json.loads((files / "leakage.json").read_text())
    by_image = found.pop("image_level")
    assert found == {
        **{"patients": 120, "images": 239, "patients_in_two_folds": 0, "pictures_in_two_folds": 0},
    }
    assert by_image["share"] == by_image["beside_own_patient"] / by_image["test_images"]
    assert 0.3 < by_image["share"] < 0.8  # the other of two is in training with chance 0.55
    assert len(splits) == 239


def test_a_twin_in_another_fold_stops_the_stage_before_anything_is_written(files):
    chosen = _chosen(files, duplicate_images="keep")
    assert len(chosen) == 240
    seed = next(s for s in range(50) if _apart(files, s))
    with pytest.raises(LeakageError, match=r"1 pictures are in two folds .*duplicate_images: drop"):
        _split(files, seed=seed)
    assert not (files / "splits").exists()
    assert not (files / "leakage.json").exists()


def _apart(files, seed):
    """Whether the two patients of one picture are in two folds."""
    config = SplitConfig.parse(json.dumps(SPLIT | {"seed": seed}))
    chosen = tables.CHOSEN.read(files / "chosen")
    splits = assign(chosen, tables.TARGETS.read(files / "targets"), config)
    fold = splits.set_index("image_id")["fold"]
    return fold["i000"] != fold["i002"]


def test_counts_leave_the_others_out_of_every_fold(files):
    _chosen(files)
    own = {"train": 100, "validation": 20, "test": 30}
    config = {**SPLIT, "by": "counts", **own}
    split(
        chosen=files / "chosen",
        targets=files / "targets",
        index=files / "index",
        home_chosen=(),
        home_index=(),
        config=SplitConfig.parse(json.dumps(config)),
        splits=files / "splits",
        leakage=files / "leakage.json",
    )
    splits = tables.SPLITS.read(files / "splits")
    assert splits["fold"].value_counts().to_dict() == own
    assert json.loads((files / "leakage.json").read_text())["images"] == 150


def _external(files, home, **changes):
    """Split the same images as an external data set of `home`, a pair of files, or of none."""
    config = {"by": "external", "seed": 7, "stratify": []} | changes
    split(
        chosen=files / "chosen",
        targets=files / "targets",
        index=files / "index",
        home_chosen=tuple(home[:1]),
        home_index=tuple(home[1:]),
        config=SplitConfig.parse(json.dumps(config)),
        splits=files / "splits",
        leakage=files / "leakage.json",
    )
    return tables.SPLITS.read(files / "splits")


@pytest.fixture
def home(files):
    """Files of a data set of other people, which show other pictures."""
    chosen, index = _chosen(files), tables.STORE_INDEX.read(files / "index")
    ids = "home:" + chosen["image_id"]
    away = chosen.assign(image_id=ids, patient_id="home:" + chosen["patient_id"])
    index = index.assign(image_id="home:" + index["image_id"], checksum="h" + index["checksum"])
    tables.CHOSEN.write(away, files / "home_chosen")
    tables.STORE_INDEX.write(index, files / "home_index")
    return files / "home_chosen", files / "home_index"


def test_all_of_an_external_data_set_is_tested_and_held_against_its_home(files, home):
    splits = _external(files, home)
    assert set(splits["fold"]) == {"test"}
    assert len(splits) == 239
    assert json.loads((files / "leakage.json").read_text()) == {
        **{"patients": 120, "images": 239, "patients_in_two_folds": 0, "pictures_in_two_folds": 0},
        **{"home_patients": 120, "home_images": 239},
        **{"patients_in_both": 0, "pictures_in_both": 0},
        "image_level": {"test_images": None, "beside_own_patient": None, "share": None},
    }


def test_an_external_data_set_that_home_knows_stops_the_stage(files, home):
    index = tables.STORE_INDEX.read(home[1])
    index.loc[5, "checksum"] = "i005"
    tables.STORE_INDEX.write(index, home[1])
    with pytest.raises(LeakageError, match="external data set: 1 of its 239 pictures are also whe"):
        _external(files, home)
    assert not (files / "splits").exists()


def test_home_is_given_with_an_external_data_set_and_with_no_other(files, home):
    for given in ((), home[:1]):
        with pytest.raises(LeakageError, match="files of home, by external; allowed: one each"):
            _external(files, given)
    with pytest.raises(LeakageError, match="1 and 1 files of home, by fraction; .* else none"):
        _external(files, home, **SPLIT)


def test_an_external_data_set_is_grouped_without_cuts(files, home):
    _external(files, home)
    group(
        chosen=files / "chosen",
        splits=files / "splits",
        sdoh=SdohConfig.parse(json.dumps({"attributes": {"income": INCOME}})),
        cohort=files / "cohort",
        cuts=files / "cuts.json",
    )
    assert json.loads((files / "cuts.json").read_text()) == {}
    assert "income" not in tables.COHORT.read(files / "cohort")
