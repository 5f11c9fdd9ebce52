"""What the table and the figure say of heads for other labels."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.report._present import split
from cxrfair.report.figures import downstream as figure
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC, datasets_of
from cxrfair.report.tables import downstream as table
from cxrfair.studies import Variant

LABELS = ("mass", "pleural_effusion")
VALUES = {"auroc": 0.6, "accuracy": 0.7, "balanced_accuracy": 0.55, "always_no": 0.8}


def refitted(study, seeds=(0, 1)):
    """Rows as `downstream.judge` gives them; a seed adds a tenth to what heads reach, +- 0.05."""
    rows = [
        {"dataset": d, "variant": v, "seed": s, "label": label, "metric": metric}
        | {"value": value + (metric != "always_no") * s / 10}
        for v in list(study.study.variants)[::-1]
        for s in seeds
        for d in study.study.datasets
        for label in LABELS[::-1]
        for metric, value in VALUES.items()
    ]
    frame = pd.DataFrame(rows).assign(study="quick", n=50, n_patients=40, n_positive=10, note=None)
    value = frame["value"]
    apart = (frame["seed"] / 50).mask(frame["variant"] == "erm")
    ends = {"ci_low": value - 0.05, "ci_high": value + 0.05, "difference": apart}
    frame = frame.assign(**ends, difference_low=apart - 0.01, difference_high=apart + 0.01)
    return frame[tables.DOWNSTREAM.schema.names]


def asked(results, **changes):
    of = results.study.model_copy(update={"downstream": LABELS, **changes})
    named = replace(results, study=of)
    return replace(named, downstream=refitted(named))


@pytest.fixture
def study(results):
    return asked(results)


def draw(study):
    with mpl.rc_context(RC):
        drawn = figure.draw(study)
        lay_out(drawn)
        drawn.draw_without_rendering()
    return drawn


def points(axes):
    return {line.get_label(): line.get_ydata() for line in axes.get_lines()}


def test_nothing_refitted_is_nothing_shown(results):
    assert results.downstream.empty
    assert len(table.make(results)) == 0
    assert figure.draw(results) is None


def test_rows_are_in_the_order_of_params(study):
    found = table.make(study)
    assert found[["dataset", "label", "variant"]].to_numpy().tolist() == [
        [dataset, label, variant]
        for dataset in ("nih", "mimic")
        for label in LABELS
        for variant in ("erm", "dro")
    ]
    shown = split(found, study)[0]
    assert shown.headings == (
        *("Label", "Images", "Positives", "Patients", "Variant"),
        *("AUROC", "Accuracy", "Always no", "Balanced accuracy"),
    )


def test_seeds_are_averaged_and_their_intervals_spanned(study):
    found = table.make(study)
    np.testing.assert_allclose(found["auroc"], 0.65)
    np.testing.assert_allclose(found["auroc_low"], 0.55)
    np.testing.assert_allclose(found["auroc_high"], 0.75)
    np.testing.assert_allclose(found["always_no"], 0.8)
    dro = found[found["variant"] == "dro"]
    np.testing.assert_allclose(dro["accuracy_difference"], 0.01)
    np.testing.assert_allclose(dro["accuracy_difference_low"], -0.01)
    np.testing.assert_allclose(dro["accuracy_difference_high"], 0.03)
    assert found.loc[found["variant"] == "erm", "accuracy_difference"].isna().all()
    assert found["always_no_difference"].isna().all()  # it is the same for all variants


def test_what_is_undefined_keeps_its_reason(study):
    rows = study.downstream
    lost = rows["metric"].isin(["accuracy", "balanced_accuracy"])
    numbers = ["value", "ci_low", "ci_high", "difference", "difference_low", "difference_high"]
    values = rows[numbers].mask(lost)
    note = pd.Series("no threshold: no positives in validation", rows.index, "str").where(lost)
    gone = replace(study, downstream=rows.assign(**values, note=note))
    row = split(table.make(gone), gone)[0].rows[0]
    assert [cell.state for cell in row[-4:]] == ["", "undefined", "", "undefined"]
    assert row[-3].note == "no threshold: no positives in validation"
    panels = draw(gone).axes
    said = [[text.get_text() for text in axes.texts] for axes in panels]
    assert said == [[], ["undefined or hidden"]] * 2


def test_a_panel_shows_each_variant_at_each_label(study):
    panels = draw(study).axes
    assert [set(datasets_of(axes)) for axes in panels] == [{"nih"}] * 2 + [{"mimic"}] * 2
    assert [axes.get_ylabel() for axes in panels] == ["AUROC", "Accuracy"] * 2
    for axes, value in zip(panels, (0.65, 0.75, 0.65, 0.75), strict=True):
        assert set(points(axes)) == {"erm", "dro"}
        for shown in points(axes).values():
            np.testing.assert_allclose(shown, [value] * 2)
    names = [text.get_text() for text in panels[-1].get_xticklabels()]
    assert names == ["Mass", "Pleural\neffusion"]


def test_an_accuracy_stands_beside_that_of_always_saying_no(study):
    rows = study.downstream
    rare = (rows["metric"] == "always_no") & (rows["label"] == "mass")
    other = replace(study, downstream=rows.assign(value=rows["value"].mask(rare, 0.95)))
    heights = {}
    for axes in draw(other).axes[:2]:
        dashes = [of for of in axes.collections if of.get_label() == figure.BESIDE]
        heights[axes.get_ylabel()] = [path.vertices[0, 1] for path in dashes[0].get_paths()]
    assert heights == {"AUROC": [0.5, 0.5], "Accuracy": [0.95, 0.8]}


def test_one_variant_a_method_is_shown_and_the_reference_for_its_own(results):
    methods = {"a": "erm", "b": "erm", "c": "ad", "d": "ad", "e": "faap"}
    variants = {name: Variant(method=method) for name, method in methods.items()}
    variants["f"] = Variant(post="equalised_odds", upstream="b", groups=("sex",))
    study = asked(results, variants=variants, reference="b")
    assert figure.shown(study) == ["b", "c", "e"]
    shown = draw(study)
    assert set(points(shown.axes[0])) == {"b", "c", "e"}
    handles = [text.get_text() for text in shown.legends[0].get_texts()]
    assert handles == ["b", "c", "e", figure.BESIDE]
    many = {f"v{i}": Variant(method=f"m{i}") for i in range(figure.MOST + 3)}
    last = asked(results, variants=many, reference="v8")
    assert figure.shown(last) == ["v0", "v1", "v2", "v3", "v4", "v8"]
