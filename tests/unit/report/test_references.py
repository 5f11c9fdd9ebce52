"""What papers print, as it is kept in workflow/references."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from cxrfair.report.references import Column, Footnote, PrintedError, read

FOLDER = Path(__file__).parents[3] / "workflow" / "references"


def number(paper, where, row, block, dataset, metric):
    """One printed number."""
    table = next(table for table in paper.tables if table.number == where)
    place = [column.metric for column in table.columns].index(metric)
    (found,) = [each for each in table.rows if each.name == row]
    return found.printed[block][dataset][place]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_of_the_repository_can_be_read(path):
    assert read(path).tables


@pytest.fixture(scope="module")
def stride():
    return read(FOLDER / "stride_net.yaml")


def test_the_tables_of_stride_net_disagree_where_the_footnotes_say(stride):
    """Table I's Stride-Net against Table II's: two of twelve numbers."""
    differ = {
        (block, dataset, metric): tuple(
            number(stride, table, "Stride-Net (Ours)", block, dataset, metric)
            for table in ("Table I", "Table II")
        )
        for block in ("race", "race x sex")
        for dataset in ("mimic_cxr", "chexpert")
        for metric in ("accuracy", "pqd", "eom")
    }
    assert {place: two for place, two in differ.items() if two[0] != two[1]} == {
        ("race", "chexpert", "accuracy"): (0.903, 0.875),
        ("race", "chexpert", "pqd"): (0.928, 0.927),
    }
    for table in stride.tables:
        noted = {
            (at.dataset, at.metric)
            for note in table.footnotes
            if "Table I" in note.text and "in this place" in note.text
            for at in note.at
        }
        assert noted == {("chexpert", "accuracy"), ("chexpert", "pqd")}


@pytest.mark.parametrize(
    ("dataset", "metric", "points"),
    [
        ("mimic_cxr", "accuracy", 1.6),
        ("mimic_cxr", "eom", 4.0),
        ("chexpert", "accuracy", 0.8),
        ("chexpert", "eom", 5.8),
    ],
)
def test_the_gains_over_ubaia_that_the_text_claims_are_those_of_table_1(
    stride, dataset, metric, points
):
    place = ("race", dataset, metric)
    ours = number(stride, "Table I", "Stride-Net (Ours)", *place)
    assert 100 * (ours - number(stride, "Table I", "UBAIA", *place)) == pytest.approx(points)


def test_printed_pqd_is_what_the_footnotes_say_of_it(stride):
    rows = ("ViT-B", "ViT-B+GOT", "Stride-Net (Ours)")

    def pqd(table, row, block, dataset):
        return number(stride, table, row, block, dataset, "pqd")

    for dataset in ("mimic_cxr", "chexpert"):
        plain, got, whole = (pqd("Table II", row, "race", dataset) for row in rows)
        assert plain > got > whole
        plain, got, whole = (pqd("Table II", row, "race x sex", dataset) for row in rows)
        assert got <= plain < whole
        ours, ubaia = (pqd("Table I", r, "race", dataset) for r in ("Stride-Net (Ours)", "UBAIA"))
        assert ours < ubaia
    of = ("ResNet-18", "UBAIA", "Stride-Net (Ours)")
    found = [pqd("Table I", row, "race x sex", "mimic_cxr") for row in of]
    assert max(found) == found[0]


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    (tmp_path / "odd.yaml").write_text("title: [", encoding="utf-8")
    with pytest.raises(PrintedError, match=r"^odd\.yaml: "):
        read(tmp_path / "odd.yaml")


def test_every_wrong_key_is_named_with_its_file(tmp_path, made):
    text = made.printed().model_dump(mode="json")
    text["titel"] = text.pop("title")
    text["tables"][0]["columns"][0]["metric"] = "acuracy"
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    with pytest.raises(PrintedError) as error:
        read(tmp_path / "odd.yaml")
    lines = str(error.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "odd.yaml title",
        "odd.yaml tables.0.columns.0",
        "odd.yaml titel",
    ]
    assert "no metric 'acuracy'; have " in lines[1]


ROW = {"name": "Plain", "variant": "erm", "printed": {}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": [ROW, ROW]}, "row holds an entry twice"),
        ({"rows": [ROW | {"printed": {"height": {}}}]}, "printed of 'height'; blocks are"),
        (
            {"rows": [ROW | {"printed": {"sex": {"nih": [0.5, 0.5]}}}]},
            "Plain, sex, nih: 2 numbers; there are 3 columns",
        ),
        ({"rows": [ROW | {"variant": {"sex": "erm"}}]}, r"variants of \['sex'\]; allowed: one of"),
        (
            {"footnotes": [{"text": "Odd.", "at": [{"row": "Plane"}]}]},
            "a footnote on row 'Plane'; have ",
        ),
        (
            {"footnotes": [{"text": "Odd.", "at": [{"dataset": "mimic"}]}]},
            r"a footnote on dataset 'mimic'; have \['nih', 'padchest'\]",
        ),
        ({"footnotes": [{"text": "Odd.", "at": [{}]}]}, "a footnote on no place"),
        ({"footnotes": [{"text": "Odd."}] * 27}, "at most 26"),
        ({"rows": []}, "no row; there must be at least one"),
        ({"columns": [{"metric": "pqd", "heading": "A", "unit": 0}]}, "greater than 0"),
        ({"rows": [ROW | {"printed": {"sex": {"nih": ["0.5"] * 3}}}]}, "valid number"),
    ],
)
def test_what_contradicts_itself_is_refused(made, changes, said):
    with pytest.raises(ValidationError, match=said):
        made.printed(**changes)


def test_two_tables_of_one_number_are_refused(made):
    text = made.printed().model_dump(mode="json")
    text["tables"] *= 2
    with pytest.raises(ValidationError, match=r"tables holds an entry twice: \['Table 1', 'Tab"):
        type(made.printed()).model_validate_json(json.dumps(text))


@pytest.mark.parametrize(
    ("metric", "compares"),
    [("accuracy", False), ("accuracy_gap", True), ("accuracy_worst", True), ("pqd", True)],
)
def test_what_compares_groups_is_known_from_its_name(metric, compares):
    assert Column(metric=metric, heading="x").compares is compares


def test_a_footnote_is_of_every_number_of_its_places():
    text = '{"text": "Odd.", "at": [{"row": "A", "metric": "pqd"}, {"block": "sex"}]}'
    note = Footnote.model_validate_json(text)
    place = {"block": "age", "row": "A", "dataset": "nih", "metric": "pqd"}
    assert note.concerns(place)
    assert note.concerns(place | {"block": "sex", "row": "B"})
    assert not note.concerns(place | {"metric": "eom"})
    assert not note.concerns(place | {"row": "B"})
