"""Promises every data set file keeps; a new one is under test the moment its file exists."""

import json
from pathlib import Path, PurePath
from typing import get_args

import pandas as pd
import pytest
import yaml

from cxrfair import datasets, phantom, tables
from cxrfair.datasets import Embeddings, Encounters, Images, Marks, Surroundings
from cxrfair.datasets._source import Kind
from cxrfair.errors import CxrfairError
from cxrfair.plugins import UnknownNameError
from cxrfair.scales import resolve

NAMES = datasets.names()
KINDS = dict(
    zip(get_args(Kind), (Images, Encounters, Surroundings, Marks, Embeddings), strict=True)
)
TABLES = {
    "records": tables.RECORDS,
    "labels": tables.LABELS,
    "annotations": tables.ANNOTATIONS,
    "absent": tables.ABSENT,
    "patients": tables.PATIENTS,
    "stays": tables.STAYS,
    "residences": tables.RESIDENCES,
    "values": tables.SURROUNDINGS,
}
WITH_PHANTOM = phantom.names()  # a hospital's own data set has none
OF_KIND = {
    kind: [name for name in WITH_PHANTOM if kind == datasets.get(name).KIND] for kind in KINDS
}


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """Every data set's phantom: root, truth, and what the adapter reads from it."""
    params = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    section = resolve(params)["phantom"] | {"patients": 40, "image_size": 32}
    config = phantom.PhantomConfig.parse(json.dumps(section), "phantom")
    folder = tmp_path_factory.mktemp("stand-ins")
    made = {}
    for name in WITH_PHANTOM:
        root, truth = folder / name, folder / f"{name}.parquet"
        phantom.write(name, config, root, truth)
        made[name] = root, pd.read_parquet(truth), datasets.read(name, root, "{}")
    return made


@pytest.mark.parametrize("name", WITH_PHANTOM)
def test_what_is_read_keeps_the_promises_of_its_tables(stand_ins, name):
    _, _, given = stand_ins[name]
    assert type(given) is KINDS[datasets.get(name).KIND]
    for field, table in TABLES.items():
        if hasattr(given, field):
            table.check(getattr(given, field))
    assert all(rule and count > 0 for rule, count in given.notes.items())


@pytest.mark.parametrize("name", OF_KIND["images"])
def test_images_are_files_below_the_root_and_those_of_the_truth(stand_ins, name):
    root, truth, given = stand_ins[name]
    records = given.records
    assert len(records) > 10
    assert set(records["dataset"]) == {name}
    assert all((root / path).is_file() for path in records["path"])
    assert set(records["image_id"]) <= set(truth["image_id"])
    assert records["patient_id"].nunique() <= truth["patient"].nunique()
    every = len(records) * given.labels["label"].nunique()
    assert len(given.labels) == every
    assert set(given.annotations["image_id"]) <= set(records["image_id"])


@pytest.mark.parametrize("name", OF_KIND["images"])
def test_a_data_set_states_the_labels_that_it_says_it_does(stand_ins, name):
    assert set(stand_ins[name][2].labels["label"]) == set(datasets.labels(name))


@pytest.mark.parametrize("name", [n for n in NAMES if datasets.get(n).KIND != "images"])
def test_a_data_set_without_images_states_no_label(name):
    assert datasets.labels(name) == ()


@pytest.mark.parametrize("name", OF_KIND["images"])
def test_what_is_known_of_a_patient_is_true(stand_ins, name):
    _, truth, given = stand_ins[name]
    rows = given.records.merge(truth, on="image_id", suffixes=("", "_true"))
    sexed = rows[rows["sex"] != tables.UNKNOWN]
    assert (sexed["sex"] == sexed["sex_true"]).all()
    aged = rows[rows["age_years"].notna()]
    assert ((aged["age_years"] - aged["age_years_true"]).abs() < 6).all()


def test_annotations_and_embeddings_are_of_images_that_their_data_set_has(stand_ins):
    known = {name: set(stand_ins[name][1]["image_id"]) for name in OF_KIND["images"]}
    marked = set(stand_ins["chexlocalize"][2].annotations["image_id"])
    assert marked
    assert marked <= known["chexpert"]
    embedded = set(stand_ins["mimic_cxr_embeddings"][2].index["image_id"])
    assert embedded
    assert embedded <= known["mimic_cxr"]


def test_hospital_tables_are_of_patients_that_have_x_rays(stand_ins):
    people = set(stand_ins["mimic_cxr"][2].records["patient_id"])
    assert len(people & set(stand_ins["mimic_iv"][2].patients["patient_id"])) > 30
    assert people & set(stand_ins["mimic_iv_ed"][2].stays["patient_id"])
    assert len(people & set(stand_ins["mimic_sdoh"][2].residences["patient_id"])) > 30


def test_twelve_data_sets_are_found_by_file_name_and_have_a_phantom():
    assert set(NAMES) >= set(WITH_PHANTOM)
    assert set(WITH_PHANTOM) == {
        *("chexlocalize", "chexpert", "jsrt", "mimic_cxr", "mimic_cxr_embeddings", "mimic_iv"),
        *("mimic_iv_ed", "mimic_sdoh", "nih_chestxray14", "padchest", "tcga_luad", "vindr_cxr"),
    }
    with pytest.raises(UnknownNameError, match="no 'chexprt'; have "):
        datasets.get("chexprt")


@pytest.mark.parametrize("name", NAMES)
def test_it_says_which_files_it_reads_and_whom_to_cite(name):
    source = datasets.get(name)
    assert source.KIND in KINDS
    assert source.SOURCE
    assert source.LAYOUT.title
    assert source.LAYOUT.url.startswith("https://")
    assert source.LAYOUT.access.endswith(".")
    assert set(source.LAYOUT.optional) <= set(source.LAYOUT.files)
    assert source.TABLES
    for pattern in (*source.TABLES, *source.IMAGES):
        assert not PurePath(pattern).is_absolute()
        assert ".." not in PurePath(pattern).parts


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_is_an_error_that_names_it(name, tmp_path):
    with pytest.raises(CxrfairError, match=str(tmp_path)):
        datasets.read(name, tmp_path, "{}")


@pytest.mark.parametrize("name", NAMES)
def test_label_names_are_canonical(name):
    labels = getattr(datasets.get(name), "LABELS", {})
    assert len(set(labels.values())) == len(labels)
    assert all(word.isidentifier() and word == word.lower() for word in labels.values())
