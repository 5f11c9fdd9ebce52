"""House rules that a linter does not know."""

import ast
import statistics
from pathlib import Path

import pytest

import cxrfair

ROOT = Path(cxrfair.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION, USUAL_FUNCTION, DEEPEST = 300, 40, 25, 3
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try)


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node):
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def depth(node):
    inner = max((depth(child) for child in ast.iter_child_nodes(node)), default=0)
    return inner + isinstance(node, BLOCKS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    for node in functions(path):
        assert length(node) <= LONGEST_FUNCTION, f"{node.name}: {length(node)} lines"
        assert depth(node) <= DEEPEST, f"{node.name}: {depth(node)} blocks inside one another"


def test_most_functions_are_short():
    lengths = [length(node) for path in FILES for node in functions(path)]
    assert statistics.quantiles(lengths, n=20)[-1] <= USUAL_FUNCTION


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_is_named_for_nothing(path):
    assert not {"utils", "helpers", "misc", "common"} & set(
        path.relative_to(ROOT).with_suffix("").parts
    )


def test_no_assert_guards_data():
    for path in FILES:
        asserts = [
            n.lineno for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Assert)
        ]
        assert not asserts, f"{path}: assert at lines {asserts}"
