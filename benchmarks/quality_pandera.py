"""The 40 checks in pandera, on polars: `quality_pandera.py pandera FILE FOLDER`."""

import os
import sys
from datetime import date

os.environ["POLARS_MAX_THREADS"] = "2"
# Rows are looked at, not the schema alone, though the frame is lazy.
os.environ["PANDERA_VALIDATION_DEPTH"] = "SCHEMA_AND_DATA"

import pandera.polars as pa
import polars as pl
from quality_checks import DATES, EXPRESSIONS, KEY, LEAST_ROWS, NUMBERS, PATTERNS, SETS, TEXTS, report


def schema() -> pa.DataFrameSchema:
    columns = {name: [pa.Check.in_range(low, high)] for name, (low, high) in NUMBERS.items()}
    columns |= {n: [pa.Check.in_range(*map(date.fromisoformat, bounds))] for n, bounds in DATES.items()}
    columns |= {name: [pa.Check(_not_blank)] for name in TEXTS}
    for name, values in SETS.items():
        columns[name].append(pa.Check.isin(values))
    for name, pattern in PATTERNS.items():
        columns[name].append(pa.Check.str_matches(f"^(?:{pattern})$"))
    rows = [pa.Check(lambda data, text=text: data.lazyframe.select(pl.sql_expr(_sql(text)))) for text in EXPRESSIONS]
    rows.append(pa.Check(lambda data: data.lazyframe.select(pl.len() >= LEAST_ROWS)))
    made = {name: pa.Column(checks=checks, nullable=False) for name, checks in columns.items()}
    return pa.DataFrameSchema(made, checks=rows, unique=list(KEY))


def _not_blank(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).str.strip_chars() != "")


def _sql(text: str) -> str:
    return text.replace("date '1995-06-17'", "cast('1995-06-17' as date)")


def work(file: str) -> int:
    columns = [*NUMBERS, *DATES, *TEXTS]
    try:
        schema().validate(pl.scan_parquet(file).select(columns).collect(), lazy=True)
    except pa.errors.SchemaErrors as errors:
        return int(errors.failure_cases.height)
    return 0


if __name__ == "__main__":
    report(lambda: work(sys.argv[2]))
