"""Crewline, and the two queries that it is measured against: `quality_own.py crewline|scan|tuned FILE FOLDER`."""

import sys

import duckdb
from quality_checks import DATES, EXPRESSIONS, KEY, LEAST_ROWS, NUMBERS, PATTERNS, PRESENT, SETS, conditions, report

THREADS = 2


def scan(file: str) -> int:
    """One scan with a counter for each check, as one would write it down."""
    counters = ", ".join(f"count(*) filter (where {condition})" for condition in conditions())
    return _asked(f"select {counters}, count(*) - count(distinct ({', '.join(KEY)})) from '{file}'")


def tuned(file: str) -> int:
    """The columns of few texts in one GROUP BY, so that theirs is judged once for each group; the key in one number."""
    few = list(SETS)
    shallow = [c for c in conditions() if any(name in c for name in few) and "date" not in c]
    deep = [c for c in conditions() if c not in shallow]
    counters = ", ".join(f"count(*) filter (where {condition}) as f{i}" for i, condition in enumerate(deep))
    sums = [f"sum(n) filter (where {condition})" for condition in shallow] + [f"sum(f{i})" for i in range(len(deep))]
    groups = f"select {', '.join(few)}, count(*) as n, {counters} from '{file}' group by all"
    keys = f"select count(*) - count(distinct {KEY[0]} * 8 + {KEY[1]}) from '{file}'"
    return _asked(f"select {', '.join(sums)} from ({groups})") + _asked(keys)


def crewline(file: str) -> int:
    report = check_dataset(file, checks(), sample=0, limits=Limits(threads=THREADS, memory_mb=1024))
    return sum(verdict.failed or 0 for verdict in report.verdicts)


def checks() -> "Checklist":
    found = [{"check": "not_null", "column": name} for name in PRESENT]
    found += [{"check": "unique", "columns": KEY}]
    found += [{"check": "in_set", "column": name, "values": values} for name, values in SETS.items()]
    between = {**NUMBERS, **DATES}
    found += [{"check": "between", "column": n, "min": low, "max": high} for n, (low, high) in between.items()]
    found += [{"check": "matches", "column": name, "pattern": pattern} for name, pattern in PATTERNS.items()]
    found += [{"check": "expression", "expression": text} for text in EXPRESSIONS]
    found += [{"check": "row_count", "min": LEAST_ROWS}]
    return Checklist.model_validate({"checks": found})


def _asked(query: str) -> int:
    connection = duckdb.connect(config={"threads": THREADS})
    (counts,) = connection.sql(query).fetchall()
    return sum(int(count or 0) for count in counts)


if __name__ == "__main__":
    which, data = sys.argv[1:3]
    if which == "crewline":
        from core.spec import Checklist
        from tools.engine.limits import Limits
        from tools.quality.report import check_dataset
    report(lambda: {"crewline": crewline, "scan": scan, "tuned": tuned}[which](data))
