rule images_shard:
    input:
        records=rules.ingest.output.records,
        images=lambda wildcards: manifest(wildcards.dataset, "images"),
        code=code("images_shard"),
    output:
        pixels=temp("data/images/{dataset}/shards/{shard}.npy"),
        index=temp("data/images/{dataset}/shards/{shard}.parquet"),
    log:
        "logs/images/{dataset}.{shard}.log",
    benchmark:
        "logs/images/{dataset}.{shard}.tsv"
    conda:
        "../envs/cxrfair.yaml"
    threads: 4
    params:
        root=root,
        config=section("images"),
    message:
        "decode part {wildcards.shard} of {SHARDS} of the images of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.images_shard --records {input.records} --root {params.root:q}"
        " --config {params.config:q} --shard {wildcards.shard} --workers {threads}"
        " --pixels {output.pixels} --index {output.index} 2> {log}"


rule images:
    input:
        pixels=expand(rules.images_shard.output.pixels, shard=range(SHARDS), allow_missing=True),
        indexes=expand(rules.images_shard.output.index, shard=range(SHARDS), allow_missing=True),
        absent=rules.ingest.output.absent,
        code=code("images"),
    output:
        pixels="data/images/{dataset}/pixels.npy",
        index="data/images/{dataset}/index.parquet",
        quarantine="data/images/{dataset}/quarantine.csv",
        summary="data/images/{dataset}/summary.json",
    log:
        "logs/images/{dataset}.log",
    wildcard_constraints:
        dataset=SOURCES,
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=section("images"),
    message:
        "put the images of {wildcards.dataset} together"
    shell:
        "python -m cxrfair.stages.images --shard-pixels {input.pixels}"
        " --shard-indexes {input.indexes} --absent {input.absent} --config {params.config:q}"
        " --pixels {output.pixels} --index {output.index} --quarantine {output.quarantine}"
        " --summary {output.summary}"
        " --refused .cxrfair/quarantine/{wildcards.dataset}.csv 2> {log}"


rule vectors:
    input:
        records=rules.ingest.output.records,
        tables=lambda w: manifest(embeddings_of(w), "tables"),
        files=lambda w: manifest(embeddings_of(w), "images"),
        code=code("vectors", lambda w: f"datasets.{embeddings_of(w)}"),
    output:
        values="data/vectors/{dataset}/values.npy",
        index="data/vectors/{dataset}/index.parquet",
        quarantine="data/vectors/{dataset}/quarantine.csv",
        summary="data/vectors/{dataset}/summary.json",
    log:
        "logs/vectors/{dataset}.log",
    benchmark:
        "logs/vectors/{dataset}.tsv"
    conda:
        "../envs/cxrfair.yaml"
    threads: 4
    params:
        source=lambda w: embeddings_of(w),
        root=lambda w: DATA[embeddings_of(w)]["root"],
        config=section("images"),
    message:
        "read the embeddings of the images of {wildcards.dataset}"
    shell:
        "python -m cxrfair.stages.vectors --records {input.records} --source {params.source}"
        " --root {params.root:q} --config {params.config:q} --workers {threads}"
        " --values {output.values} --index {output.index} --quarantine {output.quarantine}"
        " --summary {output.summary}"
        " --refused .cxrfair/quarantine/{wildcards.dataset}.vectors.csv 2> {log}"
