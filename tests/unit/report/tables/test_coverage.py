"""How well lists cover what they leave out: ratios by hand, and what a public report hides."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.report._present import split
from cxrfair.report.suppression import suppress
from cxrfair.report.suppression._coverage import hide_coverage
from cxrfair.report.tables import coverage
from cxrfair.studies import Variant

VARIANTS = {
    "erm": Variant(method="erm"),
    "labels": Variant(method="erm", rebalance="of_labels"),
    "sexes": Variant(method="erm", rebalance="resample"),
    "again": Variant(method="erm", rebalance="resample"),
}
NOBODY = {("nih", "any"): frozenset(), ("mimic", "any"): frozenset()}


def rows(name, cells, over="sex", dataset="nih", seed=0):
    """Rows of a list, from (cell, n, patients, kept, largest, random)."""
    columns = ["cell", "n", "n_patients", "kept", "largest", "random"]
    place = {"study": "quick", "dataset": dataset, "rebalance": name, "seed": seed, "over": over}
    found = pd.DataFrame(cells, columns=columns).assign(**place, note=None)
    return found.assign(looked_at=found["n"] - found["kept"])[tables.COVERAGE.schema.names]


SEXES = [
    ("female", 500, 200, 300, 3.0, 4.0),
    ("male", 800, 300, 300, 5.0, 4.0),
    ("unknown", 100, 50, 100, np.nan, np.nan),
]
KINDS = [(f"kind {k:02d}", 100 + k, 50, 50, 1.0 + k, 10.0) for k in range(24)]


@pytest.fixture
def study(results):
    of = results.study.model_copy(update={"variants": results.study.variants | VARIANTS})
    parts = [rows("resample", SEXES), rows("resample", SEXES[:1], seed=1)]
    parts += [rows("of_labels", KINDS, "edema, mass"), rows("resample", SEXES, dataset="mimic")]
    return replace(results, study=of, coverage=pd.concat(parts, ignore_index=True))


def at(study, name, cell, dataset="nih"):
    keys = ["dataset", "rebalance", "cell"]
    return coverage.make(study).set_index(keys).loc[(dataset, name, cell)]


def test_ratios_by_hand_of_cells_that_were_thinned_out(study):
    found = coverage.make(study)
    of_sexes = found[found["dataset"].eq("nih") & found["rebalance"].eq("resample")]
    assert of_sexes["cell"].tolist() == ["male", "female"]  # the largest first; unknown is whole
    assert of_sexes["ratio"].tolist() == [1.25, 0.75]
    assert of_sexes[["n_images", "n_kept"]].to_numpy().tolist() == [[800, 300], [500, 300]]
    assert found["dataset"].drop_duplicates().tolist() == ["nih", "mimic"]
    assert found["rebalance"].drop_duplicates().tolist() == ["of_labels", "resample"]


def test_of_many_cells_the_twenty_largest_are_shown_and_the_others_together(study):
    found = coverage.make(study)
    cells = found.loc[found["rebalance"] == "of_labels", "cell"].tolist()
    assert cells[:20] == [f"kind {k:02d}" for k in range(23, 3, -1)]
    assert cells[20:] == ["4 more: mean", "4 more: largest of each"]
    mean, most = (at(study, "of_labels", cell) for cell in cells[20:])
    assert (mean["largest"], mean["random"], mean["ratio"]) == (2.5, 10.0, pytest.approx(0.25))
    assert (most["largest"], most["random"], most["ratio"]) == (4.0, 10.0, 0.4)
    assert mean["n_images"] == most["n_images"] == 100 + 101 + 102 + 103
    assert mean["n_kept"] == 200


def test_where_chance_leaves_no_distance_or_nothing_is_kept_there_is_no_ratio(study):
    alike = rows("resample", [("female", 50, 50, 30, 0.0, 0.0)])
    row = at(replace(study, coverage=alike), "resample", "female")
    assert (row["largest"], row["random"]) == (0.0, 0.0)
    assert (np.isnan(row["ratio"]), row["ratio_note"]) == (True, "chance leaves no distance")
    assert row["largest_note"] is None
    gone = rows("resample", [("female", 50, 50, 0, np.nan, np.nan)]).assign(note="no image is kept")
    row = at(replace(study, coverage=gone), "resample", "female")
    assert row[["largest", "random", "ratio"]].isna().all()
    assert set(row[["largest_note", "ratio_note"]]) == {"no image is kept"}


def test_without_such_lists_there_is_no_table(results):
    assert results.coverage.empty
    assert coverage.make(results).empty
    assert hide_coverage(results.coverage, {}, 20).empty


@pytest.mark.parametrize(
    ("changed", "gone"),
    [
        ({}, False),
        ({"n": 19, "kept": 0}, True),
        ({"n_patients": 19}, True),
        ({"kept": 19}, True),
        ({"kept": 481}, True),  # 19 left out
        ({"kept": 480}, False),
        ({"n": 20, "n_patients": 20, "kept": 0}, False),
    ],
)
def test_in_public_a_cell_of_few_goes_with_its_name_and_no_count_is_left(study, changed, gone):
    of = study.coverage.query("dataset == 'nih' and rebalance == 'resample' and seed == 0")
    of = of.reset_index(drop=True)
    of.loc[of["cell"] == "female", list(changed)] = list(changed.values())
    found = hide_coverage(of, NOBODY, 20)
    assert found["cell"].tolist() == ["male", "other cells"] if gone else ["female", "male"]
    assert found[["n", "n_patients", "kept", "looked_at"]].isna().all(axis=None)
    assert at(replace(study, coverage=found), "resample", "male")["ratio"] == 1.25


def test_in_public_a_hidden_group_takes_along_all_cells_of_its_attribute(study):
    hidden = NOBODY | {("nih", "any"): frozenset({("sex x age", "male x 80+")})}
    public = replace(study, coverage=hide_coverage(study.coverage, hidden, 20))
    found = coverage.make(public).set_index(["dataset", "rebalance"])
    assert found.loc[[("nih", "resample")], "cell"].tolist() == ["other cells"]
    assert found.loc[[("mimic", "resample")], "cell"].tolist() == ["male", "female"]
    assert len(found.loc[[("nih", "of_labels")]]) == 22
    row = at(public, "resample", "other cells")
    assert row[["largest", "random", "ratio"]].isna().all()
    assert row["ratio_note"] == "hidden: small group"
    shown = split(coverage.make(public), public)[0].rows[-1]
    assert [cell.state for cell in shown[2:]] == ["hidden"] * 5


def test_where_counts_are_hidden_the_largest_ratios_come_first(study):
    public = replace(study, coverage=hide_coverage(study.coverage, NOBODY, 20))
    found = coverage.make(public).set_index(["dataset", "rebalance"])
    assert found.loc[("mimic", "resample"), "ratio"].tolist() == [1.25, 0.75]
    most = found.loc[("nih", "of_labels")].iloc[-1]
    assert (most["cell"], most["ratio"]) == ("4 more: largest of each", 0.4)
    assert pd.isna(most["n_images"])


def test_whatever_the_counts_no_cell_that_is_named_is_of_few():
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = rng.integers(1, 60, 30)
        kept, people = rng.integers(0, n + 1), rng.integers(1, n + 1)
        cells = [
            (f"c{k}", *counts, 1.0, 2.0)
            for k, counts in enumerate(zip(n, people, kept, strict=True))
        ]
        of = rows("resample", cells)
        named = set(hide_coverage(of, NOBODY, 20)["cell"]) - {"other cells"}
        true = of.set_index("cell").loc[sorted(named)]
        assert (true["n"] >= 20).all()
        assert (true["n_patients"] >= 20).all()
        assert (true["n"] - true["kept"] >= 20).all()
        assert ((true["kept"] == 0) | (true["kept"] >= 20)).all()


def test_a_public_report_hides_it(study):
    found = suppress(study).coverage
    assert len(found)
    assert found[["n", "n_patients", "kept", "looked_at"]].isna().all(axis=None)
    assert found[["largest", "random"]].equals(found[["largest", "random"]].round(3))
