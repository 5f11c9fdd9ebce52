rule audit:
    input:
        predictions=models(rules.predict.output.predictions),
        thresholds=models(rules.threshold.output.thresholds),
        cohorts=per_dataset(rules.group.output.cohort),
        code=code("audit", *[f"metrics.{name}" for name in settings["audit"]["metrics"]]),
    output:
        metrics="results/metrics/{study}/metrics.parquet",
        summary="results/metrics/{study}/summary.parquet",
        numbers="results/metrics/{study}/metrics.json",
        plots="results/metrics/{study}/plots.csv",
    log:
        "logs/audit/{study}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        models=lambda w: json.dumps(model_keys(study_of(w))),
        config=section("audit"),
    message:
        "{wildcards.study}: judge every model in every group"
    shell:
        "python -m cxrfair.stages.audit --name {wildcards.study} --study {params.study:q}"
        " --models {params.models:q} --predictions {input.predictions}"
        " --thresholds {input.thresholds} --cohorts {input.cohorts} --config {params.config:q}"
        " --metrics {output.metrics} --summary {output.summary}"
        " --numbers {output.numbers} --plots {output.plots} 2> {log}"
