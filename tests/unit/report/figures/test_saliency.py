from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from cxrfair.pictured_saliency import Panels
from cxrfair.report.figures._style import RC, datasets_of
from cxrfair.report.figures.saliency import draw
from cxrfair.studies import Variant

VARIANTS = ("erm", "dro")


def panels(variants=VARIANTS, images=4, changed=()):
    masks = np.zeros((images, 8, 8), bool)
    masks[:1, 2:5, 2:5] = True
    seen = {
        name: np.full((images, 8, 8), 90 + 9 * (name in changed), np.uint8) for name in variants
    }
    maps = np.zeros((2, images, 8, 8), np.uint8)
    maps[0, :, 0], maps[1, :, :, 0] = (
        255,
        255,
    )  # the label's at the top, the attribute's at the left
    stored = np.full((images, 8, 8), 90, np.uint8)
    return Panels(("no_finding", "sex"), masks, stored, seen, dict.fromkeys(variants, maps))


@pytest.fixture
def study(results):
    """Both have panels; only mimic is simulated."""
    return replace(results, panels={name: panels() for name in results.study.datasets})


@pytest.fixture(autouse=True)
def look():
    with mpl.rc_context(RC):
        yield


def test_only_simulated_images_are_drawn_an_image_a_row(study):
    figure = draw(study)
    figure.draw_without_rendering()
    assert len(figure.axes) == 3 * 6
    assert all(datasets_of(axes) == {"mimic"} for axes in figure.axes)
    titles = [axes.get_title("left").split("\n") for axes in figure.axes[:6]]
    assert titles == [
        *(["Erm", "seen"], ["", "No finding"], ["", "Sex"]),
        *(["Dro", "seen"], ["", "No finding"], ["", "Sex"]),
    ]
    both = draw(replace(study, simulated=frozenset({"nih", "mimic"})))
    assert [next(iter(datasets_of(axes))) for axes in both.axes[::6]] == ["nih", "mimic"]


def test_nothing_simulated_is_nothing_drawn(results, study):
    assert draw(results) is None
    assert draw(replace(study, simulated=frozenset())) is None
    assert draw(replace(study, panels={"mimic": panels((), 0)})) is None


def test_maps_lie_over_the_picture_each_in_its_own_column(study):
    seen, label, attribute = draw(study).axes[:3]
    (xray,) = seen.get_images()
    assert (np.asarray(xray.get_array()) == 90).all()
    for axes, cell in ((label, (0, 5)), (attribute, (5, 0))):
        under, over = axes.get_images()
        assert (np.asarray(under.get_array()) == 90).all()
        alpha = np.asarray(over.get_alpha())
        assert alpha[cell] > 0.5
        assert alpha[5, 5] == 0
        assert np.asarray(over.get_array())[cell] == 255


def test_findings_are_outlined_where_there_are_some(study):
    drawn = [len(axes.collections) > 0 for axes in draw(study).axes]
    assert drawn == [True] * 6 + [False] * 12


def test_of_many_variants_one_a_method_and_first_those_that_change_the_picture(study):
    methods = {
        "a": "erm",
        "b": "jtt",
        "b2": "jtt",
        "c": "got",
        "d": "irm",
        "e": "faap",
        "e2": "faap",
    }
    known = {name: Variant(method=method) for name, method in methods.items()}
    of = study.study.model_copy(update={"variants": known, "reference": "c"})
    shown = {"mimic": panels(tuple(methods), 1, changed=("e", "e2"))}
    figure = draw(replace(study, study=of, panels=shown))
    heads = [axes.get_title("left").split("\n")[0] for axes in figure.axes[::3]]
    assert heads == ["A", "B", "C", "E"]
