def strategy_of(variant):
    return variant.get("rebalance", "none")


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


def pretrained(wildcards):
    """The file of weights that a network starts from, where it is one."""
    source = train_of(wildcards)["pretrained"]
    return [] if source in {"none", "hub"} else [source]


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


def of_upstream(pattern):
    """A path of the variant that a last layer takes the features of."""

    def file(wildcards):
        return pattern.format(**{**wildcards, "variant": variant_of(wildcards)["upstream"]})

    return file


def studies_before(variants_of):
    """A pattern of the names of studies that holds where what follows is one of such variants."""
    found = {name: variants_of(parsed(study)) for name, study in STUDIES.items()}
    parts = [f"{n}(?=/[a-z0-9_]+/(?:{'|'.join(own)})/)" for n, own in found.items() if own]
    return "|".join(parts) or "(?!)"  # that of nothing


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
