import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

from cxrfair import datasets, text
from cxrfair.provenance import closure, declared, defines
from cxrfair.scales import (
    cohort_section,
    overridden,
    rebalance_section,
    resolve,
    split_section,
    train_section,
)
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import (
    Study,
    headed,
    home_of,
    homes,
    printed,
    scored_by,
    trained,
    upstream_of,
)


wildcard_constraints:
    study="[a-z][a-z0-9_]*",
    dataset="[a-z][a-z0-9_]*",
    variant="[a-z][a-z0-9_]*",
    strategy="[a-z][a-z0-9_]*",
    seed="[0-9]+",
    shard="[0-9]+",
    draw="[0-9]+",


settings = resolve(config)
MARKER = "PHANTOM.txt"  # lies in every simulated data set, wherever it was moved
SESSION = "CXRFAIR_TRACKING"
SHARDS = settings["images"]["shards"]
LINKABLE = {"encounters": "encounters", "surroundings": "surroundings", "annotations": "marks"}
LOOKS = "embeddings"  # a linked data set of this kind is read only where a study's inputs are
GPUS = 1 if shutil.which("nvidia-smi") else 0
STUDIES = settings["studies"]
DATA = settings["data"]


def members(dataset):
    """The data sets that a pool is made of, in order; of another data set, none."""
    return DATA[dataset].get("pool", [])


def of_members(file_of):
    """What a pool is made of: a product of each of its data sets, in order."""

    def files(wildcards):
        return flat([file_of(Member(dataset)) for dataset in members(wildcards.dataset)])

    return files


def simulated(dataset):
    """Whether a data set is ours to make; a folder outside data/phantom is only ever read."""
    if members(dataset):
        return all(map(simulated, members(dataset)))
    return Path(DATA[dataset]["root"]).is_relative_to(datasets.SIMULATED_BELOW)


def marked(dataset):
    """Whether all of a data set says of itself that it is simulated, wherever it lies."""
    if members(dataset):
        return all(map(marked, members(dataset)))
    return simulated(dataset) or Path(DATA[dataset]["root"], MARKER).is_file()


def root(wildcards):
    return DATA[wildcards.dataset]["root"]


def manifest(dataset, kind):
    """List of a data set's files by content: stands for the raw data in every rule that reads it."""
    folder = datasets.SIMULATED_BELOW if simulated(dataset) else "data/interim"
    return f"{folder}/manifests/{dataset}.{kind}.csv"


def memory(dataset):
    return f".cxrfair/manifests/{dataset}.json"


def linked_to(dataset, kind=None):
    """Data sets that hold more about the patients or images of this one; all, or those of a kind."""
    others = DATA[dataset].get("link", [])
    return [other for other in others if kind is None or datasets.get(other).KIND == kind]


def of_linked(kind, product):
    """A product of every linked data set of a kind."""

    def files(wildcards):
        others = linked_to(wildcards.dataset, kind)
        return [f"data/interim/{other}/{product}" for other in others]

    return files


Place = namedtuple("Place", ["study", "dataset"])  # what `seen` asks of wildcards
Model = namedtuple("Model", ["study", "dataset", "variant"])  # what `guides` asks of them
Member = namedtuple("Member", ["dataset"])  # of a pool, where wildcards are asked for


def seen(part):
    """What a study's networks see: pictures, or vectors of a linked data set; `part` of the store."""

    def file(wildcards):
        if study_of(wildcards).get("inputs", "images") == "embeddings":
            store = rules.vectors.output
            named = {"pixels": store.values, "index": store.index, "summary": store.summary}
        else:
            store = rules.images.output
            named = {"pixels": store.pixels, "index": store.index, "summary": store.summary}
        return named[part].format(dataset=wildcards.dataset)

    return file


def options(wildcards):
    """A data set's own settings as JSON."""
    return json.dumps(DATA[wildcards.dataset].get("options", {}), sort_keys=True)


def used():
    """Data sets that a study reads: those it names or pools, and what is linked to these."""
    found = set()
    for study in STUDIES.values():
        reads_vectors = study.get("inputs", "images") == LOOKS
        for named in study["datasets"]:
            for dataset in members(named) or [named]:
                others = [o for o in linked_to(dataset) if reads_vectors or not holds_vectors(o)]
                found |= {dataset, *others}
    return found


def holds_vectors(dataset):
    return datasets.get(dataset).KIND == LOOKS


def embeddings_of(wildcards):
    """The linked data set that holds the vectors of a data set's images."""
    (found,) = linked_to(wildcards.dataset, LOOKS)
    return found


def reads(strategy, what):
    """Whether a strategy says that it reads something beside targets and groups."""
    return declared(f"cxrfair.rebalance.{strategy}", what) == "True"


def looks(wildcards):
    """What the training images look like, for a strategy that reads it: pixels or vectors, index."""
    if not reads(rebalance_section(settings, wildcards.strategy)[0], "READS_FEATURES"):
        return []
    return [seen("pixels")(wildcards), seen("index")(wildcards)]


def marks(wildcards):
    """Which images have outlines of which labels, for a strategy that reads it."""
    if not reads(rebalance_section(settings, wildcards.strategy)[0], "READS_ANNOTATIONS"):
        return []
    return rules.masks.output.places.format(**wildcards)


def guides(wildcards):
    """Outlines and where they lie, for a method that learns from those its training list names."""
    strategy = rebalance_section(settings, strategy_of(variant_of(wildcards)))[0]
    asks = declared(f"cxrfair.{method_code(wildcards)}", "reads_masks") == "True"
    if not (asks and reads(strategy, "READS_ANNOTATIONS")):
        return []
    of = {"study": wildcards.study, "dataset": wildcards.dataset}
    return [path.format(**of) for path in (rules.masks.output.masks, rules.masks.output.places)]


def rebalance_code(wildcards):
    return f"rebalance.{rebalance_section(settings, wildcards.strategy)[0]}"


def rebalancing(wildcards):
    """The strategy of an entry of section `rebalance`, and its settings as JSON."""
    strategy, own = rebalance_section(settings, wildcards.strategy)
    return {"strategy": strategy, "config": json.dumps(own, sort_keys=True)}


def strategy_of(variant):
    return variant.get("rebalance", "none")


def section(*path):
    """One section of params.yaml as JSON: all that a stage gets to see of it.

    Order counts in studies alone: variants are listed and files handed over in that of params.yaml.
    """
    value = settings
    for key in path:
        value = value[key]
    return json.dumps(value, sort_keys=path[0] != "studies")


def study_of(wildcards):
    return STUDIES[wildcards.study]


def variant_of(wildcards):
    return study_of(wildcards)["variants"][wildcards.variant]


def code(stage, *plugins):
    """The source files behind a stage and the plugins it names, e.g. "datasets.{dataset}".

    A plugin may be a function of the wildcards.
    """

    def files(wildcards):
        named = [p(wildcards) if callable(p) else p.format(**wildcards) for p in plugins]
        modules = [f"stages.{stage}", *named]
        return sorted({os.path.relpath(p) for m in modules for p in closure(f"cxrfair.{m}")})

    return files


def plugged_in(*rooms):
    """All files of registries, for a stage that uses every one of them."""
    files = ((room, Path("src/cxrfair", *room.split(".")).glob("[a-z]*.py")) for room in rooms)
    return sorted(f"{room}.{path.stem}" for room, paths in files for path in paths)


def parsed(study):
    """A study as the stages read it."""
    return Study.parse(json.dumps(study))


def at_home(study):
    """The data sets of a study that its networks learn from; the others are tested on alone."""
    return list(homes(parsed(study)))


def of_home(pattern):
    """A path of the data set that learnt what is asked of this one; mostly that itself."""

    def file(wildcards):
        home = home_of(parsed(study_of(wildcards)), wildcards.dataset)
        return pattern.format(**{**wildcards, "dataset": home})

    return file


def model_keys(study):
    """Data set, variant and seed of every model of a study: whatever decides by itself."""
    return [(d, v, s) for d in study["datasets"] for v in study["variants"] for s in study["seeds"]]


def home_keys(study):
    """The same with each data set's home in its place: where thresholds of the models were fitted."""
    of = parsed(study)
    return [(home_of(of, d), v, s) for d, v, s in model_keys(study)]


def network_keys(study):
    """Those of `model_keys` with a network; the others decide upon the scores of one that has."""
    own = trained(parsed(study))
    return [key for key in model_keys(study) if key[1] in own]


def trained_keys(study):
    """Those of `network_keys` that were trained there, not only tested."""
    return [key for key in network_keys(study) if key[0] in at_home(study)]


def headed_keys(study):
    """Those of `model_keys` that are last layers on the features of a trained one."""
    own = headed(parsed(study))
    return [key for key in model_keys(study) if key[1] in own]


def scored_keys(study):
    """The models whose scores each of `model_keys` takes: its own, or its upstream's."""
    of = parsed(study)
    return [(d, scored_by(of, v), s) for d, v, s in model_keys(study)]


def models(pattern, keys_of=model_keys):
    """Paths of every model of a study, in the order of `keys_of`."""

    def files(wildcards):
        keys = keys_of(study_of(wildcards))
        name = wildcards.study
        return [pattern.format(study=name, dataset=d, variant=v, seed=s) for d, v, s in keys]

    return files


def of_dataset(pattern):
    """A path of a data set, whatever study asks."""
    return lambda wildcards: pattern.format(dataset=wildcards.dataset)


def per_dataset(pattern, datasets_of=lambda study: study["datasets"]):
    def files(wildcards):
        datasets = datasets_of(study_of(wildcards))
        return [pattern.format(study=wildcards.study, dataset=d) for d in datasets]

    return files


def keys_of_dataset(wildcards, keys_of=network_keys):
    """Variant and seed of every network that one data set of a study has (`keys_of`)."""
    return [(v, s) for d, v, s in keys_of(study_of(wildcards)) if d == wildcards.dataset]


def models_of_dataset(pattern, keys_of=network_keys):
    """Paths of the models of one data set of a study, in the order of `keys_of_dataset`."""

    def files(wildcards):
        return [
            pattern.format(study=wildcards.study, dataset=wildcards.dataset, variant=v, seed=s)
            for v, s in keys_of_dataset(wildcards, keys_of)
        ]

    return files


def judged_by():
    """The metrics, and the comparisons of groups, that section `audit` names."""
    asked = settings["audit"]
    return [f"{room}.{name}" for room in ("metrics", "comparisons") for name in asked[room]]


def uncertainty():
    """What section `audit` says of intervals and of small groups."""
    asked = settings["audit"]
    return json.dumps({key: asked[key] for key in Uncertainty.model_fields}, sort_keys=True)


def asked(name, product, pattern):
    """What is made of a kept product of a study, data set by data set; nothing where it is not kept."""
    study = STUDIES[name]
    kept = product in study.get("products", [])
    have = study["datasets"] if product in ON_TESTED else at_home(study)
    return [pattern.format(study=name, dataset=d) for d in have if kept]


def measured(name):
    """The effects of attributes on a study's models, where it asks for them: of phantoms alone."""
    study = STUDIES[name]
    made = [d for d in at_home(study) if d in SIMULATED and study.get("effects")]
    return [rules.effects.output.effects.format(study=name, dataset=d) for d in made]


def tried(name):
    """How every trial of a study's last layers does, where it has any."""
    have = STUDIES[name]["datasets"] if headed(parsed(STUDIES[name])) else []
    return [rules.trials.output.trials.format(study=name, dataset=d) for d in have]


def says_outlines(name):
    """Whether an entry of `rebalance` says which outlines guide."""
    return reads(rebalance_section(settings, name)[0], "READS_ANNOTATIONS")


def guided_lists():
    """The entries of `rebalance` that do, of all studies: the report tells their levels."""
    own = [strategy_of(v) for study in STUDIES.values() for v in study["variants"].values()]
    return [name for name in dict.fromkeys(own) if says_outlines(name)]


def rebalanced_lists(study):
    """The training lists of a study that are not its training images as they are.

    Those that say which outlines guide are: of all of them, or of some patients.
    """
    own = [strategy_of(study["variants"][name]) for name in trained(parsed(study))]
    return [name for name in dict.fromkeys(own) if name != "none" and not says_outlines(name)]


def list_keys(wildcards):
    """Name and seed of each such list, in order."""
    study = study_of(wildcards)
    return [(name, s) for name in rebalanced_lists(study) for s in study["seeds"]]


def lists(pattern):
    """Their paths in one data set of a study, in the order of `list_keys`."""

    def files(wildcards):
        of = dict(wildcards)
        return [pattern.format(strategy=n, seed=s, **of) for n, s in list_keys(wildcards)]

    return files


def weighed(name, part="rebalanced"):
    """What a study's rebalanced training lists hold, or cover, where it has any."""
    have = at_home(STUDIES[name]) if rebalanced_lists(STUDIES[name]) else []
    return [getattr(rules.weigh.output, part).format(study=name, dataset=d) for d in have]


def redrawn_keys(study):
    """Those of `trained_keys` whose method says how often images are drawn, or leaves some out."""
    methods = {v: study["variants"][v].get("method") for v in trained(parsed(study))}
    own = [v for v, method in methods.items() if defines(f"cxrfair.methods.{method}", "repeats")]
    return [key for key in trained_keys(study) if key[1] in own]


def redrawn(name):
    """Whose images such methods of a study draw, where it has any."""
    have = at_home(STUDIES[name]) if redrawn_keys(STUDIES[name]) else []
    return [rules.drawn.output.drawn.format(study=name, dataset=d) for d in have]


def refitted(name):
    """Heads for other labels on the features of a study's models, where it names such labels."""
    study = STUDIES[name]
    wanted = at_home(study) if study.get("downstream") else []
    return [rules.refit.output.downstream.format(study=name, dataset=d) for d in wanted]


def probed(name):
    """What probes found in the features of a study's models."""
    return asked(name, "embeddings", rules.probe.output.leakage)


def truth_of(wildcards):
    """What is true of a phantom's images; nothing of a data set that is only read."""
    return rules.phantom.output.truth if wildcards.dataset in SIMULATED else []


def annotations_of(wildcards):
    """Where a source saw findings in a data set's images; nothing of a phantom, whose truth is known."""
    return [] if wildcards.dataset in SIMULATED else annotated_by_source(wildcards.dataset)


def annotated_by_source(dataset):
    named = "linked_annotations" if linked_to(dataset) else "annotations"
    return f"data/interim/{dataset}/{named}.parquet"


def annotated(wildcards):
    """Outlines that guide and judge a study's networks: the source's, or what is true."""
    if study_of(wildcards).get("guidance", "source") == "truth":
        return rules.outline.output.annotations.format(**wildcards)
    return annotated_by_source(wildcards.dataset)


def outlined(wildcards):
    """Which images have outlines, for a study whose maps are held against them."""
    asks = "pointing" in study_of(wildcards).get("products", [])
    return rules.masks.output.places.format(**wildcards) if asks else []


def outlines():
    """Outlines of every data set of a study that learns from them or is held against them."""
    asked = everything(rules.masks.output.masks, product="pointing", keys_of=model_keys)
    every = [Model(name, d, v) for name in STUDIES for d, v, _ in trained_keys(STUDIES[name])]
    return sorted({*asked, *flat([guides(model)[:1] for model in every])})


def of_its_home(file_of):
    """What a data set that is only tested on has of its home; nothing of one that is learnt from."""

    def file(wildcards):
        home = home_of(parsed(study_of(wildcards)), wildcards.dataset)
        return [] if home == wildcards.dataset else file_of(Place(wildcards.study, home))

    return file


ON_TESTED = (
    "maps",
    "pointing",
)  # products of every data set, not of those alone that are learnt from
USED = used()
POOLS = sorted({d for study in STUDIES.values() for d in study["datasets"] if members(d)})
SOURCES = "|".join(dataset for dataset in DATA if not members(dataset))
SIMULATED = sorted(dataset for dataset in USED if dataset in DATA and simulated(dataset))
STAMPED = sorted(d for d in [*USED, *POOLS] if marked(d))


def demographics(wildcards):
    """The image table with demographics: linked to a hospital's tables where there are some."""
    name = "linked" if linked_to(wildcards.dataset) else "records"
    return f"data/interim/{wildcards.dataset}/{name}.parquet"


def earlier_flows(wildcards):
    steps = ["ingest", "link"] if linked_to(wildcards.dataset) else ["ingest"]
    return [f"data/interim/{wildcards.dataset}/{step}_flow.parquet" for step in steps]


def training_list(wildcards):
    return rules.rebalance.output.listed.format(
        strategy=strategy_of(variant_of(wildcards)), **wildcards
    )


def method_code(wildcards):
    return f"methods.{variant_of(wildcards)['method']}"


def train_of(wildcards):
    """Section `train` as it holds for a variant."""
    return train_section(settings, variant_of(wildcards))


def threads_of(wildcards):
    """Cores of a training or an inference; of all its processes together."""
    train = train_of(wildcards)
    return train["threads"] * train["processes"]


def inference_threads(wildcards):
    """Cores of what needs one process, whatever the training had."""
    return train_of(wildcards)["threads"]


def measure_code(wildcards):
    """The metric that epochs are judged by; the loss is no metric."""
    measure = train_of(wildcards)["validation"]["measure"]
    return "metrics" if measure == "loss" else f"metrics.{measure}"


def training_spec(wildcards):
    """Everything that decides a training beside its data, as one line of JSON."""
    variant = variant_of(wildcards)
    method = variant["method"]
    spec = {
        "method": method,
        "hyper": overridden(settings["methods"][method], variant.get("settings", {})),
        "groups": variant.get("groups", []),
        "labels": study_of(wildcards)["labels"],
        "seed": int(wildcards.seed),
        "train": train_of(wildcards),
    }
    return json.dumps(spec, sort_keys=True)


def upstream(wildcards):
    """Card and weights of the model that a method starts from; nothing for most."""
    needs = declared(f"cxrfair.{method_code(wildcards)}", "needs")
    if not needs:
        return []
    method, moment = needs.split("@")
    variant = upstream_of(parsed(study_of(wildcards)), wildcards.variant, method)
    weights = {"selected": rules.train.output.weights, "early": rules.train.output.early}[moment]
    of = {**wildcards, "variant": variant}
    return [path.format(**of) for path in (rules.train.output.card, weights)]


def reads_text(variant):
    """Whether a variant's method compares images with what the labels say."""
    method = variant.get("method")
    return method is not None and declared(f"cxrfair.methods.{method}", "reads_text") == "True"


def words(wildcards):
    """What a study's labels say, in numbers, for a method that reads it."""
    reads = reads_text(variant_of(wildcards))
    return [rules.text.output.text.format(study=wildcards.study)] if reads else []


def worded():
    """The same of every study that has such a method."""
    have = [n for n, study in STUDIES.items() if any(map(reads_text, study["variants"].values()))]
    return [rules.text.output.text.format(study=name) for name in have]


def of_first_seed(function):
    """The same of a study's first seed, with which a search trains."""

    def found(wildcards):
        seed = study_of(wildcards)["seeds"][0]
        return function(type(wildcards)(fromdict={**wildcards, "seed": str(seed)}))

    return found


def drawing(wildcards):
    """Which draw of a variant's settings a trial makes, and what it leaves alone, as JSON."""
    variant, search = variant_of(wildcards), parsed(study_of(wildcards)).search
    own = {key: variant.get(key, {}) for key in ("settings", "train")}
    asked = {"draw": int(wildcards.draw), "seed": search.seed, "tuned": search.tuned}
    return json.dumps(asked | own, sort_keys=True)


def draws(pattern):
    """Paths of all draws of a variant's settings, in order."""

    def files(wildcards):
        numbers = range(study_of(wildcards)["search"]["draws"])
        return [pattern.format(draw=number, **wildcards) for number in numbers]

    return files


def study_of_variant(wildcards):
    """A study as if a data set and a variant were all it has, as JSON: a choice sees no more."""
    name, study = wildcards.variant, study_of(wildcards)
    variant = {"method": variant_of(wildcards)["method"]}
    alone = {"datasets": [wildcards.dataset], "variants": {name: variant}, "reference": name}
    kept = {key: study[key] for key in ("labels", "attributes")}
    return json.dumps({**kept, **alone, "seeds": study["seeds"][:1]})


def chosen(wildcards):
    """The settings that a search chose for a variant; nothing where the study has no search."""
    return [] if study_of(wildcards).get("search") is None else rules.choose.output.chosen


def searched(name):
    """What came of every draw of a study's variants; nothing where it has no search."""
    keys = dict.fromkeys((d, v) for d, v, _ in trained_keys(STUDIES[name]))
    of = [] if STUDIES[name].get("search") is None else keys
    return [rules.choose.output.search.format(study=name, dataset=d, variant=v) for d, v in of]


def studies_before(variants_of):
    """A pattern of the names of studies that holds where what follows is one of such variants."""
    found = {name: variants_of(parsed(study)) for name, study in STUDIES.items()}
    parts = [f"{n}(?=/[a-z0-9_]+/(?:{'|'.join(own)})/)" for n, own in found.items() if own]
    return "|".join(parts) or "(?!)"  # that of nothing


def of_upstream(pattern):
    """A path of the variant that a last layer takes the features of."""

    def file(wildcards):
        return pattern.format(**{**wildcards, "variant": variant_of(wildcards)["upstream"]})

    return file


def head_code(wildcards):
    return f"heads.{variant_of(wildcards)['head']}"


def head_spec(wildcards):
    """Everything that decides the trials of a variant beside their data, as one line of JSON."""
    study, variant = study_of(wildcards), variant_of(wildcards)
    head = variant["head"]
    spec = {
        "head": head,
        "settings": overridden(settings["heads"][head], variant.get("settings", {})),
        "groups": variant.get("groups", []),
        "labels": study["labels"],
        "seed": int(wildcards.seed),
        "trials": study.get("trials", 1),
    }
    return json.dumps(spec, sort_keys=True)


def scores(wildcards):
    """Predictions that a variant decides upon: its own, or those of its upstream."""
    variant = scored_by(parsed(study_of(wildcards)), wildcards.variant)
    return rules.predict.output.predictions.format(**{**wildcards, "variant": variant})


def groups_of(wildcards):
    """The cohort, for a variant whose groups have thresholds of their own."""
    if variant_of(wildcards).get("post") is None:
        return []
    return rules.group.output.cohort.format(**wildcards)


def post_of(wildcards):
    """What thresholds of groups are to equalise, and the attributes of these, as JSON."""
    variant = variant_of(wildcards)
    if variant.get("post") is None:
        return "{}"
    return json.dumps({"rule": variant["post"], "groups": variant["groups"]}, sort_keys=True)


def pretrained(wildcards):
    """The file of weights that a network starts from, where it is one."""
    source = train_of(wildcards)["pretrained"]
    return [] if source in {"none", "hub"} else [source]


def study_files(name):
    """What the report reads of one study, models in the order data set, variant, seed."""
    of = {"study": name}
    datasets = STUDIES[name]["datasets"]

    def each_dataset(pattern):
        return [pattern.format(dataset=d, **of) for d in datasets]

    def each_model(pattern, keys_of=trained_keys):
        keys = keys_of(STUDIES[name])
        return [pattern.format(dataset=d, variant=v, seed=s, **of) for d, v, s in keys]

    return {
        "metrics": rules.audit.output.metrics.format(**of),
        "summary": rules.audit.output.summary.format(**of),
        "matched": rules.audit.output.matched.format(**of),
        "label_shift": rules.audit.output.label_shift.format(**of),
        "curves": rules.audit.output.curves.format(**of),
        "selection": rules.select.output.selection.format(**of),
        "attribute_leakage": probed(name),
        "localisation": asked(name, "maps", rules.localise.output.localisation),
        "pointing": asked(name, "pointing", rules.point.output.pointing),
        "sights": asked(name, "pointing", rules.point.output.sights),
        "examples": asked(name, "maps", rules.localise.output.examples),
        "effects": measured(name),
        "overlap": asked(name, "saliency", rules.overlap.output.overlap),
        "panels": asked(name, "saliency", rules.overlap.output.panels),
        "downstream": refitted(name),
        "trials": tried(name),
        "rebalanced": weighed(name),
        "coverage": weighed(name, "coverage"),
        "drawn": redrawn(name),
        "search": searched(name),
        "paper": [str(path) for path in [printed(parsed(STUDIES[name]))] if path],
        "flows": each_dataset(rules.cohort.output.flow),
        "cohorts": each_dataset(rules.group.output.cohort),
        "targets": each_dataset(rules.cohort.output.targets),
        "splits": each_dataset(rules.split.output.splits),
        "decoding": [seen("summary")(Place(name, d)) for d in datasets],
        "cuts": each_dataset(rules.group.output.cuts),
        "leakage": each_dataset(rules.split.output.leakage),
        "thresholds": each_model(rules.threshold.output.thresholds, home_keys),
        "cards": each_model(rules.train.output.card),
        "head_cards": each_model(rules.heads.output.card, headed_keys),
        "made_with": each_model(rules.train.output.made_with),
    }


def flat(value):
    """All paths in nested lists and dicts."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [path for part in parts for path in flat(part)]


def report_facts():
    """What the report says of how results were made, beside what the tables hold."""
    return json.dumps(
        {
            "scale": settings["scale"],
            "simulated": STAMPED,
            "resamples": settings["audit"]["resamples"],
            "confidence": settings["audit"]["confidence"],
            "min_group_size": settings["audit"]["min_group_size"],
            **{key: settings["train"][key] for key in ("epochs", "batch_size", "optimiser")},
            "recipes": settings["recipes"],
            "lists": {name: settings["rebalance"][name] for name in guided_lists()},
        },
        sort_keys=True,
    )


def everything(pattern, only=None, product=None, keys_of=trained_keys):
    """All paths of a pattern over the studies' data sets, variants and seeds (`keys_of`).

    `only` keeps some data sets, `product` the studies that ask for it.
    """
    return sorted(
        {
            pattern.format(
                study=name, dataset=d, variant=v, seed=s, strategy=strategy_of(study["variants"][v])
            )
            for name, study in STUDIES.items()
            if product is None or product in study.get("products", [])
            for d, v, s in keys_of(study)
            if only is None or d in only
        }
    )
