import subprocess
import sys

from cxrfair.provenance import PACKAGE, closure


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
