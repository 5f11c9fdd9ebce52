"""A rough patch of filled air spaces, mostly in a lower lung."""

from cxrfair.phantom.findings._finding import Finding, Spot, bronchograms, patch
from cxrfair.phantom.noise import Floats


def _patch(spot: Spot) -> Floats:
    """Fill a ragged patch."""
    return patch(spot, radius=0.22, rough=0.5, soft=0.8)


FINDING = Finding(_patch, density=0.28, heights=(0.0, 0.35), shade=bronchograms)
