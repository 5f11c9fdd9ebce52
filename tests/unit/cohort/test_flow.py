import pandas as pd

from cxrfair import tables
from cxrfair.cohort.flow import Flow, ingested, join, noted, tally


def _rows(*patients):
    return pd.DataFrame(
        {"image_id": [f"i{k}" for k in range(len(patients))], "patient_id": patients}
    )


def test_a_step_counts_images_and_patients():
    rows = _rows("a", "a", "b")
    flow = Flow()
    kept = flow.keep("view AP", rows, pd.Series([True, True, False]), pd.Series(["AP", "AP", None]))
    table = flow.table()
    tables.FLOW.check(table)
    assert kept["patient_id"].tolist() == ["a", "a"]
    assert table.iloc[0].to_dict() == {
        "position": 0,
        "step": "view AP",
        "images_in": 3,
        "images_out": 2,
        "images_lost": 1,
        "patients_out": 1,
        "why": "none 1",
    }


def test_tally_puts_the_commonest_first_and_ties_by_name():
    assert tally(pd.Series(["b", "a", "c", "c"])) == "c 2, a 1, b 1"
    assert tally(pd.Series([], dtype="str")) is None


def test_ingest_lists_what_the_source_lists():
    absent = pd.DataFrame(
        {
            "image_id": ["x", "y", "z"],
            "patient_id": ["c", "c", "d"],
            "why": ["no image file", "no image file", "no labels"],
        }
    )
    flow = ingested(_rows("a", "b"), absent)
    tables.FLOW.check(flow)
    assert flow["step"].tolist() == ["listed by the source", "with image file", "with labels"]
    assert flow["images_out"].tolist() == [5, 3, 2]
    assert flow["patients_out"].tolist() == [4, 3, 2]
    whole = ingested(_rows("a"), absent.iloc[:0])
    assert whole["images_lost"].tolist() == [0]


def test_flows_of_consecutive_stages_are_lined_up(tmp_path):
    first = ingested(_rows("a", "b"), pd.DataFrame({"image_id": [], "patient_id": [], "why": []}))
    second = Flow()
    second.step("x", _rows("a", "b"), _rows("a"))
    second.step("y", _rows("a"), _rows("a"))
    joined = join(first, second.table())
    assert joined["position"].tolist() == [0, 1, 2]
    assert joined["step"].tolist() == ["listed by the source", "x", "y"]
    tables.FLOW.write(joined, tmp_path / "flow.parquet")


def test_no_flow_is_a_flow_without_steps():
    assert len(join()) == 0
    tables.FLOW.check(join(Flow().table()))


def test_what_the_rules_of_a_source_did_is_a_step_that_loses_nothing():
    notes = {"a blank sex is unknown": 2, "an age of 0 is unknown": 1_200, "never met": 0}
    assert noted(notes) == "an age of 0 is unknown: 1,200; a blank sex is unknown: 2"
    assert noted({"b": 1, "a": 1}) == "a: 1; b: 1"
    absent = pd.DataFrame({"image_id": ["x"], "patient_id": ["c"], "why": ["no image file"]})
    flow = ingested(_rows("a", "b"), absent, notes)
    tables.FLOW.check(flow)
    assert flow["step"].iloc[-1] == "as the source's rules say"
    assert flow["images_lost"].tolist() == [0, 1, 0]
    assert flow["why"].iloc[-1] == noted(notes)
    assert len(ingested(_rows("a"), absent, {})) == 2
