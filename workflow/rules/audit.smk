rule probe:
    input:
        features=models_of_dataset(rules.embed.output.features),
        places=models_of_dataset(rules.embed.output.places),
        splits=rules.split.output.splits,
        cohort=rules.group.output.cohort,
        targets=rules.cohort.output.targets,
        code=code("probe", "metrics.auroc"),
    output:
        leakage="results/metrics/{study}/{dataset}/attribute_leakage.parquet",
    log:
        "logs/probe/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        models=lambda w: json.dumps(keys_of_dataset(w)),
        config=section("probe"),
        uncertainty=uncertainty(),
    message:
        "{wildcards.study}: probe features of {wildcards.dataset} for attributes"
    shell:
        "python -m cxrfair.stages.probe --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --models {params.models:q} --features {input.features}"
        " --places {input.places} --splits {input.splits} --cohort {input.cohort}"
        " --targets {input.targets} --config {params.config:q} --uncertainty {params.uncertainty:q}"
        " --out {output.leakage} 2> {log}"


rule localise:
    input:
        maps=models_of_dataset(rules.draw.output.maps),
        places=models_of_dataset(rules.draw.output.places),
        about=models_of_dataset(rules.draw.output.about),
        truth=truth_of,
        annotations=annotations_of,
        cohort=rules.group.output.cohort,
        pixels=seen("pixels"),
        index=seen("index"),
        code=code("localise", *plugged_in("phantom.findings")),
    output:
        localisation="results/metrics/{study}/{dataset}/localisation.parquet",
        examples="results/metrics/{study}/{dataset}/examples.npz",
    log:
        "logs/localise/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        models=lambda w: json.dumps(keys_of_dataset(w)),
        share=settings["draw"]["share"],
        uncertainty=uncertainty(),
    message:
        "{wildcards.study}: maps of {wildcards.dataset} against the outlines of its findings"
    shell:
        "python -m cxrfair.stages.localise --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --models {params.models:q} --maps {input.maps}"
        " --places {input.places} --about {input.about} --truth {input.truth}"
        " --annotations {input.annotations} --cohort {input.cohort} --pixels {input.pixels}"
        " --index {input.index} --share {params.share} --uncertainty {params.uncertainty:q}"
        " --out {output.localisation} --examples {output.examples} 2> {log}"


rule point:
    input:
        maps=models_of_dataset(rules.draw.output.maps),
        places=models_of_dataset(rules.draw.output.places),
        about=models_of_dataset(rules.draw.output.about),
        masks=rules.masks.output.masks,
        marks=rules.masks.output.places,
        cohort=rules.group.output.cohort,
        pixels=seen("pixels"),
        index=seen("index"),
        code=code("point"),
    output:
        pointing="results/metrics/{study}/{dataset}/pointing.parquet",
        sights="results/metrics/{study}/{dataset}/sights.npz",
    log:
        "logs/point/{study}.{dataset}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        models=lambda w: json.dumps(keys_of_dataset(w)),
        simulated=lambda w: json.dumps(simulated(w.dataset)),
        uncertainty=uncertainty(),
    message:
        "{wildcards.study}: whether maps of {wildcards.dataset} point at what they should"
    shell:
        "python -m cxrfair.stages.point --name {wildcards.study} --dataset {wildcards.dataset}"
        " --study {params.study:q} --models {params.models:q} --maps {input.maps}"
        " --places {input.places} --about {input.about} --masks {input.masks}"
        " --marks {input.marks} --cohort {input.cohort} --pixels {input.pixels}"
        " --index {input.index} --simulated {params.simulated}"
        " --uncertainty {params.uncertainty:q} --out {output.pointing}"
        " --sights {output.sights} 2> {log}"


rule select:
    input:
        predictions=models(rules.predict.output.predictions, trained_keys),
        cohorts=per_dataset(rules.group.output.cohort, at_home),
        leakage=lambda wildcards: probed(wildcards.study),
        code=code("select", "metrics.auroc"),
    output:
        selection="results/metrics/{study}/selection.parquet",
    log:
        "logs/select/{study}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        models=lambda w: json.dumps(trained_keys(study_of(w))),
    message:
        "{wildcards.study}: choose models by validation"
    shell:
        "python -m cxrfair.stages.select --name {wildcards.study} --study {params.study:q}"
        " --models {params.models:q} --predictions {input.predictions} --cohorts {input.cohorts}"
        " --leakage {input.leakage} --out {output.selection} 2> {log}"


rule audit:
    input:
        predictions=models(rules.predict.output.predictions, scored_keys),
        thresholds=models(rules.threshold.output.thresholds, home_keys),
        cohorts=per_dataset(rules.group.output.cohort),
        code=code("audit", *judged_by()),
    output:
        metrics="results/metrics/{study}/metrics.parquet",
        summary="results/metrics/{study}/summary.parquet",
        matched="results/metrics/{study}/matched.parquet",
        label_shift="results/metrics/{study}/label_shift.parquet",
        curves="results/metrics/{study}/curves.parquet",
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
        " --found {output.metrics} {output.summary} {output.matched} {output.label_shift}"
        " {output.curves} --numbers {output.numbers} --plots {output.plots} 2> {log}"
