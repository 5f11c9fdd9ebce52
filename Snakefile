from snakemake.utils import min_version

min_version("9.18")


configfile: "params.yaml"


include: "workflow/rules/checks.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/sources.smk"
include: "workflow/rules/keys.smk"
include: "workflow/rules/trainings.smk"
include: "workflow/rules/products.smk"
include: "workflow/rules/planner.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/pools.smk"
include: "workflow/rules/cohorts.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/heads.smk"
include: "workflow/rules/rebalanced.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/causal.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/stages.smk"


onstart:
    begin()


onsuccess:
    end()


onerror:
    end()


rule all:
    default_target: True
    input:
        rules.page.output.page,
        PRODUCTS,
