"""Our images in each group of a paper beside those it prints."""

from dataclasses import replace
from itertools import product

import pandas as pd
import pytest
import yaml

from cxrfair.report import composition
from cxrfair.report.references import GroupTable, read
from cxrfair.report.suppression import hidden_groups, suppress
from cxrfair.report.suppression._counts import hide_composition
from cxrfair.report.suppression._groups import uncounted
from cxrfair.report.tables import cohort_composition, cohort_flow
from cxrfair.report.tables.paper_groups import COUNTS, make
from cxrfair.scales import resolve

FOLDS = ["n_train", "n_validation", "n_test"]
NOTES = [
    {"text": "Of all.", "at": [{"row": "all"}]},
    {"text": "Of women.", "at": [{"row": "female"}]},
    {"text": "Of the table."},
]


@pytest.fixture(scope="module")
def study(made):
    """The made-up study, whose cohorts keep images of unknown age."""
    return made.results(paper="made_up")


def asked(study, **changes):
    """The study with other counts in its paper."""
    counts = study.paper.groups.model_dump(mode="json") | changes
    table = GroupTable.model_validate(counts, strict=False)
    return replace(study, paper=study.paper.model_copy(update={"groups": table}))


def by_sex(study, people):
    """A study of one data set whose images are listed as (patient, fold, sex)."""
    fields = study.study.model_copy(update={"datasets": ("nih",), "attributes": ("sex",)})
    frame = pd.DataFrame(people, columns=["patient_id", "fold", "sex"])
    frame["image_id"] = [f"i{i}" for i in range(len(frame))]
    targets = pd.DataFrame({"image_id": frame["image_id"], "label": "no_finding", "target": 1.0})
    counted = composition.count(
        fields,
        {"nih": frame.drop(columns="fold")},
        {"nih": frame[["image_id", "fold"]]},
        {"nih": targets},
    )
    return replace(study, study=fields, composition=counted)


PEOPLE = [
    *[("p1", "train", "female")] * 3,
    *[("p2", "test", "female")] * 2,
    *[("p3", "train", "male")] * 4,
    ("p4", "validation", "male"),
    ("p5", "test", "unknown"),
]


def test_groups_are_counted_as_by_hand(study):
    found = make(by_sex(study, PEOPLE))
    assert found[["sex", "group", *COUNTS, "n_paper"]].to_numpy().tolist() == [
        ["Men", "male", 5, 2, 4, 1, 0, 3000],
        ["Women", "female", 5, 2, 3, 0, 2, 2000],
        ["Unknown", "unknown", 1, 1, 0, 0, 1, pd.NA],
        ["Total", "all", 11, 5, 7, 1, 3, 5001],
    ]
    assert set(found["table"]) == {"Table 0"}
    assert set(found["dataset"]) == {"nih"}


def test_nobody_unknown_is_no_row_and_a_group_we_have_not_is_0(study):
    men = [place for place in PEOPLE if place[2] == "male"]
    found = make(by_sex(study, men)).set_index("group")
    assert list(found.index) == ["male", "female", "all"]
    assert found.loc["female", list(COUNTS)].tolist() == [0] * 5
    assert found.loc["all", "n_images"] == 5


def test_groups_of_other_names_are_left_out(study):
    """Were they not, our girls would stand as no women at all."""
    girls = [(*place[:2], place[2].replace("female", "girl")) for place in PEOPLE]
    assert make(by_sex(study, girls)).empty


def test_data_sets_have_the_same_rows_if_one_of_them_has_unknown_ones(study):
    """Nobody's sex is unknown in the made-up data sets but in the NIH's here."""
    nih = by_sex(study, PEOPLE).composition
    rows = study.composition[study.composition["dataset"] == "mimic"]
    found = make(replace(study, composition=pd.concat([nih, rows])))
    groups = ["male", "female", "unknown", "all"]
    assert found["group"].tolist() == groups * 2
    assert found["n_images"].tolist()[2::4] == [1, 0]


def test_an_intersection_has_a_column_for_each_part(study):
    ages = ("20-40", "0-20", "40-60", "60-80")
    rows = [
        {"group": f"{sex} x {age}", "called": [sex.title(), f"{age} y"], "printed": 10}
        for age in ages
        for sex in ("male", "female")
    ]
    found = make(asked(study, attribute="sex x age", rows=rows, footnotes=[]))
    ours = found[found["dataset"] == "nih"]
    assert ours[["sex", "age"]].to_numpy().tolist() == [
        *[[sex, f"{age} y"] for age in ages for sex in ("Male", "Female")],
        ["Unknown", ""],
        ["Total", ""],
    ]  # fmt: skip
    assert found.columns.tolist()[:5] == ["dataset", "table", "sex", "age", "group"]


def test_our_groups_add_up_to_our_total_and_to_the_last_row_of_the_flow(study):
    """The made-up flow ends in images that are in a fold, as `collect` makes it."""
    found = make(study)
    last = cohort_flow.make(study).groupby("dataset").last()
    for dataset, rows in found.groupby("dataset"):
        total = rows[rows["group"] == "all"].iloc[0]
        parts = rows[rows["group"] != "all"]
        for column in ("n_images", *FOLDS):
            assert parts[column].sum() == total[column]
        assert total[FOLDS].sum() == total["n_images"] == last.loc[dataset, "images_out"]


def test_the_paper_s_counts_and_footnotes_are_of_its_data_set(study):
    found = make(asked(study, footnotes=NOTES))
    assert list(found["dataset"].unique()) == ["nih", "mimic"]
    other = found[found["dataset"] == "mimic"]
    assert other["n_paper"].isna().all()
    assert set(other["footnotes"]) == {""}
    said = found[found["dataset"] == "nih"].set_index("group")["footnotes"]
    assert said["all"] == "Of all. Of the table."
    assert said["female"] == "Of women."
    assert said["male"] == ""


def test_without_counts_or_without_their_attribute_there_is_no_table(study):
    assert make(replace(study, paper=None)).empty
    assert make(replace(study, paper=study.paper.model_copy(update={"groups": None}))).empty
    fields = study.study.model_copy(update={"attributes": ("age",)})
    assert make(replace(study, study=fields)).empty


def public(study):
    """The study with counts as a public report has them."""
    rows, smallest = study.composition, study.min_group_size
    hidden, secret = hidden_groups(rows, smallest), uncounted(rows, smallest)
    return replace(study, composition=hide_composition(rows, hidden, secret, smallest))


def test_a_hidden_group_hides_another_so_that_the_total_does_not_tell(study):
    """Five women of 100: the total less men and unknown would tell them."""
    sexes = {"female": 5, "male": 60, "unknown": 35}
    people = [(f"{sex}{i}", "test", sex) for sex, n in sexes.items() for i in range(n)]
    private = by_sex(study, people)
    found = make(public(private)).set_index("group")
    assert found["n_images"].tolist() == [60, pd.NA, pd.NA, 100]
    assert found["n_test"].tolist() == [60, pd.NA, pd.NA, 100]
    assert found.loc["female", list(COUNTS)].isna().all()
    assert found["n_paper"].equals(make(private).set_index("group")["n_paper"])


def test_a_public_report_shows_no_more_here_than_its_cohort_composition(study):
    ages = ("0-20", "20-40", "40-60", "60-80")
    rows = [
        {"group": f"{sex} x {age}", "called": [sex, age], "printed": 1}
        for sex in ("male", "female")
        for age in ages
    ]
    of = suppress(asked(study, attribute="sex x age", rows=rows, footnotes=[]))
    found, elsewhere = make(of), cohort_composition.make(of)
    elsewhere = elsewhere[elsewhere["attribute"].isin(["sex x age", "all"])]
    place = ["dataset", "group"]
    both = found.merge(elsewhere, on=place, suffixes=("", "_there"), validate="one_to_one")
    assert len(both) == len(found)
    for column in COUNTS:
        there = both[f"{column}_there"].astype("Int64").rename(column)
        pd.testing.assert_series_equal(both[column], there)
    assert found["n_images"].isna().any()
    assert found["n_images"].notna().any()


def test_class_balanced_fine_tuning_counts_the_groups_of_its_study(repo):
    settings = resolve(yaml.safe_load((repo / "params.yaml").read_text(encoding="utf-8")))
    table = read(repo / "workflow" / "references" / "class_balanced.yaml").groups
    assert settings["studies"]["intersectional"]["attributes"] == [table.attribute]
    own = {name: of["groups"] for name, of in settings["sdoh"]["attributes"].items()}
    parts = [own["income"], own["insurance_coverage"], ["white", "non-white"]]
    assert {row.group for row in table.rows} == {" x ".join(of) for of in product(*parts)}
