"""A dense patch of filled air spaces, with bronchi that still hold air."""

from cxrfair.phantom.findings._finding import Finding, Spot, bronchograms, patch
from cxrfair.phantom.noise import Floats


def _lobe(spot: Spot) -> Floats:
    """Fill a large patch."""
    return patch(spot, radius=0.26, rough=0.35, soft=0.6)


FINDING = Finding(_lobe, density=0.30, heights=(-0.4, 0.25), shade=bronchograms)
