rule trial:
    input:
        listed=of_first_seed(training_list),
        cohort=rules.group.output.cohort,
        targets=rules.cohort.output.targets,
        splits=rules.split.output.splits,
        pixels=seen("pixels"),
        index=seen("index"),
        upstream=of_first_seed(upstream),
        text=words,
        masks=of_first_seed(guides),
        pretrained=pretrained,
        code=code("trial", method_code, measure_code),
    output:
        predictions="results/search/{study}/{dataset}/{variant}/draw-{draw}/predictions.parquet",
        settings="results/search/{study}/{dataset}/{variant}/draw-{draw}/settings.json",
    log:
        "logs/trial/{study}.{dataset}.{variant}.{draw}.log",
    benchmark:
        "logs/trial/{study}.{dataset}.{variant}.{draw}.tsv"
    conda:
        "../envs/cxrfair.yaml"
    threads: threads_of
    resources:
        gpu=lambda wildcards: GPUS * train_of(wildcards)["processes"],
    params:
        spec=of_first_seed(training_spec),
        drawing=drawing,
        processes=lambda wildcards: train_of(wildcards)["processes"],
    message:
        "{wildcards.study}: try draw {wildcards.draw} of {wildcards.variant} on {wildcards.dataset}"
    shell:
        "python -m cxrfair.launch --processes {params.processes} cxrfair.stages.trial"
        " --listed {input.listed} --cohort {input.cohort} --targets {input.targets}"
        " --splits {input.splits} --pixels {input.pixels} --index {input.index}"
        " --upstream {input.upstream} --text {input.text} --masks {input.masks}"
        " --study {wildcards.study} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --spec {params.spec:q} --drawing {params.drawing:q}"
        " --predictions {output.predictions} --settings {output.settings} 2> {log}"


rule choose:
    input:
        predictions=draws(rules.trial.output.predictions),
        settings=draws(rules.trial.output.settings),
        cohort=rules.group.output.cohort,
        code=code("choose", "metrics.auroc"),
    output:
        search="results/search/{study}/{dataset}/{variant}/search.parquet",
        chosen="results/search/{study}/{dataset}/{variant}/chosen.json",
    log:
        "logs/choose/{study}.{dataset}.{variant}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=study_of_variant,
        rule=lambda w: study_of(w)["search"]["rule"],
    message:
        "{wildcards.study}: choose settings of {wildcards.variant} on {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.choose --name {wildcards.study} --study {params.study:q}"
        " --rule {params.rule} --predictions {input.predictions} --settings {input.settings}"
        " --cohort {input.cohort} --search {output.search} --chosen {output.chosen} 2> {log}"
