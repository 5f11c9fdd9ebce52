"""Promises every layout keeps, and that every setting of the phantom does something."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cxrfair import phantom
from cxrfair.images.decode import decode
from cxrfair.phantom import PhantomConfig, families, population, scene
from cxrfair.phantom.families import FAMILIES, FIRST, family
from cxrfair.plugins import UnknownNameError
from cxrfair.scales import SCALES, at_scale

PARAMS = Path(__file__).parents[2] / "params.yaml"
KEYS = {  # without images: of a person
    "chexlocalize": "patient_id",
    **dict.fromkeys(("mimic_iv", "mimic_iv_ed", "mimic_sdoh"), "subject_id"),
}
WITH_IMAGES = sorted({*phantom.names()} - {*KEYS, "mimic_cxr_embeddings"})
BODY = ["rib_pitch", "rib_phase", "spine"]  # of a body, which no finding changes
CHANGES = {  # another value for every setting, and for every setting inside it
    "seed": 2,
    "patients": 26,
    "image_size": 40,
    "studies_per_patient": 1.5,
    "lateral_share": 0.6,
    "female_share": 0.1,
    "race_shares": {"white": 0.2, "black": 0.2, "hispanic": 0.2, "asian": 0.2, "other": 0.2},
    "prevalence": 0.9,
    "direct_path": 0.0,
    "indirect_path": 0.0,
    "device_path": 5.0,
    "site_shift": 0.0,
    "finding_contrast": 0.5,
    "noise": 2.0,
    "underdiagnosis": {"male": 0.9},
    "overdiagnosis": 0.2,
    "uncertain_share": 0.5,
    "unmentioned_share": 0.2,
    "box_share": 0.9,
    "visits": {"admission": 0.0, "emergency": 0.0, "nearby": 0.0, "distant": 0.0, "none": 1.0},
    "missing_share": 0.4,
    "race_conflict_share": 0.6,
    "corrupt_share": 0.3,
    "sdoh_path": 0.0,
    "dirt_share": 0.3,
    "mimic_iv_version": 1,
}
EACH = ("prevalence", "direct_path", "indirect_path")  # changed one key at a time


def _section():
    demo = at_scale(yaml.safe_load(PARAMS.read_text())["phantom"], "demo")
    demo["indirect_path"] = {"sex": 3.0, "race": 3.0, "age": 3.0, "insurance": 10.0}  # few patients
    return {**demo, "patients": 24, "image_size": 32}


def _config(**changes):
    return PhantomConfig.parse(json.dumps({**_section(), **changes}), "phantom")


def _write(folder, name, config):
    root, truth = folder / name, folder / f"{name}.parquet"
    phantom.write(name, config, root, truth)
    return root, truth


def _digests(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    return {name: _write(folder, name, _config()) for name in phantom.names()}


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="nih_chestxray14"):
        phantom.write("nih", _config(), tmp_path / "x", tmp_path / "x.parquet")


@pytest.mark.parametrize("name", phantom.names())
def test_the_marker_says_that_all_is_simulated(base, name):
    root, _ = base[name]
    assert "simulated" in (root / phantom.MARKER).read_text()


@pytest.mark.parametrize("name", phantom.names())
def test_the_same_settings_give_the_same_bytes(base, tmp_path, name):
    root, truth = base[name]
    again, truth_again = _write(tmp_path, name, _config())
    assert _digests(root) == _digests(again)
    assert truth.read_bytes() == truth_again.read_bytes()


@pytest.mark.parametrize("name", phantom.names())
def test_an_empty_folder_may_stand_there_already(tmp_path, name):
    (tmp_path / name).mkdir()
    root, _ = _write(tmp_path, name, _config(patients=2))
    assert len(_digests(root)) > 1
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", phantom.names())
def test_the_truth_has_its_key_and_the_marker_is_not_needed_to_read_it(base, name):
    truth = pd.read_parquet(base[name][1])
    assert truth[KEYS.get(name, "image_id")].is_unique
    assert {"sex", "age_years", "race", "insurance", "patient"} <= set(truth.columns)
    assert truth.notna().all(axis=None)


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_more_patients_change_nobodys_images(base, tmp_path, name):
    root, truth = base[name]
    more, _ = _write(tmp_path, name, _config(patients=30))
    images = set(pd.read_parquet(truth)["path"])
    few, many = _digests(root), _digests(more)
    assert images <= set(many)
    assert {path: few[path] for path in images} == {path: many[path] for path in images}


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_the_truth_draws_the_files_again(base, name):
    root, truth = base[name]
    rows = pd.read_parquet(truth).query("spoilt == ''").head(12)
    for path, grey in zip(rows["path"], scene.draw(rows, 32).grey, strict=True):
        stored = decode(root / path, 32)[0].astype(int)
        assert np.abs(stored - grey).mean() < (3 if path.endswith(".jpg") else 0.6), path


def _people(truth):
    """Return (patient, sex, race, insurance) of everybody, in order."""
    columns = ["patient", "sex", "race", "insurance"]
    rows = pd.read_parquet(truth)[columns].drop_duplicates().sort_values("patient")
    return rows.to_numpy().tolist()


@pytest.mark.parametrize("of", FAMILIES.values(), ids=list(FAMILIES))
def test_a_family_holds_the_same_people(base, of):
    first, *others = (_people(base[name][1]) for name in of)
    assert all(someone == first for someone in others)


def test_no_two_families_share_anybody(base):
    """Nobody has the body of another family's patient, and no picture is another's."""
    seen, pictures = {}, {}
    for name in WITH_IMAGES:
        root, truth = base[name]
        rows = pd.read_parquet(truth).query("spoilt == ''")
        for body in rows[BODY].drop_duplicates().itertuples(index=False):
            assert seen.setdefault(tuple(body), family(name)) == family(name)
        for path in rows["path"]:
            stored = decode(root / path, 32)[0].tobytes()
            assert pictures.setdefault(stored, family(name)) == family(name)
    assert len(set(seen.values())) == len({family(name) for name in WITH_IMAGES}) == 7


def test_the_people_of_the_first_family_are_those_of_the_seed(base):
    drawn = population.people(_config(), np.arange(24))
    columns = ["patient", "sex", "race", "insurance"]
    for name in FAMILIES[FIRST]:
        known = _people(base[name][1])
        of_these = drawn[columns].iloc[[int(row[0]) for row in known]]
        assert known == of_these.to_numpy().tolist()
        assert families.settled(_config(), name) == _config()


def test_a_family_s_seed_is_in_its_truth_and_the_user_s_in_its_notice(base):
    seeds = {name: set(pd.read_parquet(base[name][1])["seed"]) for name in WITH_IMAGES}
    wanted = {name: {families.settled(_config(), name).seed} for name in WITH_IMAGES}
    assert seeds == wanted
    for root, _ in base.values():
        assert (root / phantom.MARKER).read_text().endswith("seed 1.\n")


def _cases():
    for name, value in CHANGES.items():
        if name in EACH:
            keys = _section()[name]
            yield from (
                pytest.param(name, {**keys, key: value}, id=f"{name}.{key}") for key in keys
            )
        else:
            yield pytest.param(name, value, id=name)


def test_every_setting_is_listed_above():
    assert set(CHANGES) == set(PhantomConfig.model_fields)


@pytest.mark.parametrize(("name", "value"), list(_cases()))
def test_every_setting_does_something(base, tmp_path, name, value):
    config = _config(**{name: value})
    for dataset, (root, _) in base.items():
        again, _ = _write(tmp_path, dataset, config)
        if {**_digests(again), phantom.MARKER: ""} != {**_digests(root), phantom.MARKER: ""}:
            return
    pytest.fail(f"{name} changed no file")


@pytest.mark.parametrize("scale", SCALES)
def test_the_settings_that_ship_are_right_at_every_scale(scale):
    chosen = at_scale(yaml.safe_load(PARAMS.read_text())["phantom"], scale)
    assert PhantomConfig.parse(json.dumps(chosen), "phantom").patients >= 600
