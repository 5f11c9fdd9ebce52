"""A widened upper mediastinum: the great vessels' band itself grows."""

from cxrfair.phantom.findings._finding import Column, Finding, Spot
from cxrfair.phantom.noise import Floats


def _trunk(spot: Spot) -> Floats:
    """Return the mediastinum above the heart."""
    return spot.chest.trunk


def _widen(_side: Column, load: Column, severity: Column) -> dict[str, Column]:
    """Widen the band."""
    return {"mediastinum": load * (0.03 + 0.08 * severity)}


FINDING = Finding(_trunk, density=0.0, hides=0.0, reshape=_widen)
