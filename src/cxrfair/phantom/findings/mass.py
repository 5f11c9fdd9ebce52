"""A lobulated disc of more than three centimetres in a lung."""

from cxrfair.phantom.canvas import edge
from cxrfair.phantom.findings._finding import Finding, Spot, within
from cxrfair.phantom.noise import Floats


def _disc(spot: Spot) -> Floats:
    """Draw a disc whose rim is not quite round."""
    radius = 0.155 * spot.size
    dx, dy = (spot.grid.ax - spot.x - 0.02) / radius, (spot.grid.y - spot.y) / radius
    disc = edge(1 - dx * dx - dy * dy + 0.12 * spot.texture, 0.3)
    return disc * edge(spot.chest.rim, 0.03) * spot.on_side()


FINDING = Finding(_disc, density=0.27, heights=(-0.42, 0.25), shade=within)
