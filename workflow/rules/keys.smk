def at_home(study):
    """The data sets of a study that its networks learn from; the others are tested on alone."""
    return list(homes(parsed(study)))


def of_home(pattern):
    """A path of the data set that learnt what is asked of this one; mostly that itself."""

    def file(wildcards):
        home = home_of(parsed(study_of(wildcards)), wildcards.dataset)
        return pattern.format(**{**wildcards, "dataset": home})

    return file


def of_its_home(file_of):
    """What a data set that is only tested on has of its home; nothing of one that is learnt from."""

    def file(wildcards):
        home = home_of(parsed(study_of(wildcards)), wildcards.dataset)
        return [] if home == wildcards.dataset else file_of(Place(wildcards.study, home))

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
