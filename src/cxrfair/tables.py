"""The tables stages hand to one another: one schema each, checked on every write and every read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.errors import SchemaErrors
from pyarrow import parquet

from cxrfair.errors import CxrfairError
from cxrfair.files import whole

FOLDS = ("train", "validation", "test")
OFFICIAL_FOLDS = (*FOLDS, "train_validation")  # the last: validation is still to be cut from it
STATES = ("positive", "negative", "uncertain", "unmentioned")
SEXES = ("female", "male", "unknown")
UNKNOWN = "unknown"


class TableError(CxrfairError):
    """A table breaks its own promise."""


@dataclass(frozen=True)
class Table:
    """A Parquet file with fixed columns, a unique key and closed vocabularies.

    `columns` maps names to Arrow types (a trailing `?` marks a column that may be empty); `allowed`
    lists the words a column may hold. Rows are sorted by `key`, so equal content is equal bytes.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    allowed: Mapping[str, tuple[object, ...]] = field(default_factory=dict)

    @cached_property
    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the file."""
        return pa.schema(
            pa.field(
                name,
                _TYPES.get(kind.rstrip("?")) or pa.type_for_alias(kind.rstrip("?")),
                nullable=kind.endswith("?"),
            )
            for name, kind in self.columns.items()
        )

    @cached_property
    def checks(self) -> pandera.DataFrameSchema:
        """Return what is checked beyond the types: emptiness, vocabularies and the key."""
        columns = {
            name: pandera.Column(
                nullable=kind.endswith("?"),
                checks=pandera.Check.isin(self.allowed[name]) if name in self.allowed else None,
            )
            for name, kind in self.columns.items()
        }
        return pandera.DataFrameSchema(columns, strict=True, unique=list(self.key))

    def check(self, frame: pd.DataFrame) -> None:
        """Raise TableError naming every broken promise (column, row, value, what is allowed)."""
        try:
            self.checks.validate(frame.reset_index(drop=True), lazy=True)
        except SchemaErrors as errors:
            raise TableError(self._explain(errors)) from None

    def write(self, frame: pd.DataFrame, path: Path) -> None:
        """Check `frame`, order its columns and rows, and save it whole or not at all.

        Raises
        ------
        TableError
            If the frame breaks a promise or a value does not fit its column's type.
        """
        self.check(frame)
        ordered = frame[self.schema.names].sort_values(list(self.key), ignore_index=True)
        try:
            table = pa.Table.from_pandas(ordered, self.schema, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TableError(f"{self.name}: {error}") from None
        with whole(path) as part:
            parquet.write_table(table.replace_schema_metadata(None), part)

    def read(self, path: Path) -> pd.DataFrame:
        """Load a file written by `write`, and check it again."""
        frame: pd.DataFrame = parquet.read_table(path).to_pandas()
        self.check(frame)
        return frame

    def empty(self) -> pd.DataFrame:
        """Return the table without rows."""
        frame: pd.DataFrame = self.schema.empty_table().to_pandas()
        return frame

    def _explain(self, errors: SchemaErrors) -> str:
        """Say pandera's findings in our form, the first offending row of each."""
        lines = []
        for (column, check), rows in errors.failure_cases.groupby(
            ["column", "check"], dropna=False
        ):
            first = rows.iloc[0]
            allowed = self.allowed.get(str(column))
            wanted = f"allowed: {', '.join(map(str, allowed))}" if allowed else str(check)
            values = sorted({str(v) for v in rows["failure_case"]})[:5]
            where, number = f"{self.name}.{column}", len(rows)
            lines.append(f"{where}: {values} at row {first['index']}; {wanted} ({number} rows)")
        return "\n".join(lines)


_TYPES = {"time": pa.timestamp("s")}

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
)

LABELS = Table(  # what the source said of each finding
    "labels",
    key=("image_id", "label"),
    columns={"image_id": "string", "label": "string", "state": "string"},
    allowed={"state": STATES},
)

ANNOTATIONS = Table(  # where the source saw it, in original pixels
    "annotations",
    key=("image_id", "label", "i"),
    columns={
        "image_id": "string",
        "label": "string",
        "i": "int32",
        "kind": "string",
        "geometry": "string",  # JSON; box: [x, y, width, height]
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

COHORT = Table(  # the images a study uses, with attributes by this project's policy
    "cohort",
    key=("image_id",),
    columns={
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
    },
)

TARGETS = Table(  # labels after the uncertainty policy; empty = not to be learnt from or judged
    "targets",
    key=("image_id", "label"),
    columns={"image_id": "string", "label": "string", "target": "int8?"},
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

THRESHOLDS = Table(
    "thresholds",
    key=("label",),
    columns={
        "label": "string",
        "value": "float64?",
        "rule": "string",
        "fitted_on": "string",
        "n": "int64",
        "n_positive": "int64",
        "note": "string?",
    },
    allowed={"fitted_on": ("validation", "nothing")},
)

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

SUMMARY = Table(  # mean over a variant's seeds; difference from the reference variant
    "summary",
    key=("study", "dataset", "variant", "metric", "label", "attribute", "group"),
    columns={
        **_PLACE,
        **_INTERVAL,
        "seed_sd": "float64?",
        "n_seeds": "int32",
        "difference": "float64?",
        "difference_low": "float64?",
        "difference_high": "float64?",
        **_COUNTS,
    },
)
