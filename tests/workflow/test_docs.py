"""What the documentation says, done: its commands, examples, settings, files, links, errors."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import metadata
from importlib.util import module_from_spec, spec_from_file_location
from itertools import groupby
from pathlib import Path

import pytest
import yaml
from PIL import Image

from cxrfair import settings, tables
from cxrfair.datasets import SourceError

pytestmark = pytest.mark.workflow

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted((REPO / "docs").rglob("*.md"))]
EVERY_PAGE = [*PAGES, REPO / "CHANGELOG.md", REPO / "SECURITY.md"]
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)^```$", re.M)
# `make` in the environment that the tests run in, instead of one of its own.
HERE = {"MAKEFLAGS": f"STAMP= DEV_STAMP= VENV={os.devnull}"}
SMALLEST_PIECE = 8  # characters of an error's text between two placeholders worth looking for


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind its fence, and what is in it."""

    place: str
    info: str
    text: str

    @property
    def needs(self):
        return self.info.partition("needs=")[2] or None


def blocks(kind, pages=PAGES):
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1].split(" ")[:1] == [kind]:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(f"{page.relative_to(REPO)}:{line}", match[1], match[2]))
    return found


def each(found):
    return pytest.mark.parametrize("block", found, ids=lambda block: block.place)


def once(found):
    """Blocks of the same text once, named by every place they are at."""
    same = sorted(found, key=lambda block: (block.text, block.info, block.place))
    alike = [list(group) for _, group in groupby(same, key=lambda b: (b.text, b.info))]
    return [Block("+".join(b.place for b in of), of[0].info, of[0].text) for of in alike]


def words(page):
    """Inline code of a page, and of the links' texts."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(word.split()) for word in re.findall(r"`([^`]+)`", prose)]


def merged(base, more):
    """Lay the settings of an example over params.yaml."""
    together = dict(base)
    for key, value in more.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict)
        together[key] = merged(base[key], value) if nested else value
    return together


def bash(workplace, text, check=True, **environment):
    return workplace.run("bash", "-euo", "pipefail", "-c", text, check=check, **HERE, **environment)


# What runs of a command on a machine that lacks what it needs. Everything else runs as written.


def shown(workplace, command):
    """`make test` would run this test again: show what it would do."""
    assert "pytest" in bash(workplace, command.replace("make", "make -n")).stdout


def shown_lint(workplace, command):
    done = bash(workplace, command.replace("make", "make -n")).stdout
    for tool in ("ruff format", "ruff check", "mypy", "lint-imports", "snakefmt"):
        assert tool in done


def shown_sync(workplace, command):
    """Show it: test_changes.py runs it, after `dvc pull` and after `dvc checkout`."""
    done = bash(workplace, command.replace("make", "make -n")).stdout
    assert "dvc status" in done
    assert "--touch" in done


def refused_without_conda(workplace, command):
    folders = [str(Path(sys.executable).parent), *os.environ["PATH"].split(os.pathsep)]
    path = os.pathsep.join(folder for folder in folders if not Path(folder, "conda").exists())
    done = bash(workplace, command, check=False, PATH=path)
    assert done.returncode
    others = ("make: ***", "Using workflow specific profile")
    said = [line for line in done.stderr.splitlines() if not line.startswith(others)]
    assert len(said) == 1
    assert "no conda on PATH" in said[0]


def environment_is_there(workplace, command):
    described = yaml.safe_load((workplace.root / "environment.yml").read_text())
    allowed = {"conda env create -f environment.yml", f"conda activate {described['name']}"}
    assert command in allowed


def planned(workplace, command):
    """Everything but the submission: profile, executor and all jobs are looked at."""
    out = bash(workplace, f"{command} --dry-run --forceall").stdout
    assert "slurm_partition=main" in out
    assert re.search(r"^train +\d", out, re.M)


def options_exist(workplace, command):
    program = re.match(r"[a-z]+ [a-z]+", command)[0]
    said = bash(workplace, f"{program} --help").stdout
    for option in re.findall(r"--[a-z-]+", command):
        assert option in said, f"{program} has no {option}"


def extra_exists(_, command):
    name, extra = re.search(r"'(\w+)\[(\w+)\]'", command).groups()
    assert extra in metadata(name).get_all("Provides-Extra")


def known_data_set(workplace, command):
    """Its folder is not here: the command and the data set are there."""
    program, _, dataset = command.rpartition(" ")
    assert bash(workplace, f"{program} --help").stdout
    names = [line.split()[0] for line in bash(workplace, "cxrfair data list").stdout.splitlines()]
    assert dataset in names


def illustrated(workplace, command):
    """Its table is not here: a simulated one takes its place."""
    bash(workplace, "cxrfair phantom write tcga_luad data/raw/cases --patients 3 --image-size 32")
    given = re.search(r"\S+clinical\.tsv", command)[0]
    bash(workplace, command.replace(given, "data/raw/cases/clinical.tsv"))
    drawn = workplace.root / command.split()[-1]
    assert any(drawn.rglob("*.dcm"))


INSTEAD = {
    (None, "make test"): shown,
    (None, "make lint"): shown_lint,
    (None, "make sync"): shown_sync,
    ("conda", "snakemake"): refused_without_conda,
    ("conda", "make conda"): refused_without_conda,
    ("conda", "conda"): environment_is_there,
    ("slurm", "snakemake"): planned,
    ("data", "cxrfair data check"): known_data_set,
    ("data", "cxrfair phantom illustrate"): illustrated,
    ("server", "mlflow ui"): options_exist,
    ("s3", "pip install"): extra_exists,
    ("s3", "dvc push"): options_exist,
}


def instead(needs, line):
    for (tag, start), other in INSTEAD.items():
        if tag == needs and line.startswith(start):
            return other
    return None


@each(once(blocks("bash")))
def test_every_command_does_what_it_can_here(block, workplace):
    whole = []
    for line in block.text.splitlines():
        other = instead(block.needs, line)
        if other is None:
            whole.append(line)
        else:
            other(workplace, line)
    assert block.needs is None or len(whole) < len(block.text.splitlines()), "a tag for nothing"
    if whole:
        bash(workplace, "\n".join(whole))


def test_the_two_commands_are_in_the_makefile_and_ci_runs_the_tests():
    makefile = (REPO / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.M)
    first = [block.text.strip() for block in blocks("bash", [REPO / "README.md"])][:2]
    assert first == ["make report", "make test"]
    assert {"report", "test"} <= set(targets)
    assert "make test" in (REPO / ".ci/run").read_text().splitlines()
    for page in EVERY_PAGE:
        for word in words(page):
            if word.startswith("make "):
                assert word.split()[1] in targets, f"{page.name}: {word}"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_every_link_and_picture_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", FENCE.sub("", file.read_text()), re.M)
            slugs = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{page.name}: {target}"
        if file.suffix == ".png":
            assert file.stat().st_size < 300_000


def exists(root, name):
    """Whether there is a file of that name; `<x>` stands for anything, `{a,b}` for both."""
    pattern = re.sub(r"<[^>]*>", "*", name)
    choice = re.search(r"\{([^}]*)\}", pattern)
    every = choice[1].split(",") if choice else [""]
    ways = [pattern.replace(choice[0], part) if choice else pattern for part in every]
    return all(any(root.glob(way.rstrip("/"))) for way in ways)


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_every_file_named_is_there(page, finished):
    hidden = {".snakemake", ".cxrfair"}  # there while something runs
    folders = {path.name for path in finished.root.iterdir() if path.is_dir()} - hidden
    for word in words(page):
        inside = "/" in word and word.split("/")[0] in folders
        settings_file = re.fullmatch(r"[\w-]+\.(yaml|yml|toml|txt|lock)", word)
        if (inside or settings_file) and " " not in re.sub(r"<[^>]*>", "", word):
            assert exists(finished.root, word), f"{page.name}: {word}"


def test_the_readme_s_tree_is_what_comes_out(finished):
    tree = next(b for b in blocks("", [REPO / "README.md"]) if b.text.startswith("results/"))
    names = re.findall(r"^  (\S+(?: set>\S*)?)", tree.text, re.M)
    assert len(names) > 5
    for name in names:
        assert exists(finished.root / "results", name), name


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_every_setting_mentioned_is_in_params_yaml(page, repo):
    params = yaml.safe_load((repo / "params.yaml").read_text())
    for word in words(page):
        keys = word.split(":")[0].split(".")
        if len(keys) == 1 or keys[0] not in params:
            continue
        place = params[keys[0]]
        for key in keys[1:]:
            assert key.startswith("<") or key in place, f"{page.name}: {word}"
            place = next(iter(place.values())) if key.startswith("<") else place[key]


@each([b for b in blocks("yaml") if not b.place.startswith("CONTRIBUTING")])
def test_every_example_of_settings_is_valid(block, repo):
    assert block.info == "yaml params"
    params = yaml.safe_load((repo / "params.yaml").read_text())
    settings.check(merged(params, yaml.safe_load(block.text)))


@each(blocks("text"))
def test_every_error_quoted_is_one_of_ours(block, repo):
    places = ("src/**/*.py", "workflow/rules/*.smk", "workflow/scripts/*.sh", "Makefile")
    source = "\n".join(path.read_text() for place in places for path in repo.glob(place))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # one text over several lines
    pieces = [part.strip(" '().,:;") for part in re.split(r"<[^<>]*>|\n", block.text)]
    long = [piece for piece in pieces if len(piece) >= SMALLEST_PIECE]
    assert long
    for piece in long:
        assert piece in source, piece


@pytest.fixture(scope="module")
def extended(fresh, tmp_path_factory):
    """A clone to which every example of CONTRIBUTING was added."""
    clone = fresh.copy(tmp_path_factory.mktemp("extended") / "clone")
    page = [REPO / "CONTRIBUTING.md"]
    for block in blocks("python", page):
        path = clone.root / block.info.split()[1]
        assert not path.exists()
        path.write_text(block.text)
    file = clone.root / "params.yaml"
    params = yaml.safe_load(file.read_text())
    params["rebalance"].setdefault("balanced", {"over": ["sex", "age"]})
    for block in blocks("yaml", page):
        params = merged(params, yaml.safe_load(block.text))
    file.write_text(yaml.safe_dump(params, sort_keys=False))
    return clone


ADDED = [Path(b.info.split()[1]) for b in blocks("python", [REPO / "CONTRIBUTING.md"])]


def test_the_examples_tests_pass(extended):
    extended.run("python", "tests/conformance/pages.py")
    paths = [str(path) for path in ADDED if path.parts[0] == "tests"]
    assert paths
    extended.run("python", "-m", "pytest", *paths, "-q", "-p", "no:cacheprovider")


def test_the_examples_keep_the_contracts(extended):
    extended.run("python", "tests/conformance/pages.py")
    names = [path.stem for path in ADDED if path.parts[0] == "src"]
    assert len(names) == 5
    done = extended.run(
        *("python", "-m", "pytest", "tests/contract", "-q", "-rA", "-p", "no:cacheprovider"),
        *("-k", " or ".join(names)),
        OMP_NUM_THREADS="1",
    )
    for name in names:
        assert re.search(rf"^PASSED .*{name}", done.stdout, re.M), name


def test_the_examples_keep_the_house_s_style(extended):
    paths = [str(path) for path in ADDED]
    extended.run("ruff", "format", "--check", *paths)
    extended.run("ruff", "check", *paths)
    extended.run("lint-imports")


def test_the_example_of_a_study_is_planned_with_the_others(extended):
    study = yaml.safe_load((extended.root / "params.yaml").read_text())["studies"][
        "effusion_by_age"
    ]
    assert extended.planned()["train"] == 4 + len(study["variants"]) * len(study["seeds"])


def test_the_example_of_a_data_set_reads_and_refuses(extended, tmp_path):
    path = extended.root / "src/cxrfair/datasets/my_hospital.py"
    spec = spec_from_file_location("my_hospital", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "png").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "png/a.png")
    rows = ["file,patient,sex,age,Effusion,Normal", "a.png,1,female,60,1,", "b.png,2,,7,0,1"]
    (tmp_path / "images.csv").write_text("\n".join(rows))
    images = module.read(tmp_path)
    tables.RECORDS.write(images.records, tmp_path / "records.parquet")
    tables.LABELS.write(images.labels, tmp_path / "labels.parquet")
    states = images.labels.set_index("label")["state"]
    assert states.to_dict() == {"pleural_effusion": "positive", "no_finding": "unmentioned"}
    assert images.absent["image_id"].tolist() == ["b.png"]
    (tmp_path / "images.csv").write_text("\n".join(rows).replace("b.png,2", "b.png,x"))
    with pytest.raises(SourceError, match="images.csv row 3, column 'patient': 'x'"):
        module.read(tmp_path)


def test_the_hooks_of_pre_commit_are_those_of_make_lint(repo):
    subprocess.run(["pre-commit", "validate-config"], cwd=repo, check=True)
    hooks = yaml.safe_load((repo / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (repo / "Makefile").read_text(), re.M)[1]
    for hook in hooks:
        assert hook["entry"] in lint
