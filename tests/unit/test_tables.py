import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.tables import SPLITS, TableError


def splits(ids, fold="train"):
    return pd.DataFrame({"image_id": ids, "fold": fold, "cell": "x"})


@given(ids=st.lists(st.text("abc", min_size=1, max_size=3), unique=True, min_size=1, max_size=9))
def test_equal_content_is_equal_bytes(ids, tmp_path_factory):
    folder = tmp_path_factory.mktemp("t")
    frame = splits(ids)
    SPLITS.write(frame, folder / "a")
    SPLITS.write(frame.iloc[::-1][["cell", "fold", "image_id"]], folder / "b")
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()
    assert SPLITS.read(folder / "a")["image_id"].tolist() == sorted(ids)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            splits(["a"], "dev"),
            r"splits.fold: \['dev'\] at row 0; allowed: train, validation, test",
        ),
        (splits(["a", "a"]), r"splits.*image_id"),
        (splits(["a", None]), r"splits.image_id: .*not_nullable"),
        (splits(["a"]).drop(columns="cell"), r"splits.*cell"),
        (splits(["a"]).assign(extra=1), r"splits.*extra"),
    ],
)
def test_a_broken_promise_is_named_and_nothing_is_written(frame, message, tmp_path):
    with pytest.raises(TableError, match=message):
        SPLITS.write(frame, tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_does_not_fit_its_column_is_refused(tmp_path):
    frame = pd.DataFrame({"epoch": ["one"], "name": "loss", "value": 1.0})
    with pytest.raises(TableError, match="history"):
        tables.HISTORY.write(frame, tmp_path / "t")


def test_empty_cells_stay_empty(tmp_path):
    frame = pd.DataFrame({"image_id": ["a"], "label": "edema", "target": pd.array([None], "Int8")})
    tables.TARGETS.write(frame, tmp_path / "t")
    assert tables.TARGETS.read(tmp_path / "t")["target"].isna().all()


def test_every_table_has_an_empty_form_that_it_accepts(tmp_path):
    every = [value for value in vars(tables).values() if isinstance(value, tables.Table)]
    assert len(every) > 10
    for table in every:
        table.write(table.empty(), tmp_path / table.name)
        assert list(table.read(tmp_path / table.name)) == list(table.columns)
