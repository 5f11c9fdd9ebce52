"""A paper's tables as they are set: headings, footnotes, and what stands in a cell."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from cxrfair.report import ReportConfig, figures
from cxrfair.report._latex import latex_sheets
from cxrfair.report._sheets import group_sheets, sheets
from cxrfair.report.site import build
from cxrfair.report.tables import paper_groups
from cxrfair.report.tables.paper import make

CELL = {"block": "sex", "row": "Plain", "dataset": "nih", "metric": "pqd"}
NOTES = [
    {"text": "Of the table.", "at": []},
    {"text": "Of one cell.", "at": [CELL]},
    {"text": "Of what is not shown.", "at": [{"block": "race"}, {"dataset": "padchest"}]},
    {"text": "Of a row.", "at": [{"row": "Robust"}]},
    {"text": "Of a row of a block.", "at": [{"row": "Robust", "block": "age"}]},
    {"text": "Of a column & so on.", "at": [{"metric": "accuracy"}]},
    {"text": "Of a block, of a data set.", "at": [{"block": "sex"}, {"dataset": "nih"}]},
]  # fmt: skip


@pytest.fixture(scope="module")
def study(made):
    found = made.results(paper="made_up")
    return replace(found, paper=made.printed(footnotes=NOTES))


@pytest.fixture(scope="module")
def sheet(study):
    (found,) = sheets(make(study), study)
    return found


def line(sheet, block, name):
    """The one row of a block."""
    (band,) = [band for band in sheet.bands if band.heading.text.startswith(block)]
    (found,) = [each for each in band.lines if each.heading.text == name]
    return found


def test_data_sets_stand_side_by_side(sheet):
    assert [(h.text, h.simulated) for h in sheet.datasets] == [("NIH", False), ("Mimic", True)]
    assert [h.text for h in sheet.headings] == ["Acc", "PQD", "Gap"] * 2
    assert [band.heading.text for band in sheet.bands] == [
        "By age",
        "By sex",
        "Intersection subgroup: sex x age (not in the paper)",
    ]
    assert all(len(each.cells) == 6 for band in sheet.bands for each in band.lines)
    assert sheet.simulated == ("Mimic",)


def test_a_cell_holds_ours_and_the_paper_s(sheet, study):
    rows = make(study).set_index(["block", "row", "dataset", "metric"])
    wanted = rows.loc[("sex", "Plain", "nih", "accuracy")]
    cell = line(sheet, "By sex", "Plain").cells[0]
    assert cell.text == f"{wanted['value']:.3f}"
    assert cell.interval == f"{wanted['ci_low']:.3f}\N{EN DASH}{wanted['ci_high']:.3f}"
    assert cell.printed == "0.711"
    assert line(sheet, "By sex", "Robust").cells[1].printed == ""
    assert line(sheet, "By sex", "Plain").variant == "erm"


def test_what_is_not_run_is_said_beside_the_paper_s_number(sheet):
    lost = line(sheet, "By age", "Lost")
    assert [(c.text, c.state, c.printed) for c in lost.cells[:2]] == [
        ("not run", "absent", "0.744"),
        ("not run", "absent", "0.400"),
    ]
    assert {c.printed for c in lost.cells[3:]} == {""}


def test_footnotes_have_letters_where_they_stand_and_go_where_nothing_of_theirs_is(sheet):
    assert sheet.footnotes == (
        ("", "Of the table."),
        ("a", "Of one cell."),
        ("b", "Of a row."),
        ("c", "Of a row of a block."),
        ("d", "Of a column & so on."),
        ("e", "Of a block, of a data set."),
    )
    assert [c.marks for c in line(sheet, "By sex", "Plain").cells] == ["", "a", "", "", "", ""]
    assert line(sheet, "By age", "Robust").heading.marks == "b,c"
    assert line(sheet, "By sex", "Robust").heading.marks == "b"
    assert [h.marks for h in sheet.headings] == ["d", "", ""] * 2
    assert [h.marks for h in sheet.datasets] == ["e", ""]
    assert [band.heading.marks for band in sheet.bands] == ["", "e", ""]


def test_numbers_are_in_the_paper_s_unit(study, made):
    columns = [{"metric": "accuracy", "heading": "ACC%", "unit": 0.01, "digits": 2}]
    rows = [{"name": "Plain", "variant": "erm", "printed": {"sex": {"nih": [84.46]}}}]
    one = replace(study, paper=made.printed(columns=columns, rows=rows))
    frame = make(one).assign(value=0.81234, ci_low=0.8, ci_high=0.9)
    cell = line(sheets(frame, one)[0], "By sex", "Plain").cells[0]
    assert (cell.text, cell.interval, cell.printed) == ("81.23", "80.00–90.00", "84.46")


def test_undefined_and_hidden_stay_so(study):
    frame = make(study)
    here = frame["metric"].eq("pqd")
    for note, state in (("no positives", "undefined"), ("hidden: small group", "hidden")):
        empty = frame.assign(value=frame["value"].mask(here), note=frame["note"].mask(here, note))
        cell = line(sheets(empty, study)[0], "By sex", "Plain").cells[1]
        assert (cell.text, cell.state, cell.note) == (state, state, note)
        assert (cell.interval, cell.printed) == ("", "0.900")


def test_latex_is_set_as_papers_are(sheet):
    text = latex_sheets([sheet])
    assert text.startswith("% PHANTOM: simulated data\n\\begin{table}")
    assert r"\caption{Table 1 of the paper. Made up. PHANTOM: simulated data (Mimic).}" in text
    over = r" & \multicolumn{3}{c}{NIH\textsuperscript{e}} & \multicolumn{3}{c}{Mimic} \\"
    assert over in text
    assert r"\cmidrule(lr){2-4}\cmidrule(lr){5-7}" in text
    assert r"\multicolumn{7}{l}{\textit{By sex\textsuperscript{e}}} \\" in text
    assert r"\quad paper & 0.711 & 0.900\textsuperscript{a} & 0.800 &  &  &  \\" in text
    assert r"\par\smallskip{\footnotesize Of the table.}" in text
    assert r"{\footnotesize \textsuperscript{d}Of a column \& so on.}" in text
    cells = [row.count("&") for row in text.splitlines() if row.endswith(r"\\")]
    assert set(cells) <= {0, 2, 6}
    real = replace(sheet, datasets=sheet.datasets[:1])
    assert "PHANTOM" not in latex_sheets([real])


def test_counts_of_groups_stand_above_the_paper_s(study):
    frame = paper_groups.make(study)
    (found,) = group_sheets(frame, study)
    assert found.number == "Table 0"
    assert [(h.text, h.simulated) for h in found.datasets] == [("NIH", False), ("Mimic", True)]
    headings = ["Images", "Patients", "Train", "Validation", "Test"]
    assert [h.text for h in found.headings] == headings * 2
    men, women, total = found.bands[0].lines
    assert [(each.heading.text, each.variant) for each in found.bands[0].lines] == [
        ("Men", "male"), ("Women", "female"), ("Total", ""),
    ]  # fmt: skip
    ours = frame.set_index(["dataset", "group"])["n_images"]
    assert (men.cells[0].text, men.cells[0].printed) == (f"{ours['nih', 'male']:,}", "3,000")
    assert women.cells[5].text == f"{ours['mimic', 'female']:,}"
    assert {cell.printed for cell in (*men.cells[1:], *women.cells[1:])} == {""}
    assert (total.heading.marks, men.heading.marks) == ("a", "")
    assert found.footnotes == (("a", "One too many."),)


def test_a_hidden_count_of_a_group_is_no_number(study):
    frame = paper_groups.make(study)
    frame.loc[frame["group"] == "male", "n_images"] = pd.NA
    cell = group_sheets(frame, study)[0].bands[0].lines[0].cells[0]
    assert (cell.text, cell.state, cell.printed) == ("hidden", "hidden", "3,000")
    other = replace(study, paper=study.paper.model_copy(update={"groups": None}))
    assert group_sheets(paper_groups.make(other), other) == []


@pytest.fixture
def no_figures(monkeypatch):
    """They take their time, and none of them is looked at here."""
    monkeypatch.setattr(figures, "names", lambda: ())


@pytest.mark.usefixtures("no_figures")
def test_the_page_shows_both_numbers_and_the_footnotes(study, tmp_path):
    build([study], ReportConfig(public=False), tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<span class="printed">paper 0.711</span>' in page
    assert '<span class="printed">paper 0.900<sup class="letter">a</sup></span>' in page
    assert "A. Body, <cite>A paper</cite>" in page
    assert '<sup class="letter">d</sup>Of a column &amp; so on.' in page
    assert "Of what is not shown" not in page
    assert '<td class="number absent">' in page
    assert '<span class="printed">paper 5,001</span>' in page
    stamps = re.findall(r'<colgroup span="3"( class=phantom)?>', page)
    assert stamps == ["", " class=phantom"]  # NIH, and the simulated MIMIC beside it


@pytest.mark.usefixtures("no_figures")
def test_a_public_page_and_its_files_hide_what_suppression_hides(study, tmp_path):
    build([study], ReportConfig(public=True), tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    folder = tmp_path / "quick" / "tables"
    rows = pd.read_csv(folder / "paper.csv")
    hidden = rows[rows["note"].fillna("").str.startswith("hidden")]
    assert {"age", "sex x age"} <= set(hidden["block"])
    assert hidden[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    table, _ = re.findall(r'<table class="sheet">.*?</table>', page, re.DOTALL)
    assert table.count('<span class="value">hidden</span>') == len(hidden)
    text = (folder / "paper.tex").read_text(encoding="utf-8")
    assert len(re.findall(r"& hidden\b", text)) == len(hidden)
    of_age = make(study).query("block == 'age' and metric == 'pqd' and variant != 'never'")
    assert of_age["value"].notna().any()  # there was something to hide
