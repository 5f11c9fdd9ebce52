import copy

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from snakemake.common.configfile import load_configfile

from cxrfair import settings
from cxrfair.config import ConfigError
from cxrfair.scales import SCALES


@pytest.fixture
def params(repo):
    return yaml.safe_load((repo / "params.yaml").read_text())


def wrong(params, path, value):
    changed = copy.deepcopy(params)
    *parents, last = path.split(".")
    place = changed
    for key in parents:
        place = place[key]
    place[last] = value
    return changed


@pytest.mark.parametrize("scale", SCALES)
def test_params_yaml_is_valid_at_every_scale(params, scale):
    settings.check(params | {"scale": scale})


def test_snakemake_and_dvc_read_the_same_values(repo, params):
    text = (repo / "params.yaml").read_text()
    assert load_configfile(repo / "params.yaml") == parse_yaml(text, "params.yaml") == params


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("train.lerning_rate", 1.0, "params.yaml train.lerning_rate: no such setting"),
        ("train.epochs", "ten", r"params.yaml train.epochs: .*integer.*\(got 'ten'\)"),
        (
            "labels.uncertain",
            {"default": "maybe"},
            r"params.yaml labels.uncertain.default: .*'ignore', 'zero', 'one' or 'keep'",
        ),
        ("methods.group_dro.step_size", -1.0, r"methods.group_dro.step_size: .*greater than 0"),
        ("methods.group_drow", {}, "params.yaml methods.group_drow: no such setting"),
        (
            "studies.quickstart.datasets",
            ["chexprt"],
            "no 'chexprt' under data; have nih_chestxray14",
        ),
        (
            "studies.quickstart.attributes",
            ["sex x incme"],
            "no 'incme'; have sex, age, race, insur",
        ),
        ("labels.uncertain", {"default": "zero", "edma": "one"}, "edma"),
        ("studies.quickstart.datasets", ["mimic_iv"], "'mimic_iv' holds no images; link"),
        ("data.mimic_cxr.link", ["mimic_ivv"], "data.mimic_cxr.link: no 'mimic_ivv' under data"),
        ("data.mimic_cxr.link", ["chexpert"], "link: 'chexpert'; allowed: chexlocalize, mimic_iv"),
        ("data.mimic_iv.link", ["mimic_sdoh"], "only a data set of images is linked"),
        ("data.mimic_sdoh.options", {"yeer": 2018}, "data.mimic_sdoh.options.yeer: no such setti"),
        ("data.jsrt.options", {"a": 1}, "params.yaml data.jsrt.options.a: no such setting"),
        ("studies.quickstart.reference", "best", "reference 'best' is not among"),
        ("studies.quickstart.seeds", [1, 1], "seeds holds an entry twice"),
        ("studies.quickstart.variants.erm.method", "dro", r"variants.erm: no 'dro' under methods"),
        ("studies.quickstart.variants.erm.groups", ["sex"], "erm is blind to groups"),
        ("studies.quickstart.variants.group_dro.groups", [], "group_dro needs the attributes"),
        ("audit.metrics", ["auroc", "roc"], "roc"),
        ("data.nih_chestxray14.root", " ", "an empty path"),
        ("data.padchets", {"root": "x"}, "params.yaml data.padchets: no such data set"),
        ("train.optimiser.kind", "lion", r"params.yaml train.optimiser: .*'adam', 'adamw', 'sgd'"),
        ("train.optimiser.momentum", 0.9, "params.yaml train.optimiser.momentum: no such se"),
        ("train.schedule.kind", "step", "params.yaml train.schedule.every_epochs: .* missing"),
        ("train.validation.measure", "tpr", r"train.validation.measure: 'tpr' is a metric of dec"),
        ("train.validation.measure", "roc", r"train.validation.measure: 'roc' is no such metric"),
        ("train.early_epochs", 99, r"params.yaml train: .*early_epochs 99 is after the last, 12"),
        ("train.processes", 40, r"params.yaml train: .*batch_size 64 over 40 processes"),
        ("draw.images", 0, "params.yaml draw.images: "),
        ("studies.quickstart.products", ["map"], r"studies.quickstart.products.0: .*'embeddings'"),
        ("studies.quickstart.products", ["maps", "maps"], "products holds an entry twice"),
        ("scale", "large", "params.yaml scale: got 'large'; allowed: demo, small, paper"),
    ],
)
def test_a_wrong_setting_is_found_and_named(params, path, value, message):
    with pytest.raises(ConfigError, match=message):
        settings.check(wrong(params, path, value))


def test_a_missing_setting_is_found(params):
    del params["train"]["epochs"]
    with pytest.raises(ConfigError, match=r"params.yaml train.epochs: this setting is missing"):
        settings.check(params)


def test_all_faults_are_told_at_once(params):
    changed = wrong(wrong(params, "train.epochs", 0), "split.seed", "x")
    with pytest.raises(ConfigError, match=r"(?s)train.epochs.*split.seed|split.seed.*train.epochs"):
        settings.check(changed)


def with_variant(params, **variant):
    """Add a variant `own` to the quickstart."""
    return wrong(params, "studies.quickstart.variants.own", variant)


def test_a_variant_may_set_values_of_its_own(params):
    own = {"rate": 0.5}
    train = {"backbone": "test_vit", "optimiser": {"kind": "sgd", "learning_rate": 0.1,
             "weight_decay": 0.0, "momentum": 0.9}, "schedule": {"warmup_epochs": 1.0}}  # fmt: skip
    settings.check(with_variant(params, method="arl", settings=own, train=train))


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ({"train": {"epohcs": 3}}, "own.train.epohcs: no such setting"),
        ({"train": {"epochs": 0}}, "own.train.epochs: .*greater than 0"),
        ({"train": {"epochs": 1}}, "own.train: .*early_epochs 2 is after the last, 1"),
        ({"train": {"optimiser": {"kind": "sgd"}}}, "own.train.optimiser.momentum: .*missing"),
        ({"train": {"schedule": {"warm_up": 1.0}}}, "own.train.schedule.warm_up: no such"),
        ({"train": {"validation": {"measure": "ppv"}}}, "measure: 'ppv' is a metric of decisions"),
        ({"settings": {"rate": 1.0}}, "own.settings.rate: no such setting"),
        ({"upstream": "erm"}, "own.upstream: 'erm'; erm starts from no model"),
        ({"metod": "erm"}, "own.metod: no such setting"),
    ],
    ids=str,
)
def test_what_a_variant_sets_wrongly_is_named_by_its_place(params, variant, message):
    where = "params.yaml studies.quickstart.variants."
    if "measure" in message:
        where = "params.yaml "
    with pytest.raises(ConfigError, match=f"{where}.*{message}"):
        settings.check(with_variant(params, **({"method": "erm"} | variant)))


def test_a_method_that_starts_from_a_model_is_told_which(params):
    settings.check(with_variant(params, method="jtt", upstream="erm_balanced"))
    with pytest.raises(
        ConfigError,
        match="params.yaml studies.quickstart.variants.own: it starts from a model of 'erm'; set "
        "`upstream` to one of this study's: erm, erm_balanced",
    ):
        settings.check(with_variant(params, method="jtt"))
    with pytest.raises(ConfigError, match="own: upstream 'group_dro' does not fit; .*: erm, erm_b"):
        settings.check(with_variant(params, method="jtt", upstream="group_dro"))


def test_the_only_model_that_would_do_needs_no_naming(params):
    changed = with_variant(params, method="jtt")
    del changed["studies"]["quickstart"]["variants"]["erm_balanced"]
    settings.check(changed)


def test_without_a_model_to_start_from_a_method_is_refused(params):
    variants = {"dro": {"method": "group_dro", "groups": ["sex"]}, "jtt": {"method": "jtt"}}
    changed = wrong(params, "studies.quickstart.variants", variants)
    changed["studies"]["quickstart"]["reference"] = "dro"
    with pytest.raises(ConfigError, match="one of this study's: none"):
        settings.check(changed)
