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
