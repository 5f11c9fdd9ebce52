"""Who and what is in the data: images, what sources say of them, people and cohorts."""

from cxrfair.table import Table
from cxrfair.tables._words import OFFICIAL_FOLDS, SEXES, STATES

RECORDS = Table(  # one row an image, as its source describes it
    "records",
    key=("image_id",),
    columns={
        "image_id": "string",
        "dataset": "string",
        "patient_id": "string",
        "study_id": "string",
        "path": "string",  # below the data set's root
        "view": "string?",  # the source's word: AP, PA, LATERAL, ...
        "official_fold": "string?",  # where the source's own split puts it
        "acquired_at": "time?",
        "sex": "string",
        "age_years": "float32?",
        "race": "string?",  # the source's word
        "insurance": "string?",  # the source's word
        "link_rung": "string?",  # how demographics were found (cohort.link)
        "link_distance_days": "float32?",
    },
    allowed={"sex": SEXES, "official_fold": OFFICIAL_FOLDS},
    extra=("sdoh_[a-z][a-z0-9_]*", "float64?"),  # one a setting of `sdoh` (cohort.sdoh)
)

LABELS = Table(  # what the source said of each finding
    "labels",
    key=("image_id", "label"),
    columns={"image_id": "string", "label": "string", "state": "string"},
    allowed={"state": STATES},
)

ABSENT = Table(  # images a source lists that cannot be used, and why
    "absent",
    key=("image_id",),
    columns={"image_id": "string", "patient_id": "string", "why": "string"},
)

ANNOTATIONS = Table(  # where the source saw it, in original pixels
    "annotations",
    key=("image_id", "label", "i"),
    columns={
        "image_id": "string",
        "label": "string",
        "i": "int32",
        "kind": "string",
        "geometry": "string",  # JSON; box: [x, y, width, height]; circle: [x, y, radius]; either
        # may end with width and height of the picture it was drawn in; polygon: [[x, y], ...];
        # rle: {"size": [height, width], "counts": COCO compressed}
        "source": "string",
    },
    allowed={"kind": ("box", "polygon", "rle", "circle")},
)

PATIENTS = Table(  # people, from a hospital's tables
    "patients",
    key=("patient_id",),
    columns={
        "patient_id": "string",
        "sex": "string",
        "anchor_age_years": "float32?",
        "anchor_year": "int32?",
    },
    allowed={"sex": SEXES},
)

STAYS = Table(  # admissions and emergency stays
    "stays",
    key=("kind", "stay_id"),
    columns={
        "kind": "string",
        "stay_id": "string",
        "patient_id": "string",
        "starts_at": "time",
        "ends_at": "time?",
        "race": "string?",
        "insurance": "string?",
    },
    allowed={"kind": ("admission", "emergency")},
)

RESIDENCES = Table(  # where people live, from a source that links them to places
    "residences",
    key=("patient_id",),
    columns={"patient_id": "string", "county_fips": "string?", "tract_fips": "string?"},
)

SURROUNDINGS = Table(  # what is known of places
    "surroundings",
    key=("level", "fips", "variable"),
    columns={"level": "string", "fips": "string", "variable": "string", "value": "float64?"},
    allowed={"level": ("county", "tract")},
)

FLOW = Table(  # rows in, out and lost at each step, and why
    "flow",
    key=("position",),
    columns={
        "position": "int32",
        "step": "string",
        "images_in": "int64",
        "images_out": "int64",
        "images_lost": "int64",
        "patients_out": "int64",
        "why": "string?",
    },
)

_COHORT = {
    "image_id": "string",
    "patient_id": "string",
    "study_id": "string",
    "view": "string?",
    "official_fold": "string?",
    "age_years": "float32?",
    "sex": "string",
    "age": "string",
    "race": "string",
    "insurance": "string",
    "link_rung": "string?",
}

CHOSEN = Table(  # the images a study uses, before its folds are known
    "chosen",
    key=("image_id",),
    columns=_COHORT,
    extra=("sdoh_[a-z][a-z0-9_]*", "float64?"),
)

COHORT = Table(  # the same with all attributes by this project's policy
    "cohort",
    key=("image_id",),
    columns=_COHORT,
    extra=("[a-z][a-z0-9_]*", "string"),  # attributes of `sdoh`, cut where training images say
)
