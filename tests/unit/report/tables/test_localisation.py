from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report._present import split
from cxrfair.report.tables.localisation import make
from cxrfair.tables import LOCALISATION


def _found(study, seeds=(0, 1)):
    """Rows as `localisation.localise` gives them; a seed's value is 0.2 + seed / 10, +- 0.05."""
    rows = [
        {"dataset": d, "variant": v, "seed": s, "label": label, "value": 0.2 + s / 10}
        for v in list(study.study.variants)[::-1]
        for label in ("nodule", "any", "edema")
        for d in study.study.datasets
        for s in seeds
    ]
    frame = pd.DataFrame(rows).assign(study="quick", looked_at=0.25, n=30, n_patients=20, note=None)
    value = frame["value"]
    numbers = {"ci_low": value - 0.05, "ci_high": value + 0.05, "expected": 0.1, "elsewhere": 0.15}
    lift = {"lift": value / 0.1, "lift_low": value / 0.1 - 1, "lift_high": value / 0.1 + 1}
    apart = frame["variant"].ne("erm") / 50
    apart = apart.mask(frame["variant"].eq("erm"))
    ends = {"difference_low": apart - 0.01, "difference_high": apart + 0.01 * frame["seed"]}
    return frame.assign(**numbers, **lift, difference=apart, **ends)[LOCALISATION.schema.names]


@pytest.fixture
def study(results):
    return replace(results, localisation=_found(results))


def test_order_is_that_of_params_with_any_finding_first(study):
    found = make(study)
    assert found[["dataset", "label", "variant"]].to_numpy().tolist() == [
        [dataset, label, variant]
        for dataset in ("nih", "mimic")
        for label in ("any finding", "edema", "nodule")
        for variant in ("erm", "dro")
    ]


def test_seeds_are_averaged_and_their_intervals_spanned(study):
    found = make(study)
    for name, wanted in {
        **{"inside": 0.25, "inside_low": 0.15, "inside_high": 0.35, "anywhere": 0.1},
        **{"elsewhere": 0.15, "lift": 2.5, "lift_low": 1.0, "lift_high": 4.0, "looked_at": 0.25},
        "seed_sd": np.std([0.2, 0.3], ddof=1),
    }.items():
        np.testing.assert_allclose(found[name], wanted)
    dro = found[found["variant"] == "dro"]
    np.testing.assert_allclose(dro["inside_difference"], 0.02)
    np.testing.assert_allclose(dro["inside_difference_low"], 0.01)
    np.testing.assert_allclose(dro["inside_difference_high"], 0.03)
    assert found.loc[found["variant"] == "erm", "inside_difference"].isna().all()


def test_what_is_undefined_keeps_its_reason(study):
    numbers = ["value", "ci_low", "ci_high", "expected", "elsewhere", "lift"]
    gone = study.localisation.assign(**dict.fromkeys(numbers, np.nan), note="no image with a mask")
    bare = replace(study, localisation=gone)
    found = make(bare)
    for name in ("inside", "anywhere", "elsewhere", "lift", "seed_sd"):
        assert (found[f"{name}_note"] == "no image with a mask").all()
    headings = split(found, bare)[0].headings
    row = dict(zip(headings, split(found, bare)[0].rows[0], strict=True))
    assert {row[name].state for name in ("Inside", "Anywhere", "Elsewhere", "Lift")} == {
        "undefined"
    }
    assert row["Label"].text == "Any finding"


def test_one_seed_has_no_spread(results):
    found = make(replace(results, localisation=_found(results, seeds=(0,))))
    assert found["seed_sd"].isna().all()
    assert (found["seed_sd_note"] == "defined for one seed alone").all()
    assert found["inside_note"].isna().all()


def test_nothing_measured_is_nothing_shown(results):
    assert results.localisation.empty
    found = make(results)
    assert len(found) == 0
    assert found.columns[0] == "dataset"
