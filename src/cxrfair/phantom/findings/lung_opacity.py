"""A faint patch in a lung that is nothing more certain."""

from cxrfair.phantom.findings._finding import Finding, Spot, patch
from cxrfair.phantom.noise import Floats


def _haze(spot: Spot) -> Floats:
    """Fill a soft patch."""
    return patch(spot, radius=0.21, rough=0.25, soft=0.9)


FINDING = Finding(_haze, density=0.24, heights=(-0.4, 0.35))
