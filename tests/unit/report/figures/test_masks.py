from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from cxrfair.pictured_saliency import Panels
from cxrfair.report.figures._style import RC, datasets_of
from cxrfair.report.figures.masks import draw
from cxrfair.studies import Variant

STORED = np.full((4, 8, 8), 100, np.uint8)


def panels(**changes):
    """Pictures to which each variant adds so many grey levels at the top, and takes them below."""
    seen = {}
    for name, levels in changes.items():
        seen[name] = STORED.copy()
        seen[name][:, 0], seen[name][:, -1] = 100 + levels, 100 - levels
    masks, maps = np.zeros((4, 8, 8), bool), np.zeros((2, 4, 8, 8), np.uint8)
    return Panels(("no_finding", "sex"), masks, STORED, seen, dict.fromkeys(changes, maps))


@pytest.fixture(autouse=True)
def look():
    with mpl.rc_context(RC):
        yield


def test_masks_are_what_was_added_and_taken(results):
    study = replace(results, panels={name: panels(erm=0, dro=51) for name in ("nih", "mimic")})
    figure = draw(study)
    figure.draw_without_rendering()
    assert len(figure.axes) == 3 * 3  # three images; as it is, mask and seen of one variant
    assert all(datasets_of(axes) == {"mimic"} for axes in figure.axes)  # the simulated one
    as_it_is, mask, seen = figure.axes[:3]
    assert mask.get_title("left") == "Dro\nup to 0.20"
    change = np.asarray(mask.get_images()[0].get_array())
    assert (change[0] == 51).all()
    assert (change[-1] == -51).all()
    assert not change[1:-1].any()
    assert mask.get_images()[0].get_clim() == (-51, 51)
    assert (np.asarray(as_it_is.get_images()[0].get_array()) == 100).all()
    assert (np.asarray(seen.get_images()[0].get_array())[0] == 151).all()


def test_who_changes_nothing_has_no_mask(results):
    unchanged = {name: panels(erm=0, dro=0) for name in results.study.datasets}
    assert draw(replace(results, panels=unchanged)) is None
    assert draw(results) is None
    of_patients = replace(results, panels={"nih": panels(erm=0, dro=9)})
    assert draw(of_patients) is None


def test_of_many_variants_one_a_method_comes_first(results):
    methods = {"a": "faap", "a2": "faap", "a3": "faap", "b": "fair_diagnosis", "c": "erm"}
    known = {name: Variant(method=method) for name, method in methods.items()}
    of = results.study.model_copy(update={"variants": known, "reference": "c"})
    shown = {"mimic": panels(a=1, a2=2, a3=3, b=4, c=0)}
    figure = draw(replace(results, study=of, panels=shown))
    heads = [axes.get_title("left").split("\n")[0] for axes in figure.axes[1:7:2]]
    assert heads == ["A", "A2", "B"]
