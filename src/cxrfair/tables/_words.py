"""The words that columns of several tables hold."""

FOLDS = ("train", "validation", "test")
OFFICIAL_FOLDS = (*FOLDS, "train_validation")  # the last: validation is still to be cut from it
# The last: of a pool's images whose source never states this label, which another's does.
STATES = ("positive", "negative", "uncertain", "unmentioned", "unstated")
SEXES = ("female", "male", "unknown")
UNKNOWN = "unknown"
