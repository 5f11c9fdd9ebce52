"""A disc of less than three centimetres in a lung."""

from cxrfair.phantom.canvas import disc, edge
from cxrfair.phantom.findings._finding import Finding, Spot, within
from cxrfair.phantom.noise import Floats


def _disc(spot: Spot) -> Floats:
    """Draw a disc with a soft rim."""
    radius = 0.072 * spot.size
    dx, dy = (spot.grid.ax - spot.x) / radius, (spot.grid.y - spot.y) / radius
    return disc(dx, dy) * edge(spot.chest.rim, 0.03) * spot.on_side()


FINDING = Finding(_disc, density=0.28, heights=(-0.45, 0.3), shade=within)
