"""The pages of methods are what their files say, and the matrix has a row and a column for each."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from cxrfair import methods

SCRIPTS = Path(__file__).parents[1] / "conformance"


def script(name):
    spec = spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES, MATRIX = script("pages"), script("matrix")
OUTDATED = "run `python tests/conformance/pages.py`"
UNKEPT = "run `python tests/conformance/matrix.py`"


@pytest.mark.parametrize("name", methods.names())
def test_a_docstring_has_what_a_page_needs(name):
    assert PAGES.faults(name) == []


@pytest.mark.parametrize("name", methods.names())
def test_a_page_is_what_its_method_says(name):
    page = PAGES.FOLDER / f"{name}.md"
    assert page.exists(), OUTDATED
    assert page.read_bytes() == PAGES.page(name, PAGES.params()).encode(), OUTDATED


def test_the_index_lists_every_method():
    assert PAGES.INDEX.read_bytes() == PAGES.index().encode(), OUTDATED


def test_no_page_is_of_a_method_that_is_gone():
    assert {page.stem for page in PAGES.FOLDER.glob("*.md")} == set(methods.names()), OUTDATED


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


@pytest.fixture(scope="module")
def tables():
    """The page's tables: rows of cells, without the line below the head."""
    found = []
    for part in MATRIX.PAGE.read_text(encoding="utf-8").split("\n\n"):
        if part.startswith("|"):
            head, _, *rows = map(cells, part.splitlines())
            found.append([head, *rows])
    return found


def test_the_matrix_has_a_row_a_method_and_a_column_a_check(tables):
    (head, *rows), proofs, _ = tables
    assert [re.search(r"`(\w+)`", row[0])[1] for row in rows] == list(methods.names()), UNKEPT
    assert head == ["method", *(short for short, _ in MATRIX.checks().values())], UNKEPT
    assert MATRIX.proofs() in MATRIX.PAGE.read_text(encoding="utf-8"), UNKEPT
    assert len(proofs) == len(head)


def test_the_matrix_says_of_every_cell_that_it_holds_or_why_it_does_not_apply(tables):
    (head, *rows), _, (_, *spared) = tables
    empty = {
        (re.search(r"`(\w+)`", row[0])[1], check)
        for row in rows
        for check, cell in zip(head[1:], row[1:], strict=True)
        if cell != MATRIX.PASSED
    }
    said = {(name, check) for check, of, _ in spared for name in re.findall(r"`(\w+)`", of)}
    assert empty == said, UNKEPT


def test_checks_have_names_of_their_own():
    shorts = [short for short, _ in MATRIX.checks().values()]
    assert len(set(shorts)) == len(shorts)
    assert all(proves.endswith(".") for _, proves in MATRIX.checks().values())
