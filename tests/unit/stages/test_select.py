import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.audit import Model
from cxrfair.stages._cli import call
from cxrfair.stages.select import select


@pytest.fixture
def flags(made, tmp_path):
    """The stage's arguments: two models of a study, with predictions of every fold."""
    of = made.study(datasets=("nih",), attributes=("sex",), seeds=(0,))
    frame, fold = made.cohort("nih", n=300)
    tables.COHORT.write(frame.assign(official_fold=None), tmp_path / "cohort")
    keys, paths = [], []
    for variant in of.variants:
        rows = made.predictions(of, frame, fold, Model("nih", variant, 0))
        paths.append(tmp_path / variant)
        tables.PREDICTIONS.write(rows.astype({"target": "Int8"}), paths[-1])
        keys.append(["nih", variant, 0])
    return {
        "--name": ["s"],
        "--study": [of.model_dump_json()],
        "--models": [json.dumps(keys)],
        "--predictions": [*map(str, paths)],
        "--cohorts": [str(tmp_path / "cohort")],
        "--leakage": [],
        "--out": [str(tmp_path / "selection")],
    }


def run(flags, tmp_path):
    call(select, [word for flag, values in flags.items() for word in (flag, *values)])
    return tables.SELECTION.read(tmp_path / "selection")


def test_from_files_to_a_file(flags, tmp_path):
    found = run(flags, tmp_path)
    assert set(found["rule"]) == {"overall", "minimax", "dto", "pareto"}
    assert set(found["attribute"]) == {"sex"}


def test_leakage_files_add_a_rule_and_their_test_rows_stay_on_disk(flags, tmp_path):
    place = {"study": "s", "dataset": "nih", "seed": 0, "attribute": "sex", "label": "any"}
    blank = {"ci_low": np.nan, "ci_high": np.nan, "n": 9, "n_positive": 3, "n_patients": 9}
    files = []
    for variant, on_validation, on_test in (("erm", 0.7, 0.5), ("dro", 0.6, 0.9)):
        rows = pd.DataFrame({"fold": ["validation", "test"], "value": [on_validation, on_test]})
        rows = rows.assign(variant=variant, group="between", within="all", **place, **blank)
        files.append(str(tmp_path / f"leakage_{variant}"))
        tables.ATTRIBUTE_LEAKAGE.write(rows.assign(note=None), Path(files[-1]))
    found = run({**flags, "--leakage": files}, tmp_path)
    least = found[found["rule"] == "min_leakage"]
    assert least[["variant", "leakage"]].to_numpy().tolist() == [["dro", 0.6]]


def test_an_external_data_set_has_no_part_in_choosing(flags, tmp_path):
    study = json.loads(flags["--study"][0])
    away = study | {"datasets": ["jsrt", *study["datasets"]], "external": ["jsrt"]}
    found = run({**flags, "--study": [json.dumps(away)]}, tmp_path)
    pd.testing.assert_frame_equal(found, run(flags, tmp_path))
