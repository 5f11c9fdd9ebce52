import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from cxrfair.rebalance import RebalanceError, _clusters
from cxrfair.rebalance._clusters import Scaled, n_clusters, quotas, representatives

ORDER = np.arange


def _made(n=600, d=8, seed=0):
    rng = np.random.default_rng(seed)
    centres = 4 * rng.normal(size=(10, d))
    at = rng.choice(10, n, p=rng.dirichlet(np.ones(10)))
    return (centres[at] + rng.normal(size=(n, d))).astype(np.float32)


def test_features_are_standardised_as_they_are_read():
    features = _made()
    features[:, 3] = 7.5  # does not vary
    order = np.random.default_rng(1).permutation(len(features))
    got = Scaled.of(features, order).rows(np.array([4, 2]))
    wide = features.astype(float)
    sd = wide.std(axis=0)
    sd[3] = 1
    expected = ((wide - wide.mean(axis=0)) / sd)[order[[4, 2]]]
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert (got[:, 3] == 0).all()


def test_features_are_left_as_they_were():
    features = _made()
    before = features.copy()
    representatives(Scaled.of(features, ORDER(600)), ORDER(600), 100, 0)
    np.testing.assert_array_equal(features, before)


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(RebalanceError, match=r"shape \(600, 8\) for 5 training images"):
        Scaled.of(_made(), ORDER(5))
    broken = _made()
    broken[5, 2] = np.nan
    with pytest.raises(RebalanceError, match="1 of 8 features are not finite"):
        Scaled.of(broken, ORDER(600))


def test_the_number_of_clusters():
    assert [n_clusters(k) for k in (1, 2, 3, 9, 1023, 1024, 90_000)] == [1, 1, 1, 4, 511, 512, 512]


def test_quotas_by_hand():
    # one each, then 4 of the further 9, 0 and 3 members: 3, 0 and 1
    assert quotas(np.array([10, 1, 4]), 7).tolist() == [4, 1, 2]
    assert quotas(np.array([5, 0, 5]), 5).tolist() == [3, 0, 2]  # 1.5 and 1.5: the first
    assert quotas(np.array([2, 2]), 4).tolist() == [2, 2]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=9).map(np.array), st.data())
def test_quotas_are_exact_and_never_more_than_there_are(size, data):
    if not size.sum():
        return
    keep = data.draw(st.integers(int((size > 0).sum()), int(size.sum())))
    given_ = quotas(size, keep)
    assert given_.sum() == keep
    assert (given_ <= size).all()
    assert (given_ >= (size > 0)).all()


def test_those_nearest_to_the_centroid_are_kept():
    # one cluster (2 of 5 kept): mean 3; nearest are 3 and 2
    features = np.array([[0], [2], [3], [10], [0]], dtype=np.float32)
    assert representatives(Scaled.of(features, ORDER(5)), ORDER(5), 2, 0).tolist() == [1, 2]


@pytest.mark.parametrize("large", [20_000, 100])
def test_the_choice_is_exact_repeatable_and_whatever_the_threads(large, monkeypatch):
    monkeypatch.setattr(_clusters, "LARGE", large)
    monkeypatch.setattr(_clusters, "BATCH", 256)
    scaled = Scaled.of(_made(), ORDER(600))
    rows = ORDER(0, 600, 2)
    kept = representatives(scaled, rows, 77, 5)
    assert len(np.unique(kept)) == 77
    assert np.isin(kept, rows).all()
    for threads in (1, 3):
        with threadpool_limits(threads):
            assert representatives(scaled, rows, 77, 5).tolist() == kept.tolist()


def test_images_that_are_all_alike_can_be_chosen_from():
    scaled = Scaled.of(np.ones((50, 3), dtype=np.float32), ORDER(50))
    assert representatives(scaled, ORDER(50), 20, 0).tolist() == list(range(20))


def test_all_are_kept_if_there_are_no_more():
    scaled = Scaled.of(_made(), ORDER(600))
    assert representatives(scaled, np.array([7, 3]), 2, 0).tolist() == [3, 7]
