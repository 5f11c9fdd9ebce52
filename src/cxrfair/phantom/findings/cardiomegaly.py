"""A heart too wide for the chest: the heart itself grows, and nothing is laid over it."""

from cxrfair.phantom.findings._finding import Column, Finding, Spot
from cxrfair.phantom.noise import Floats


def _heart(spot: Spot) -> Floats:
    """Return the heart."""
    return spot.chest.heart


def _widen(_side: Column, load: Column, severity: Column) -> dict[str, Column]:
    """Widen the heart's share of the thorax."""
    return {"heart_ratio": load * (0.06 + 0.12 * severity)}


FINDING = Finding(_heart, density=0.0, hides=0.0, reshape=_widen)
