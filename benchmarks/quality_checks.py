"""The 40 checks, as data that each contender says in its own words."""

import json
import resource
import time
from collections.abc import Callable

NUMBERS = {
    "l_orderkey": (1, 6_000_000_000),
    "l_partkey": (1, 200_000_000),
    "l_suppkey": (1, 10_000_000),
    "l_linenumber": (1, 7),
    "l_quantity": (1, 50),
    "l_extendedprice": (900, 105_000),
    "l_discount": (0, 0.1),
    "l_tax": (0, 0.08),
}
DATES = dict.fromkeys(("l_shipdate", "l_commitdate", "l_receiptdate"), ("1992-01-01", "1998-12-31"))
SETS = {
    "l_returnflag": ("A", "N", "R"),
    "l_linestatus": ("O", "F"),
    "l_shipinstruct": ("DELIVER IN PERSON", "TAKE BACK RETURN", "COLLECT COD", "NONE"),
    "l_shipmode": ("AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"),
}
PATTERNS = {"l_shipinstruct": "[A-Z]+( [A-Z]+)*", "l_shipmode": "[A-Z]+( [A-Z]+)?", "l_returnflag": "[ANR]"}
EXPRESSIONS = (
    "l_shipdate <= l_receiptdate",
    "l_linestatus = 'O' or l_shipdate <= date '1995-06-17'",
    "l_extendedprice >= l_quantity * 900",
    "l_discount <= 0.1 or l_tax = 0",
)
TEXTS = (*SETS, "l_comment")
PRESENT = (*NUMBERS, *DATES, *TEXTS)
KEY = ("l_orderkey", "l_linenumber")
LEAST_ROWS = 1

assert len(PRESENT) + len(NUMBERS) + len(DATES) + len(SETS) + len(PATTERNS) + len(EXPRESSIONS) + 1 + 1 == 40


def conditions() -> list[str]:
    """The checks of rows as SQL conditions that are true of the rows that fail."""
    failing = [f"{name} is null" for name in (*NUMBERS, *DATES)]
    failing += [f"({name} is null or trim({name}) = '')" for name in TEXTS]
    failing += [f"{name} not in {values}" for name, values in SETS.items()]
    failing += [f"{name} not between {low} and {high}" for name, (low, high) in NUMBERS.items()]
    failing += [f"{name} not between date '{low}' and date '{high}'" for name, (low, high) in DATES.items()]
    failing += [f"not regexp_matches({name}, '^(?:{pattern})$')" for name, pattern in PATTERNS.items()]
    return failing + [f"not ({expression})" for expression in EXPRESSIONS]


def report(work: Callable[[], int]) -> None:
    """Do the work, which returns how often a row failed a check, and print what it took."""
    started = time.perf_counter()
    failed = work()
    seconds = time.perf_counter() - started
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "memory_mb": most, "failed": failed}))
