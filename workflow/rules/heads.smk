# Last layers on features that an upstream has left: many trials in one job, and how each does.
rule heads:
    input:
        features=of_upstream(rules.embed.output.features),
        places=of_upstream(rules.embed.output.places),
        splits=rules.split.output.splits,
        cohort=rules.group.output.cohort,
        targets=rules.cohort.output.targets,
        code=code("heads", head_code),
    output:
        scores="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/trials.npy",
        index="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/trials.parquet",
        predictions="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/predictions.parquet",
        card="results/predictions/{study}/{dataset}/{variant}/seed-{seed}/heads.json",
    log:
        "logs/heads/{study}.{dataset}.{variant}.{seed}.log",
    benchmark:
        "logs/heads/{study}.{dataset}.{variant}.{seed}.tsv"
    wildcard_constraints:
        study=studies_before(headed),
    conda:
        "../envs/cxrfair.yaml"
    threads: settings["train"]["threads"]
    resources:
        gpu=GPUS,
    params:
        spec=head_spec,
        threads=settings["train"]["threads"],
    message:
        "{wildcards.study}: trials of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m cxrfair.stages.heads --features {input.features} --places {input.places}"
        " --splits {input.splits} --cohort {input.cohort} --targets {input.targets}"
        " --spec {params.spec:q} --threads {params.threads} --scores {output.scores}"
        " --index {output.index} --predictions {output.predictions} --card {output.card} 2> {log}"


rule trials:
    input:
        scores=models_of_dataset(rules.heads.output.scores, headed_keys),
        index=models_of_dataset(rules.heads.output.index, headed_keys),
        predictions=models_of_dataset(rules.predict.output.predictions),
        cohort=rules.group.output.cohort,
        targets=rules.cohort.output.targets,
        code=code(
            "trials", "metrics.auroc", "metrics.balanced_accuracy", *plugged_in("comparisons")
        ),
    output:
        trials="results/metrics/{study}/{dataset}/trials.parquet",
    log:
        "logs/trials/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        heads=lambda w: json.dumps(keys_of_dataset(w, headed_keys)),
        models=lambda w: json.dumps(keys_of_dataset(w)),
        smallest=settings["audit"]["min_group_size"],
    message:
        "{wildcards.study}: judge every trial on {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.trials --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --heads {params.heads:q} --scores {input.scores}"
        " --index {input.index} --models {params.models:q} --predictions {input.predictions}"
        " --cohort {input.cohort} --targets {input.targets} --smallest {params.smallest}"
        " --out {output.trials} 2> {log}"
