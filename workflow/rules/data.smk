rule phantom:
    input:
        code=code("phantom", "phantom.writers.{dataset}", "datasets.{dataset}"),
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
    conda:
        "../envs/cxrfair.yaml"
    params:
        root=root,
    message:
        "read {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.ingest --dataset {wildcards.dataset} --root {params.root:q}"
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
    log:
        "logs/encounters/{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        root=root,
    message:
        "read hospital stays of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.encounters --dataset {wildcards.dataset} --root {params.root:q}"
        " --patients {output.patients} --stays {output.stays} 2> {log}"


rule link:
    input:
        records=rules.ingest.output.records,
        patients=lambda w: f"data/interim/{linked_to(w.dataset)}/patients.parquet",
        stays=lambda w: f"data/interim/{linked_to(w.dataset)}/stays.parquet",
        code=code("link"),
    output:
        records="data/interim/{dataset}/linked.parquet",
        flow="data/interim/{dataset}/link_flow.parquet",
    log:
        "logs/link/{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=section("link"),
    message:
        "link {wildcards.dataset} to hospital stays"
    shell:
        "python -m cxrfair.stages.link --records {input.records} --patients {input.patients}"
        " --stays {input.stays} --config {params.config:q}"
        " --linked {output.records} --flow {output.flow} 2> {log}"


rule images:
    input:
        records=rules.ingest.output.records,
        absent=rules.ingest.output.absent,
        images=lambda wildcards: manifest(wildcards.dataset, "images"),
        code=code("images"),
    output:
        pixels="data/images/{dataset}/pixels.npy",
        index="data/images/{dataset}/index.parquet",
        quarantine="data/images/{dataset}/quarantine.csv",
    log:
        "logs/images/{dataset}.log",
    benchmark:
        "logs/images/{dataset}.tsv"
    conda:
        "../envs/cxrfair.yaml"
    threads: 4
    params:
        root=root,
        config=section("images"),
    message:
        "decode the images of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.images --records {input.records} --absent {input.absent}"
        " --root {params.root:q}"
        " --config {params.config:q} --workers {threads} --pixels {output.pixels}"
        " --index {output.index} --quarantine {output.quarantine}"
        " --refused .cxrfair/quarantine/{wildcards.dataset}.csv 2> {log}"


rule cohort:
    input:
        records=demographics,
        flows=earlier_flows,
        labels=rules.ingest.output.labels,
        index=rules.images.output.index,
        code=code("cohort"),
    output:
        cohort="data/processed/{study}/{dataset}/cohort.parquet",
        targets="data/processed/{study}/{dataset}/targets.parquet",
        flow="data/processed/{study}/{dataset}/flow.parquet",
    log:
        "logs/cohort/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=section("cohort"),
        policy=section("labels"),
        attributes=lambda w: json.dumps(study_of(w)["attributes"]),
        labels=lambda w: json.dumps(study_of(w)["labels"]),
    message:
        "{wildcards.study}: choose images of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.cohort --records {input.records} --flows-before {input.flows}"
        " --states {input.labels} --index {input.index} --config {params.config:q}"
        " --policy {params.policy:q} --attributes {params.attributes:q} --labels {params.labels:q}"
        " --chosen {output.cohort} --targets {output.targets} --flow {output.flow} 2> {log}"


rule split:
    input:
        cohort=rules.cohort.output.cohort,
        targets=rules.cohort.output.targets,
        code=code("split"),
    output:
        splits="data/processed/{study}/{dataset}/splits.parquet",
    log:
        "logs/split/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=section("split"),
    message:
        "{wildcards.study}: split {wildcards.dataset} by patient"
    shell:
        "python -m cxrfair.stages.split --cohort {input.cohort} --targets {input.targets}"
        " --config {params.config:q} --splits {output.splits} 2> {log}"


rule rebalance:
    input:
        cohort=rules.cohort.output.cohort,
        targets=rules.cohort.output.targets,
        splits=rules.split.output.splits,
        code=code("rebalance", "rebalance.{strategy}"),
    output:
        listed="data/training/{study}/{dataset}/{strategy}/seed-{seed}.parquet",
    log:
        "logs/rebalance/{study}.{dataset}.{strategy}.{seed}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=lambda w: section("rebalance", w.strategy),
    message:
        "{wildcards.study}: training list of {wildcards.dataset}, {wildcards.strategy}, seed {wildcards.seed}"
    shell:
        "python -m cxrfair.stages.rebalance --cohort {input.cohort} --targets {input.targets}"
        " --splits {input.splits} --strategy {wildcards.strategy} --config {params.config:q}"
        " --seed {wildcards.seed} --listed {output.listed} 2> {log}"
