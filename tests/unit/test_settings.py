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
        ("studies.quickstart.variants.erm.method", "lff", r"variants.erm: no 'lff' under methods"),
        ("studies.quickstart.variants.erm.groups", ["sex"], "erm is blind to groups"),
        ("studies.quickstart.variants.group_dro.groups", [], "group_dro needs the attributes"),
        ("audit.metrics", ["auroc", "roc"], "roc"),
        ("data.nih_chestxray14.root", " ", "an empty path"),
        ("data.padchets", {"root": "x"}, "params.yaml data.padchets: no such data set"),
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
