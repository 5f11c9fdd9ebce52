"""What is found when models are judged."""

from cxrfair.table import Table

_PLACE = {
    "study": "string",
    "dataset": "string",
    "variant": "string",
    "metric": "string",
    "label": "string",
    "attribute": "string",
    "group": "string",
}
_COUNTS = {"n": "int64", "n_positive": "int64", "n_patients": "int64", "note": "string?"}
_INTERVAL = {"value": "float64?", "ci_low": "float64?", "ci_high": "float64?"}

METRICS = Table(  # one trained model at a time
    "metrics",
    key=("study", "dataset", "variant", "seed", "metric", "label", "attribute", "group"),
    columns={**_PLACE, "seed": "int32", **_INTERVAL, **_COUNTS},
)

_SUMMARY = {
    **_PLACE,
    **_INTERVAL,
    "seed_sd": "float64?",
    "n_seeds": "int32",
    "difference": "float64?",  # from what it is compared with, on the same resamples
    "difference_low": "float64?",
    "difference_high": "float64?",
    "p_value": "float64?",  # of that difference, two-sided, for this row alone
    "reduction": "float64?",  # 1 - value / reference; of comparisons of which less is better
    "reduction_low": "float64?",
    "reduction_high": "float64?",
    **_COUNTS,
}

SUMMARY = Table(  # mean over a variant's seeds; difference from what it is compared with
    "summary",
    key=("study", "dataset", "variant", "metric", "label", "attribute", "group"),
    columns=_SUMMARY,
)

MATCHED = Table(  # the same where groups are made alike, in their labels or in all else as well
    "matched",
    key=("study", "dataset", "variant", "test_set", "metric", "label", "attribute", "group"),
    columns={"test_set": "string", "effective_n": "float64?", **_SUMMARY},
    allowed={"test_set": ("as_is", "prevalence", "case_mix")},
)

LABEL_SHIFT = Table(  # P(y | group): how far the groups' labels differ before any model
    "label_shift",
    key=("study", "dataset", "label", "attribute", "group"),
    columns={
        "study": "string",
        "dataset": "string",
        "label": "string",
        "attribute": "string",
        "group": "string",  # `between`: the largest total variation of two groups, and the test
        **_INTERVAL,
        "total_variation": "float64?",  # of P(y | group) and P(y | all other groups)
        "statistic": "float64?",
        "p_value": "float64?",
        "p_holm": "float64?",  # over all labels and attributes of a data set
        **_COUNTS,
    },
)

CURVES = Table(  # what a number cannot say: calibration and decision curves, point by point
    "curves",
    key=("study", "dataset", "variant", "seed", "curve", "label", "attribute", "group", "point"),
    columns={
        **{name: kind for name, kind in _PLACE.items() if name != "metric"},
        "seed": "int32",
        "curve": "string",
        "point": "int32",
        # Of a calibration's bin the mean score and the share of positives, of net benefit the
        # threshold and the benefit, of `roc` FPR and TPR, of `precision_recall` TPR and PPV.
        "x": "float64?",
        "y": "float64?",
        "ci_low": "float64?",
        "ci_high": "float64?",
        **_COUNTS,
    },
    allowed={
        "curve": ("calibration", "net_benefit", "treat_all", "roc", "precision_recall"),
    },
)

ATTRIBUTE_LEAKAGE = Table(  # how well a linear probe reads an attribute off frozen features
    "attribute_leakage",
    key=("study", "dataset", "variant", "seed", "fold", "attribute", "group", "label", "within"),
    columns={
        **{name: kind for name, kind in _PLACE.items() if name != "metric"},
        "seed": "int32",
        "fold": "string",
        "within": "string",  # among which images: all, or those positive or negative for `label`
        **_INTERVAL,
        **_COUNTS,
    },
    allowed={"fold": ("validation", "test"), "within": ("all", "positive", "negative")},
)

LOCALISATION = Table(  # how much of where a model looks is inside the findings of test images
    "localisation",
    key=("study", "dataset", "variant", "seed", "label"),
    columns={
        "study": "string",
        "dataset": "string",
        "variant": "string",
        "seed": "int32",
        "label": "string",  # a finding, or `any`: the union of an image's findings
        "looked_at": "float64",  # share of the cells of the model's grid
        **_INTERVAL,
        "expected": "float64?",  # share of the images that is mask
        "elsewhere": "float64?",  # the value, had it looked where it does in the other images
        "lift": "float64?",  # value / expected
        "lift_low": "float64?",
        "lift_high": "float64?",
        "difference": "float64?",  # from the same seed of what it is compared with; paired
        "difference_low": "float64?",
        "difference_high": "float64?",
        "n": "int64",  # images with a mask
        "n_patients": "int64",
        "note": "string?",
    },
)

POINTING = Table(  # how often the point a model's map of a label is largest at is inside its mask
    "pointing",
    key=("study", "dataset", "variant", "seed", "label", "attribute", "group", "statistic"),
    columns={
        "study": "string",
        "dataset": "string",
        "variant": "string",
        "seed": "int32",
        "label": "string",
        "attribute": "string",
        "group": "string",  # `between`: the largest less the smallest of the known groups
        "statistic": "string",
        **_INTERVAL,
        "expected": "float64?",  # share of the images that is mask: what a random point would hit
        "difference": "float64?",  # from the same seed of what it is compared with; paired
        "difference_low": "float64?",
        "difference_high": "float64?",
        "p_value": "float64?",  # of that difference, two-sided, for this row alone
        "n": "int64",  # images with a mask of the label; of `gap`, those of known groups
        "n_patients": "int64",
        "note": "string?",
    },
    allowed={"statistic": ("hit_rate", "gap")},
)

EFFECTS = Table(  # what an attribute does to a model's answers along each path, on phantoms alone
    "effects",
    key=("study", "dataset", "variant", "seed", "label", "attribute", "of", "effect"),
    columns={
        "study": "string",
        "dataset": "string",
        "variant": "string",
        "seed": "int32",
        "label": "string",
        "attribute": "string",
        "minus": "string",  # from this value of the attribute (S-)
        "plus": "string",  # to this one (S+)
        "of": "string",  # the score, or the decision: score >= threshold of validation
        "effect": "string",  # total = direct + indirect
        "n": "int64",
        "n_patients": "int64",
        **_INTERVAL,
        "difference": "float64?",  # from the same seed of what it is compared with; paired
        "difference_low": "float64?",
        "difference_high": "float64?",
        "note": "string?",
    },
    allowed={"of": ("score", "decision"), "effect": ("direct", "indirect", "total")},
)

DOWNSTREAM = Table(  # heads fitted anew for other labels on the features of frozen networks
    "downstream",
    key=("study", "dataset", "variant", "seed", "label", "metric"),
    columns={
        "study": "string",
        "dataset": "string",
        "variant": "string",
        "seed": "int32",
        "label": "string",
        "metric": "string",  # `always_no`: the accuracy of calling no image positive
        "n": "int64",  # test images judged for the label
        "n_patients": "int64",
        "n_positive": "int64",
        **_INTERVAL,
        "difference": "float64?",  # from the same seed of what it is compared with; paired
        "difference_low": "float64?",
        "difference_high": "float64?",
        "note": "string?",
    },
    allowed={"metric": ("auroc", "accuracy", "balanced_accuracy", "always_no")},
)

TRIALS = Table(  # each trial of a variant on the test images, every decision at 0.5
    "trials",
    key=("study", "dataset", "variant", "seed", "trial", "attribute", "metric"),
    columns={
        "study": "string",
        "dataset": "string",
        "variant": "string",
        "seed": "int32",
        "trial": "int32",  # the only one of a variant that has no trials is 0
        "attribute": "string",  # whose groups are compared; `all` for all images
        "metric": "string",
        "value": "float64?",  # mean over the labels for which it is defined
        "n_labels": "int32",  # how many these are
        "note": "string?",
    },
    allowed={"metric": ("auroc", "balanced_accuracy", "eo_diff", "af")},
)

TRAINED_ON = Table(  # what a training list holds, beside the training images as they are
    "trained_on",
    key=("study", "dataset", "rebalance", "seed", "attribute", "group", "label"),
    columns={
        "study": "string",
        "dataset": "string",
        "rebalance": "string",  # `none`: every training image once
        "seed": "int32",
        "attribute": "string",
        "group": "string",
        "label": "string",  # `any`: all entries; else those that are positive for it
        "weight": "float64?",  # sum over entries: how often the group is drawn, but for a factor
        "n": "int64",  # entries
        "n_images": "int64",  # different images
        "note": "string?",
    },
)

REDRAWN = Table(  # whose images a method leaves out of its training list, or draws more often
    "redrawn",
    key=("study", "dataset", "variant", "seed", "attribute", "group", "label"),
    columns={
        "study": "string",
        "dataset": "string",
        "variant": "string",
        "seed": "int32",
        "attribute": "string",
        "group": "string",
        "label": "string",  # `any`: all entries; else those that are positive for it
        "n": "int64",  # entries of the list
        "n_left_out": "int64",  # never drawn
        "n_more": "int64",  # drawn more than once an epoch
        "note": "string?",
    },
)

OVERLAP = Table(  # how far what speaks for a label in an image is what speaks for an attribute
    "overlap",
    key=("study", "dataset", "variant", "seed", "label", "attribute"),
    columns={
        "study": "string",
        "dataset": "string",
        "variant": "string",
        "seed": "int32",
        "label": "string",
        "attribute": "string",
        "minus": "string",  # the attribute's map speaks for this value of it (S-) in some images,
        "plus": "string",  # for this one (S+) in the others
        **_INTERVAL,  # Dice of the two areas, mean over images
        "expected": "float64?",  # of unrelated areas of the same sizes
        "elsewhere": "float64?",  # with the attribute's areas in the other images
        "difference": "float64?",  # from the same seed of what it is compared with; paired
        "difference_low": "float64?",
        "difference_high": "float64?",
        "n": "int64",  # images of which both maps have an area
        "n_patients": "int64",
        "blank": "int64",  # images of which a map is the same everywhere
        "note": "string?",
    },
)
