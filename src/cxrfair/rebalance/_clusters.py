"""Members that stand for a cell: those nearest to the centroids of its clusters."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from cxrfair.rebalance._strategy import RebalanceError

LARGE = 20_000  # rows from which clusters are found in batches
BATCH = 4096
PASSES = 3  # over a large cell
ROUNDS = 10  # of k-means in others
MOST_CLUSTERS = 512
FLAT = 1e-6  # SD below this share of the mean is float32's rounding

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Scaled:
    """Features by row, standardised as they are read: the whole is never copied.

    Row r is `features[order[r]]`; mean and scale are those of all rows, and a feature that does
    not vary is 0.
    """

    features: NDArray[np.float32]
    order: Rows
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32], order: Rows) -> Self:
        """Measure mean and SD.

        Raises
        ------
        RebalanceError
            If there is not one row of features an image, or a number is not finite.
        """
        if features.ndim != 2 or len(features) != len(order):
            raise RebalanceError(
                f"rebalance: features of shape {features.shape} for {len(order)} training images; "
                "one row for each is needed"
            )
        total, square = np.zeros((2, features.shape[1]))
        n = max(1, len(order))
        for rows in batches(order):
            total += features[rows].sum(axis=0, dtype=np.float64)
        mean = total / n
        for rows in batches(order):
            square += ((features[rows] - mean) ** 2).sum(axis=0)
        sd = np.sqrt(square / n)
        if not np.isfinite(sd).all():
            odd = int((~np.isfinite(sd)).sum())
            raise RebalanceError(
                f"rebalance: {odd} of {len(sd)} features are not finite in every training image"
            )
        scale = np.where(sd > FLAT * np.abs(mean), sd, 1)
        return cls(features, order, mean.astype(np.float32), scale.astype(np.float32))

    def rows(self, rows: Rows) -> NDArray[np.float32]:
        """Return standardised features of some rows, (len(rows), d)."""
        some = self.features[self.order[rows]].astype(np.float32, copy=False)
        some -= self.mean
        some /= self.scale
        return some


def batches(rows: Rows) -> Iterator[Rows]:
    """Cut rows into parts of nearly one size, none of which needs much memory."""
    yield from np.array_split(rows, max(1, -(-len(rows) // BATCH)))


def n_clusters(keep: int) -> int:
    """Return half as many clusters as members are kept, at least 1 and at most 512.

    With few clusters the members nearest to centroids lie close together, and those far out are
    left farther from any kept one than by a random choice; so there are as many as time allows.
    """
    return min(max(1, keep // 2), MOST_CLUSTERS)


def representatives(scaled: Scaled, rows: Rows, keep: int, seed: int) -> Rows:
    """Choose `keep` of a cell's rows, spread over its clusters.

    K-means on standardised features finds `n_clusters` clusters (scikit-learn's; above 20,000
    rows its mini-batch form, three times over all). Each cluster keeps one member, and of the
    others a share in proportion to how many it has (largest remainder); kept are those nearest to
    the centroid. Hence no member is farther from a kept one than its cluster is wide. One thread
    adds in one order: the choice does not depend on how many there are.

    Parameters
    ----------
    rows
        Rows of the cell; `keep`, at least 1, of them come back, in order of row.
    """
    if keep >= len(rows):
        return np.sort(rows)
    with threadpool_limits(1):
        model = _fit(scaled, rows, n_clusters(keep), seed)
        parts = [_nearest(model, scaled.rows(some)) for some in batches(rows)]
    cluster, distance = (np.concatenate(column) for column in zip(*parts, strict=True))
    size = np.bincount(cluster, minlength=n_clusters(keep))
    order = np.lexsort((rows, distance, cluster))
    rank = np.arange(len(rows)) - (np.cumsum(size) - size)[cluster[order]]
    return np.sort(rows[order[rank < quotas(size, keep)[cluster[order]]]])


def quotas(size: Rows, keep: int) -> Rows:
    """Share `keep` members out among clusters of these sizes; no cluster gives more than it has.

    Each that has a member gives one; the rest is in proportion to their further members, by the
    largest remainder, the earlier cluster first. `keep` is at least the number of such clusters.
    """
    first = np.minimum(size, 1)
    more, rest = size - first, keep - int(first.sum())
    if rest == 0:
        return first
    whole, left = np.divmod(more * rest, more.sum())
    ahead = np.argsort(-left, kind="stable")[: rest - int(whole.sum())]
    whole[ahead] += 1
    return first + whole


def _fit(scaled: Scaled, rows: Rows, clusters: int, seed: int) -> KMeans | MiniBatchKMeans:
    """Find clusters of a cell."""
    state = seed % 2**32
    if len(rows) <= LARGE:
        model = KMeans(clusters, n_init=1, max_iter=ROUNDS, random_state=state)
        with warnings.catch_warnings():  # images that are alike leave clusters empty, which is fine
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(scaled.rows(rows))
    model = MiniBatchKMeans(clusters, n_init=1, batch_size=BATCH, random_state=state)
    random = np.random.default_rng(seed)
    for _ in range(PASSES):
        for some in batches(random.permutation(rows)):
            model.partial_fit(scaled.rows(some))
    return model


def _nearest(
    model: KMeans | MiniBatchKMeans, some: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each row's cluster and its squared distance from the centroid."""
    cluster = model.predict(some).astype(np.int64)
    some -= model.cluster_centers_[cluster]
    return cluster, np.einsum("nd,nd->n", some, some)
