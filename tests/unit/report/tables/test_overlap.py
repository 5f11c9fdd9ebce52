from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report._present import split
from cxrfair.report.tables.overlap import make
from cxrfair.tables import OVERLAP

EFFECTS = {"sex": ("male", "female"), "age": ("40-60", "60-80")}


def _found(study, seeds=(0, 1)):
    """Rows as `overlap.overlap` gives them; a seed's value is 0.2 + seed / 10, +- 0.05."""
    rows = [
        {"dataset": d, "variant": v, "seed": s, "label": label, "attribute": a}
        for v in list(study.study.variants)[::-1]
        for a in ("age", "sex")
        for label in study.study.labels[::-1]
        for d in study.study.datasets
        for s in seeds
    ]
    frame = pd.DataFrame(rows)
    value, apart = 0.2 + frame["seed"] / 10, frame["variant"].ne("erm") / 50
    apart = apart.mask(frame["variant"].eq("erm"))
    numbers = {"value": value, "ci_low": value - 0.05, "ci_high": value + 0.05, "expected": 0.2}
    ends = {"difference_low": apart - 0.01, "difference_high": apart + 0.01 * frame["seed"]}
    counts = {"n": 30 - frame["seed"], "n_patients": 20, "blank": 10 + frame["seed"]}
    words = {"study": "quick", "minus": "male", "plus": "female", "note": None}
    every = frame.assign(**numbers, **counts, **words, difference=apart, **ends, elsewhere=0.15)
    return every[list(OVERLAP.schema.names)]


@pytest.fixture
def study(results):
    of = results.study.model_copy(update={"effects": EFFECTS})
    return replace(results, study=of, overlap=_found(results))


def test_order_is_that_of_params(study):
    found = make(study)
    assert found[["dataset", "label", "attribute", "variant"]].to_numpy().tolist() == [
        [dataset, label, attribute, variant]
        for dataset in ("nih", "mimic")
        for label in ("no_finding", "pleural_effusion")
        for attribute in ("sex", "age")
        for variant in ("erm", "dro")
    ]


def test_seeds_are_averaged_and_their_intervals_spanned(study):
    found = make(study)
    for name, wanted in {
        **{"overlap": 0.25, "overlap_low": 0.15, "overlap_high": 0.35, "unrelated": 0.2},
        **{"elsewhere": 0.15, "n": 29, "blank": 11, "seed_sd": np.std([0.2, 0.3], ddof=1)},
    }.items():
        np.testing.assert_allclose(found[name], wanted)
    dro = found[found["variant"] == "dro"]
    np.testing.assert_allclose(dro["overlap_difference"], 0.02)
    np.testing.assert_allclose(dro["overlap_difference_low"], 0.01)
    np.testing.assert_allclose(dro["overlap_difference_high"], 0.03)
    assert found.loc[found["variant"] == "erm", "overlap_difference"].isna().all()


def test_what_is_undefined_keeps_its_reason(study):
    numbers = ["value", "ci_low", "ci_high", "expected", "elsewhere"]
    gone = study.overlap.assign(**dict.fromkeys(numbers, np.nan), note="no image has both areas")
    bare = replace(study, overlap=gone)
    found = make(bare)
    for name in ("overlap", "unrelated", "elsewhere", "seed_sd"):
        assert (found[f"{name}_note"] == "no image has both areas").all()
    page = split(found, bare)[0]
    row = dict(zip(page.headings, page.rows[0], strict=True))
    assert {row[name].state for name in ("Overlap", "Unrelated", "Elsewhere")} == {"undefined"}


def test_one_seed_has_no_spread(study, results):
    found = make(replace(study, overlap=_found(results, seeds=(0,))))
    assert found["seed_sd"].isna().all()
    assert (found["seed_sd_note"] == "defined for one seed alone").all()


def test_nothing_measured_is_nothing_shown(results):
    assert results.overlap.empty
    found = make(results)
    assert len(found) == 0
    assert found.columns[0] == "dataset"
