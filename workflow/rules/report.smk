def study_files(name):
    """What the report reads of one study, models in the order data set, variant, seed."""
    of = {"study": name}
    keys = model_keys(STUDIES[name])
    datasets = STUDIES[name]["datasets"]

    def each_dataset(pattern):
        return [pattern.format(dataset=d, **of) for d in datasets]

    def each_model(pattern):
        return [pattern.format(dataset=d, variant=v, seed=s, **of) for d, v, s in keys]

    return {
        "metrics": rules.audit.output.metrics.format(**of),
        "summary": rules.audit.output.summary.format(**of),
        "flows": each_dataset(rules.cohort.output.flow),
        "cohorts": each_dataset(rules.cohort.output.cohort),
        "targets": each_dataset(rules.cohort.output.targets),
        "splits": each_dataset(rules.split.output.splits),
        "thresholds": each_model(rules.threshold.output.thresholds),
        "cards": each_model(rules.train.output.card),
        "made_with": each_model(rules.train.output.made_with),
    }


REPORTED = {name: study_files(name) for name in STUDIES}


def flat(value):
    """All paths in nested lists and dicts."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [path for part in parts for path in flat(part)]


def report_facts():
    """What the report says of how results were made, beside what the tables hold."""
    return json.dumps(
        {
            "scale": settings["scale"],
            "simulated": STAMPED,
            "resamples": settings["audit"]["resamples"],
            "confidence": settings["audit"]["confidence"],
            "min_group_size": settings["audit"]["min_group_size"],
            **{
                key: settings["train"][key]
                for key in ("epochs", "batch_size", "learning_rate")
            },
        },
        sort_keys=True,
    )


rule report:
    input:
        flat(REPORTED),
        code=code("report", *plugged_in("report.tables", "report.figures", "metrics")),
        look=["src/cxrfair/report/page.html", "src/cxrfair/report/page.css"],
    output:
        page="results/report/index.html",
        studies=[directory(f"results/report/{name}") for name in STUDIES],
    log:
        "logs/report.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        studies=section("studies"),
        files=json.dumps(REPORTED, sort_keys=True),
        facts=report_facts(),
        config=section("report"),
        out="results/report",
    message:
        "write the report"
    shell:
        "python -m cxrfair.stages.report --studies {params.studies:q} --files {params.files:q}"
        " --facts {params.facts:q} --config {params.config:q} --out {params.out} 2> {log}"
