import re
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest

from cxrfair import datasets
from cxrfair.phantom import noise
from cxrfair.phantom.population import PATHOLOGIES
from cxrfair.phantom.writers import _chexpert, chexpert

COLUMNS = [
    *("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding"),
    *("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema"),
    *("Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion"),
    *("Pleural Other", "Fracture", "Support Devices"),
]
CHANGES = {"patients": 150, "missing_share": 0.1, "dirt_share": 0.1, "uncertain_share": 0.2}


@pytest.fixture(scope="module")
def made(written):
    root, truth = written("chexpert", **CHANGES)
    lists = {fold: pd.read_csv(root / f"{fold}.csv") for fold in _chexpert.FOLDS}
    return root, lists, pd.read_parquet(truth).set_index("image_id")


@pytest.fixture(scope="module")
def sheet(made):
    book = openpyxl.load_workbook(made[0] / chexpert.WORKBOOK, read_only=True)
    header, *rows = book.worksheets[0].values
    book.close()
    return pd.DataFrame(rows, columns=list(header))


def _images(rows):
    places = rows["Path"].str.removeprefix("CheXpert-v1.0-small/").str.removesuffix(".jpg")
    return places.str.split("/").str[1:].str.join("_")


def test_the_columns_are_the_originals(made):
    assert all(rows.columns.tolist() == COLUMNS for rows in made[1].values())


def test_paths_are_the_originals_and_hold_a_file_a_row(made):
    root, lists, truth = made
    place = r"CheXpert-v1\.0-small/{}/patient\d{{5}}/study\d/view\d_(frontal|lateral)\.jpg"
    listed = []
    for fold, rows in lists.items():
        assert all(re.fullmatch(place.format(fold), path) for path in rows["Path"])
        listed += rows["Path"].str.removeprefix("CheXpert-v1.0-small/").tolist()
    assert sorted(listed) == sorted(str(p.relative_to(root)) for p in root.rglob("*.jpg"))
    assert sorted(listed) == sorted(truth["path"])


def test_patients_are_in_one_fold(made):
    patients = [set(rows["Path"].str.extract(r"(patient\d+)")[0]) for rows in made[1].values()]
    assert all(patients)
    assert sum(map(len, patients)) == len(set.union(*patients)) == 150


def test_radiologists_say_what_is_true(made):
    _, lists, truth = made
    rows = pd.concat([lists["valid"], lists["test"]], ignore_index=True)
    there = truth.loc[_images(rows)]
    assert set(np.unique(rows[COLUMNS[5:]])) == {0.0, 1.0}
    assert (rows["Lung Lesion"].to_numpy() == (there["nodule"] | there["mass"]).to_numpy()).all()
    assert (rows["Pleural Effusion"].to_numpy() == there["pleural_effusion"].to_numpy()).all()
    clear = ~there[list(PATHOLOGIES)].any(axis=1).to_numpy()
    assert (rows["No Finding"].to_numpy() == clear).all()


def test_reports_doubt_and_keep_silent(made):
    _, lists, truth = made
    rows = lists["train"]
    effusion = rows["Pleural Effusion"]
    assert set(effusion.dropna()) == {1.0, 0.0, -1.0}
    assert effusion.isna().any()
    assert set(rows["No Finding"].dropna()) == {1.0}
    there = truth.loc[_images(rows), "pleural_effusion"].to_numpy()
    noticed = effusion.isin([1.0, -1.0]).to_numpy()
    assert (noticed & ~there).mean() < 0.03
    assert 0 < (there & ~noticed).sum() < there.sum() / 2


def test_a_label_of_several_findings_is_the_surest_word():
    said = pd.DataFrame(
        {
            "nodule": ["negative", "negative", "unmentioned", "uncertain", "positive"],
            "mass": ["negative", "unmentioned", "positive", "negative", "uncertain"],
        }
    )
    others = {name for parts in _chexpert.PARTS.values() for name in parts} - {*said}
    said = said.assign(**dict.fromkeys(others, "negative"), no_finding=False)
    lesion = _chexpert.labelled_from_reports(said)["Lung Lesion"]
    assert lesion.fillna(9).tolist() == [0, 9, 1, -1, 1]


def test_some_know_no_sex_and_no_age(made):
    rows = pd.concat(made[1].values())
    assert set(rows["Sex"]) == {"Female", "Male", "Unknown"}
    assert (rows["Sex"] == "Unknown").mean() == pytest.approx(0.1, abs=0.07)
    assert (rows["Age"] == 0).mean() == pytest.approx(0.1, abs=0.06)
    assert rows.loc[rows["Age"] > 0, "Age"].between(18, 120).all()
    assert set(rows.loc[rows["Frontal/Lateral"] == "Frontal", "AP/PA"]) == {"AP", "PA"}
    assert rows.loc[rows["Frontal/Lateral"] == "Lateral", "AP/PA"].isna().all()


def test_the_workbook_holds_every_patient_and_some_silence(made, sheet):
    people = made[2].drop_duplicates("patient").sort_values("patient")
    assert sheet.columns.tolist() == list(chexpert.SHEET)
    assert sheet["PATIENT"].tolist() == people["patient_id"].tolist()
    silent = sheet["PRIMARY_RACE"].isin(chexpert.RACE_UNKNOWN) | sheet["PRIMARY_RACE"].isna()
    assert silent.mean() == pytest.approx(0.1, abs=0.07)
    race = people["race"].to_numpy()
    assert (sheet["ETHNICITY"] == "Hispanic/Latino").equals(~silent & (race == "hispanic"))
    assert sheet.loc[~silent & (race == "black"), "PRIMARY_RACE"].str.contains("Black").all()
    wrong = sheet["GENDER"] != people["sex"].map(chexpert.SEXES).to_numpy()
    assert wrong.mean() == pytest.approx(0.1, abs=0.07)


def test_the_workbook_tells_no_time(made):
    with zipfile.ZipFile(made[0] / chexpert.WORKBOOK) as book:
        assert {part.date_time for part in book.infolist()} == {chexpert.STAMP}
        assert book.read("docProps/core.xml").count(b"1980-01-01T00:00:00Z") == 2


def test_more_patients_than_a_sheet_has_rows_are_refused(make_config, tmp_path):
    config = make_config(patients=2**20)
    with pytest.raises(noise.PhantomError, match="at most 1048575 fit into CHEXPERT DEMO"):
        next(chexpert.write(config, tmp_path))


def test_the_adapter_reads_what_is_true(made):
    root, _, truth = made
    images = datasets.read("chexpert", root, "{}")
    records = images.records.set_index("image_id")
    there = truth.loc[records.index]
    assert len(records) == len(truth)
    assert (records["patient_id"] == there["patient_id"]).all()
    known = records["sex"] != "unknown"
    assert known.all()  # the workbook knows what the lists do not
    assert (records["sex"] == there["sex"]).all()
    assert images.notes["sex taken from the workbook (patients)"] > 0
    assert images.notes["sex differs from the workbook's: the list's kept (patients)"] > 0
    assert images.notes["age differs from the workbook's: the list's kept (patients)"] > 0
    folds = {"train": "train", "valid": "validation", "test": "test"}
    assert (records["official_fold"] == there["fold"].map(folds)).all()
    spanish = records["race"].str.contains(r"\| Hispanic/Latino$").fillna(False)
    assert set(there.loc[spanish.astype(bool), "race"]) == {"hispanic"}
