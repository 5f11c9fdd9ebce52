# One target per stage of dvc.yaml: all that the stage's rules make, for the studies of params.yaml.


def everything(pattern, only=None):
    """All paths of a pattern over the studies' data sets, variants and seeds."""
    return sorted(
        {
            pattern.format(
                study=name, dataset=d, variant=v, seed=s, strategy=variant["rebalance"]
            )
            for name, study in STUDIES.items()
            for d in study["datasets"]
            if only is None or d in only
            for v, variant in study["variants"].items()
            for s in study["seeds"]
        }
    )


LINKED = {dataset for dataset in USED if linked_to(dataset)}


rule stage_phantom:
    input:
        expand(rules.phantom.output.tables, dataset=SIMULATED),


rule stage_records:
    input:
        everything(rules.ingest.output.records),
        everything(rules.link.output.records, only=LINKED),


rule stage_images:
    input:
        everything(rules.images.output.index),


rule stage_cohort:
    input:
        everything(rules.split.output.splits),


rule stage_rebalance:
    input:
        everything(rules.rebalance.output.listed),


rule stage_train:
    input:
        everything(rules.train.output.weights),


rule stage_predict:
    input:
        everything(rules.threshold.output.thresholds),


rule stage_metrics:
    input:
        everything(rules.audit.output.metrics),


rule stage_report:
    input:
        rules.report.output.page,
