import numpy as np
import pandas as pd
import pytest

from cxrfair.rebalance import cluster_downsample
from cxrfair.rebalance._cells import Cells, cells
from cxrfair.rebalance._spread import spread


def test_by_hand():
    # mean 3.6, SD of 0, 1, 4, 5, 8 is 2.8705; out are 0 and 8, kept 1, 4 and 5: 1 and 3 apart
    features = np.array([[0], [1], [4], [5], [8]], dtype=np.float32)
    found = Cells(("all",), np.zeros(5, dtype=np.int64))
    row = spread(features, found, np.array([0, 1, 1, 1, 0], dtype=bool), 0).iloc[0]
    assert row["largest"] == pytest.approx(3 / np.std([0, 1, 4, 5, 8]), rel=1e-5)
    assert row[["cell", "n", "kept", "looked_at"]].tolist() == ["all", 5, 3, 2]


def test_nothing_left_out_or_nothing_kept_is_undefined():
    features = np.arange(4, dtype=np.float32)[:, None]
    found = Cells(("x", "y"), np.array([0, 0, 1, 1]))
    rows = spread(features, found, np.array([1, 1, 0, 0], dtype=bool), 0)
    assert rows[["largest", "random"]].isna().all(axis=None)
    assert rows["looked_at"].tolist() == [0, 0]


@pytest.mark.parametrize("d", [2, 16, 64])
@pytest.mark.parametrize("kind", ["clusters", "heavy", "correlated"])
def test_k_means_keeps_every_cells_spread(kind, d):
    rng = np.random.default_rng(d)
    n = 1200
    made = {
        "clusters": lambda: 3 * rng.normal(size=(12, d))[rng.integers(12, size=n)],
        "heavy": lambda: rng.standard_t(3, size=(n, d)),
        "correlated": lambda: rng.normal(size=(n, 4)) @ rng.normal(size=(4, d)),
    }
    features = (made[kind]() + 0.3 * rng.normal(size=(n, d))).astype(np.float32)
    members = pd.DataFrame(
        {
            "image_id": [f"i{k:04d}" for k in range(n)],
            "sex": np.repeat(["f", "m", "o"], [700, 400, 100]),
        }
    )
    config = cluster_downsample.Config(over=("sex",), target="equal", cap=None)
    listed = cluster_downsample.rebalance(members, config, 0, features)
    kept = members["image_id"].isin(listed["image_id"]).to_numpy()
    rows = spread(features, cells(members, ("sex",), "test"), kept, 0).set_index("cell")
    assert rows["kept"].to_dict() == {"f": 400, "m": 400, "o": 100}
    assert np.isnan(rows.loc["m", "largest"])
    assert rows.loc["f", "largest"] <= 1.05 * rows.loc["f", "random"]
