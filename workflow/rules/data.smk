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


rule images_shard:
    input:
        records=rules.ingest.output.records,
        images=lambda wildcards: manifest(wildcards.dataset, "images"),
        code=code("images_shard"),
    output:
        pixels=temp("data/images/{dataset}/shards/{shard}.npy"),
        index=temp("data/images/{dataset}/shards/{shard}.parquet"),
    log:
        "logs/images/{dataset}.{shard}.log",
    benchmark:
        "logs/images/{dataset}.{shard}.tsv"
    conda:
        "../envs/cxrfair.yaml"
    threads: 4
    params:
        root=root,
        config=section("images"),
    message:
        "decode part {wildcards.shard} of {SHARDS} of the images of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.images_shard --records {input.records} --root {params.root:q}"
        " --config {params.config:q} --shard {wildcards.shard} --workers {threads}"
        " --pixels {output.pixels} --index {output.index} 2> {log}"


rule images:
    input:
        pixels=expand(rules.images_shard.output.pixels, shard=range(SHARDS), allow_missing=True),
        indexes=expand(rules.images_shard.output.index, shard=range(SHARDS), allow_missing=True),
        absent=rules.ingest.output.absent,
        code=code("images"),
    output:
        pixels="data/images/{dataset}/pixels.npy",
        index="data/images/{dataset}/index.parquet",
        quarantine="data/images/{dataset}/quarantine.csv",
        summary="data/images/{dataset}/summary.json",
    log:
        "logs/images/{dataset}.log",
    wildcard_constraints:
        dataset=SOURCES,
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=section("images"),
    message:
        "put the images of {wildcards.dataset} together"
    shell:
        "python -m cxrfair.stages.images --shard-pixels {input.pixels}"
        " --shard-indexes {input.indexes} --absent {input.absent} --config {params.config:q}"
        " --pixels {output.pixels} --index {output.index} --quarantine {output.quarantine}"
        " --summary {output.summary}"
        " --refused .cxrfair/quarantine/{wildcards.dataset}.csv 2> {log}"


# Several data sets as one, in the tables and the store of one.
rule pool:
    input:
        records=of_members(demographics),
        labels=of_members(of_dataset(rules.ingest.output.labels)),
        annotations=of_members(lambda w: annotated_by_source(w.dataset)),
        absents=of_members(of_dataset(rules.ingest.output.absent)),
        flows=of_members(earlier_flows),
        code=code("pool"),
    output:
        records="data/interim/{dataset}/records.parquet",
        labels="data/interim/{dataset}/labels.parquet",
        annotations="data/interim/{dataset}/annotations.parquet",
        absent="data/interim/{dataset}/absent.parquet",
        flow="data/interim/{dataset}/ingest_flow.parquet",
    log:
        "logs/pool/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(POOLS) or "nothing",
    conda:
        "../envs/cxrfair.yaml"
    params:
        names=lambda w: json.dumps(members(w.dataset)),
        flows_of=lambda w: json.dumps(
            [name for name in members(w.dataset) for _ in earlier_flows(Member(name))]
        ),
    message:
        "pool data sets as {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.pool --names {params.names:q} --records {input.records}"
        " --labels {input.labels} --annotations {input.annotations} --absents {input.absents}"
        " --flows {input.flows} --flows-of {params.flows_of:q} --pooled-records {output.records} --pooled-labels {output.labels}"
        " --pooled-annotations {output.annotations} --pooled-absent {output.absent}"
        " --pooled-flow {output.flow} 2> {log}"


rule pool_images:
    input:
        pixels=of_members(of_dataset(rules.images.output.pixels)),
        indexes=of_members(of_dataset(rules.images.output.index)),
        quarantines=of_members(of_dataset(rules.images.output.quarantine)),
        code=code("pool_images"),
    output:
        pixels="data/images/{dataset}/pixels.npy",
        index="data/images/{dataset}/index.parquet",
        quarantine="data/images/{dataset}/quarantine.csv",
        summary="data/images/{dataset}/summary.json",
    log:
        "logs/pool/{dataset}.images.log",
    wildcard_constraints:
        dataset="|".join(POOLS) or "nothing",
    conda:
        "../envs/cxrfair.yaml"
    params:
        names=lambda w: json.dumps(members(w.dataset)),
    message:
        "put the images of data sets together as {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.pool_images --names {params.names:q} --pixels {input.pixels}"
        " --indexes {input.indexes} --quarantines {input.quarantines}"
        " --pooled-pixels {output.pixels} --pooled-index {output.index}"
        " --pooled-quarantine {output.quarantine} --pooled-summary {output.summary} 2> {log}"


# Of a phantom, where findings truly are, as if a source had drawn it.
rule outline:
    input:
        records=rules.ingest.output.records,
        truth=rules.phantom.output.truth,
        index=rules.images.output.index,
        code=code("outline", *plugged_in("phantom.findings")),
    output:
        annotations="data/masks/{dataset}.annotations.parquet",
    log:
        "logs/outline/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(SIMULATED) or "nothing",
    conda:
        "../envs/cxrfair.yaml"
    message:
        "outline what is true of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.outline --records {input.records} --truth {input.truth}"
        " --index {input.index} --annotations {output.annotations} 2> {log}"


rule pool_outlines:
    input:
        annotations=of_members(of_dataset(rules.outline.output.annotations)),
        code=code("pool_outlines"),
    output:
        annotations="data/masks/{dataset}.annotations.parquet",
    log:
        "logs/pool/{dataset}.outlines.log",
    wildcard_constraints:
        dataset="|".join(POOLS) or "nothing",
    conda:
        "../envs/cxrfair.yaml"
    params:
        names=lambda w: json.dumps(members(w.dataset)),
    message:
        "put what is true of the data sets of {wildcards.dataset} together"
    shell:
        "python -m cxrfair.stages.pool_outlines --names {params.names:q}"
        " --annotations {input.annotations} --pooled-annotations {output.annotations} 2> {log}"


rule vectors:
    input:
        records=rules.ingest.output.records,
        tables=lambda w: manifest(embeddings_of(w), "tables"),
        files=lambda w: manifest(embeddings_of(w), "images"),
        code=code("vectors", lambda w: f"datasets.{embeddings_of(w)}"),
    output:
        values="data/vectors/{dataset}/values.npy",
        index="data/vectors/{dataset}/index.parquet",
        quarantine="data/vectors/{dataset}/quarantine.csv",
        summary="data/vectors/{dataset}/summary.json",
    log:
        "logs/vectors/{dataset}.log",
    benchmark:
        "logs/vectors/{dataset}.tsv"
    conda:
        "../envs/cxrfair.yaml"
    threads: 4
    params:
        source=lambda w: embeddings_of(w),
        root=lambda w: DATA[embeddings_of(w)]["root"],
        config=section("images"),
    message:
        "read the embeddings of the images of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.vectors --records {input.records} --source {params.source}"
        " --root {params.root:q} --config {params.config:q} --workers {threads}"
        " --values {output.values} --index {output.index} --quarantine {output.quarantine}"
        " --summary {output.summary}"
        " --refused .cxrfair/quarantine/{wildcards.dataset}.vectors.csv 2> {log}"


rule cohort:
    input:
        records=demographics,
        flows=earlier_flows,
        labels=rules.ingest.output.labels,
        index=seen("index"),
        code=code("cohort"),
    output:
        chosen="data/processed/{study}/{dataset}/chosen.parquet",
        targets="data/processed/{study}/{dataset}/targets.parquet",
        flow="data/processed/{study}/{dataset}/flow.parquet",
    log:
        "logs/cohort/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=lambda w: json.dumps(cohort_section(settings, study_of(w)), sort_keys=True),
        policy=section("labels"),
        attributes=lambda w: json.dumps(study_of(w)["attributes"]),
        labels=lambda w: json.dumps(study_of(w)["labels"]),
    message:
        "{wildcards.study}: choose images of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.cohort --records {input.records} --flows-before {input.flows}"
        " --states {input.labels} --index {input.index} --config {params.config:q}"
        " --policy {params.policy:q} --attributes {params.attributes:q} --labels {params.labels:q}"
        " --chosen {output.chosen} --targets {output.targets} --flow {output.flow} 2> {log}"


rule split:
    input:
        chosen=rules.cohort.output.chosen,
        targets=rules.cohort.output.targets,
        index=seen("index"),
        home_chosen=of_its_home(lambda of: rules.cohort.output.chosen.format(**of._asdict())),
        home_index=of_its_home(seen("index")),
        code=code("split"),
    output:
        splits="data/processed/{study}/{dataset}/splits.parquet",
        leakage="data/processed/{study}/{dataset}/leakage.json",
    log:
        "logs/split/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=lambda w: json.dumps(split_section(settings, study_of(w), w.dataset), sort_keys=True),
    message:
        "{wildcards.study}: split {wildcards.dataset} by patient"
    shell:
        "python -m cxrfair.stages.split --chosen {input.chosen} --targets {input.targets}"
        " --index {input.index} --home-chosen {input.home_chosen}"
        " --home-index {input.home_index} --config {params.config:q} --splits {output.splits}"
        " --leakage {output.leakage} 2> {log}"


rule group:
    input:
        chosen=rules.cohort.output.chosen,
        splits=rules.split.output.splits,
        code=code("group"),
    output:
        cohort="data/processed/{study}/{dataset}/cohort.parquet",
        cuts="data/processed/{study}/{dataset}/cuts.json",
    log:
        "logs/group/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        sdoh=section("sdoh"),
    message:
        "{wildcards.study}: group the patients of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.group --chosen {input.chosen} --splits {input.splits}"
        " --sdoh {params.sdoh:q} --cohort {output.cohort} --cuts {output.cuts} 2> {log}"


rule masks:
    input:
        splits=rules.split.output.splits,
        annotations=annotated,
        index=seen("index"),
        code=code("masks"),
    output:
        masks="data/masks/{study}/{dataset}/masks.npy",
        places="data/masks/{study}/{dataset}/masks.parquet",
    log:
        "logs/masks/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        labels=lambda w: json.dumps(study_of(w)["labels"]),
        config=section("labels"),
        size=settings["images"]["size"],
    message:
        "{wildcards.study}: outlines of labels in images of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.masks --splits {input.splits} --annotations {input.annotations}"
        " --index {input.index} --labels {params.labels:q} --config {params.config:q}"
        " --size {params.size} --masks {output.masks} --places {output.places} 2> {log}"


rule rebalance:
    input:
        cohort=rules.group.output.cohort,
        targets=rules.cohort.output.targets,
        splits=rules.split.output.splits,
        looks=looks,
        marks=marks,
        code=code("rebalance", rebalance_code),
    output:
        listed="data/training/{study}/{dataset}/{strategy}/seed-{seed}.parquet",
        kept="data/training/{study}/{dataset}/{strategy}/seed-{seed}.kept.parquet",
    log:
        "logs/rebalance/{study}.{dataset}.{strategy}.{seed}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        of=rebalancing,
    message:
        "{wildcards.study}: training list of {wildcards.dataset}, {wildcards.strategy}, seed {wildcards.seed}"
    shell:
        "python -m cxrfair.stages.rebalance --cohort {input.cohort} --targets {input.targets}"
        " --splits {input.splits} --strategy {params.of[strategy]} --config {params.of[config]:q}"
        " --seed {wildcards.seed} --looks {input.looks} --marks {input.marks}"
        " --listed {output.listed}"
        " --kept {output.kept} 2> {log}"
