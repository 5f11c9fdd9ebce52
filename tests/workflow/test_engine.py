"""Models that start from others, products on request and a variant's own settings."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from cxrfair.text import Text

pytestmark = pytest.mark.workflow

MODELS = "results/models/quickstart"
KEPT = "results/predictions/quickstart"
DATASETS = ("mimic_cxr", "nih_chestxray14")
PRODUCTS = ("embeddings.npy", "embeddings.parquet", "maps.npy", "maps.parquet", "maps.json")
QUICKSTART = "studies__quickstart"
JTT = {f"{QUICKSTART}__variants__jtt": {"method": "jtt", "rebalance": "none"}}
WORDS = {f"{QUICKSTART}__variants__stride": {"method": "stride_net", "groups": ["sex"]}}
ASKED = {f"{QUICKSTART}__products": ["embeddings", "maps"], f"{QUICKSTART}__paper": "stride_net"}
FOLLOWS = {"probe": 2, "select": 1, "audit": 1, "report": 1, "page": 1}
ONE_VARIANT = {"train": 2, "predict": 2, "threshold": 2, "embed": 2, **FOLLOWS}


def stamps(workplace, variant):
    folder = workplace.root / MODELS
    return {p: p.stat().st_mtime_ns for p in folder.glob(f"*/{variant}/seed-0/*")}


@pytest.fixture(scope="module")
def grown(finished, tmp_path_factory):
    """A finished workplace to which two methods and maps were added, and what that re-ran."""
    workplace = finished.copy(tmp_path_factory.mktemp("extended") / "clone")
    workplace.params(**JTT, **WORDS, **ASKED)
    planned = workplace.planned()
    before = {name: stamps(workplace, name) for name in ("erm", "group_dro")}
    workplace.snakemake()
    after = {name: stamps(workplace, name) for name in before}
    return workplace, planned, before, after


@pytest.fixture
def extended(grown):
    return grown[0]


def test_a_method_that_starts_from_a_model_trains_nothing_twice(grown):
    _, planned, before, after = grown
    each = {"train": 4, "predict": 4, "threshold": 4, "embed": 4, "draw": 8}
    assert planned == {"text": 1, "localise": 2, "drawn": 2, **each, **FOLLOWS}
    assert before == after
    assert [len(files) for files in before.values()] == [12, 12]


def test_a_method_that_reads_words_is_told_what_the_labels_say(extended):
    text = Text.load(extended.root / "data/text/quickstart.safetensors")
    assert text.labels == ("no_finding", "pleural_effusion")
    for dataset in DATASETS:
        folder = extended.root / MODELS / dataset / "stride/seed-0"
        assert json.loads((folder / "model.json").read_text())["text"] == text.encoder
        weights = load_file(folder / "model.safetensors")
        np.testing.assert_array_equal(weights["text"], text.embedding)
        about = json.loads((extended.root / KEPT / dataset / "stride/seed-0/maps.json").read_text())
        absent = [f"not {label}" for label in text.labels]
        assert about == {"name": "relevance", "of": [*text.labels, *absent]}
        assert (
            json.loads((folder.parents[1] / "erm/seed-0/model.json").read_text())["text"] == "none"
        )


def test_where_networks_look_is_set_against_the_phantoms_findings(extended):
    for dataset in DATASETS:
        found = pd.read_parquet(
            extended.root / f"results/metrics/quickstart/{dataset}/localisation.parquet"
        )
        of_any = found[found["label"] == "any"].set_index("variant")
        assert set(of_any.index) == {"erm", "group_dro", "jtt", "stride"}
        assert of_any["value"].between(0, 1).all()
        assert (of_any["expected"] == of_any["expected"].iloc[0]).all()
    report = extended.root / "results/report/quickstart"
    assert (report / "figures/patches.png").stat().st_size > 0
    assert (report / "tables/localisation.csv").stat().st_size > 0


def test_it_starts_from_the_early_weights_of_its_own_data_set_and_seed(extended):
    for dataset in DATASETS:
        folder = extended.root / MODELS / dataset
        made_with = json.loads((folder / "jtt/seed-0/environment.json").read_text())
        for name, file in (("upstream", "early.safetensors"), ("upstream_card", "model.json")):
            done = extended.run("md5sum", str(folder / "erm/seed-0" / file))
            assert made_with[f"dvc.md5.{name}"] == done.stdout.split()[0]
        assert json.loads((folder / "jtt/seed-0/model.json").read_text())["method"] == "jtt"
        both = [(folder / v / "seed-0/model.safetensors").read_bytes() for v in ("erm", "jtt")]
        assert both[0] != both[1]


def test_products_are_there_for_every_model_and_fit_their_tables(extended):
    for dataset in DATASETS:
        drawn = []
        for variant in ("erm", "group_dro", "jtt"):
            folder = extended.root / KEPT / dataset / variant / "seed-0"
            assert {path.name for path in folder.iterdir()} == {
                *PRODUCTS, "predictions.parquet", "thresholds.parquet"
            }  # fmt: skip
            scored = pd.read_parquet(folder / "predictions.parquet")
            places = pd.read_parquet(folder / "embeddings.parquet")
            features = np.load(folder / "embeddings.npy")
            assert set(places["image_id"]) == set(scored["image_id"])
            assert sorted(places["row"]) == list(range(len(features)))
            assert np.isfinite(features).all()
            maps = pd.read_parquet(folder / "maps.parquet")
            tested = scored.loc[scored["fold"] == "test", "image_id"]
            assert set(maps["image_id"]) <= set(tested)
            about = json.loads((folder / "maps.json").read_text())
            assert about == {"name": "class_activation", "of": ["no_finding", "pleural_effusion"]}
            assert np.load(folder / "maps.npy").shape[:2] == (len(maps), 2)
            drawn.append(maps)
        assert len(drawn[0]) > 0
        for maps in drawn[1:]:
            pd.testing.assert_frame_equal(maps, drawn[0])


def test_products_made_again_are_the_same_bytes(extended):
    files = [path for name in PRODUCTS for path in (extended.root / KEPT).glob(f"*/*/*/{name}")]
    assert len(files) == 8 * len(PRODUCTS)
    before = {path: path.read_bytes() for path in files}
    for path in files:
        path.unlink()
    again = {"embed": 8, "draw": 8, "probe": 2, "localise": 2, "select": 1, "report": 1, "page": 1}
    assert extended.planned() == again
    extended.snakemake()
    for path, bytes_before in before.items():
        assert path.read_bytes() == bytes_before, path


def test_the_report_says_how_all_of_them_were_made(extended):
    page = (extended.root / "results/report/index.html").read_text()
    for said in ("jtt (jtt, none)", "Stopped and resumed", "none (random)", "at most 2 epochs"):
        assert said in page, said
    assert not re.search(r">\s*(nan|None|inf|Traceback)\b", page)


def test_nothing_is_left_to_do_and_dvc_agrees(extended):
    assert extended.planned() == {}
    extended.run("dvc", "repro")
    assert extended.planned() == {}
    assert extended.stale() == []


def test_a_change_of_an_upstream_re_runs_what_starts_from_it(extended, tmp_path):
    workplace = extended.copy(tmp_path / "clone")
    train = {"optimiser": {"learning_rate": 0.002}}
    workplace.params(**{f"{QUICKSTART}__variants__erm__train": train})
    jobs = {"train": 4, "predict": 4, "threshold": 4, "embed": 4, "draw": 4, "localise": 2}
    assert workplace.planned() == jobs | FOLLOWS | {"drawn": 2}
    out = workplace.snakemake("--dry-run").stdout
    assert "train group_dro on" not in out
    assert "train" in workplace.stale()


def test_a_change_of_how_maps_are_drawn_re_runs_only_those(extended, tmp_path):
    workplace = extended.copy(tmp_path / "clone")
    workplace.params(draw__images=3)
    assert workplace.planned() == {"draw": 8, "localise": 2, "report": 1, "page": 1}
    assert workplace.stale() == ["predict", "metrics"]


def test_a_variant_s_own_settings_re_run_its_models_alone(workplace):
    workplace.params(**{f"{QUICKSTART}__variants__group_dro__settings": {"step_size": 0.5}})
    assert workplace.planned() == ONE_VARIANT
    out = workplace.snakemake("--dry-run").stdout
    assert "train group_dro on" in out
    assert "train erm on" not in out


def test_a_variant_s_own_network_is_trained_and_said(workplace):
    own = {"backbone": "test_vit", "epochs": 1}
    workplace.params(**{f"{QUICKSTART}__variants__group_dro__train": own})
    assert workplace.planned() == ONE_VARIANT
    workplace.snakemake()
    found = {}
    for name in ("erm", "group_dro"):
        card = workplace.root / MODELS / "mimic_cxr" / name / "seed-0/model.json"
        found[name] = [json.loads(card.read_text())[key] for key in ("backbone", "epochs")]
    assert found == {"erm": ["test_resnet", 2], "group_dro": ["test_vit", 1]}
    page = (workplace.root / "results/report/index.html").read_text()
    for said in ("group_dro: train.backbone test_vit", "test_resnet, test_vit", "1 to 2"):
        assert said in page, said


def test_two_processes_train_by_the_same_rule(workplace):
    workplace.params(train__processes=2)
    assert workplace.planned("stage_train") == {"train": 4, "stage_train": 1}
    folder = f"{MODELS}/mimic_cxr/group_dro/seed-0"
    workplace.snakemake(f"{folder}/model.safetensors")
    made_with = json.loads((workplace.root / folder / "environment.json").read_text())
    assert made_with["processes"] == "2"


JTT_OF = f"{QUICKSTART}__variants__jtt"
BALANCED = {f"{QUICKSTART}__variants__balanced": {"method": "erm", "rebalance": "balanced"}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {JTT_OF: {"method": "jtt", "upstream": "group_dro"}},
            "studies.quickstart.variants.jtt: upstream 'group_dro' does not fit; it starts from a "
            "model of 'erm'; set `upstream` to one of this study's: erm",
        ),
        (
            {JTT_OF: {"method": "jtt"}, **BALANCED},
            "set `upstream` to one of this study's: erm, balanced",
        ),
        (
            {f"{QUICKSTART}__variants__erm__train": {"lerning_rate": 0.1}},
            "studies.quickstart.variants.erm.train.lerning_rate: no such setting",
        ),
        (
            {f"{QUICKSTART}__variants__group_dro__settings": {"stepsize": 0.1}},
            "studies.quickstart.variants.group_dro.settings.stepsize: no such setting",
        ),
    ],
    ids=["upstream that does not fit", "two that fit", "train", "settings"],
)
def test_what_does_not_fit_stops_before_the_first_job(fresh, tmp_path, changes, message):
    workplace = fresh.copy(tmp_path / "wrong")
    workplace.params(**changes)
    done = workplace.snakemake(check=False)
    assert done.returncode
    assert message in done.stderr
    assert not (workplace.root / "data/phantom").exists()


def test_two_models_that_fit_are_told_apart_by_name(fresh, tmp_path):
    workplace = fresh.copy(tmp_path / "named")
    workplace.params(**{JTT_OF: {"method": "jtt", "upstream": "balanced"}}, **BALANCED)
    out = workplace.snakemake("--dry-run", "--printshellcmds", "stage_train").stdout
    named = (
        r"--upstream (.*?) --text +--masks +--chosen +"
        r"--study quickstart --dataset (\w+) --variant jtt "
    )
    given = re.findall(named, out)
    told = {dataset: files for files, dataset in given}
    assert set(told) == set(DATASETS)
    for dataset, files in told.items():
        folder = f"{MODELS}/{dataset}/balanced/seed-0"
        assert files.split() == [f"{folder}/model.json", f"{folder}/early.safetensors"]


ODDS = {"post": "equalised_odds", "upstream": "erm", "groups": ["sex"]}


def test_thresholds_of_groups_take_the_scores_of_their_upstream_and_train_nothing(workplace):
    before = {name: stamps(workplace, name) for name in ("erm", "group_dro")}
    workplace.params(**{f"{QUICKSTART}__variants__adjusted": ODDS})
    assert workplace.planned() == {"threshold": 2, **FOLLOWS}
    workplace.snakemake()
    assert before == {name: stamps(workplace, name) for name in before}
    for dataset in DATASETS:
        folder = workplace.root / KEPT / dataset / "adjusted" / "seed-0"
        assert [path.name for path in folder.iterdir()] == ["thresholds.parquet"]
        found = pd.read_parquet(folder / "thresholds.parquet")
        assert set(found["group"]) >= {"all", "female", "male"}
        shares = found.dropna(subset=["share"]).groupby(["label", "group"])["share"].sum()
        np.testing.assert_allclose(shares, 1)
        assert not (workplace.root / MODELS / dataset / "adjusted").exists()
    rows = pd.read_parquet(workplace.root / "results/metrics/quickstart/summary.parquet")
    whole = rows.query("metric == 'auroc' and attribute == 'all'")
    whole = whole.pivot(index=["dataset", "label"], columns="variant", values="value")
    pd.testing.assert_series_equal(whole["adjusted"], whole["erm"], check_names=False)
    table = pd.read_csv(workplace.root / "results/report/quickstart/tables/thresholds.csv")
    # Before the others by its letters, after them in params.yaml: files are not mixed up.
    assert set(table.loc[table["group"] != "all", "variant"]) == {"adjusted"}
    assert table["variant"].drop_duplicates().tolist() == ["erm", "group_dro", "adjusted"]
    page = (workplace.root / "results/report/index.html").read_text()
    assert "adjusted (equalised_odds between groups of sex, scores of erm)" in page
    assert not re.search(r">\s*(nan|None|inf|Traceback)\b", page)
    assert workplace.planned() == {}
    workplace.edit("src/cxrfair/group_thresholds.py", 'SEED = "group', 'SEED = "a group')
    assert workplace.planned()["threshold"] == 6
    assert "train" not in workplace.planned()
