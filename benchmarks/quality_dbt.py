"""The 40 checks as dbt tests, on DuckDB: `quality_dbt.py dbt FILE FOLDER`."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from dbt.cli.main import dbtRunner
from quality_checks import KEY, LEAST_ROWS, conditions, report

PROFILE = """
bench:
  target: dev
  outputs: {dev: {type: duckdb, path: %s, threads: 2, settings: {threads: 2}}}
"""


def project(folder: Path, file: str) -> None:
    database = folder / "lineitem.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.sql(f"create view lineitem as select * from '{file}'")
    (folder / "dbt_project.yml").write_text("{name: bench, version: '1.0', profile: bench, test-paths: [tests]}")
    (folder / "profiles.yml").write_text(PROFILE % database)
    (folder / "tests").mkdir()
    key = ", ".join(KEY)
    tests = [f"select 1 from lineitem where {condition}" for condition in conditions()]
    tests.append(f"select {key} from lineitem group by {key} having count(*) > 1")
    tests.append(f"select 1 from (select count(*) as n from lineitem) where n < {LEAST_ROWS}")
    assert len(tests) == 40
    for index, test in enumerate(tests):
        (folder / "tests" / f"check_{index}.sql").write_text(test)


def work(folder: Path) -> int:
    done = dbtRunner().invoke(["--quiet", "test", "--project-dir", str(folder), "--profiles-dir", str(folder)])
    if done.exception or done.result is None:
        raise SystemExit(str(done.exception))
    assert len(done.result.results) == 40
    return sum(result.failures or 0 for result in done.result.results)


if __name__ == "__main__":
    os.environ["DO_NOT_TRACK"] = "1"
    with TemporaryDirectory() as scratch:
        project(Path(scratch), sys.argv[2])
        report(lambda: work(Path(scratch)))
