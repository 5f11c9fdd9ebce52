"""The legend of a figure and what its corner says of simulated data."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cxrfair.report._stamp import stamp
from cxrfair.report.figures import _style as style

FEW, MANY = ["erm", "dfr"], [f"variant_{i}" for i in range(12)]
LONG = ["accuracy", "worst group", "equality of opportunity"]


@pytest.mark.parametrize("width", [3.0, 5.9, 9.0])
@pytest.mark.parametrize("names", [FEW, LONG, MANY])
def test_legend_and_note_never_lie_on_each_other(names, width):
    figure = Figure((width, 3 + style.legend_inches(names, width)), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name in names:
        axes.plot([0, 1], label=name)
    style.tag(axes, "mimic_cxr")
    style.legend(figure)
    canvas.draw()
    stamp(figure, frozenset({"mimic_cxr"}))
    (legend,), (note,) = figure.legends, figure.texts
    renderer = canvas.get_renderer()
    of_legend, of_note = (part.get_window_extent(renderer) for part in (legend, note))
    assert "PHANTOM" in note.get_text()
    assert not (of_legend.padded(-4).overlaps(of_note))
    assert of_legend.x1 <= figure.bbox.x1 + 1
