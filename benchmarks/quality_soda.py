"""The 40 checks in Soda Core, on DuckDB: `quality_soda.py soda FILE FOLDER`."""

import sys

import duckdb
from quality_checks import KEY, LEAST_ROWS, conditions, report
from soda.scan import Scan


def work(file: str) -> int:
    connection = duckdb.connect(config={"threads": 2})
    connection.sql(f"create view lineitem as select * from '{file}'")
    checks = [f"  - row_count >= {LEAST_ROWS}", f"  - duplicate_count({', '.join(KEY)}) = 0"]
    for index, condition in enumerate(conditions()):
        # Its own words for nulls, sets, ranges and patterns become the same condition in the same statement.
        checks += [f"  - f{index} = 0:", f"      f{index} expression: sum(case when {condition} then 1 else 0 end)"]
    scan = Scan()
    scan.disable_telemetry()
    scan.set_data_source_name("duckdb")
    scan.add_duckdb_connection(connection)
    scan.add_sodacl_yaml_str("checks for lineitem:\n" + "\n".join(checks))
    scan.execute()
    if scan.has_error_logs():
        raise SystemExit(scan.get_error_logs_text())
    made = scan.scan_results["checks"]
    assert len(made) == 40
    return sum(
        int((check.get("diagnostics") or {}).get("value") or 0) for check in made if "row_count" not in check["name"]
    )


if __name__ == "__main__":
    report(lambda: work(sys.argv[2]))
