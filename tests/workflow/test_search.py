"""A search for settings by the real Snakemake: what it runs, and what it runs again."""

import json

import pandas as pd
import pytest

pytestmark = pytest.mark.workflow

FOUND = "results/search/tiny/nih_chestxray14"
MODELS = "results/models/tiny/nih_chestxray14"
STUDY = {
    "datasets": ["nih_chestxray14"],
    "labels": ["no_finding", "pleural_effusion"],
    "attributes": ["sex"],
    "reference": "erm",
    "variants": {"erm": {"method": "erm"}, "jtt": {"method": "jtt"}},
    "seeds": [3],
    "search": {"draws": 2, "seed": 1, "rule": "overall"},
}


@pytest.fixture(scope="module")
def grown(fresh, tmp_path_factory):
    """A workplace after a study that searches, and what was planned for it."""
    workplace = fresh.copy(tmp_path_factory.mktemp("search") / "clone")
    workplace.params(studies={"tiny": STUDY}, train__epochs=1)
    planned = workplace.planned()
    workplace.snakemake()
    return workplace, planned


@pytest.fixture
def searched(grown):
    return grown[0]


def test_every_variant_has_as_many_trials_and_one_choice(grown):
    _, planned = grown
    asked = {name: planned.get(name) for name in ("trial", "choose", "train")}
    assert asked == {"trial": 4, "choose": 2, "train": 2}


def test_trials_hold_validation_images_alone_and_draw_alike(searched):
    drawn = {}
    for path in (searched.root / FOUND).glob("*/draw-*/predictions.parquet"):
        assert set(pd.read_parquet(path)["fold"]) == {"validation"}
        said = json.loads((path.parent / "settings.json").read_text())
        drawn[path.parts[-3], said["draw"]] = said
    assert set(drawn) == {(v, n) for v in ("erm", "jtt") for n in (0, 1)}
    for number in (0, 1):
        assert drawn["erm", number]["train"] == drawn["jtt", number]["train"]
    assert drawn["jtt", 0]["settings"] == {"upweight": 5}
    assert isinstance(drawn["jtt", 1]["settings"]["upweight"], int)


def test_what_was_chosen_is_what_models_were_trained_with(searched):
    for variant in ("erm", "jtt"):
        found = pd.read_parquet(searched.root / FOUND / variant / "search.parquet")
        best = found.loc[found["overall"].idxmax()]
        assert best["chosen"]
        assert found["chosen"].sum() == 1
        chosen = (searched.root / FOUND / variant / "chosen.json").read_text()
        assert json.loads(chosen) == json.loads(best["settings"])
        card = json.loads((searched.root / MODELS / variant / "seed-3/model.json").read_text())
        assert card["settings"].items() >= json.loads(chosen)["settings"].items()


def test_the_report_tells_every_draw_and_the_rule(searched):
    table = pd.read_csv(searched.root / "results/report/tiny/tables/search.csv")
    assert table["draw"].tolist() == [0, 1, 0, 1]
    assert (table["chosen"] == "yes").sum() == 2
    assert set(table["rule"]) == {"overall"}
    page = (searched.root / "results/report/index.html").read_text()
    for said in ("Search for settings", "2 draws a variant, seed 1, chosen by overall"):
        assert said in page, said


def test_nothing_runs_again(searched):
    assert searched.planned() == {}


def test_a_draw_more_keeps_the_trials_there_are(searched, tmp_path):
    workplace = searched.copy(tmp_path / "clone")
    workplace.params(studies__tiny__search__draws=3)
    # All three of jtt: they start from a model of erm, whose settings are chosen anew.
    jobs = {"trial": 1 + 3, "choose": 2, "train": 2, "predict": 2, "threshold": 2}
    jobs |= dict.fromkeys(("drawn", "select", "audit", "report", "page"), 1)
    assert workplace.planned() == jobs
    out = workplace.snakemake("--dry-run").stdout
    assert "try draw 2 of erm" in out
    assert "try draw 1 of erm" not in out


def test_a_variant_more_changes_no_draw_of_the_others(searched, tmp_path):
    workplace = searched.copy(tmp_path / "clone")
    workplace.params(studies__tiny__variants__balanced={"method": "erm", "rebalance": "balanced"})
    workplace.params(studies__tiny__variants__jtt__upstream="erm")
    planned = workplace.planned()
    assert [planned[name] for name in ("trial", "choose", "train")] == [2, 1, 1]


def test_a_study_without_a_search_has_no_trials(searched, tmp_path):
    workplace = searched.copy(tmp_path / "clone")
    workplace.params(studies__tiny__search=None)
    planned = workplace.planned()
    assert "trial" not in planned
    assert planned["train"] == 2  # no longer by what was chosen
