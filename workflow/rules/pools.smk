# Several data sets as one, in the tables and the store of one.
rule pool:
    input:
        records=of_members(demographics),
        labels=of_members(of_dataset(rules.ingest.output.labels)),
        annotations=of_members(lambda w: annotated_by_source(w.dataset)),
        absents=of_members(of_dataset(rules.ingest.output.absent)),
        flows=of_members(earlier_flows),
        code=code("pool"),
    output:
        records="data/interim/{dataset}/records.parquet",
        labels="data/interim/{dataset}/labels.parquet",
        annotations="data/interim/{dataset}/annotations.parquet",
        absent="data/interim/{dataset}/absent.parquet",
        flow="data/interim/{dataset}/ingest_flow.parquet",
    log:
        "logs/pool/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(POOLS) or "nothing",
    conda:
        "../envs/cxrfair.yaml"
    params:
        names=lambda w: json.dumps(members(w.dataset)),
        flows_of=lambda w: json.dumps(
            [name for name in members(w.dataset) for _ in earlier_flows(Member(name))]
        ),
    message:
        "pool data sets as {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.pool --names {params.names:q} --records {input.records}"
        " --labels {input.labels} --annotations {input.annotations} --absents {input.absents}"
        " --flows {input.flows} --flows-of {params.flows_of:q} --pooled-records {output.records} --pooled-labels {output.labels}"
        " --pooled-annotations {output.annotations} --pooled-absent {output.absent}"
        " --pooled-flow {output.flow} 2> {log}"


rule pool_images:
    input:
        pixels=of_members(of_dataset(rules.images.output.pixels)),
        indexes=of_members(of_dataset(rules.images.output.index)),
        quarantines=of_members(of_dataset(rules.images.output.quarantine)),
        code=code("pool_images"),
    output:
        pixels="data/images/{dataset}/pixels.npy",
        index="data/images/{dataset}/index.parquet",
        quarantine="data/images/{dataset}/quarantine.csv",
        summary="data/images/{dataset}/summary.json",
    log:
        "logs/pool/{dataset}.images.log",
    wildcard_constraints:
        dataset="|".join(POOLS) or "nothing",
    conda:
        "../envs/cxrfair.yaml"
    params:
        names=lambda w: json.dumps(members(w.dataset)),
    message:
        "put the images of data sets together as {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.pool_images --names {params.names:q} --pixels {input.pixels}"
        " --indexes {input.indexes} --quarantines {input.quarantines}"
        " --pooled-pixels {output.pixels} --pooled-index {output.index}"
        " --pooled-quarantine {output.quarantine} --pooled-summary {output.summary} 2> {log}"


# Of a phantom, where findings truly are, as if a source had drawn it.
rule outline:
    input:
        records=rules.ingest.output.records,
        truth=rules.phantom.output.truth,
        index=rules.images.output.index,
        code=code("outline", *plugged_in("phantom.findings")),
    output:
        annotations="data/masks/{dataset}.annotations.parquet",
    log:
        "logs/outline/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(SIMULATED) or "nothing",
    conda:
        "../envs/cxrfair.yaml"
    message:
        "outline what is true of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.outline --records {input.records} --truth {input.truth}"
        " --index {input.index} --annotations {output.annotations} 2> {log}"


rule pool_outlines:
    input:
        annotations=of_members(of_dataset(rules.outline.output.annotations)),
        code=code("pool_outlines"),
    output:
        annotations="data/masks/{dataset}.annotations.parquet",
    log:
        "logs/pool/{dataset}.outlines.log",
    wildcard_constraints:
        dataset="|".join(POOLS) or "nothing",
    conda:
        "../envs/cxrfair.yaml"
    params:
        names=lambda w: json.dumps(members(w.dataset)),
    message:
        "put what is true of the data sets of {wildcards.dataset} together"
    shell:
        "python -m cxrfair.stages.pool_outlines --names {params.names:q}"
        " --annotations {input.annotations} --pooled-annotations {output.annotations} 2> {log}"
