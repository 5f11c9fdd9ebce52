"""The side view: cruder than the frontal one, for the filters that must leave it out."""

from cxrfair.phantom.canvas import Grid, Parameters, disc, edge, glow
from cxrfair.phantom.noise import Floats


def shadow(grid: Grid, p: Parameters) -> Floats:
    """Add up what the body absorbs seen from the patient's left; the spine is on the right."""
    x, y = grid.x, grid.y
    half = 0.62 - 0.10 * edge(-0.45 - y, 0.2)
    total = 0.62 * edge(half + 0.12 - abs(x), 0.05) * edge(y + 0.95, 0.05)
    floor = p["diaphragm"] - 0.10 - 0.25 * x * x
    lung = disc(x / 0.60, (y + 0.05) / 0.85, 0.1) * edge(floor - y, 0.03)
    heart = disc((x + 0.22) / (0.75 * p["heart_ratio"]), (y - 0.22) / 0.30, 0.15)
    total -= 0.42 * lung * (1 - 0.7 * heart)
    total += p["spine"] * edge(0.09 - abs(x - 0.42 - 0.06 * y * y), 0.04)
    fluid = edge(y - p["diaphragm"] + 0.25 * p["pleural_effusion_severity"], 0.05) * edge(x, 0.1)
    total += 0.25 * p["pleural_effusion_load"] * fluid * lung
    total += 0.06 * glow(y - 0.35, 0.2) * glow(x + 0.66, 0.12) * (p["breast"] > 0)
    return total
