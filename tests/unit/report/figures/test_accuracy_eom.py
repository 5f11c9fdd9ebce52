from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cxrfair.report.figures import _style, _tradeoff, accuracy_eom, accuracy_fairness
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC

NAMES = tuple(f"method_{number:02d}" for number in range(17))
DATASETS = ("nih", "mimic")


def _study(results, variants=NAMES, datasets=DATASETS, attributes=("sex", "age"), **values):
    """Accuracy 0.60, 0.61, ... of the variants in turn, EOM 0.90, 0.89, ...; less on age."""
    study = results.study.model_copy(
        update={
            "datasets": datasets,
            "attributes": attributes,
            "variants": dict.fromkeys(variants),
        }
    )
    place = np.arange(len(variants))
    accuracy = values.get("accuracy", 0.60 + 0.01 * place)
    eom = values.get("eom", 0.90 - 0.01 * place)
    rows = []
    for dataset in datasets:
        of = {"dataset": dataset, "label": "mean", "variant": variants}
        rows.append(_rows("accuracy", "all", "all", accuracy, of))
        rows += [
            _rows("eom", attribute, "between", eom - 0.1 * number, of)
            for number, attribute in enumerate(attributes)
        ]
    return replace(results, study=study, summary=pd.concat(rows, ignore_index=True))


def _rows(metric, attribute, group, value, of):
    frame = pd.DataFrame({"value": value, "ci_low": value - 0.02, "ci_high": value + 0.03})
    return frame.assign(metric=metric, attribute=attribute, group=group, **of)


def _draw(results, file=accuracy_eom, **changes):
    with mpl.rc_context(RC):
        figure = file.draw(_study(results, **changes))
        if figure is not None:
            lay_out(figure)
            figure.draw_without_rendering()
    return figure


def _points(axes):
    """Where each variant was drawn, by its name in the legend."""
    return {
        line.get_label(): (line.get_xdata()[0], line.get_ydata()[0])
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def test_a_panel_for_each_data_set_and_attribute_with_every_variant_where_it_belongs(results):
    figure = _draw(results, variants=("erm", "dro", "jtt"))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"{a} \N{MIDDLE DOT} {d}" for d in ("NIH", "Mimic") for a in ("Sex", "Age")]
    sex, age = figure.axes[:2]
    assert (sex.get_xlabel(), sex.get_ylabel()) == ("Accuracy, all images", "EOM")
    assert list(_points(sex)) == ["erm", "dro", "jtt"]
    expected = [(0.60, 0.90), (0.61, 0.89), (0.62, 0.88)]
    np.testing.assert_allclose(list(_points(sex).values()), expected)
    assert _points(age)["erm"] == pytest.approx((0.60, 0.80))


def test_intervals_reach_in_both_directions(results):
    axes = _draw(results, variants=("erm", "dro", "jtt")).axes[0]
    ends = [path.vertices for each in axes.collections for path in each.get_paths()]
    np.testing.assert_allclose(ends[0], [[0.58, 0.90], [0.63, 0.90]])
    np.testing.assert_allclose(ends[1], [[0.60, 0.88], [0.60, 0.93]])


def test_seventeen_methods_are_told_apart(results):
    figure = _draw(results)
    axes = figure.axes[0]
    names = list(_points(axes))
    assert names == [f"{i} {name}" for i, name in enumerate(NAMES, 1)]
    assert [text.get_text() for text in axes.texts] == [str(i) for i in range(1, 18)]
    looks = _style.look(NAMES)
    assert len(set(looks.values())) == 17
    assert len({marker for _, marker in looks.values()}) == len(_style.MARKERS)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names


def test_the_legend_of_many_stays_within_the_figure_and_above_its_panels(results):
    figure = _draw(results, attributes=("sex",))
    (legend,) = figure.legends
    extent = legend.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.x1
    assert extent.y0 >= max(axes.bbox.y1 for axes in figure.axes)


def test_few_variants_bear_no_numbers(results):
    axes = _draw(results, variants=NAMES[:7]).axes[0]
    assert not axes.texts
    assert list(_points(axes)) == list(NAMES[:7])


def test_numbers_of_points_on_one_spot_do_not_cover_one_another(results):
    same = np.full(8, 0.7)
    axes = _draw(results, variants=NAMES[:8], accuracy=same, eom=same).axes[0]
    places = [text.xyann for text in axes.texts]
    assert len(set(places)) == 8


def test_the_better_corner_is_that_of_high_accuracy_and_high_eom(results):
    (tint,) = _draw(results).axes[0].images
    strength = np.asarray(tint.get_array())[..., 3]  # row 0 is the bottom
    assert strength[-1, -1] == strength.max() > 0
    assert strength[0, 0] == strength[0, -1] == strength[-1, 0] == 0


def test_what_is_hidden_is_left_out_and_an_empty_panel_says_so(results):
    hidden = np.where(np.arange(17) == 4, np.nan, 0.9)
    axes = _draw(results, eom=hidden).axes[0]
    assert [text.get_text() for text in axes.texts] == [str(i) for i in range(1, 18) if i != 5]
    nothing = _draw(results, eom=np.full(17, np.nan)).axes[0]
    assert [text.get_text() for text in nothing.texts] == ["undefined or hidden"]
    assert not nothing.images


def test_two_variants_are_no_figure(results):
    assert _draw(results, variants=NAMES[:2]) is None
    assert _draw(results, variants=NAMES[:3]) is not None


def test_without_eom_there_is_no_figure(results):
    study = _study(results)
    summary = study.summary[study.summary["metric"] != "eom"]
    assert accuracy_eom.draw(replace(study, summary=summary)) is None


def test_only_as_many_inches_are_added_as_the_legend_has_rows():
    assert _style.legend_inches(["a", "b"], 3.0) == pytest.approx(0.6)
    narrow = _style.legend_inches(NAMES, 3.0)  # two of these names side by side: nine rows
    assert narrow == pytest.approx(0.4 + 9 * 0.2)


def test_the_fairness_figure_shares_the_panels_and_shades_where_a_gap_is_small(results):
    study = _study(results, attributes=("sex",))
    named = {"accuracy": "auroc", "eom": "auroc_gap"}
    gap = study.summary.replace({"metric": named})
    worst = gap[gap["metric"] == "auroc_gap"].assign(metric="auroc_worst")
    with mpl.rc_context(RC):
        figure = accuracy_fairness.draw(replace(study, summary=pd.concat([gap, worst])))
    corners = [np.asarray(axes.images[0].get_array())[..., 3] for axes in figure.axes[:2]]
    assert corners[0][0, -1] > corners[0][-1, -1] == 0
    assert corners[1][-1, -1] > corners[1][0, -1] == 0


def test_values_are_the_mean_over_labels_in_the_study_s_order(results):
    study = _study(results, variants=("b", "a", "c"))
    other = study.summary.assign(label="edema", value=0.1)
    both = replace(study, summary=pd.concat([other, study.summary.iloc[::-1]]))
    found = _tradeoff.values(both, "nih", "accuracy", "all")
    assert list(found.index) == ["b", "a", "c"]
    np.testing.assert_allclose(found["value"], [0.60, 0.61, 0.62])
