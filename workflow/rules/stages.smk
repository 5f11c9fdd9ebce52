# One target per stage of dvc.yaml: all that the stage's rules make, for the studies of params.yaml.


LINKED = {dataset for dataset in USED if linked_to(dataset)}


PRODUCTS = [
    *everything(rules.embed.output.features, product="embeddings"),
    *everything(rules.draw.output.maps, product="maps", keys_of=network_keys),
    *everything(rules.explain.output.maps, product="saliency"),
]


rule stage_phantom:
    input:
        expand(rules.phantom.output.tables, dataset=SIMULATED),


rule stage_records:
    input:
        everything(rules.ingest.output.records, keys_of=model_keys),
        everything(rules.link.output.records, only=LINKED),


rule stage_images:
    input:
        [
            seen("index")(Place(name, d))
            for name, study in STUDIES.items()
            for d in study["datasets"]
        ],


rule stage_cohort:
    input:
        everything(rules.group.output.cohort, keys_of=model_keys),


rule stage_masks:
    input:
        outlines(),


rule stage_rebalance:
    input:
        everything(rules.rebalance.output.listed),


rule stage_text:
    input:
        worded(),


rule stage_train:
    input:
        everything(rules.train.output.weights),


rule stage_predict:
    input:
        everything(rules.threshold.output.thresholds, keys_of=home_keys),
        everything(rules.predict.output.predictions, keys_of=network_keys),
        PRODUCTS,


rule stage_metrics:
    input:
        [
            path
            for name in STUDIES
            for path in [
                *measured(name),
                *refitted(name),
                *tried(name),
                *weighed(name),
                *redrawn(name),
            ]
        ],
        everything(rules.overlap.output.overlap, product="saliency"),
        everything(rules.audit.output.metrics),
        everything(rules.localise.output.localisation, product="maps", keys_of=network_keys),
        everything(rules.point.output.pointing, product="pointing", keys_of=network_keys),
        everything(rules.select.output.selection),


rule stage_report:
    input:
        rules.page.output.page,
