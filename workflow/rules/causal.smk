# What an attribute does to a network's answers: pictures made again under interventions (phantoms
# alone), and what speaks for labels and attributes in the pictures themselves.
rule intervene:
    input:
        truth=rules.phantom.output.truth,
        splits=rules.split.output.splits,
        code=code("intervene", "phantom.writers.{dataset}", *plugged_in("phantom.findings")),
    output:
        pixels="data/interventions/{study}/{dataset}.npy",
        index="data/interventions/{study}/{dataset}.parquet",
    log:
        "logs/intervene/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        config=section("phantom"),
        size=settings["images"]["size"],
    message:
        "{wildcards.study}: the test images of {wildcards.dataset} under interventions"
    shell:
        "python -m cxrfair.stages.intervene --dataset {wildcards.dataset} --study {params.study:q}"
        " --config {params.config:q} --size {params.size} --truth {input.truth}"
        " --splits {input.splits} --pixels {output.pixels} --index {output.index} 2> {log}"


# One job for all models of a data set: to start Python takes longer than to score.
rule answer:
    input:
        weights=models_of_dataset(rules.train.output.weights),
        cards=models_of_dataset(rules.train.output.card),
        pixels=rules.intervene.output.pixels,
        worlds=rules.intervene.output.index,
        code=code("answer", *plugged_in("methods")),
    output:
        answers="results/predictions/{study}/{dataset}/answers.parquet",
    log:
        "logs/answer/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    threads: settings["train"]["threads"]
    resources:
        gpu=GPUS,
    params:
        models=lambda w: json.dumps(keys_of_dataset(w)),
        threads=settings["train"]["threads"],
    message:
        "{wildcards.study}: predict under interventions on {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.answer --models {params.models:q} --weights {input.weights}"
        " --cards {input.cards} --pixels {input.pixels} --worlds {input.worlds}"
        " --threads {params.threads} --answers {output.answers} 2> {log}"


rule effects:
    input:
        answers=rules.answer.output.answers,
        thresholds=models_of_dataset(rules.threshold.output.thresholds),
        cohort=rules.group.output.cohort,
        code=code("effects"),
    output:
        effects="results/metrics/{study}/{dataset}/effects.parquet",
    log:
        "logs/effects/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        models=lambda w: json.dumps(keys_of_dataset(w)),
        uncertainty=uncertainty(),
    message:
        "{wildcards.study}: effects of attributes on {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.effects --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --models {params.models:q} --thresholds {input.thresholds}"
        " --answers {input.answers} --cohort {input.cohort} --uncertainty {params.uncertainty:q}"
        " --out {output.effects} 2> {log}"


rule explain:
    input:
        weights=models_of_dataset(rules.train.output.weights),
        cards=models_of_dataset(rules.train.output.card),
        features=models_of_dataset(rules.embed.output.features),
        places=models_of_dataset(rules.embed.output.places),
        splits=rules.split.output.splits,
        cohort=rules.group.output.cohort,
        truth=truth_of,
        pixels=seen("pixels"),
        index=seen("index"),
        code=code("explain", *plugged_in("methods", "phantom.findings")),
    output:
        maps="results/predictions/{study}/{dataset}/saliency.npy",
        where="results/predictions/{study}/{dataset}/saliency.parquet",
        pictures="results/predictions/{study}/{dataset}/saliency.npz",
    log:
        "logs/explain/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    threads: settings["train"]["threads"]
    resources:
        gpu=GPUS,
    params:
        study=lambda w: section("studies", w.study),
        models=lambda w: json.dumps(keys_of_dataset(w)),
        threads=settings["train"]["threads"],
        config=section("draw"),
        probe=section("probe"),
    message:
        "{wildcards.study}: what speaks for labels and attributes on {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.explain --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --models {params.models:q} --weights {input.weights}"
        " --cards {input.cards} --features {input.features} --places {input.places}"
        " --splits {input.splits} --cohort {input.cohort} --truth {input.truth}"
        " --pixels {input.pixels} --index {input.index} --threads {params.threads}"
        " --config {params.config:q} --probe {params.probe:q} --maps {output.maps}"
        " --where {output.where} --pictures {output.pictures} 2> {log}"


rule overlap:
    input:
        maps=rules.explain.output.maps,
        where=rules.explain.output.where,
        pictures=rules.explain.output.pictures,
        cohort=rules.group.output.cohort,
        pixels=seen("pixels"),
        index=seen("index"),
        code=code("overlap"),
    output:
        overlap="results/metrics/{study}/{dataset}/overlap.parquet",
        panels="results/metrics/{study}/{dataset}/panels.npz",
    log:
        "logs/overlap/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        uncertainty=uncertainty(),
    message:
        "{wildcards.study}: how far labels and attributes share their places on {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.overlap --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --maps {input.maps} --where {input.where}"
        " --pictures {input.pictures} --cohort {input.cohort} --pixels {input.pixels}"
        " --index {input.index} --uncertainty {params.uncertainty:q} --out {output.overlap}"
        " --panels {output.panels} 2> {log}"


rule refit:
    input:
        features=models_of_dataset(rules.embed.output.features),
        places=models_of_dataset(rules.embed.output.places),
        splits=rules.split.output.splits,
        cohort=rules.group.output.cohort,
        states=rules.ingest.output.labels,
        code=code("refit", "metrics.auroc", "metrics.accuracy", "metrics.balanced_accuracy"),
    output:
        downstream="results/metrics/{study}/{dataset}/downstream.parquet",
    log:
        "logs/refit/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        models=lambda w: json.dumps(keys_of_dataset(w)),
        policy=section("labels"),
        config=section("probe"),
        threshold=section("threshold"),
        uncertainty=uncertainty(),
    message:
        "{wildcards.study}: heads for other labels on {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.refit --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --models {params.models:q} --features {input.features}"
        " --places {input.places} --splits {input.splits} --cohort {input.cohort}"
        " --states {input.states} --policy {params.policy:q} --config {params.config:q}"
        " --threshold {params.threshold:q} --uncertainty {params.uncertainty:q}"
        " --out {output.downstream} 2> {log}"
