"""The 40 checks in Great Expectations, on DuckDB: `quality_great_expectations.py great_expectations FILE FOLDER`."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import great_expectations as gx
from great_expectations import expectations as gxe
from quality_checks import DATES, EXPRESSIONS, KEY, LEAST_ROWS, NUMBERS, PATTERNS, PRESENT, SETS, TEXTS, report


def expectations() -> list[gxe.Expectation]:
    found: list[gxe.Expectation] = [gxe.ExpectColumnValuesToNotBeNull(column=name) for name in PRESENT]
    found += [gxe.ExpectCompoundColumnsToBeUnique(column_list=list(KEY))]
    found += [gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(values)) for name, values in SETS.items()]
    for name, (low, high) in {**NUMBERS, **DATES}.items():
        found.append(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high))
    for name, pattern in PATTERNS.items():
        found.append(gxe.ExpectColumnValuesToMatchRegex(column=name, regex=f"^({pattern})$"))
    for text in (*EXPRESSIONS, *(f"trim({name}) <> ''" for name in TEXTS)):
        query = "select * from {batch} where not (" + text + ")"
        found.append(gxe.UnexpectedRowsExpectation(unexpected_rows_query=query))
    return [*found, gxe.ExpectTableRowCountToBeBetween(min_value=LEAST_ROWS)]


def work(file: str, folder: Path) -> int:
    database = folder / "lineitem.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.sql(f"create view lineitem as select * from '{file}'")
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_sql(name="duckdb", connection_string=f"duckdb:///{database}")
    batch = source.add_table_asset(name="lineitem", table_name="lineitem").add_batch_definition_whole_table("all")
    suite = context.suites.add(gx.ExpectationSuite(name="lineitem", expectations=expectations()))
    result = batch.get_batch().validate(suite, result_format="BASIC")
    broken = [r.exception_info for r in result.results if r.exception_info and r.exception_info.get("raised_exception")]
    if broken:
        raise SystemExit(str(broken[0])[:500])
    return sum(int(r.result.get("unexpected_count") or 0) for r in result.results)


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        report(lambda: work(sys.argv[2], Path(scratch)))
