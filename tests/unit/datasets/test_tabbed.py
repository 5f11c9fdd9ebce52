import pytest

from cxrfair.datasets import SourceError, _tabbed


def test_lines_keep_their_numbers_and_cells_lose_their_blanks(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a \tb\r\n\r\n\t\n c\t\t\n")
    assert list(_tabbed.rows(path, "utf-8")) == [(1, ["a", "b"]), (4, ["c", "", ""])]


@pytest.mark.parametrize(
    ("data", "says"), [(b"\xff\xfe", "cannot be read"), (b"a\0b", "zero bytes")]
)
def test_what_is_no_text_is_refused(tmp_path, data, says):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=says):
        list(_tabbed.rows(path, "utf-8"))
    with pytest.raises(SourceError, match="cannot be read"):
        list(_tabbed.rows(tmp_path / "none.txt", "utf-8"))


def test_a_table_of_absurd_length_is_not_read(tmp_path):
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(_tabbed.LONGEST + 1)
    with pytest.raises(SourceError, match="at most"):
        list(_tabbed.rows(tmp_path / "a.txt", "utf-8"))
