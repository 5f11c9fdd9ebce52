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


def demographics(wildcards):
    """The image table with demographics: linked to a hospital's tables where there are some."""
    name = "linked" if linked_to(wildcards.dataset) else "records"
    return f"data/interim/{wildcards.dataset}/{name}.parquet"


def earlier_flows(wildcards):
    steps = ["ingest", "link"] if linked_to(wildcards.dataset) else ["ingest"]
    return [f"data/interim/{wildcards.dataset}/{step}_flow.parquet" for step in steps]


def of_dataset(pattern):
    """A path of a data set, whatever study asks."""
    return lambda wildcards: pattern.format(dataset=wildcards.dataset)


USED = used()
POOLS = sorted({d for study in STUDIES.values() for d in study["datasets"] if members(d)})
SOURCES = "|".join(dataset for dataset in DATA if not members(dataset))
SIMULATED = sorted(dataset for dataset in USED if dataset in DATA and simulated(dataset))
STAMPED = sorted(d for d in [*USED, *POOLS] if marked(d))
