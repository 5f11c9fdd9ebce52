"""What a table on disk is: one schema, checked on every write and every read."""

import re
from collections.abc import Iterable, Mapping
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


class TableError(CxrfairError):
    """A table breaks its own promise."""


@dataclass(frozen=True)
class Table:
    """A Parquet file with fixed columns, a unique key and closed vocabularies.

    `columns` maps names to Arrow types (a trailing `?` marks a column that may be empty); `allowed`
    lists the words a column may hold. `extra` is a pattern and a type: further columns whose names
    match it are allowed, after the fixed ones and in order of name. Rows are sorted by `key`, so
    equal content is equal bytes.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    allowed: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    extra: tuple[str, str] | None = None

    @cached_property
    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the fixed columns."""
        return _schema(self.columns)

    def kinds(self, names: Iterable[str]) -> dict[str, str]:
        """Return the type of each column of a frame with these columns, in the file's order."""
        pattern, kind = self.extra or (r"(?!)", "")
        more = sorted(n for n in names if n not in self.columns and re.fullmatch(pattern, n))
        return {**self.columns, **dict.fromkeys(more, kind)}

    def check(self, frame: pd.DataFrame) -> None:
        """Raise TableError naming every broken promise (column, row, value, what is allowed)."""
        columns = {
            name: pandera.Column(
                nullable=kind.endswith("?"),
                checks=pandera.Check.isin(self.allowed[name]) if name in self.allowed else None,
            )
            for name, kind in self.kinds(frame.columns).items()
        }
        checks = pandera.DataFrameSchema(columns, strict=True, unique=list(self.key))
        try:
            checks.validate(frame.reset_index(drop=True), lazy=True)
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
        schema = _schema(self.kinds(frame.columns))
        ordered = frame[schema.names].sort_values(list(self.key), ignore_index=True)
        try:
            table = pa.Table.from_pandas(ordered, schema, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TableError(f"{self.name}: {error}") from None
        with whole(path) as part:
            parquet.write_table(table.replace_schema_metadata(None), part)

    def read(self, path: Path, only: tuple[str, str] | None = None) -> pd.DataFrame:
        """Load a file written by `write`, and check it again.

        `only` = (column, value) leaves other rows where they are, on disk.
        """
        filters = None if only is None else [(only[0], "==", only[1])]
        frame: pd.DataFrame = parquet.read_table(path, filters=filters).to_pandas()
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


def _schema(columns: Mapping[str, str]) -> pa.Schema:
    """Turn names and types into an Arrow schema."""
    return pa.schema(
        pa.field(
            name,
            _TYPES.get(kind.rstrip("?")) or pa.type_for_alias(kind.rstrip("?")),
            nullable=kind.endswith("?"),
        )
        for name, kind in columns.items()
    )
