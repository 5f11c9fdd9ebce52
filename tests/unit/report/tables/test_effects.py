from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report._present import split
from cxrfair.report.tables.effects import make
from cxrfair.tables import EFFECTS

SIZE = {"direct": 0.1, "indirect": 0.2, "total": 0.3}


def _found(study, seeds=(0, 1), **changes):
    """Rows as `effects.measure` gives them; of scores half of those of decisions; +- 0.05."""
    rows = [
        {"variant": v, "seed": s, "label": label, "attribute": a, "of": of, "effect": effect}
        | {"value": SIZE[effect] * (1 if of == "decision" else 0.5) + s / 10}
        for v in ("dro", "erm")
        for s in seeds
        for label in study.labels[::-1]
        for a in ("race", "sex")
        for of in ("score", "decision")
        for effect in ("total", "direct", "indirect")
    ]
    frame = pd.DataFrame(rows).assign(study="quick", dataset="mimic", minus="a", plus="b", n=30)
    value = frame["value"]
    apart = (frame["variant"].eq("dro") / 50).mask(frame["variant"].eq("erm"))
    ends = {"difference_low": apart - 0.01, "difference_high": apart + 0.01 * frame["seed"]}
    own = {"ci_low": value - 0.05, "ci_high": value + 0.05, "difference": apart, **ends}
    return frame.assign(n_patients=20, note=None, **own, **changes)[EFFECTS.schema.names]


@pytest.fixture
def study(results):
    effects = {"sex": ("a", "b"), "race": ("a", "b")}
    of = results.study.model_copy(update={"effects": effects})
    return replace(results, study=of, effects=_found(of))


def test_order_is_that_of_params_with_decisions_first(study):
    found = make(study)
    assert found[["dataset", "label", "attribute", "of", "variant"]].to_numpy().tolist() == [
        ["mimic", label, attribute, of, variant]
        for label in ("no_finding", "pleural_effusion")
        for attribute in ("sex", "race")
        for of in ("decisions", "scores")
        for variant in ("erm", "dro")
    ]
    assert (found["change"] == "a to b").all()


def test_seeds_are_averaged_and_their_intervals_spanned(study):
    found = make(study).set_index(["of", "variant"])
    for name, wanted in {
        **{"direct": 0.15, "direct_low": 0.05, "direct_high": 0.25, "indirect": 0.25},
        **{"total": 0.35, "total_low": 0.25, "total_high": 0.45},
        "seed_sd": np.std([0.1, 0.2], ddof=1),
    }.items():
        np.testing.assert_allclose(found.loc["decisions", name], wanted)
    np.testing.assert_allclose(found.loc["scores", "direct"], 0.1)
    dro = found.xs("dro", level="variant")
    np.testing.assert_allclose(dro["direct_difference"], 0.02)
    np.testing.assert_allclose(dro["total_difference_low"], 0.01)
    np.testing.assert_allclose(dro["total_difference_high"], 0.03)
    assert found.xs("erm", level="variant")["direct_difference"].isna().all()


def test_what_is_undefined_keeps_its_reason(study):
    numbers = ["value", "ci_low", "ci_high"]
    gone = study.effects.assign(**dict.fromkeys(numbers, np.nan), note="no threshold: x")
    bare = replace(study, effects=gone)
    found = make(bare)
    for name in ("direct", "indirect", "total", "seed_sd"):
        assert (found[f"{name}_note"] == "no threshold: x").all()
    (shown,) = split(found, bare)
    row = dict(zip(shown.headings, shown.rows[0], strict=True))
    assert {row[name].state for name in ("Direct", "Indirect", "Total")} == {"undefined"}


def test_one_seed_has_no_spread(study):
    found = make(replace(study, effects=_found(study.study, seeds=(0,))))
    assert found["seed_sd"].isna().all()
    assert (found["seed_sd_note"] == "defined for one seed alone").all()
    assert found["direct_note"].isna().all()


def test_nothing_measured_is_nothing_shown(results):
    assert results.effects.empty
    found = make(results)
    assert len(found) == 0
    assert found.columns[0] == "dataset"
