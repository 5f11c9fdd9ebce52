"""What papers print, as it is kept in workflow/references."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from cxrfair.report._sheets import sheets
from cxrfair.report.footnotes import Footnote
from cxrfair.report.references import Column, PrintedError, read
from cxrfair.report.tables import paper
from cxrfair.scales import SCALES, resolve
from cxrfair.studies import Variant

FOLDER = Path(__file__).parents[3] / "workflow" / "references"


def number(paper, where, row, block, dataset, metric):
    """One printed number."""
    table = next(table for table in paper.tables if table.number == where)
    place = [column.metric for column in table.columns].index(metric)
    (found,) = [each for each in table.rows if each.name == row]
    return found.printed[block][dataset][place]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_of_the_repository_can_be_read(path):
    found = read(path)
    assert found.tables or found.claims or found.gaps


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


@pytest.fixture(scope="module")
def fair():
    return read(FOLDER / "fair_diagnosis.yaml")


PATIENTS = ("mimic_cxr", "chexpert", "tcga_luad")
SAME_SETTINGS = {"Table 3": "eta = 0.2", "Table 4": "alpha = 1", "Table 5": "beta = 1"}


def line(paper, where, row, dataset):
    """The five printed numbers of a row on a data set: ACC, AUC, EO, DP, ADF."""
    names = ("accuracy", "auroc", "eo", "dp", "adf")
    return tuple(number(paper, where, row, "sex", dataset, name) for name in names)


def down(paper, where, dataset):
    """Printed numbers of a table on a data set (rows, 5)."""
    (table,) = [table for table in paper.tables if table.number == where]
    return np.array([line(paper, where, row.name, dataset) for row in table.rows])


def listed(numbers):
    """Numbers as footnotes write them."""
    said = [f"{value:.2f}" for value in numbers]
    return f"{', '.join(said[:-1])} and {said[-1]}"


def notes_at(paper, where, **place):
    """All that is said of a place and of no more than that, run together."""
    (table,) = [table for table in paper.tables if table.number == where]
    found = [note.text for note in table.footnotes if any(at.given == place for at in note.at)]
    return " ".join(found)


def test_fair_diagnosis_is_read_in_our_units(fair):
    units = {column.metric: column.unit for column in fair.tables[0].columns}
    assert units == {"accuracy": 0.01, "auroc": 0.01, "eo": 0.01, "dp": 0.01, "adf": 0.001}
    assert [len(table.rows) for table in fair.tables] == [4, 3, 5, 5, 5]
    for table in fair.tables:
        assert all(set(row.printed["sex"]) == set(PATIENTS) for row in table.rows)


@pytest.mark.parametrize("dataset", PATIENTS)
@pytest.mark.parametrize("where", SAME_SETTINGS)
def test_rows_of_the_same_settings_are_noted_where_they_differ_from_table_1(fair, where, dataset):
    ours = line(fair, "Table 1", "Ours", dataset)
    here = line(fair, where, SAME_SETTINGS[where], dataset)
    same = {
        ("Table 3", "mimic_cxr"), ("Table 3", "tcga_luad"), ("Table 5", "tcga_luad"),
    }  # fmt: skip
    assert (here == ours) == ((where, dataset) in same)
    if here != ours:
        assert not np.equal(here, ours).any()
        assert listed(here) in notes_at(fair, "Table 1", row="Ours", dataset=dataset)
        noted = notes_at(fair, where, row=SAME_SETTINGS[where], dataset=dataset)
        assert f"Table 1 prints {listed(ours)} for the same settings" in noted


@pytest.mark.parametrize("dataset", PATIENTS)
def test_table_1_s_networks_are_what_the_footnotes_say(fair, dataset):
    ours = line(fair, "Table 1", "Ours", dataset)
    assert (line(fair, "Table 2", "Resnet18", dataset) == ours) == (dataset != "tcga_luad")
    other = line(fair, "Table 2", "Resnet50", dataset)
    assert other != ours
    said = notes_at(fair, "Table 1", row="Ours", dataset=dataset)
    assert listed(other) in said
    for where, row in SAME_SETTINGS.items():
        assert line(fair, where, row, dataset) != other
    vanilla = line(fair, "Table 1", "Vanilla", dataset)
    assert line(fair, "Table 3", "eta = 0", dataset) == vanilla


@pytest.mark.parametrize("dataset", PATIENTS)
def test_what_the_text_says_of_table_1_holds_or_is_noted(fair, dataset):
    vanilla, ad, faap, ours = down(fair, "Table 1", dataset)
    for other in (ad, faap):
        assert (ours[:2] > other[:2]).all()
        assert (ours[2:] < other[2:]).all()
    assert (ours[:2] < vanilla[:2]).all()


def test_factors_and_bounds_of_the_footnotes_are_right(fair):
    vanilla, *_, ours = down(fair, "Table 1", "tcga_luad")
    assert [round(x, 1) for x in vanilla[2:] / ours[2:]] == [2.6, 1.7, 4.9]
    errors = 2 * (100 - vanilla[0])  # of two groups of one size, added up
    assert (round(errors, 1), round(vanilla[3] - errors, 1)) == (3.1, 8.9)
    ratios = np.array([down(fair, "Table 2", dataset)[[2, 1]] for dataset in PATIENTS])
    eo, dp, adf = (ratios[:, 0] / ratios[:, 1]).T[2:]
    assert [round(x, 1) for x in (eo.min(), eo.max(), adf.min(), adf.max())] == [1.4, 1.9, 1.3, 1.9]
    assert (dp > 1).all()
    # TPR <= FPR + J everywhere: AUC <= 1 - (1 - J)^2 / 2, and some accuracy is (1 + J) / 2
    area = number(fair, "Table 5", "beta = 0", "sex", "tcga_luad", "auroc") / 100
    assert round(100 * (1 - np.sqrt(2 * (1 - area)) / 2), 1) == 80.0


@pytest.mark.parametrize("dataset", PATIENTS)
def test_sweeps_go_the_ways_that_text_or_footnotes_say(fair, dataset):
    eta, alpha, beta = (down(fair, where, dataset) for where in SAME_SETTINGS)
    assert (np.diff(eta[:, :2], axis=0) < 0).all()
    assert (np.diff(alpha[:, 2:], axis=0) < 0).all()
    assert (np.diff(beta, axis=0) > 0).all()
    best = {"mimic_cxr": 3, "chexpert": 4, "tcga_luad": 1}[dataset]
    assert list(alpha[:, :2].argmax(axis=0)) == [best, best]
    lowest = {"chexpert": [3, 3, 2]}.get(dataset, [2, 2, 2])
    assert list(eta[:, 2:].argmin(axis=0)) == lowest


def test_cells_better_or_worse_than_they_could_be_are_noted(fair):
    """Against Table 1's Vanilla: a mask on the same frozen model; and rows better than alpha 1."""
    metrics = ("accuracy", "auroc", "eo")
    found = {
        (table.number, row.name, dataset, metric)
        for table in fair.tables[2:]
        for row in table.rows
        for dataset in PATIENTS
        for metric, here, plain in zip(
            metrics,
            line(fair, table.number, row.name, dataset),
            line(fair, "Table 1", "Vanilla", dataset),
            strict=False,
        )
        if here > plain
    }
    noted = {
        (table.number, at.row, at.dataset, at.metric)
        for table in fair.tables[2:]
        for note in table.footnotes
        if "Vanilla" in note.text and "Table 1's Vanilla" not in note.text
        for at in note.at
    }
    assert noted <= found
    extra = {(where, row, d) for where, row, d, m in found - noted if m != "auroc"}
    assert not extra
    alpha = {dataset: down(fair, "Table 4", dataset) for dataset in PATIENTS}
    better = {
        (f"alpha = {i}", dataset)
        for dataset, rows in alpha.items()
        for i in range(5)
        if (rows[i, :2] > rows[1, :2]).all() and (rows[i, 2:] < rows[1, 2:]).all()
    }
    (note,) = [note for note in fair.tables[3].footnotes if "optimal balance" in note.text]
    assert {(at.row, at.dataset) for at in note.at} == better


@pytest.mark.parametrize("name", ["causal", "causal_tcga"])
@pytest.mark.parametrize("scale", SCALES)
def test_the_studies_of_fair_diagnosis_have_every_row_of_its_tables(fair, name, scale):
    text = (FOLDER.parent / "studies" / f"{name}.yaml").read_text(encoding="utf-8")
    ((_, study),) = resolve(yaml.safe_load(text) | {"scale": scale})["studies"].items()
    rows = {row.variant for table in fair.tables for row in table.rows}
    larger = set() if scale == "demo" else {"fair_diagnosis_resnet18", "vanilla_resnet18"}
    wanted = (rows - {"fair_diagnosis_resnet18"}) | {"erm", "vanilla_vit"} | larger
    assert set(study["variants"]) == wanted
    assert study["paper"] == "fair_diagnosis"
    swept = {"eta_01": ("bound", 0.1), "alpha_3": ("entropy", 3.0), "beta_4": ("keep", 4.0)}
    for variant, (setting, value) in swept.items():
        assert study["variants"][variant]["settings"] == {setting: value}


def test_a_study_of_one_data_set_shows_and_notes_that_alone(fair, made):
    base = made.results(paper="made_up")
    changes = {"datasets": ("tcga_luad",), "attributes": ("sex",)}
    fields = base.study.model_copy(update=changes | {"variants": {
        "vanilla": Variant(method="infomax"), "fair_diagnosis": Variant(method="fair_diagnosis"),
    }})  # fmt: skip
    study = replace(base, study=fields, paper=fair)
    found = paper.make(study)
    assert set(found["dataset"]) == {"tcga_luad"}
    ours = found[(found["table"] == "Table 1") & (found["row"] == "Ours")].set_index("metric")
    assert ours["paper"].to_dict() == {
        "accuracy": 0.9785, "auroc": 0.982, "eo": 0.0139, "dp": 0.0689, "adf": 0.00146,
    }  # fmt: skip
    shown = sheets(found, study)
    assert [sheet.number for sheet in shown] == [table.number for table in fair.tables]
    words = " ".join(text for sheet in shown for _, text in sheet.footnotes)
    assert "3.1 here" in words
    assert "84.26" not in words
    assert "85.80" not in words


@pytest.fixture(scope="module")
def class_balanced():
    return read(FOLDER / "class_balanced.yaml")


INTERSECTION = "income x insurance_coverage x race"


def test_af_of_class_balanced_fine_tuning_is_noted_where_it_is_no_difference(class_balanced):
    (table,) = class_balanced.tables
    rows = {row.name: row.printed[INTERSECTION]["mimic_cxr"] for row in table.rows}
    assert [column.metric for column in table.columns] == [
        "auroc", "eo_diff", "balanced_accuracy", "af",
    ]  # fmt: skip
    ours = "Fair Class-balanced Fine-tuning (Ours)"
    away = {name: round(wacc - eo - af, 4) for name, (_, eo, wacc, af) in rows.items()}
    assert away == {"ERM": 0, "Fine-tuning": 0, "DFR": 0.027, ours: 0.0001}
    said = notes_at(class_balanced, "Table 2", block=INTERSECTION, row="DFR", metric="af")
    auc, eo, wacc, af = rows["DFR"]
    assert f"{wacc - eo:.4f}, not {af:.4f}" in said
    assert round(0.6256 - eo, 4) == af
    assert wacc - eo > rows[ours][3] == max(each[3] for each in rows.values())
    assert sorted(each[2] for each in rows.values())[-2:] == [rows["ERM"][2], wacc]
    place = {"block": INTERSECTION, "row": ours, "metric": "balanced_accuracy"}
    lowest = notes_at(class_balanced, "Table 2", **place)
    for i in (0, 2):
        assert rows[ours][i] == min(each[i] for each in rows.values())
    for less in (rows["ERM"][2] - rows[ours][2], wacc - rows[ours][2]):
        assert f"{less:.4f}" in lowest
    for less in (rows["ERM"][1] - rows[ours][1], eo - rows[ours][1]):
        assert f"{less:.4f}" in lowest


def test_the_groups_of_class_balanced_fine_tuning_add_up_to_what_is_said(class_balanced):
    table = class_balanced.groups
    assert table.attribute == INTERSECTION == class_balanced.tables[0].blocks[0].attribute
    counts = [row.printed for row in table.rows]
    assert counts == [20638, 10650, 20308, 26261, 50499, 9666, 13214, 5261]
    assert all(row.group == " x ".join(row.called).lower() for row in table.rows)
    total, split = [note.text for note in table.footnotes if note.concerns({"row": "all"})]
    less = f"{table.total - sum(counts):,} fewer than the printed total of {table.total:,}"
    assert table.total == 193_730
    assert f"add up to {sum(counts):,}, which is {less}" in total
    assert f"add up to {190_000 + 2_500:,}" in split


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


PAIRS = (("low", "Low", "black", "Black"), ("low", "Low", "white", "White")) + (
    ("high", "High", "black", "Black"),
    ("high", "High", "white", "White"),
)


def counted(made, pairs=PAIRS, **changes):
    """A paper that counts groups of income and race."""
    rows = [
        {"group": f"{income} x {race}", "called": [rich, hue], "printed": 5}
        for income, rich, race, hue in pairs
    ]
    table = {"number": "Table 3", "caption": "x", "dataset": "nih", "attribute": "income x race"}
    text = made.printed().model_dump(mode="json")
    text["groups"] = table | {"rows": rows, "total": 99} | changes
    return type(made.printed()).model_validate_json(json.dumps(text))


def test_counted_groups_are_those_of_ours_and_all(made):
    table = counted(made).groups
    groups = ("low x black", "low x white", "high x black", "high x white")
    assert table.names == {"row": (*groups, "all")}
    assert table.total == 99


ODD = {"text": "Odd.", "at": [{"row": "low"}]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pairs": (*PAIRS, PAIRS[0])}, "Table 3: rows holds an entry twice"),
        ({"pairs": ()}, "Table 3: no rows; there must be at least one"),
        (
            {"pairs": PAIRS[:3]},
            r"no group \['high x white'\]; every crossing of \[\['low', 'high'\], \['black', 'w",
        ),
        (
            {"pairs": (*PAIRS[:3], ("high", "Low", "white", "White"))},
            r"income: names .*\('high', 'Low'\)\]; each of ours needs one of the paper's",
        ),
        (
            {"attribute": "income"},
            r"\['low', 'black'\] called \['Low', 'Black'\]; income needs one",
        ),
        ({"total": -1}, "greater than or equal to 0"),
        ({"footnotes": [ODD]}, r"a footnote on row 'low'; have \['low x black', .*'all'\]"),
        (
            {"footnotes": [ODD | {"at": [{"block": "all"}]}]},
            r"a footnote on block 'all'; have \[\]",
        ),
        ({"footnotes": [ODD | {"at": [{}]}]}, "Table 3: a footnote on no place"),
        ({"number": "Table 1"}, r"tables holds an entry twice: \['Table 1', 'Table 1'\]"),
    ],
)
def test_counts_of_groups_that_contradict_themselves_are_refused(made, changes, said):
    with pytest.raises(ValidationError, match=said):
        counted(made, **changes)


def test_a_paper_may_print_counts_alone(made):
    text = {"title": "x", "citation": "y"}
    table = json.loads(counted(made).groups.model_dump_json())
    reference = type(made.printed())
    assert reference.model_validate_json(json.dumps(text | {"groups": table})).tables == ()
    with pytest.raises(ValidationError, match="no tables"):
        reference.model_validate_json(json.dumps(text))


def test_two_tables_of_one_number_are_refused(made):
    text = made.printed().model_dump(mode="json")
    text["tables"] *= 2
    with pytest.raises(
        ValidationError, match=r"tables holds an entry twice: .*'Table 1', 'Table 1'"
    ):
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
