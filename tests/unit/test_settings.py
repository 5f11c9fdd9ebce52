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
        (
            "data.mimic_cxr.link",
            ["chexpert"],
            "link: 'chexpert'; allowed: chexlocalize, mimic_cxr_embeddings",
        ),
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
        ("data.jsrt", {}, "data.jsrt: neither of `root` and `pool`; allowed: one of them"),
        ("data.jsrt.pool", ["padchest"], "data.jsrt: both of `root` and `pool`"),
        (
            "data.own",
            {"pool": ["jsrt"]},
            r"data.own: pool: \['jsrt'\]; allowed: two data sets or m",
        ),
        ("data.own", {"pool": ["jsrt", "jsrt"]}, "allowed: two data sets or more, each once"),
        ("data.own", {"pool": ["jsrt", "nih"]}, "data.own.pool: 'nih'; allowed: .*nih_chestxray14"),
        ("data.own", {"pool": ["jsrt", "mimic_iv"]}, "data.own.pool: 'mimic_iv'; allowed: data se"),
        ("data.own", {"pool": ["jsrt", "sites"]}, "data.own.pool: 'sites'; allowed: data sets of"),
        (
            "data.own",
            {"pool": ["jsrt", "padchest"], "options": {}},
            r"data.own: \['options'\]; a pool has none",
        ),
        ("data.Own", {"pool": ["jsrt", "padchest"]}, "data.Own: this name a pool cannot have"),
        ("data.jsrt", {"pool": ["padchest", "vindr_cxr"]}, "data.jsrt: this name a pool cannot ha"),
        ("data.mimic_cxr.link", ["sites"], "data.mimic_cxr.link: 'sites'; allowed: chexlocalize"),
        ("labels.union", {"a": ["b"]}, "labels.union.a: no source states b; they have aortic_enl"),
        ("labels.union", {"mass": ["nodule"]}, "labels.union.mass: a source states this label its"),
        (
            "studies.quickstart.labels",
            ["no_finding", "fracture"],
            "quickstart.labels: nih_chestxray14 does not state fracture; it has atelectasis, card",
        ),
        (
            "studies.causal.downstream",
            ["edema", "hernia"],
            "studies.causal.downstream: mimic_cxr does not state hernia",
        ),
        (
            "split",
            {"by": "external", "seed": 1, "stratify": []},
            "'external' leaves nothing to lea",
        ),
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
        ("studies.stride.split", {"tset": 0.2}, "studies.stride.split.tset: no such setting"),
        ("studies.stride.split", {"by": "kfold"}, "studies.stride.split: by: kfold needs folds"),
        ("studies.stride.split.test", 0.9, r"studies.stride.split: .*must be below 1"),
        (
            "studies.stride.paper",
            "own",
            r"stride.paper: no file .*own.yaml; have alignment, class_balanced, fair_diagnosis, ",
        ),
        (
            "text.encoder",
            "bert",
            "text.encoder: there is no folder 'bert'; allowed are minilm",
        ),
        ("text.phrases", {"edma": ["a", "b"]}, "text.phrases.edma: no study has this label; have"),
        ("scale", "large", "params.yaml scale: got 'large'; allowed: demo, small, paper"),
    ],
)
def test_a_wrong_setting_is_found_and_named(params, path, value, message):
    with pytest.raises(ConfigError, match=message):
        settings.check(wrong(params, path, value))


def test_words_are_of_no_account_where_no_method_reads_them(params):
    changed = wrong(params, "text.encoder", "bert")
    for name in ("stride", "alignment"):
        del changed["studies"][name]
    settings.check(changed)


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


def faap(params, train=None, upstream_train=None):
    """Add a variant that deploys the network of another, each with a `train` of its own."""
    base = {"method": "erm", "train": upstream_train or {}}
    changed = wrong(params, "studies.quickstart.variants.base", base)
    own = {"method": "faap", "upstream": "base", "groups": ["sex"], "train": train or {}}
    return with_variant(changed, **own)


@pytest.mark.parametrize("train", [{}, {"backbone": "test_vit"}, {"channels": 3, "epochs": 3}])
def test_a_method_that_deploys_its_upstream_has_that_ones_network(params, train):
    settings.check(faap(params, train, train))
    settings.check(faap(params, {**train, "batch_size": 8}, train))  # nothing else must be the same


@pytest.mark.parametrize("method", ["faap", "fair_diagnosis"])
def test_what_changes_pictures_starts_from_a_model_of_either_kind(params, method):
    own = {"method": method, "groups": ["sex"]}
    for base in ("erm", "infomax"):
        changed = wrong(params, "studies.quickstart.variants.base", {"method": base})
        settings.check(with_variant(changed, **own, upstream="base"))
        with pytest.raises(ConfigError, match="from a model of '.*' or '.*'; set .*: erm, .*base$"):
            settings.check(with_variant(changed, **own))
    with pytest.raises(ConfigError, match="own: upstream 'group_dro' does not fit; it starts from"):
        settings.check(with_variant(changed, **own, upstream="group_dro"))


@pytest.mark.parametrize(
    ("train", "upstream", "message"),
    [
        ({"backbone": "test_vit"}, {}, "train.backbone: 'test_vit'; faap deploys .*'test_resnet'"),
        ({}, {"backbone": "test_vit"}, "train.backbone: 'test_resnet'; faap deploys .*'test_vit'"),
        ({"channels": 3}, {}, "train.channels: 3; faap deploys the network .*that one's: 1"),
    ],
    ids=str,
)
def test_another_network_than_the_one_deployed_is_refused(params, train, upstream, message):
    place = "params.yaml studies.quickstart.variants.own."
    with pytest.raises(ConfigError, match=place + message) as found:
        settings.check(faap(params, train, upstream))
    assert len(str(found.value).splitlines()) == 1


def test_networks_are_compared_at_the_scale_that_is_run(params):
    small = {"backbone": {"demo": "test_resnet", "small": "test_vit", "paper": "test_vit"}}
    changed = faap(params, upstream_train=small)
    settings.check(changed | {"scale": "demo"})
    with pytest.raises(ConfigError, match="'resnet18'; faap .*'test_vit'"):
        settings.check(changed | {"scale": "small"})


def test_who_only_looks_at_its_upstream_may_have_another_network(params):
    own = {"method": "jtt", "upstream": "erm_balanced", "train": {"backbone": "test_vit"}}
    settings.check(with_variant(params, **own))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("recipes.ubaai", {}, "params.yaml recipes.ubaai: no such setting"),
        ("recipes.ubaia", 3, r"params.yaml recipes.ubaia: .*object \(got 3\)"),
        ("recipes.ubaia.epohcs", 3, "params.yaml recipes.ubaia.epohcs: no such setting"),
        ("recipes.ubaia.epochs", 0, r"params.yaml recipes.ubaia.epochs: .*greater than 0"),
        ("recipes.ubaia.epochs", 1, "params.yaml recipes.ubaia: early_epochs 2 is after the last"),
        ("recipes.jtt", {"schedule": {"kind": "constant"}}, "schedule.warmup_epochs: .*missing"),
        ("recipes.erm", {"validation": {"measure": "tpr"}}, "measure: 'tpr' is a metric of decis"),
        ("recipes.erm", {"backbone": "resnet0"}, "timm has no .*resnet0"),
    ],
)
def test_a_wrong_recipe_is_told_once_whether_or_not_a_variant_takes_it(
    params, path, value, message
):
    with pytest.raises(ConfigError, match=message) as found:
        settings.check(wrong(params, path, value))
    assert len(str(found.value).splitlines()) == 1


def test_all_wrong_recipes_are_told_at_once(params):
    changed = wrong(wrong(params, "recipes.ubaia.epochs", 0), "recipes.jtt", {"epochs": -1})
    with pytest.raises(ConfigError, match=r"(?s)recipes.jtt.epochs.*recipes.ubaia.epochs"):
        settings.check(changed)


def test_a_variant_is_checked_with_the_recipe_of_its_method(params):
    # Four images are enough for two parts, not for three.
    changed = wrong(params, "recipes.erm", {"batch_size": 4})
    settings.check(with_variant(changed, method="erm", train={"accumulate": 2}))
    with pytest.raises(ConfigError, match="own.train: batch_size 4 over 1 processes and 3 parts"):
        settings.check(with_variant(changed, method="erm", train={"accumulate": 3}))
    settings.check(with_variant(changed, method="erm", train={"accumulate": 3, "batch_size": 6}))


def test_whoever_deploys_its_upstream_is_compared_with_recipes_and_all(params):
    changed = wrong(params, "recipes.erm", {"backbone": "test_vit"})
    del changed["studies"]["causal"]  # has a faap of its own, on another model than erm's
    with pytest.raises(ConfigError, match="train.backbone: 'test_resnet'; faap .*'test_vit'"):
        settings.check(faap(changed))
    settings.check(faap(changed, train={"backbone": "test_vit"}))
    settings.check(faap(wrong(changed, "recipes.faap", {"backbone": "test_vit"})))


SEARCH = {"draws": 2, "seed": 0, "rule": "overall"}


def searched(params, variant=None, **changes):
    """The quickstart with a search, and a variant of its own."""
    changed = wrong(params, "studies.quickstart.search", SEARCH | changes)
    return with_variant(changed, **variant) if variant else changed


def test_a_search_may_be_asked_for(params):
    settings.check(searched(params))
    settings.check(searched(params, rule="dto", tuned=["train"]))
    own = {"optimiser": {"learning_rate": 0.001}}  # leaves the weight decay
    settings.check(searched(params, {"method": "erm", "train": own}, tuned=["train"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": 1}, r"studies.quickstart.search.draws: .*greater than or equal to 2 \(got 1\)"),
        ({"seed": -1}, "studies.quickstart.search.seed: "),
        ({"rule": "pareto"}, "studies.quickstart.search.rule: .*'overall', 'minimax' or 'dto'"),
        ({"tuned": ["method"]}, "studies.quickstart.search.tuned.0: .*'settings' or 'train'"),
        ({"tuned": []}, "studies.quickstart.search.tuned: .*at least 1"),
        ({"trials": 3}, "studies.quickstart.search.trials: no such setting"),
    ],
    ids=str,
)
def test_a_search_that_cannot_be_is_refused(params, change, message):
    with pytest.raises(ConfigError, match=f"params.yaml {message}"):
        settings.check(searched(params, **change))


def test_a_variant_of_which_nothing_would_be_drawn_is_named(params):
    fixed = {"optimiser": {"learning_rate": 0.001, "weight_decay": 0.0}}
    variant = {"method": "group_dro", "groups": ["sex"], "train": fixed}
    settings.check(searched(params, variant))  # its step size is drawn
    message = "variants.own: its {} leave a search nothing to draw; see search.tuned"
    with pytest.raises(ConfigError, match=message.format("train")):
        settings.check(searched(params, variant, tuned=["train"]))
    alone = {"settings": {"step_size": 0.5}, **variant}
    with pytest.raises(ConfigError, match=message.format("settings and train")):
        settings.check(searched(params, alone))


def test_a_variant_with_post_is_checked_as_one_that_is_not_trained(params):
    odds = {"post": "equalised_odds", "upstream": "erm"}
    settings.check(with_variant(params, **odds, groups=["sex", "age"]))
    for groups in (["sx"], ["sex x age"], ["no_finding"]):
        where = rf"variants.own.groups: no '{groups[0]}'; have sex, age, race"
        with pytest.raises(ConfigError, match=where):
            settings.check(with_variant(params, **odds, groups=groups))
    with pytest.raises(ConfigError, match=r"variants.own.upstream: 'emr'; .* one of \['erm'"):
        settings.check(with_variant(params, **(odds | {"upstream": "emr"}), groups=["sex"]))


AWAY = {
    "datasets": ["sites", "jsrt"],
    "external": ["jsrt"],
    "labels": ["nodule_or_mass"],
    "attributes": ["sex", "age"],
    "reference": "erm",
    "variants": {"erm": {"method": "erm"}},
    "seeds": [0],
}


def away(params, **changes):
    """Params with a study of a pool that is tested elsewhere, and its `changes`."""
    return wrong(params, "studies.away", AWAY | changes)


def test_a_study_may_learn_from_a_pool_and_be_tested_elsewhere(params):
    settings.check(away(params))
    odds = {"post": "equalised_odds", "upstream": "erm", "groups": ["sex"]}
    variants = AWAY["variants"] | {"odds": odds}
    settings.check(away(params, variants=variants, guidance="truth", products=["maps"]))


def test_a_union_may_have_a_policy_of_its_own(params):
    changed = away(params)
    changed["labels"]["unmentioned"] = {"default": "zero", "nodule_or_mass": "ignore"}
    settings.check(changed)


def test_a_label_of_a_pool_is_stated_by_any_of_its_members(params):
    # Mass alone is NIH's, tuberculosis VinDr's.
    for label in ("mass", "tuberculosis"):
        settings.check(away(params, datasets=["sites"], external=[], labels=[label]))
    with pytest.raises(ConfigError, match="away.labels: sites does not state hernias; it has aor"):
        settings.check(away(params, datasets=["sites"], external=[], labels=["hernias"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["mass"]}, "away.labels: jsrt does not state mass; it has nodule, nodule_or_m"),
        ({"labels": ["nodule", "edema"]}, "away.labels: jsrt does not state edema"),
        (
            {"datasets": ["sites", "vindr_cxr"], "external": ["vindr_cxr"]},
            "away.external: vindr_cxr holds vindr_cxr, which sites holds too",
        ),
        (
            {"datasets": ["vindr_cxr", "sites"], "external": ["sites"]},
            "away.external: sites holds vindr_cxr, which vindr_cxr holds too",
        ),
        ({"attributes": ["sex", "income"]}, "away.external: income is cut at what training patie"),
        (
            {"variants": AWAY["variants"] | {
                "odds": {"post": "equal_opportunity", "upstream": "erm", "groups": ["income"]}}},
            "away.external: income is cut",
        ),
        (
            {"datasets": ["sites"], "external": [], "inputs": "embeddings"},
            "away.inputs: 'embeddings', and sites is a pool; allowed: 'images'",
        ),
        ({"split": {"by": "external"}}, "away.split.by: 'external' leaves nothing to learn from"),
        ({"inputs": "embeddings"}, "away: external: allowed with inputs 'images' alone"),
    ],
    ids=str,
)  # fmt: skip
def test_an_external_data_set_that_cannot_be_is_refused_before_the_first_job(
    params, changes, message
):
    with pytest.raises(ConfigError, match=message):
        settings.check(away(params, **changes))


def test_what_is_true_is_known_of_phantoms_alone(params):
    changed = wrong(away(params, guidance="truth"), "data.vindr_cxr.root", "/data/vindr")
    with pytest.raises(ConfigError, match=r"away.guidance: 'truth'.*data.vindr_cxr.root is /data"):
        settings.check(changed)
