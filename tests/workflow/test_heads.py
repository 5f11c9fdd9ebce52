"""Last layers in many trials, and training lists of other shares, through the real pipeline."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.workflow

TRIALS = 5
LABELS = ["pleural_effusion", "no_finding"]
MLP = {"backbone": "mlp", "pretrained": "none", "epochs": 2, "early_epochs": 1, "batch_size": 16}
HEADED = {"head": "fair_class_balanced", "upstream": "erm", "groups": ["sex", "race"]}
COMMON = {
    "datasets": ["mimic_cxr"],
    "inputs": "embeddings",
    "labels": LABELS,
    "attributes": ["sex x race"],
    "cohort": {"race_groups": "white_or_not"},
    "seeds": [0],
}
STUDIES = {
    "headed": COMMON
    | {
        "reference": "erm",
        "products": ["embeddings"],
        "trials": TRIALS,
        "variants": {
            "erm": {"method": "erm", "train": MLP},
            "dfr": HEADED | {"head": "dfr"},
            "alpha_1": HEADED,
            "alpha_4": HEADED | {"settings": {"alpha": 4.0}},
        },
    },
    "listed": COMMON
    | {
        "reference": "original",
        "variants": {
            "original": {"method": "erm", "train": MLP},
            "both": {"method": "erm", "rebalance": "both", "train": MLP},
            "down": {"method": "erm", "rebalance": "down", "train": MLP},
            "labels": {"method": "erm", "rebalance": "labels", "train": MLP},
        },
    },
}
OVER_GROUPS = {"over": ["sex", "race"], "target": "equal", "cap": None}
LISTS = {
    "none": {},
    "both": {"strategy": "resample", "blend": True} | OVER_GROUPS,
    "down": {"strategy": "cluster_downsample"} | OVER_GROUPS,
    "labels": {"strategy": "resample", "blend": False} | OVER_GROUPS | {"over": LABELS},
}
CHANGED = {"settings": {"alpha": 8.0}}
HEADS = ("alpha_1", "alpha_4", "dfr")
OVERLAYS = ("intersectional", "rebalancing")


@pytest.fixture(scope="module")
def small(fresh, tmp_path_factory):
    """A clone with a study of heads and one of lists, where nothing has run."""
    workplace = fresh.copy(tmp_path_factory.mktemp("heads") / "clone")
    workplace.params(studies=STUDIES, rebalance=LISTS, phantom__patients=80)
    workplace.params(heads__dfr__per_group=40, heads__fair_class_balanced__per_group=40)
    return workplace


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    """The same after a run on two cores, and what that said."""
    workplace = small.copy(tmp_path_factory.mktemp("run") / "clone")
    return workplace, workplace.snakemake().stderr


@pytest.fixture(scope="module")
def root(run):
    return run[0].root


@pytest.fixture
def changed(run, tmp_path):
    """A copy of the finished clone that a test may change."""
    return run[0].copy(tmp_path / "clone")


def of_head(root, name):
    return root / f"results/predictions/headed/mimic_cxr/{name}/seed-0"


def folds(root, study):
    splits = pd.read_parquet(root / f"data/processed/{study}/mimic_cxr/splits.parquet")
    return splits.set_index("image_id")["fold"]


def training_list(root, name):
    return pd.read_parquet(root / f"data/training/listed/mimic_cxr/{name}/seed-0.parquet")


def jobs(workplace):
    """Name each job that would run, by its rule, and the variant or list it is of, if it is of one.

    As the messages of the rules have it.
    """
    said = workplace.snakemake("--dry-run").stdout
    messages = re.findall(r"^Job \d+: (.*)$", said, re.M)
    own = [*HEADS, "erm", *STUDIES["listed"]["variants"]]
    found = [(message, set(re.findall(r"\w+", message)) & set(own)) for message in messages]
    return {(study(message), " ".join(sorted(names))) for message, names in found if names}


def study(message):
    return message.partition(":")[0]


def test_a_run_with_heads_says_nothing_of_errors(run):
    assert "Error" not in run[1]
    assert "Exception" not in run[1]


def test_each_head_has_the_trials_asked_for_on_validation_and_test_images(root):
    judged = folds(root, "headed")
    judged = judged[judged != "train"]
    for name in HEADS:
        scores = np.load(of_head(root, name) / "trials.npy")
        index = pd.read_parquet(of_head(root, name) / "trials.parquet")
        assert scores.shape == (TRIALS, len(judged), len(LABELS))
        assert index.set_index("image_id")["fold"].to_dict() == judged.to_dict()
        assert len(np.unique(scores, axis=0)) == TRIALS


def test_the_first_trial_is_the_model_in_every_table(root):
    for name in HEADS:
        scores = np.load(of_head(root, name) / "trials.npy")[0]
        index = pd.read_parquet(of_head(root, name) / "trials.parquet")
        said = pd.read_parquet(of_head(root, name) / "predictions.parquet")
        wide = said.pivot(index="image_id", columns="label", values="score")
        assert len(wide) > len(index)
        told = wide.loc[index["image_id"], LABELS].to_numpy(np.float32)
        np.testing.assert_allclose(
            told, scores[index["row"]], rtol=1e-6
        )  # the last bit is of the batch


def test_every_entry_of_a_list_is_a_training_image(root):
    of = folds(root, "listed")
    for name in STUDIES["listed"]["variants"]:
        listed = training_list(root, "none" if name == "original" else name)
        assert set(of.loc[listed["image_id"]]) == {"train"}, name
        partners = listed["partner"].dropna()
        assert set(of.loc[partners]) <= {"train"}, name
        assert partners.empty == (name != "both")


def test_resampling_keeps_the_size_and_evens_the_groups_out(root):
    people = pd.read_parquet(root / "data/processed/listed/mimic_cxr/cohort.parquet")
    people = people.set_index("image_id")[["sex", "race"]]
    images = (folds(root, "listed") == "train").sum()
    both, down = training_list(root, "both"), training_list(root, "down")
    assert len(both) == len(training_list(root, "labels")) == images
    assert len(down) < images
    assert down["image_id"].is_unique
    sizes = people.loc[both["image_id"]].value_counts()
    before = people.loc[training_list(root, "none")["image_id"]].value_counts()
    assert sizes.max() - sizes.min() <= 1 < before.max() - before.min()


def test_the_report_has_trials_lists_and_what_alpha_costs(root):
    report = root / "results/report"
    trials = pd.read_csv(report / "headed/tables/trials.csv")
    counts = trials.groupby("variant")["n_trials"].first()
    assert counts.to_dict() == {"erm": 1} | dict.fromkeys(HEADS, TRIALS)
    assert (report / "headed/figures/alpha_tradeoff.png").stat().st_size > 0
    assert len(pd.read_csv(report / "listed/tables/rebalanced.csv")) > 0
    assert len(pd.read_csv(report / "listed/tables/coverage.csv")) > 0
    assert not (report / "listed/tables/trials.csv").exists()


def test_another_alpha_fits_that_variant_alone_again(changed):
    assert changed.planned() == {}
    changed.params(studies__headed__variants__alpha_4=HEADED | CHANGED)
    told_of_the_study = {"probe": 1, "trials": 1, "audit": 1, "select": 1, "report": 1, "page": 1}
    assert changed.planned() == {"heads": 1, "threshold": 1} | told_of_the_study
    assert jobs(changed) == {("headed", "alpha_4")}


def test_another_share_of_a_list_trains_its_variants_alone_again(changed):
    changed.params(rebalance__down={"strategy": "cluster_downsample"} | OVER_GROUPS | {
        "target": "cap", "cap": 2.0,
    })  # fmt: skip
    models = ("rebalance", "train", "predict", "threshold", "weigh")
    once = (*models, "audit", "select", "report", "page")
    assert changed.planned() == dict.fromkeys(once, 1)
    assert jobs(changed) == {("listed", "down")}


def test_trials_are_the_same_bytes_on_another_number_of_cores(changed):
    names = ("trials.npy", "trials.parquet", "predictions.parquet", "heads.json")
    files = [of_head(changed.root, head) / name for head in HEADS for name in names]
    files += [of_head(changed.root, "erm") / "embeddings.npy"]
    before = {path: path.read_bytes() for path in files}
    for path in files:
        path.unlink()
    changed.run("snakemake", "--cores", "1")
    for path, bytes_before in before.items():
        assert path.read_bytes() == bytes_before, path


REFUSED = {
    "heads without features": (
        {"studies__headed__products": []},
        "variants.dfr.head: made of features; add 'embeddings' to the study's products",
    ),
    "maps of vectors": (
        {"studies__headed__products": ["embeddings", "maps"]},
        "products: ['maps'] are of pictures; params.yaml studies.headed.inputs is 'embeddings'",
    ),
    "a list that nobody wrote": (
        {"rebalance": {"none": {}}},
        "variants.both: no 'both' under rebalance; have ['none']",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_the_first_job(small, tmp_path, case):
    changes, said = REFUSED[case]
    workplace = small.copy(tmp_path / "wrong")
    workplace.params(**changes)
    done = workplace.snakemake(check=False)
    assert done.returncode
    assert said in done.stderr
    assert not (workplace.root / "data/phantom").exists()


@pytest.mark.parametrize("scale", ["demo", "paper"])
@pytest.mark.parametrize("name", OVERLAYS)
def test_a_study_file_is_planned_at_every_scale_and_alone(fresh, repo, tmp_path, name, scale):
    workplace = fresh.copy(tmp_path / "clone")
    shutil.copy(repo / "params.yaml", workplace.root)
    file = f"workflow/studies/{name}.yaml"
    settings = ("--configfile", "params.yaml", file, "--config", f"scale={scale}")
    done = workplace.snakemake("--dry-run", *settings)
    own = yaml.safe_load((repo / file).read_text())["studies"]
    planned = set(re.findall(r"^Job \d+: (\w+): train ", done.stdout, re.M))
    assert planned == {study for study, of in own.items() if of is not None}
    assert "Error" not in done.stderr
