ON_TESTED = ("maps", "pointing")  # of every data set, not of those alone that are learnt from


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


def outlines():
    """Outlines of every data set of a study that learns from them or is held against them."""
    asked = everything(rules.masks.output.masks, product="pointing", keys_of=model_keys)
    every = [Model(name, d, v) for name in STUDIES for d, v, _ in trained_keys(STUDIES[name])]
    return sorted({*asked, *flat([guides(model)[:1] for model in every])})


def worded():
    """The same of every study that has such a method."""
    have = [n for n, study in STUDIES.items() if any(map(reads_text, study["variants"].values()))]
    return [rules.text.output.text.format(study=name) for name in have]


def searched(name):
    """What came of every draw of a study's variants; nothing where it has no search."""
    keys = dict.fromkeys((d, v) for d, v, _ in trained_keys(STUDIES[name]))
    of = [] if STUDIES[name].get("search") is None else keys
    return [rules.choose.output.search.format(study=name, dataset=d, variant=v) for d, v in of]


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
