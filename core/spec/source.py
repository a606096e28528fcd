"""Where data comes from. Each source declares the columns that the pipeline may use, by name and type."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from core.spec.column import Column, check_apart, check_given
from core.spec.part import Part


def usable_names(columns: dict[str, Column]) -> dict[str, Column]:
    """The columns. Raises ValueError if one has a name that it must not have."""
    for name in columns:
        check_given(name)
    check_apart(columns)
    return columns


Encoding = Literal["utf-8", "latin-1", "windows-1252", "utf-16"]


class _Declared(Part):
    """`on_schema_change` says what a run does when the source's columns are no longer what they were: `fail` where one
    of `columns` is gone when the run is planned, or let a `consensus` of voters judge the change."""

    columns: Annotated[dict[str, Column], Field(min_length=1), AfterValidator(usable_names)]
    on_schema_change: Literal["fail", "consensus"] = "fail"


class _Files(_Declared):
    path: str = Field(
        min_length=1, description="File or glob, relative to the document; with a protocol, any fsspec path."
    )
    also_at: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        description="Where else the same data is; read from the first place that has files, if `path` has none.",
    )


class CsvSource(_Files):
    """Delimited text files with a header line. Columns are found by name, in any order."""

    kind: Literal["csv"]
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    encoding: Encoding = "utf-8"


class JsonLinesSource(_Files):
    """Files with one JSON object a line, UTF-8."""

    kind: Literal["jsonl"]


class ParquetSource(_Files):
    """Parquet files."""

    kind: Literal["parquet"]


class PostgresSource(_Declared):
    """A table or view in PostgreSQL, read in one snapshot.

    `url_env` names the environment variable that holds the database's URL, so that no password stands in the
    document; without it, the table is in the database that Crewline itself uses.
    """

    kind: Literal["postgres"]
    table: str = Field(pattern=r"^\w+(\.\w+)?$", description="`table` or `schema.table`.")
    url_env: str | None = None


Source = Annotated[CsvSource | JsonLinesSource | ParquetSource | PostgresSource, Field(discriminator="kind")]
