"""How a finished list covers what it leaves out: by hand, and when that is undefined."""

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from cxrfair.rebalance import cluster_downsample, code_rule, coverage
from cxrfair.tables import KEPT

AIM = cluster_downsample.Config(over=("sex",), target="equal", cap=None)
POINTS = np.array([0, 1, 4, 5, 8, 2, 3], np.float32)
FEATURES = POINTS[:, None]
MEMBERS = pd.DataFrame(
    {
        "image_id": list("abcdefg"),
        "sex": ["female"] * 5 + ["male", "unknown"],
        "edema": pd.array([1, 1, 0, None, 1, 0, 0], "Int8"),
    }
)
COHORT = pd.DataFrame({"image_id": list("gfedcbaz"), "patient_id": list("43221119")})


def found(images, config=AIM, seen=(FEATURES,), seed=0):
    listed = pd.DataFrame({"image_id": images})
    return coverage(MEMBERS, COHORT, listed, config, seed, seen).set_index("cell")


def test_by_hand():
    """Out are 0 and 8, kept 1, 4 and 5: the farther is 3 from its nearest kept one."""
    rows = found(["b", "c", "c", "d", "f", "g"])
    row = rows.loc["female"]
    assert row["largest"] == pytest.approx(3 / POINTS.std(), rel=1e-5)
    # any 3 of 0, 1, 4, 5, 8 leave one 1 to 4 from the nearest
    assert 1 / POINTS.std() - 1e-5 <= row["random"] <= 4 / POINTS.std() + 1e-5
    assert row[["n", "n_patients", "kept", "looked_at", "over"]].tolist() == [5, 2, 3, 2, "sex"]
    assert pd.isna(row["note"])


def test_where_there_is_but_one_choice_chance_does_as_well():
    """Of 0 and 8 either may be kept."""
    two = MEMBERS["image_id"].isin(["a", "e", "f"]).to_numpy()
    listed = pd.DataFrame({"image_id": ["e", "f"]})
    rows = coverage(MEMBERS[two], COHORT, listed, AIM, 0, (FEATURES[two],)).set_index("cell")
    assert rows.loc["female", "random"] == rows.loc["female", "largest"]
    assert rows.loc["female", "largest"] == pytest.approx(8 / POINTS[two].std(), rel=1e-5)


def test_what_is_whole_or_gone_is_undefined_and_says_so():
    rows = found(["f", "f"])
    assert rows[["largest", "random"]].isna().all(axis=None)
    assert rows["note"].to_dict() == {
        "female": "no image is kept",
        "male": "no image is left out",
        "unknown": "no image is kept",
    }


def test_labels_divide_by_which_are_positive():
    aim = cluster_downsample.Config(over=("edema",), target="equal", cap=None)
    rows = found(["b", "c", "d", "f", "g"], aim)
    assert rows["n"].to_dict() == {"none of them": 4, "edema": 3}
    assert rows.loc["edema", "largest"] == pytest.approx(7 / POINTS.std(), rel=1e-5)


def test_there_is_nothing_to_tell_of_other_lists():
    some = ["b", "c", "d", "f", "g"]
    rule = code_rule.Config(over=("sex",), biased_above=0.1, priority=0.7)
    assert found(list("abcdefg")).empty
    assert found(some, rule, ()).empty
    assert found(some, rule).empty
    assert found(some, AIM, ()).empty
    assert not found(some).empty


def test_the_same_again_and_with_any_number_of_threads(tmp_path):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 40)).astype(np.float32)
    ids = [f"i{k:03d}" for k in range(300)]
    members = pd.DataFrame({"image_id": ids, "sex": np.repeat(["female", "male"], 150)})
    cohort = pd.DataFrame({"image_id": ids, "patient_id": ids})
    listed = pd.DataFrame({"image_id": ids[::3]})
    for threads in (1, 4):
        with threadpool_limits(threads):
            rows = coverage(members, cohort, listed, AIM, 0, (features,))
        KEPT.write(rows, tmp_path / str(threads))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "4").read_bytes()
    other = coverage(members, cohort, listed, AIM, 1, (features,))
    assert not other["random"].equals(rows["random"])
    assert other["largest"].equals(rows["largest"])
