import csv
import gzip

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrfair.datasets import SourceError, _csv

COLUMNS = {
    "id": _csv.pattern(r"\d+", "digits", unique=True),
    "sex": _csv.words(("F", "M"), blank=True),
    "size": _csv.number("millimetres"),
    "day": _csv.time("%Y-%m-%d", "a date YYYY-MM-DD", blank=True),
}


def _file(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text)
    return path


def _error(path):
    with pytest.raises(SourceError) as caught:
        _csv.read(path, COLUMNS)
    return str(caught.value)


def test_cells_stay_text_and_rows_are_lines_of_the_file(tmp_path):
    path = _file(tmp_path, "extra,id,sex,size,day\nx,007,F,1.50,2020-02-29\n\ny,8,,-2,\n")
    frame = _csv.read(path, COLUMNS)
    assert frame.index.tolist() == [2, 4]
    assert frame["id"].tolist() == ["007", "8"]
    assert frame["size"].tolist() == ["1.50", "-2"]
    assert frame.isna().sum().to_dict() == {"id": 0, "sex": 1, "size": 0, "day": 1}


def test_words_like_na_are_words(tmp_path):
    path = _file(tmp_path, "word\nNA\nnull\n")
    assert _csv.read(path, {"word": _csv.words(("NA", "null"))})["word"].tolist() == ["NA", "null"]


def test_gzip_and_a_byte_order_mark_make_no_difference(tmp_path):
    text = "id,sex,size,day\n1,F,1,\n"
    plain = _csv.read(_file(tmp_path, "\ufeff" + text), COLUMNS)
    packed = tmp_path / "table2.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    pd.testing.assert_frame_equal(plain, _csv.read(packed, COLUMNS))


def test_trailing_empty_columns_of_the_header_may_be_missing_in_the_rows(tmp_path):
    path = _file(tmp_path, "id,sex,size,day,,\n1,F,1,\n2,F,1,,\n3,F,1,,,\n")
    assert len(_csv.read(path, COLUMNS)) == 3


@pytest.mark.parametrize(
    ("row", "column", "value", "allowed"),
    [
        ("x1,F,1,", "id", "'x1'", "allowed: digits"),
        ("2,Female,1,", "sex", "'Female'", "allowed: F, M or blank"),
        ("2,F,nan,", "size", "'nan'", "allowed: millimetres"),
        ("2,F,,", "size", "blank", "allowed: millimetres, not blank"),
        ("2,F,1,2021-02-29", "day", "'2021-02-29'", "allowed: a date YYYY-MM-DD or blank"),
        (" 2,F,1,", "id", "' 2'", "allowed: digits"),
    ],
)
def test_a_bad_cell_is_named(tmp_path, row, column, value, allowed):
    path = _file(tmp_path, f"id,sex,size,day\n1,F,1,\n{row}\n")
    assert _error(path) == f"{path} row 3, column '{column}': {value}; {allowed} (1 rows)"


def test_the_first_of_each_kind_is_shown_with_their_number(tmp_path):
    path = _file(tmp_path, "id,sex,size,day\n1,X,a,\n2,Y,1,\n")
    first, second = sorted(_error(path).splitlines())
    assert first == f"{path} row 2, column 'sex': 'X'; allowed: F, M or blank (2 rows)"
    assert second == f"{path} row 2, column 'size': 'a'; allowed: millimetres (1 rows)"


def test_a_duplicated_id_names_both_rows(tmp_path):
    path = _file(tmp_path, "id,sex,size,day\n1,F,1,\n2,F,1,\n1,F,1,\n")
    assert _error(path) == (
        f"{path} row 4, column 'id': '1'; allowed: each value once, here again after row 2 (2 rows)"
    )


def test_a_missing_column_lists_those_there_are(tmp_path):
    path = _file(tmp_path, "id,Sex,size,day\n")
    assert _error(path) == f"{path}: no column ['sex']; has id, Sex, size, day"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,sex,size,day\n1,F,1\n", "row 2: 3 cells; the header has 4"),
        ("id,sex,size,day\n1,F,1,,5\n", "row 2: 5 cells; the header has 4"),
        ("id,id,size,day\n", "every column needs a name of its own"),
        ("", "every column needs a name of its own"),
        ('id,sex,size,day\n1,"F,1,\n', "a whole CSV file is needed"),
    ],
)
def test_a_malformed_file_is_named(tmp_path, text, says):
    path = _file(tmp_path, text)
    assert str(path) in _error(path)
    assert says in _error(path)


def test_a_truncated_gzip_file_is_named(tmp_path):
    path = tmp_path / "table.csv.gz"
    whole = gzip.compress(b"id,sex,size,day\n" + b"1,F,1,\n" * 50)
    path.write_bytes(whole[: len(whole) - 12])
    assert _error(path).startswith(f"{path}: cannot be read")


def test_bytes_that_are_not_text_are_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"id,sex,size,day\n1,\xff,1,\n")
    assert _error(path).startswith(f"{path}: cannot be read")


def test_locate_prefers_the_first_name_and_plain_over_gzip(tmp_path):
    for name in ("b.csv", "b.csv.gz", "a.csv.gz"):
        (tmp_path / name).touch()
    assert _csv.locate(tmp_path, "a.csv", "b.csv").name == "a.csv.gz"
    assert _csv.locate(tmp_path, "b.csv").name == "b.csv"
    assert _csv.locate_optional(tmp_path, "c.csv") is None
    with pytest.raises(SourceError, match=r"a table is missing; looked for c\.csv, d\.csv"):
        _csv.locate(tmp_path, "c.csv", "d.csv")


def test_a_list_must_not_repeat_itself(tmp_path):
    assert _csv.read_lines(_file(tmp_path, "a.png\n\nb.png\n")).tolist() == ["a.png", "b.png"]
    with pytest.raises(SourceError, match=r"row 3: 'a\.png' is listed twice"):
        _csv.read_lines(_file(tmp_path, "a.png\nb.png\na.png\n"))


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_rows_are_read_in_pieces_that_do_not_show(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(_csv, "PIECE", piece)
    rows = ["1,F,1,", "", "2,M,2,2020-01-01", ",,,", "3,,3,", "4,F,4,,"]
    frame = _csv.read(_file(tmp_path, "\n".join(["id,sex,size,day", *rows, ""])), COLUMNS)
    assert frame.index.tolist() == [2, 4, 6, 7]
    assert frame["id"].tolist() == ["1", "2", "3", "4"]
    assert frame["sex"].isna().tolist() == [False, False, True, False]
    assert set(map(str, frame.dtypes)) == {"str"}
    bad = _file(tmp_path, "\n".join(["id,sex,size,day", *rows, "5,F,5,,x"]))
    assert "row 8: 5 cells; the header has 4" in _error(bad)
    assert "row 8, column 'sex': 'X'" in _error(
        _file(tmp_path, "\n".join(["id,sex,size,day", *rows, "5,X,5,"]))
    )


def test_a_table_without_rows_has_its_columns(tmp_path):
    frame = _csv.read(_file(tmp_path, "id,sex,size,day\n"), COLUMNS)
    assert list(frame) == list(COLUMNS)
    assert set(map(str, frame.dtypes)) == {"str"}
    assert len(frame) == 0


CELLS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS), max_size=6))
def test_any_text_comes_back_as_it_was(tmp_path, rows):
    path = tmp_path / "words.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([("left", "right"), *rows])
    anything = _csv.cells(lambda text: text.notna(), "anything", blank=True)
    frame = _csv.read(path, {"right": anything, "left": anything})
    filled = [(i, row) for i, row in enumerate(rows, 2) if any(row)]
    assert frame.index.tolist() == [i for i, _ in filled]
    for column, place in (("left", 0), ("right", 1)):
        said = frame[column].astype(object).where(frame[column].notna(), "").tolist()
        assert said == [row[place] for _, row in filled]
