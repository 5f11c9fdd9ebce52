"""Which heads are joined over alpha, and where their points lie."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from cxrfair.report.figures import alpha_tradeoff as figure
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC, datasets_of
from cxrfair.studies import Variant


def head(alpha=None, name="fair_class_balanced", **changes):
    settings = {} if alpha is None else {"alpha": alpha}
    return Variant(head=name, **{"upstream": "erm", "settings": settings, **changes})


VARIANTS = {
    "erm": Variant(method="erm"),
    "dfr": head(name="dfr"),
    "strong": head(4.0),
    "none": head(0),
    "plain": head(),
}
CARD = {"settings": {"alpha": 1.0, "per_group": 2500}}


def asked(results, made, variants=VARIANTS, **changes):
    """Trials of all variants; the plain one was fitted with an alpha of 1."""
    update = {"variants": variants, "attributes": ("sex", "age"), "seeds": (0,), **changes}
    of = results.study.model_copy(update=update)
    cards = {(dataset, "plain", 0): CARD for dataset in of.datasets}
    return replace(results, study=of, trials=made.tried(of), cards=cards)


@pytest.fixture
def study(results, made):
    return asked(results, made)


def draw(study):
    with mpl.rc_context(RC):
        drawn = figure.draw(study)
        if drawn is not None:
            lay_out(drawn)
            drawn.draw_without_rendering()
    return drawn


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def test_alphas_ascend_and_one_that_is_not_set_is_as_fitted(study):
    (family,) = figure.families(study)
    assert family == ("fair_class_balanced", ("none", "plain", "strong"), (0.0, 1.0, 4.0))


def test_points_are_means_over_trials(study):
    """Variants are 0.02 below the one before; trials 0 to 0.004 above, 0.002 in the mean."""
    axes = draw(study).axes
    across = [axes[0], axes[1]]
    strong, none, plain = (0.30 - 0.02 * i + 0.002 for i in (2, 3, 4))
    for panel, start in zip(across, (0.8, 0.7), strict=True):
        family = lines(panel)["Fair class balanced, by alpha"]
        np.testing.assert_allclose(family.get_xdata(), [none, plain, strong])
        np.testing.assert_allclose(family.get_ydata() - family.get_xdata(), start - 0.3)
        erm = lines(panel)["erm"]
        np.testing.assert_allclose([erm.get_xdata(), erm.get_ydata()], [[0.3], [start]])
        assert list(lines(panel)) == ["Fair class balanced, by alpha", "erm", "dfr"]
    assert [panel.get_ylabel() for panel in across] == ["AUROC", "Balanced accuracy"]
    assert axes[0].get_xlabel() == "EO difference (less is better)"


def test_bars_lie_where_trials_do_and_one_trial_has_none(study):
    axes = draw(study).axes[0]
    ends = [c.get_segments() for c in axes.collections]
    family = np.array(ends[0])  # across, of the lowest alpha first
    np.testing.assert_allclose(family[0, :, 0], [0.2402, 0.2438], atol=1e-9)
    assert [len(segment) for segment in ends[2]] == [0]  # of erm
    assert [len(segment) for segment in ends[4]] == [2]  # of dfr


def test_alphas_are_written_beside_their_points_clear_of_each_other(study):
    axes = draw(study).axes[0]
    assert [text.get_text() for text in axes.texts] == ["0", "1", "4"]
    marks = [line.get_xydata() for line in axes.lines]
    places = axes.transData.transform(np.concatenate(marks))
    for text in axes.texts:
        box = text.get_window_extent()
        middle = [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2]
        assert np.linalg.norm(places - middle, axis=1).min() > 5


def test_a_row_a_data_set_and_attribute(study):
    drawn = draw(study)
    titles = [axes.get_title(loc="left") for axes in drawn.axes]
    assert titles == [
        f"{a} \N{MIDDLE DOT} {d}" for d in ("NIH", "Mimic") for a in ("Sex", "Age") for _ in "12"
    ]
    assert [set(datasets_of(axes)) for axes in drawn.axes] == [{"nih"}] * 4 + [{"mimic"}] * 4


def test_the_attribute_of_a_row_is_its_own(study):
    older = study.trials["attribute"].eq("age")
    moved = study.trials.assign(value=study.trials["value"].where(~older, 0.5))
    axes = draw(replace(study, trials=moved)).axes
    np.testing.assert_allclose(lines(axes[2])["dfr"].get_xdata(), [0.5])
    np.testing.assert_allclose(lines(axes[0])["dfr"].get_xdata(), [0.282])


@pytest.mark.parametrize(
    "strong",
    [
        head(1.0),
        head(4.0, name="other"),
        head(4.0, groups=("sex",)),
        head(4.0, upstream="dfr"),
        head(settings={"alpha": 4.0, "per_group": 100}),
        Variant(method="dro", settings={"alpha": 4.0}),
    ],
)
def test_what_has_no_second_alpha_or_differs_in_more_is_not_joined(results, made, strong):
    variants = {"erm": VARIANTS["erm"], "plain": head(), "strong": strong}
    study = asked(results, made, variants)
    assert figure.families(study) == []
    assert draw(study) is None


def test_a_head_of_which_no_alpha_is_known_is_a_mark(results, made):
    study = replace(asked(results, made), cards={})
    (family,) = figure.families(study)
    assert family.variants == ("none", "strong")
    assert "plain" in lines(draw(study).axes[0])


def test_families_of_one_head_are_told_apart(results, made):
    other = {f"{n}_sex": head(a, groups=("sex",)) for n, a in (("low", 0.5), ("high", 2.0))}
    labels = list(lines(draw(asked(results, made, VARIANTS | other)).axes[0]))
    assert labels[:2] == [
        "Fair class balanced, by alpha (as none)",
        "Fair class balanced, by alpha (as low_sex)",
    ]


def test_without_trials_there_is_no_figure(study):
    assert draw(replace(study, trials=study.trials.iloc[:0])) is None


def test_a_panel_of_which_all_is_hidden_says_so(study):
    gone = study.trials["attribute"].eq("sex") & study.trials["dataset"].eq("nih")
    hidden = study.trials.assign(value=study.trials["value"].mask(gone))
    said = [[t.get_text() for t in axes.texts] for axes in draw(replace(study, trials=hidden)).axes]
    assert said[:2] == [["undefined or hidden"]] * 2
    assert said[2:] == [["0", "1", "4"]] * 6
