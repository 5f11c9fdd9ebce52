"""Outlines in simulated pictures: which are drawn, and where their lines lie."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from cxrfair.report.figures import _sights, annotations
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC, datasets_of
from cxrfair.sights import NOTHING, Sights

LABELS = ("edema", "edema", "edema", "nodule_or_mass")


def sights(labels=LABELS, **maps):
    """Pictures of 8 x 8 with an outline of rows 2 to 4 and columns 5 to 7, up to the edge."""
    n = len(labels)
    masks = np.zeros((n, 8, 8), bool)
    masks[:, 2:5, 5:8] = True
    return Sights(np.full((n, 8, 8), 90, np.uint8), labels, masks, maps)


@pytest.fixture
def study(guided):
    return replace(guided, sights={name: sights() for name in ("jsrt", "chexpert")})


def draw(study):
    with mpl.rc_context(RC):
        drawn = annotations.draw(study)
        if drawn is not None:
            lay_out(drawn)
            drawn.draw_without_rendering()
    return drawn


def test_simulated_pictures_alone_are_drawn_a_panel_each(study):
    axes = draw(study).axes
    assert [set(datasets_of(a)) for a in axes] == [{"chexpert"}] * 4
    titles = [a.get_title(loc="left") for a in axes]
    assert titles == [*["Edema\nChexpert"] * 3, "Nodule or mass\nChexpert"]
    assert (np.asarray(axes[0].get_images()[0].get_array()) == 90).all()


def test_lines_lie_between_what_is_inside_and_what_is_not(study):
    (drawn,) = draw(study).axes[0].collections
    x, y = np.concatenate([path.vertices for path in drawn.get_paths()]).T
    assert (y.min(), y.max()) == pytest.approx((2 / 8, 5 / 8))
    assert x.min() == pytest.approx(5 / 8)
    assert 7.5 / 8 < x.max() <= 1  # closed at the edge of the picture


def test_nothing_simulated_is_nothing_drawn(study, results):
    assert draw(results) is None
    assert draw(replace(study, simulated=frozenset())) is None
    assert draw(replace(study, sights={"chexpert": NOTHING})) is None
    assert draw(replace(study, sights={"jsrt": sights()})) is None


@pytest.mark.parametrize(
    ("most", "places"), [(1, [0]), (2, [0, 3]), (3, [0, 1, 3]), (9, [0, 1, 2, 3])]
)
def test_labels_take_turns_where_there_are_too_many(most, places):
    assert _sights.chosen(LABELS, most) == places


def test_empty_panels_are_taken_out(study):
    five = replace(study, sights={"chexpert": sights(("edema",) * 5)})
    assert len(draw(five).axes) == 5
