"""Promises every table and every figure keeps, in private and in public reports."""

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cxrfair.report import figures, tables
from cxrfair.report._stamp import WORD, stamp
from cxrfair.report.article import SECTIONS
from cxrfair.report.figures._style import RC, datasets_of
from cxrfair.report.suppression import suppress

VARIANTS = {
    "erm": {"method": "erm"},
    "dro": {"method": "group_dro"},
    "even": {"method": "group_dro", "rebalance": "balanced"},
    "jtt": {"method": "jtt"},
    "jtt_2": {"method": "jtt", "settings": {"upweight": 2}},
    "jtt_9": {"method": "jtt", "settings": {"upweight": 9}},
    "cbf": {"head": "fair_class_balanced", "upstream": "erm", "groups": ("sex",)},
    "cbf_4": {
        "head": "fair_class_balanced",
        "upstream": "erm",
        "groups": ("sex",),
        "settings": {"alpha": 4.0},
    },
    "unguided": {"method": "aligner", "rebalance": "level_0"},
    "guided": {"method": "aligner", "rebalance": "level_1"},
    "by_chance": {"method": "aligner", "rebalance": "level_1", "settings": {"random_maps": True}},
    "half_unguided": {"method": "aligner", "rebalance": "half_0"},
    "half_guided": {"method": "aligner", "rebalance": "half_1"},
}
LISTS = {
    f"{name}_{level}": {"strategy": "guided_share", "level": level, "ratio": ratio}
    for name, ratio in (("level", 1.0), ("half", 0.5))
    for level in (0, 1)
}
PRODUCTS = ("embeddings", "maps", "saliency", "pointing")


@pytest.fixture(scope="module")
def private(made):
    search = {"draws": 2, "seed": 0, "rule": "overall"}
    kept = {"products": PRODUCTS, "search": search, "paper": "made_up", "lists": LISTS}
    asked = {"effects": {"sex": ("male", "female")}, "downstream": ("edema", "nodule")}
    return made.results(variants=VARIANTS, **kept, **asked)


@pytest.fixture(scope="module", params=["private", "public", "one data set, one variant, tiny"])
def results(request, made, private):
    if request.param == "private":
        return private
    if request.param == "public":
        return suppress(private)
    tiny = made.results(
        n=60,
        datasets=("nih",),
        labels=("no_finding",),
        attributes=("sex",),
        variants={"erm": {"method": "erm"}},
        seeds=(0,),
    )
    return suppress(tiny)


@pytest.mark.parametrize("name", tables.names())
def test_a_table_has_rows_for_every_data_set(name, results):
    frame = tables.get(name).make(results)
    if frame.empty:  # nothing of this to show: no comparison of one variant, no probe
        assert len(results.study.variants) == 1
        return
    assert list(frame["dataset"].drop_duplicates()) == list(results.study.datasets)
    assert len(frame.drop_duplicates()) == len(frame)
    assert frame.columns[0] == "dataset"
    assert frame.columns.str.fullmatch("[a-z][a-z0-9_]*").all()


@pytest.mark.parametrize("name", tables.names())
def test_a_table_is_the_same_twice(name, private):
    once, again = (tables.get(name).make(private) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)


@pytest.mark.parametrize("name", figures.names())
def test_every_axes_says_whose_data_it_shows(name, results):
    with mpl.rc_context(RC):
        figure = figures.get(name).draw(results)
        if figure is None:
            assert len(results.study.variants) == 1
            return
        assert isinstance(figure, Figure)
        shown = frozenset().union(*(datasets_of(axes) for axes in figure.axes))
        pictures = {"annotations", "masks", "overlays", "patches", "saliency"}
        simulated_only = name in pictures  # none of a patient
        wanted = results.simulated if simulated_only else set(results.study.datasets)
        assert shown == wanted
        stamp(figure, frozenset({"nih"}))
        for axes in figure.axes:
            stamped = WORD in [text.get_text() for text in axes.texts]
            assert stamped == ("nih" in datasets_of(axes))
        figure.draw_without_rendering()


@pytest.mark.parametrize("room", [tables, figures], ids=["tables", "figures"])
def test_each_says_what_it_is_and_where_it_goes(room):
    for name in room.names():
        file = room.get(name)
        assert file.SECTION in SECTIONS
        assert file.TITLE
        assert file.CAPTION.endswith(".")


@pytest.mark.parametrize("name", figures.names())
def test_a_public_figure_draws_no_hidden_group(name, private):
    public = suppress(private)
    hidden = public.summary[public.summary["n"].isna()]
    assert len(hidden)
    with mpl.rc_context(RC):
        figure = figures.get(name).draw(public)
        assert figure is not None
        said = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert "nan" not in said.lower()
    if name == "group_auroc":
        assert "hidden" in said
