"""What every method is held to: the contract tests run, and written down as a table.

`python tests/conformance/matrix.py` runs tests/contract/test_methods.py and writes
docs/conformance.md: a row a method, a column a test, and below what each test proves (the first
words of its docstring are the column's name).
"""

import ast
import inspect
import sys
from pathlib import Path

import pytest

from cxrfair import methods

REPO = Path(__file__).parents[2]
TESTS, PAGE = REPO / "tests" / "contract" / "test_methods.py", REPO / "docs" / "conformance.md"
PASSED, NONE, FAILED = "yes", "-", "NO"
GRAVITY = (NONE, PASSED, FAILED)  # a method is tried with several settings; the last of these holds
NOT_APPLICABLE = "not applicable"  # the property a test notes, with why
HEAD = """# What every method is held to

Tests that know no method by name try all of this on every method, on a network of a few hundred
weights, from the moment its file exists: as params.yaml sets it, and again for every other choice
of a setting that has a few. `python tests/conformance/matrix.py` runs them and writes this page.

What a method is given before its first step (the training list, and what the model it starts from
answers on it: once, in evaluation mode, not augmented) is the engine's affair, the same for all:
`tests/unit/training/test_listed.py`.

"""


def checks():
    """Return (short name, what it proves) of every test, by its name, in the order of the file."""
    found = {}
    for node in ast.parse(TESTS.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            short, colon, proves = inspect.cleandoc(ast.get_docstring(node) or "").partition(": ")
            if not colon:
                raise ValueError(f"{node.name}: its docstring must begin with `<name>: <what>`")
            proves = " ".join(proves.split())
            found[node.name] = short, proves[:1].upper() + proves[1:]
    return found


class Watcher:
    """Notes how every test ended, by check and method; one of no method counts for all."""

    def __init__(self):
        self.about, self.ended, self.why = {}, {}, {}

    def pytest_itemcollected(self, item):
        case = item.callspec.params["case"] if hasattr(item, "callspec") else None
        of = methods.names() if case is None else (case.name,)
        self.about[item.nodeid] = [(item.originalname, name) for name in of]

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        why = dict(report.user_properties).get(NOT_APPLICABLE)
        outcome = FAILED if not report.passed else NONE if why else PASSED
        for cell in self.about[report.nodeid]:
            self.ended[cell] = max(outcome, self.ended.get(cell, NONE), key=GRAVITY.index)
            self.why[cell] = why

    def spared(self):
        """Return the methods that a check does not apply to, by check and why."""
        found = {}
        for (check, name), outcome in self.ended.items():
            if outcome == NONE:
                found.setdefault((check, self.why[check, name]), []).append(name)
        return found


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def proofs():
    """Return what each check proves, as a table."""
    return table(["check", "proves"], checks().values())


def text(watched):
    """Return the page."""
    known = checks()
    rows = [
        [f"[`{name}`](methods/{name}.md)", *(watched.ended[check, name] for check in known)]
        for name in methods.names()
    ]
    matrix = table(["method", *(short for short, _ in known.values())], rows)
    spared = [
        [known[check][0], ", ".join(f"`{name}`" for name in of), why]
        for (check, why), of in watched.spared().items()
    ]
    return (
        f"{HEAD}`{PASSED}`: it holds. `{NONE}`: it does not apply, and why stands below.\n\n"
        f"{matrix}\n## What each proves\n\n{proofs()}\n"
        f"## What does not apply\n\n{table(['check', 'methods', 'why'], spared)}"
    )


def main():
    """Run the tests and write the page; end with their exit status."""
    watched = Watcher()
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    status = pytest.main([*options, str(TESTS)], plugins=[watched])
    PAGE.write_text(text(watched), encoding="utf-8")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
