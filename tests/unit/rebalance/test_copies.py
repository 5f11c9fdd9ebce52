import numpy as np

from cxrfair.rebalance import _copies
from cxrfair.rebalance._clusters import Scaled
from cxrfair.rebalance._copies import neighbours, rounds


def test_rounds_by_hand():
    found = rounds(np.array([4, 6, 9]), 8, 0)
    assert found.row[:6].tolist() == [4, 6, 9, 4, 6, 9]
    assert found.copy.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert len(set(found.row[6:])) == 2


def test_neighbours_by_hand():
    features = np.array([[0], [1], [3], [7], [15], [31], [63], [64]], dtype=np.float32)
    scaled = Scaled.of(features, np.arange(8))
    near = neighbours(scaled, np.arange(7), np.array([0, 4]), 0)
    assert [sorted(row) for row in near.tolist()] == [[1, 2, 3, 4, 5], [0, 1, 2, 3, 5]]
    assert neighbours(scaled, np.array([2, 5]), np.array([5]), 0).tolist() == [[2]]
    assert neighbours(scaled, np.array([3]), np.array([3]), 0).tolist() == [[3]]


def test_large_cells_are_searched_among_a_sample(monkeypatch):
    monkeypatch.setattr(_copies, "CANDIDATES", 6)
    features = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    cell = np.arange(100)
    near = neighbours(Scaled.of(features, np.arange(200)), cell, cell, 1)
    assert len(np.unique(near)) <= 6
    assert (near != cell[:, None]).all()
    assert (near < 100).all()
