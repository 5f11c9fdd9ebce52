"""What models learn from, where it lies, and what they answer."""

from cxrfair.table import Table
from cxrfair.tables._words import FOLDS

TARGETS = Table(  # labels by policy; empty = not to be learnt from or judged, -1 = in doubt
    "targets",
    key=("image_id", "label"),
    columns={"image_id": "string", "label": "string", "target": "int8?"},
    allowed={"target": (-1, 0, 1)},
)

SPLITS = Table(
    "splits",
    key=("image_id",),
    columns={"image_id": "string", "fold": "string", "cell": "string"},
    allowed={"fold": FOLDS},
)

TRAINING_LIST = Table(  # what rebalancing makes: one row a training example
    "training_list",
    key=("position",),
    columns={
        "position": "int64",
        "image_id": "string",
        "weight": "float64",  # relative chance of being drawn
        "augmentation_seed": "int64",
        "partner": "string?",  # image whose vector is mixed in; empty = the image itself
        "share": "float64?",  # of the partner
        "guided": "string?",  # JSON list of labels whose masks are shown; empty = none
    },
)

MASK_INDEX = Table(  # where the mask of each image and label lies in the array of masks
    "mask_index",
    key=("image_id", "label"),
    columns={"image_id": "string", "label": "string", "fold": "string", "row": "int64"},
    allowed={"fold": FOLDS},
)

KEPT = Table(  # how well the images that a list holds of each cell stand for those it leaves out
    "kept",
    key=("cell",),
    columns={
        "over": "string",  # what divides the cells, joined
        "cell": "string",
        "n": "int64",  # training images
        "n_patients": "int64",  # whose these are
        "kept": "int64",  # different images listed
        "looked_at": "int64",  # of those left out
        "largest": "float64?",  # distance of one left out from its nearest kept one, in SDs
        "random": "float64?",  # the same of as many drawn at random, mean over draws
        "note": "string?",
    },
)

COVERAGE = Table(  # how well training lists cover what they leave out (KEPT), list by list
    "coverage",
    key=("study", "dataset", "rebalance", "seed", "cell"),
    columns={
        "study": "string",
        "dataset": "string",
        "rebalance": "string",
        "seed": "int32",
        "over": "string",
        "cell": "string",
        "n": "int64",
        "n_patients": "int64",
        "kept": "int64",
        "looked_at": "int64",
        "largest": "float64?",
        "random": "float64?",
        "note": "string?",
    },
)

DRAWN = Table(  # how often an epoch of a training takes each entry of its training list
    "drawn",
    key=("position",),
    columns={
        "position": "int64",  # as in the training list
        "image_id": "string",
        "repeats": "int64",  # 0: left out; beside the weights of the list
    },
)

STORE_INDEX = Table(  # where each image lies in the store, or why it does not
    "store_index",
    key=("image_id",),
    columns={
        "image_id": "string",
        "row": "int64?",
        "checksum": "string?",  # of the decoded pixels
        "width": "int32?",  # original pixels
        "height": "int32?",
        "quarantine": "string?",
        "decode_error": "float32?",  # grey levels (images.decode.error); of a sample
    },
)

HISTORY = Table(  # training curves
    "history",
    key=("epoch", "name"),
    columns={"epoch": "int32", "name": "string", "value": "float64?"},
)

PREDICTIONS = Table(
    "predictions",
    key=("image_id", "label"),
    columns={
        "image_id": "string",
        "label": "string",
        "fold": "string",
        "target": "int8?",
        "score": "float32",
    },
    allowed={"fold": FOLDS},
)

THRESHOLDS = Table(  # of all images, and of groups that have their own (cxrfair.group_thresholds)
    "thresholds",
    key=("label", "group", "part"),
    columns={
        "label": "string",
        "group": "string",  # "all" holds for whoever has no group with a threshold of its own
        "part": "int32",
        "value": "float64?",
        "share": "float64?",  # chance that an image is decided by this part; 1 over the parts
        "rule": "string",
        "fitted_on": "string",
        "n": "int64",
        "n_positive": "int64",
        "note": "string?",
    },
    allowed={"fitted_on": ("validation", "nothing")},
)

EMBEDDING_INDEX = Table(  # where each image's features lie in their array
    "embedding_index",
    key=("image_id",),
    columns={"image_id": "string", "fold": "string", "row": "int64"},
    allowed={"fold": FOLDS},
)

TRIAL_INDEX = Table(  # where each image stands in the scores of all trials of a head
    "trial_index",
    key=("image_id",),
    columns={"image_id": "string", "fold": "string", "row": "int64"},
    allowed={"fold": ("validation", "test")},
)

SALIENCY_INDEX = Table(  # where each saliency map begins in the one row of numbers of them all
    "saliency_index",
    key=("variant", "seed", "of", "name", "image_id"),
    columns={
        "variant": "string",
        "seed": "int32",
        "of": "string",
        "name": "string",  # of the label, or of the attribute
        "image_id": "string",
        "start": "int64",
        "rows": "int32",
        "columns": "int32",
    },
    allowed={"of": ("label", "attribute")},
)

MAP_INDEX = Table(  # where the maps drawn of each image lie in their array
    "map_index",
    key=("image_id",),
    columns={"image_id": "string", "row": "int64"},
)

INTERVENTIONS = Table(  # pictures of test images of phantoms, made under interventions
    "interventions",
    key=("attribute", "shown", "ill", "image_id"),
    columns={
        "image_id": "string",
        "attribute": "string",
        "shown": "string",  # the attribute's value along S -> X
        "ill": "string",  # along S -> Y
        "row": "int64",  # where the picture lies in the array
    },
)

ANSWERS = Table(  # what each trained model says of pictures made under interventions
    "answers",
    key=("variant", "seed", "attribute", "shown", "ill", "image_id", "label"),
    columns={
        "variant": "string",
        "seed": "int32",
        "attribute": "string",
        "shown": "string",  # the attribute's value along S -> X
        "ill": "string",  # along S -> Y
        "image_id": "string",
        "label": "string",
        "score": "float32",
    },
)
