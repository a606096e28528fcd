"""What transforming costs, against a script written by hand and against pandas, on TPC-H tables.

    python benchmarks/transform.py [--scale 1] [--runs 5] [--without-pandas] [--without-pipeline]

All do the same to lineitem: a filter, two derived columns, a map, a join with part, and three checks; they count who
leaves and why, put rows that fail into quarantine as they came, and commit the result at once. Runs take turns, and
their medians are compared, as the machine may be busy with other things; for the same reason it is told what they took
of the processors' time. The script for pandas is one as it is commonly written, and as exact as the others; of another
that makes floats of money, which is quicker, it is only told what it takes. The same as a pipeline of durable stages
(ingestion, validation, transformation, enrichment, publication; PostgreSQL already running) is compared with the script
too. It fails if a bound is missed.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The folder of a script comes first, and the benchmark of delegation would be taken for the package of that name.
sys.path.insert(0, str(Path(__file__).parent.parent))

import duckdb

THREADS = 2
MEMORY_MB = 4096

# The bounds that the transformation has to keep.
MOST_OF_BY_HAND = 1.5
LEAST_OF_PANDAS = 5.0
MOST_OF_ONE_STATEMENT = 2.5

REQUEST = {
    "type": "etl",
    "rules": [
        {"rule": "filter", "where": "l_shipdate < '1998-06-01'"},
        {
            "rule": "derive",
            "columns": {
                "revenue": "l_extendedprice * (1 - l_discount)",
                "days": "date_diff('day', l_shipdate, l_receiptdate)",
            },
        },
        {
            "rule": "map",
            "column": "l_returnflag",
            "values": {"A": "accepted", "R": "returned", "N": "none"},
            "otherwise": "quarantine",
        },
        {"rule": "join", "dataset": "part", "on": {"l_partkey": "p_partkey"}, "columns": ["p_brand", "p_size"]},
        {
            "rule": "select",
            "columns": ["l_orderkey", "l_quantity", "revenue", "days", "l_returnflag", "p_brand", "p_size"],
        },
    ],
    "checks": [
        {"check": "not_null", "column": "l_orderkey"},
        {"check": "between", "column": "l_quantity", "min": 1, "max": 48},
        {"check": "between", "column": "days", "min": 1, "max": 30},
    ],
}


def tables(folder: Path, scale: str) -> Path:
    """The folder with lineitem.parquet and part.parquet, made if they are not there."""
    place = folder / f"tpch-{scale}"
    if not (place / "part.parquet").exists():
        command = ["tpchgen-cli", "parquet", "--scale-factor", scale, "--tables", "lineitem,part"]
        program = str(Path(sys.executable).parent / command[0])
        subprocess.run([program, *command[1:], "--output-dir", str(place)], check=True)
    return place


def crewline(data: Path, out: Path) -> dict[str, int]:
    """The tool's own function; returns the counts."""
    from tools.context import ToolContext
    from tools.engine.limits import Limits
    from tools.transformation.request import TransformationRequest
    from tools.transformation.transformation import transform_dataset

    request = TransformationRequest.model_validate(
        REQUEST
        | {
            "source": str(data / "lineitem.parquet"),
            "datasets": {"part": str(data / "part.parquet")},
            "output": str(out / "crewline"),
        }
    )
    context = ToolContext(
        roots=(str(data), str(out)), limits=Limits(threads=THREADS, memory_mb=MEMORY_MB), timeout_s=3600
    )
    account = transform_dataset(request, context).account[-1]
    return account.model_dump(include={"rows_in", "rows_out", "filtered", "quarantined"})


COLUMNS = {
    "l_orderkey": "integer",
    "l_partkey": "integer",
    "l_quantity": "decimal(15,2)",
    "l_extendedprice": "decimal(15,2)",
    "l_discount": "decimal(15,2)",
    "l_returnflag": "string",
    "l_shipdate": "date",
    "l_receiptdate": "date",
}


def pipeline(data: Path, out: Path) -> dict[str, int]:
    """The same rules and checks as a pipeline, each stage durable; returns how many rows were published."""
    import crewline
    from core.spec import PipelineSpec
    from tools.publication.target import count_rows

    checks = REQUEST["checks"]
    spec = PipelineSpec.model_validate(
        {
            "name": "tpch",
            "sources": {
                "lineitem": {"kind": "parquet", "path": str(data / "lineitem.parquet"), "columns": COLUMNS},
                "part": {
                    "kind": "parquet",
                    "path": str(data / "part.parquet"),
                    "columns": {"p_partkey": "integer", "p_brand": "string", "p_size": "integer"},
                },
            },
            "validation": {"lineitem": checks[:2]},
            "transformation": {"lineitem": REQUEST["rules"][:3]},
            "enrichment": {"lineitem": [*REQUEST["rules"][3:], {"rule": "filter", "where": "days between 1 and 30"}]},
            "target": {"path": str(out / "pipeline")},
            "gate": {"publish": 0, "thresholds": {}},
        }
    )
    report = crewline.run(spec, base_dir=out)
    assert report.status == "published", report
    return {"rows_out": count_rows(out / "pipeline")}


# What somebody who knows the engine well would write for this one case. The rejected are found in a scan of the columns
# that tell, and only then are whole rows read.
_JUDGED = """
    SELECT l.file_row_number AS id,
      CASE WHEN NOT coalesce(l_shipdate < DATE '1998-06-01', false) THEN 'filter'
           WHEN l_returnflag IS NOT NULL AND l_returnflag NOT IN ('A', 'R', 'N') THEN 'map'
           WHEN p_partkey IS NULL THEN 'join'
           WHEN l_orderkey IS NULL THEN 'not_null'
           WHEN l_quantity NOT BETWEEN 1 AND 48 THEN 'quantity'
           WHEN date_diff('day', l_shipdate, l_receiptdate) NOT BETWEEN 1 AND 30 THEN 'days' END AS reason
    FROM read_parquet('{lineitem}', file_row_number = true) l LEFT JOIN '{part}' ON l_partkey = p_partkey
"""
_RESULT = """
    SELECT l_orderkey, l_quantity, l_extendedprice * (1 - l_discount) AS revenue,
      date_diff('day', l_shipdate, l_receiptdate) AS days,
      CASE l_returnflag WHEN 'A' THEN 'accepted' WHEN 'R' THEN 'returned' WHEN 'N' THEN 'none' END AS l_returnflag,
      p_brand, p_size
    FROM '{lineitem}' JOIN '{part}' ON l_partkey = p_partkey
    WHERE l_shipdate < DATE '1998-06-01' AND l_orderkey IS NOT NULL AND l_quantity BETWEEN 1 AND 48
      AND (l_returnflag IS NULL OR l_returnflag IN ('A', 'R', 'N'))
      AND date_diff('day', l_shipdate, l_receiptdate) BETWEEN 1 AND 30
"""


def by_hand(data: Path, out: Path) -> dict[str, int]:
    """A script of four statements: judge, count, quarantine, write; then sync and rename."""
    places = {"lineitem": data / "lineitem.parquet", "part": data / "part.parquet"}
    stage = out / "by_hand.staged"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    with _session(out) as con:
        con.execute(f"CREATE TEMP TABLE gone AS SELECT * FROM ({_JUDGED.format(**places)}) WHERE reason IS NOT NULL")
        rows_in = con.execute(f"SELECT count(*) FROM '{places['lineitem']}'").fetchone()[0]
        counts = dict(con.execute("SELECT reason, count(*) FROM gone GROUP BY reason").fetchall())
        con.execute(
            f"COPY (SELECT l.*, reason FROM read_parquet('{places['lineitem']}', file_row_number = true) l"
            f" JOIN gone ON file_row_number = id WHERE reason <> 'filter') TO '{stage / 'quarantine.parquet'}'"
        )
        written = con.execute(f"COPY ({_RESULT.format(**places)}) TO '{stage / 'result.parquet'}'").fetchone()[0]
    _publish(stage, out / "by_hand")
    quarantined = sum(n for reason, n in counts.items() if reason != "filter")
    assert rows_in == written + sum(counts.values())
    return {
        "rows_in": rows_in,
        "rows_out": written,
        "quarantined": quarantined,
        "filtered": counts.get("filter", 0),
    }


def by_pandas(data: Path, out: Path) -> dict[str, int]:
    """The same with pandas, as it reads the files by itself: with exact decimals, and dates as Python has them."""
    import pandas

    return _in_pandas(data, out, pandas.read_parquet)


def by_pandas_of_floats(data: Path, out: Path) -> dict[str, int]:
    """The same with pandas, quicker and not exact: money as floats, dates as its own timestamps."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def read(path: Path) -> Any:
        table = pq.read_table(path)
        fields = [pa.field(f.name, pa.float64() if pa.types.is_decimal(f.type) else f.type) for f in table.schema]
        return table.cast(pa.schema(fields)).to_pandas(date_as_object=False)

    return _in_pandas(data, out, read)


def _in_pandas(data: Path, out: Path, read: Callable[[Path], Any]) -> dict[str, int]:
    import pandas

    stage = out / "pandas.staged"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    source = read(data / "lineitem.parquet")
    shipped = pandas.to_datetime(source.l_shipdate)
    rows = source[shipped < "1998-06-01"]
    filtered = len(source) - len(rows)
    rows = rows.assign(
        revenue=rows.l_extendedprice * (1 - rows.l_discount),
        days=(pandas.to_datetime(rows.l_receiptdate) - shipped[rows.index]).dt.days,
    )
    flag = rows.l_returnflag.map({"A": "accepted", "R": "returned", "N": "none"})
    rows = rows.assign(flag=flag).merge(
        read(data / "part.parquet")[["p_partkey", "p_brand", "p_size"]],
        left_on="l_partkey",
        right_on="p_partkey",
        how="left",
    )
    bad = rows.flag.isna() | rows.p_partkey.isna() | rows.l_orderkey.isna()
    bad |= ~rows.l_quantity.between(1, 48) | ~rows.days.between(1, 30)
    rows[bad][list(source.columns)].to_parquet(stage / "quarantine.parquet")
    result = rows[~bad][["l_orderkey", "l_quantity", "revenue", "days", "flag", "p_brand", "p_size"]]
    result.to_parquet(stage / "result.parquet")
    _publish(stage, out / "pandas")
    return {"rows_in": len(source), "rows_out": len(result), "quarantined": int(bad.sum()), "filtered": filtered}


def _session(out: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={"threads": THREADS, "memory_limit": f"{MEMORY_MB}MB", "temp_directory": str(out / "spill")}
    )


def _publish(stage: Path, target: Path) -> None:
    for file in stage.iterdir():
        with file.open("rb") as content:
            os.fsync(content.fileno())
    shutil.rmtree(target, ignore_errors=True)
    os.rename(stage, target)


@dataclass(frozen=True)
class Cost:
    """The medians of some runs, in seconds: passed, and of the processors' time."""

    wall: float
    cpu: float


def measure(runs: int, candidates: dict[str, Callable[[], dict[str, int]]]) -> dict[str, Cost]:
    """What each costs, taking turns; all must come to the same counts, as far as they tell them."""
    costs: dict[str, list[Cost]] = {name: [] for name in candidates}
    counts: dict[str, dict[str, int]] = {}
    # The first round warms the caches of the system, and imports what is to be imported.
    for round_ in range(runs + 1):
        for name, candidate in candidates.items():
            started, used = time.perf_counter(), _cpu()
            counts[name] = candidate()
            if round_:
                costs[name].append(Cost(time.perf_counter() - started, _cpu() - used))
    first, *others = counts.values()
    assert all(other[key] == first[key] for other in others for key in other.keys() & first.keys()), counts
    print(", ".join(f"{name} {n:,}" for name, n in first.items()))
    found = {
        name: Cost(statistics.median(c.wall for c in of), statistics.median(c.cpu for c in of))
        for name, of in costs.items()
    }
    for name, cost in found.items():
        print(f"{name:16} {cost.wall:6.2f} s, {cost.cpu:6.2f} s of the processors")
    return found


def missed(found: dict[str, Cost], of: str, by: str, bound: float, *, least: bool = False) -> bool:
    """Whether a bound on the time of one, as a multiple of the other's, is missed."""
    wall, cpu = found[of].wall / found[by].wall, found[of].cpu / found[by].cpu
    print(f"{of} {wall:.2f} of {by} ({'at least' if least else 'at most'} {bound:g}); of the processors {cpu:.2f}")
    return wall < bound if least else wall > bound


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", default="1", help="TPC-H scale factor; 1 has 6 million rows")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "crewline-benchmarks")
    parser.add_argument("--without-pandas", action="store_true")
    parser.add_argument("--without-pipeline", action="store_true")
    options = parser.parse_args()
    data = tables(options.data, options.scale)
    with tempfile.TemporaryDirectory(dir=options.data) as folder:
        out = Path(folder)
        hand, ours = {"by hand": lambda: by_hand(data, out)}, {"crewline": lambda: crewline(data, out)}
        failed = missed(measure(options.runs, hand | ours), "crewline", "by hand", MOST_OF_BY_HAND)
        if not options.without_pandas:
            both = {"pandas": lambda: by_pandas(data, out), "pandas of floats": lambda: by_pandas_of_floats(data, out)}
            found = measure(1, ours | both)
            failed |= missed(found, "pandas", "crewline", LEAST_OF_PANDAS, least=True)
            print(
                f"pandas of floats {found['pandas of floats'].wall / found['crewline'].wall:.2f} of crewline (no bound)"
            )
        if not options.without_pipeline:
            os.environ |= {"CREWLINE_HOME": str(out / "home"), "CREWLINE_MEMORY_MB": str(MEMORY_MB)}
            found = measure(3, hand | {"pipeline": lambda: pipeline(data, out)})
            failed |= missed(found, "pipeline", "by hand", MOST_OF_ONE_STATEMENT)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
