"""What was chosen on validation: models, and settings."""

from cxrfair.table import Table

SELECTION = Table(  # the model that a rule picks, judged on validation alone
    "selection",
    key=("study", "dataset", "attribute", "rule", "variant", "seed"),
    columns={
        "study": "string",
        "dataset": "string",
        "attribute": "string",
        "rule": "string",
        "variant": "string",
        "seed": "int32",
        "overall": "float64?",  # AUROC over all validation images, mean over labels
        "worst": "float64?",  # of the worst group, mean over labels
        "gap": "float64?",
        "leakage": "float64?",
        "note": "string?",
    },
    allowed={"rule": ("overall", "minimax", "dto", "pareto", "min_leakage")},
)

SEARCH = Table(  # every draw of a variant's settings, judged on validation alone
    "search",
    key=("study", "dataset", "variant", "draw"),
    columns={
        "study": "string",
        "dataset": "string",
        "variant": "string",
        "draw": "int32",
        "settings": "string",  # JSON: what a search may draw, with its value in this draw
        "overall": "float64?",  # AUROC over all validation images, mean over labels
        "worst": "float64?",  # of the worst group of all attributes, mean over labels
        "gap": "float64?",  # the largest between the groups of one attribute, mean over labels
        "chosen": "bool",
        "rule": "string",
        "note": "string?",
    },
    allowed={"rule": ("overall", "minimax", "dto")},
)
