import subprocess
import sys

import pytest

from cxrfair import methods
from cxrfair.methods import Method
from cxrfair.provenance import PACKAGE, closure, declared, defines


def names(module):
    return {path.relative_to(PACKAGE).as_posix() for path in closure(module)}


def test_imports_are_followed_and_packages_above_are_included():
    files = names("cxrfair.stages.train")
    assert {"__init__.py", "stages/__init__.py", "stages/train.py"} <= files
    assert {"training/loop.py", "methods/_method.py", "backbones.py"} <= files


def test_plugins_are_followed_only_when_named():
    assert "methods/group_dro.py" not in names("cxrfair.stages.train")
    assert "methods/group_dro.py" in names("cxrfair.methods.group_dro")
    assert "methods/erm.py" not in names("cxrfair.methods.group_dro")


def test_nothing_that_python_loads_is_left_out():
    code = "import sys, cxrfair.stages.split; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    files = names("cxrfair.stages.split")
    for module in (m for m in loaded.stdout.split() if m.split(".")[0] == "cxrfair"):
        path = module.removeprefix("cxrfair").lstrip(".").replace(".", "/")
        assert {f"{path}.py", f"{path}/__init__.py".lstrip("/")} & files, module


def test_other_packages_are_no_part_of_it():
    assert closure("pandas") == []


@pytest.mark.parametrize("name", methods.names())
def test_what_a_method_needs_is_read_from_its_source(name):
    assert declared(f"cxrfair.methods.{name}", "needs") == methods.get(name).needs


@pytest.mark.parametrize("name", methods.names())
def test_whether_a_method_draws_otherwise_is_read_from_its_source(name):
    own = methods.get(name).repeats is not Method.repeats
    assert defines(f"cxrfair.methods.{name}", "repeats") == own


@pytest.mark.parametrize("name", methods.names())
def test_what_a_method_needs_is_a_method_at_a_moment_and_in_no_circle(name):
    paths = [[name]]
    while paths:
        passed = paths.pop()
        upstream, _, moment = methods.get(passed[-1]).needs.partition("@")
        assert moment in ({"early", "selected"} if upstream else {""})
        for needed in upstream.split("|") if upstream else ():
            assert needed in methods.names()
            assert needed not in passed, f"{' > '.join(passed)} > {needed}"
            paths.append([*passed, needed])


def test_a_class_declares_before_its_module(tmp_path, monkeypatch):
    monkeypatch.setattr("cxrfair.provenance.PACKAGE", tmp_path / "cxrfair")
    monkeypatch.setattr("cxrfair.provenance._file", lambda _: tmp_path / "some.py")
    source = tmp_path / "some.py"
    source.write_text('other = "outside"\n\n\nclass One:\n    other = 1\n')
    assert declared("cxrfair.some", "needs") == ""
    source.write_text('needs = "outside"\n\n\nclass One:\n    needs = "inside"\n')
    assert declared("cxrfair.some", "needs") == "inside"
    source.write_text('USES = "a head says it for its module"\n')
    assert declared("cxrfair.some", "USES") == "a head says it for its module"
    source.write_text('class One:\n    other = 1\n    needs = "erm@early"\n')
    assert declared("cxrfair.some", "needs") == "erm@early"


def test_only_a_class_defines(tmp_path, monkeypatch):
    source = tmp_path / "some.py"
    monkeypatch.setattr("cxrfair.provenance._file", lambda _: source)
    source.write_text("def repeats():\n    pass\n\n\nclass One:\n    repeats = 1\n")
    assert not defines("cxrfair.some", "repeats")
    source.write_text("class One:\n    def repeats(self):\n        pass\n")
    assert defines("cxrfair.some", "repeats")
    assert not defines("cxrfair.some", "chances")


def test_a_module_that_is_not_there_declares_nothing():
    assert declared("cxrfair.methods.nobody", "needs") == ""
    assert declared("pandas", "needs") == ""
    assert not defines("pandas", "repeats")
