# What training lists hold, before and after rebalancing.
rule weigh:
    input:
        listed=lists(rules.rebalance.output.listed),
        kept=lists(rules.rebalance.output.kept),
        cohort=rules.group.output.cohort,
        targets=rules.cohort.output.targets,
        splits=rules.split.output.splits,
        code=code("weigh"),
    output:
        rebalanced="results/metrics/{study}/{dataset}/rebalanced.parquet",
        coverage="results/metrics/{study}/{dataset}/coverage.parquet",
    log:
        "logs/weigh/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        lists=lambda w: json.dumps(list_keys(w)),
    message:
        "{wildcards.study}: weigh the training lists of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.weigh --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --lists {params.lists:q} --listed {input.listed}"
        " --kept {input.kept}"
        " --cohort {input.cohort} --targets {input.targets} --splits {input.splits}"
        " --out {output.rebalanced} --coverage {output.coverage} 2> {log}"


# Whose images methods leave out of a training list, or draw more often.
rule drawn:
    input:
        repeats=models_of_dataset(rules.train.output.repeats, redrawn_keys),
        cohort=rules.group.output.cohort,
        targets=rules.cohort.output.targets,
        splits=rules.split.output.splits,
        code=code("drawn"),
    output:
        drawn="results/metrics/{study}/{dataset}/drawn.parquet",
    log:
        "logs/drawn/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        models=lambda w: json.dumps(keys_of_dataset(w, redrawn_keys)),
    message:
        "{wildcards.study}: count what was drawn of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.drawn --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --models {params.models:q} --repeats {input.repeats}"
        " --cohort {input.cohort} --targets {input.targets} --splits {input.splits}"
        " --out {output.drawn} 2> {log}"
