rule phantom:
    input:
        code=code(
            "phantom",
            "phantom.writers.{dataset}",
            "datasets.{dataset}",
            *plugged_in("phantom.findings"),
        ),
    output:
        root=directory("data/phantom/{dataset}"),
        truth="data/phantom/truth/{dataset}.parquet",
        tables="data/phantom/manifests/{dataset}.tables.csv",
        images="data/phantom/manifests/{dataset}.images.csv",
    log:
        "logs/phantom/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(SIMULATED) or "nothing",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=section("phantom"),
        memory=lambda wildcards: memory(wildcards.dataset),
    message:
        "simulate {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.phantom --dataset {wildcards.dataset} --config {params.config:q}"
        " --root {output.root} --truth {output.truth} --tables {output.tables}"
        " --images {output.images} --memory {params.memory} 2> {log}"


rule ingest:
    input:
        tables=lambda wildcards: manifest(wildcards.dataset, "tables"),
        images=lambda wildcards: manifest(wildcards.dataset, "images"),
        code=code("ingest", "datasets.{dataset}"),
    output:
        records="data/interim/{dataset}/records.parquet",
        labels="data/interim/{dataset}/labels.parquet",
        annotations="data/interim/{dataset}/annotations.parquet",
        absent="data/interim/{dataset}/absent.parquet",
        flow="data/interim/{dataset}/ingest_flow.parquet",
    log:
        "logs/ingest/{dataset}.log",
    wildcard_constraints:
        dataset=SOURCES,
    conda:
        "../envs/cxrfair.yaml"
    params:
        root=root,
        options=options,
    message:
        "read {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.ingest --dataset {wildcards.dataset} --root {params.root:q}"
        " --options {params.options:q}"
        " --records {output.records} --labels {output.labels}"
        " --annotations {output.annotations} --absent {output.absent}"
        " --flow {output.flow} 2> {log}"


rule encounters:
    input:
        tables=lambda wildcards: manifest(wildcards.dataset, "tables"),
        code=code("encounters", "datasets.{dataset}"),
    output:
        patients="data/interim/{dataset}/patients.parquet",
        stays="data/interim/{dataset}/stays.parquet",
        notes="data/interim/{dataset}/encounters.json",
    log:
        "logs/encounters/{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        root=root,
        options=options,
    message:
        "read hospital stays of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.encounters --dataset {wildcards.dataset} --root {params.root:q}"
        " --options {params.options:q}"
        " --patients {output.patients} --stays {output.stays} --notes {output.notes} 2> {log}"


rule surroundings:
    input:
        tables=lambda wildcards: manifest(wildcards.dataset, "tables"),
        code=code("surroundings", "datasets.{dataset}"),
    output:
        residences="data/interim/{dataset}/residences.parquet",
        values="data/interim/{dataset}/surroundings.parquet",
        notes="data/interim/{dataset}/surroundings.json",
    log:
        "logs/surroundings/{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        root=root,
        options=options,
    message:
        "read where patients of {wildcards.dataset} live"
    shell:
        "python -m cxrfair.stages.surroundings --dataset {wildcards.dataset} --root {params.root:q}"
        " --options {params.options:q} --residences {output.residences}"
        " --values {output.values} --notes {output.notes} 2> {log}"


rule marks:
    input:
        tables=lambda wildcards: manifest(wildcards.dataset, "tables"),
        code=code("marks", "datasets.{dataset}"),
    output:
        annotations="data/interim/{dataset}/marks.parquet",
        notes="data/interim/{dataset}/marks.json",
    log:
        "logs/marks/{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        root=root,
        options=options,
    message:
        "read the annotations of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.marks --dataset {wildcards.dataset} --root {params.root:q}"
        " --options {params.options:q} --annotations {output.annotations}"
        " --notes {output.notes} 2> {log}"


rule link:
    input:
        records=rules.ingest.output.records,
        annotations=rules.ingest.output.annotations,
        patients=of_linked("encounters", "patients.parquet"),
        stays=of_linked("encounters", "stays.parquet"),
        residences=of_linked("surroundings", "residences.parquet"),
        values=of_linked("surroundings", "surroundings.parquet"),
        marks=of_linked("annotations", "marks.parquet"),
        notes=lambda w: [
            path
            for kind, product in LINKABLE.items()
            for path in of_linked(kind, f"{product}.json")(w)
        ],
        code=code("link"),
    output:
        records="data/interim/{dataset}/linked.parquet",
        annotations="data/interim/{dataset}/linked_annotations.parquet",
        flow="data/interim/{dataset}/link_flow.parquet",
    log:
        "logs/link/{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=section("link"),
        sdoh=section("sdoh"),
    message:
        "link {wildcards.dataset} to what other data sets hold on it"
    shell:
        "python -m cxrfair.stages.link --records {input.records} --annotations {input.annotations}"
        " --patients {input.patients} --stays {input.stays} --residences {input.residences}"
        " --values {input.values} --marks {input.marks} --notes {input.notes}"
        " --config {params.config:q} --sdoh {params.sdoh:q} --linked {output.records}"
        " --linked-annotations {output.annotations} --flow {output.flow} 2> {log}"
