import numpy as np
import pandas as pd
import pydicom
import pytest

from cxrfair import datasets
from cxrfair.images.decode import decode
from cxrfair.phantom import scene

CLEAN = {"corrupt_share": 0.0, "dirt_share": 0.0, "missing_share": 0.0}


@pytest.fixture(scope="module")
def tcga(written):
    root, truth = written("tcga_luad", patients=60, **CLEAN)
    return root, pd.read_parquet(truth)


def test_folders_are_tcias(tcga):
    root, truth = tcga
    place = (
        r"TCGA-LUAD/TCGA-[0-9A-Z]{2}-[0-9A-Z]{4}/\d{5}-NA-CHEST-\d{5}/1\.000000-\d{5}/1-0\d\.dcm"
    )
    assert truth["path"].str.fullmatch(place).all()
    assert truth.groupby("patient")["case"].nunique().eq(1).all()
    assert truth["case"].nunique() == 60


def test_scans_have_slices_and_radiographs_have_a_view(tcga):
    root, truth = tcga
    sizes = truth.groupby(["key", "modality"]).size()
    assert set(sizes.xs("CT", level="modality")) == {3}
    assert set(sizes.xs("CR", level="modality")) == {1}
    for row in truth.head(20).itertuples():
        file = pydicom.dcmread(root / row.path)
        assert file.Modality == row.modality
        assert (file.get("ViewPosition") == row.view) == (row.modality == "CR")
        if row.modality == "CT":
            assert (file.PixelRepresentation, file.RescaleIntercept) == (1, -1024)


def test_files_show_the_very_picture(tcga):
    root, truth = tcga
    rows = truth.head(20)
    assert rows["modality"].nunique() == 2
    for path, grey in zip(rows["path"], scene.draw(rows, 48).grey, strict=True):
        np.testing.assert_array_equal(decode(root / path, 48)[0], grey)


def test_stages_go_with_what_the_pictures_show(tcga):
    root, truth = tcga
    given = datasets.read("tcga_luad", root, "{}")
    first = truth[truth["study"] == 0].drop_duplicates("patient").set_index("case")
    grave = first[[f for f in ("pleural_effusion", "mass") if f in first]].any(axis=1)
    rows = given.labels.merge(given.records).drop_duplicates("patient_id").set_index("patient_id")
    known = rows[rows["state"] != "unmentioned"]["state"]
    agree = (known == "positive") == grave.loc[known.index]
    assert len(known) > 40
    assert 0.75 < agree.mean() < 1


def test_the_table_has_several_rows_a_case_and_its_dirt_is_counted(written):
    root, _ = written("tcga_luad", dirt_share=0.4, missing_share=0.2)
    rows = pd.read_csv(root / "clinical.tsv", sep="\t", dtype="str")
    assert rows.groupby("cases.submitter_id").size().min() >= 2
    assert (rows["demographic.gender"] == "'--").any()
    assert set(rows["diagnoses.classification_of_tumor"]) == {"primary", "Prior primary"}
    notes = datasets.read("tcga_luad", root, "{}").notes
    assert notes["stage of another tumour than the primary: not used"] > 0
    assert notes["case whose rows disagree in stage: unknown"] > 0
    assert notes["case without a stage: unmentioned"] > 0
