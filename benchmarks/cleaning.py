"""How well cleaning works, and how fast: python -m benchmarks.cleaning [ROWS]

Accuracy on the hospital table, if the folder that CREWLINE_DATA names has `hospital/dirty.csv` and `clean.csv`, and on
generated tables of ten domains with 2% of typos, swaps and gaps injected. Then the time of `crewline clean` on files of
ROWS (100,000) rows and 15 columns, and the most memory that it took: of places and persons with such errors, and of
texts all different, which is the slowest case.
"""

import csv
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from tests import dirt
from tools.quality.cleaning.decision import judged

HOSPITAL = Path(os.environ.get("CREWLINE_DATA", "data")) / "hospital"
SHARE = 0.02


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(f"{'table':24}{'errors':>8}{'detection':>12}{'precision':>12}{'repair':>9}{'changed when clean':>20}")
    if HOSPITAL.is_dir():
        truth = _table(HOSPITAL / "clean.csv")
        _accuracy("hospital", dict(zip(truth, _table(HOSPITAL / "dirty.csv").values(), strict=True)), truth)
    for name, make in dirt.DOMAINS.items():
        rng = random.Random(name)
        truth = make(rng, 5_000)
        _accuracy(name, dirt.soiled(rng, truth, SHARE), truth)
    rng = random.Random(rows)
    people = dirt.tax(rng, rows) | {"occupation": dirt.census(rng, rows)["occupation"]}
    _speed("people", dirt.soiled(rng, people, SHARE))
    _speed("texts", {f"text {n}": [f"{rng.getrandbits(96):x}" for _ in range(rows)] for n in range(15)})


def _accuracy(name: str, dirty: dirt.Table, truth: dirt.Table) -> None:
    names = list(dirty)
    findings = judged(pa.table(dirty))
    repairs = [finding for finding in findings if finding.after is not None]
    errors = sum(a != b for column in names for a, b in zip(dirty[column], truth[column], strict=True))
    found = sum(dirty[names[f.column]][f.row] != truth[names[f.column]][f.row] for f in findings)
    right = sum(f.after == truth[names[f.column]][f.row] for f in repairs)
    changed = sum(finding.after is not None for finding in judged(pa.table(truth)))
    cells = len(names) * len(truth[names[0]])
    precision = f"{right / len(repairs):.3f}" if repairs else "-"
    f1 = [f"{2 * hit / (said + errors):.3f}" for hit, said in ((found, len(findings)), (right, len(repairs)))]
    print(f"{name:24}{errors:8}{f1[0]:>12}{precision:>12}{f1[1]:>9}{changed / cells:>20.4%}")


def _speed(name: str, table: dirt.Table) -> None:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.csv"
        with source.open("w", newline="") as file:
            csv.writer(file).writerows([list(table), *zip(*table.values(), strict=True)])
        before = time.monotonic()
        command = [sys.executable, "-m", "crewline", "clean", str(source), "--out", str(Path(folder) / "out")]
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.monotonic() - before
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - children.ru_utime - children.ru_stime
    rows = len(next(iter(table.values())))
    # The system tells the most that any of the files took, and the texts come last.
    print(f"\n{name}, {rows:,} rows x {len(table)} columns as CSV: {seconds:.1f} s", end="")
    print(f" ({processor:.1f} s of processor time), {used.ru_maxrss / 1024:.0f} MB")


def _table(path: Path) -> dirt.Table:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return {name: [cells[index] for cells in rows] for index, name in enumerate(header)}


if __name__ == "__main__":
    main()
