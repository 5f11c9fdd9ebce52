rule text:
    input:
        encoder=lambda wildcards: [str(path) for path in text.files(settings["text"]["encoder"])],
        code=code("text"),
    output:
        text="data/text/{study}.safetensors",
    log:
        "logs/text/{study}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        labels=lambda wildcards: json.dumps(study_of(wildcards)["labels"]),
        config=section("text"),
    message:
        "{wildcards.study}: put labels in words, and words in numbers"
    shell:
        "python -m cxrfair.stages.text --labels {params.labels:q} --config {params.config:q}"
        " --text {output.text} 2> {log}"


rule train:
    input:
        listed=training_list,
        cohort=rules.group.output.cohort,
        targets=rules.cohort.output.targets,
        splits=rules.split.output.splits,
        pixels=seen("pixels"),
        index=seen("index"),
        upstream=upstream,
        text=words,
        masks=guides,
        pretrained=pretrained,
        chosen=chosen,
        code=code("train", method_code, measure_code),
    output:
        weights="results/models/{study}/{dataset}/{variant}/seed-{seed}/model.safetensors",
        early="results/models/{study}/{dataset}/{variant}/seed-{seed}/early.safetensors",
        card="results/models/{study}/{dataset}/{variant}/seed-{seed}/model.json",
        history="results/models/{study}/{dataset}/{variant}/seed-{seed}/history.parquet",
        repeats="results/models/{study}/{dataset}/{variant}/seed-{seed}/repeats.parquet",
        made_with="results/models/{study}/{dataset}/{variant}/seed-{seed}/environment.json",
    log:
        "logs/train/{study}.{dataset}.{variant}.{seed}.log",
    benchmark:
        "logs/train/{study}.{dataset}.{variant}.{seed}.tsv"
    conda:
        "../envs/cxrfair.yaml"
    threads: threads_of
    resources:
        gpu=lambda wildcards: GPUS * train_of(wildcards)["processes"],
    params:
        spec=training_spec,
        processes=lambda wildcards: train_of(wildcards)["processes"],
    message:
        "{wildcards.study}: train {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m cxrfair.launch --processes {params.processes} cxrfair.stages.train"
        " --listed {input.listed} --cohort {input.cohort} --targets {input.targets}"
        " --splits {input.splits} --pixels {input.pixels} --index {input.index}"
        " --upstream {input.upstream} --text {input.text} --masks {input.masks}"
        " --chosen {input.chosen} --study {wildcards.study}"
        " --dataset {wildcards.dataset} --variant {wildcards.variant} --spec {params.spec:q}"
        " --weights {output.weights} --early {output.early} --card {output.card}"
        " --history {output.history} --repeats {output.repeats} --made-with {output.made_with} 2> {log}"


rule predict:
    input:
        weights=of_home(rules.train.output.weights),
        card=of_home(rules.train.output.card),
        targets=rules.cohort.output.targets,
        splits=rules.split.output.splits,
        pixels=seen("pixels"),
        index=seen("index"),
        code=code("predict", method_code),
    output:
        predictions="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/predictions.parquet",
    log:
        "logs/predict/{study}.{dataset}.{variant}.{seed}.log",
    wildcard_constraints:
        study=studies_before(trained),
    conda:
        "../envs/cxrfair.yaml"
    threads: inference_threads
    resources:
        gpu=GPUS,
    params:
        threads=inference_threads,
    message:
        "{wildcards.study}: predict with {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m cxrfair.stages.predict --weights {input.weights} --card {input.card}"
        " --targets {input.targets} --splits {input.splits} --pixels {input.pixels}"
        " --index {input.index} --threads {params.threads} --predictions {output.predictions} 2> {log}"


rule embed:
    input:
        weights=rules.train.output.weights,
        card=rules.train.output.card,
        splits=rules.split.output.splits,
        pixels=seen("pixels"),
        index=seen("index"),
        code=code("embed", method_code),
    output:
        features="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/embeddings.npy",
        places="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/embeddings.parquet",
    log:
        "logs/embed/{study}.{dataset}.{variant}.{seed}.log",
    conda:
        "../envs/cxrfair.yaml"
    threads: inference_threads
    resources:
        gpu=GPUS,
    params:
        threads=inference_threads,
    message:
        "{wildcards.study}: features by {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m cxrfair.stages.embed --weights {input.weights} --card {input.card}"
        " --splits {input.splits} --pixels {input.pixels} --index {input.index}"
        " --threads {params.threads} --features {output.features} --places {output.places} 2> {log}"


rule draw:
    input:
        weights=of_home(rules.train.output.weights),
        card=of_home(rules.train.output.card),
        splits=rules.split.output.splits,
        pixels=seen("pixels"),
        index=seen("index"),
        annotated=outlined,
        code=code("draw", method_code),
    output:
        maps="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/maps.npy",
        places="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/maps.parquet",
        about="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/maps.json",
    log:
        "logs/draw/{study}.{dataset}.{variant}.{seed}.log",
    conda:
        "../envs/cxrfair.yaml"
    threads: inference_threads
    resources:
        gpu=GPUS,
    params:
        threads=inference_threads,
        config=section("draw"),
    message:
        "{wildcards.study}: maps by {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m cxrfair.stages.draw --weights {input.weights} --card {input.card}"
        " --splits {input.splits} --pixels {input.pixels} --index {input.index}"
        " --annotated {input.annotated} --threads {params.threads} --config {params.config:q} --maps {output.maps}"
        " --places {output.places} --about {output.about} 2> {log}"


rule threshold:
    input:
        predictions=scores,
        cohort=groups_of,
        code=code("threshold"),
    output:
        thresholds="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/thresholds.parquet",
    log:
        "logs/threshold/{study}.{dataset}.{variant}.{seed}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=section("threshold"),
        post=post_of,
    message:
        "{wildcards.study}: thresholds of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m cxrfair.stages.threshold --predictions {input.predictions}"
        " --cohort {input.cohort} --config {params.config:q} --post {params.post:q}"
        " --thresholds {output.thresholds} 2> {log}"
