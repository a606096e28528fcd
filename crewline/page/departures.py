"""Rows that left and cells that were repaired, by rule, with some of them to look at."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
from ibis.expr.types import Table

from core.dataset import DatasetRef
from core.errors import EngineError
from core.task import Fate, Stage
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.session import session
from tools.orchestration.history import History
from tools.quality.evidence import UNREFERENCED, contents

# How many rules are shown, how many rows of each, and how many of a row's cells.
MOST_RULES = 40
SAMPLE = 5
MOST_CELLS = 14


@dataclass
class Sample:
    """A row that left: where it stood, why it left, and its cells as they were read (or the line, if it was none)."""

    place: str
    reason: str
    cells: dict[str, str | None] | None
    line: str | None
    more: int = 0


@dataclass
class Rule:
    """A rule that made rows leave."""

    dataset: str
    stage: str
    fate: str
    rule: str
    rows: int
    samples: list[Sample] = field(default_factory=list)


@dataclass
class Repair:
    """A kind of repair that was made in a column, and some of the cells."""

    dataset: str
    column: str
    rule: str
    cells: int
    confidence: float | None
    samples: list[tuple[str | None, str | None]] = field(default_factory=list)


@dataclass
class Departures:
    """What left and what was repaired. `note` says what could not be shown, and why."""

    rules: list[Rule] = field(default_factory=list)
    more_rules: int = 0
    repairs: list[Repair] = field(default_factory=list)
    more_repairs: int = 0
    unreferenced: dict[str, int] = field(default_factory=dict)
    repaired: dict[tuple[str, str], int] = field(default_factory=dict)
    note: str = ""


def departures(history: History, *, samples: bool) -> Departures:
    """From the evidence of a run that was closed; of another, and where the files are gone, the counts on record.

    Without `samples`, no content of any row is read.
    """
    closing = history.closing()
    if closing is None:
        return _on_record(history, "Rows are shown once the run has come to an end: the evidence is written then.")
    left = closing.left.paths if closing.left else ()
    repairs = closing.repairs.paths if closing.repairs else ()
    if gone := [path for path in (*left, *repairs) if not Path(path).is_file()]:
        return _on_record(history, f"The rows cannot be shown: {gone[0]} is no longer there.")
    found = Departures()
    try:
        with session() as (engine, _):
            if left:
                _left(found, engine, list(left), history if samples else None)
            if repairs:
                _repaired(found, engine, list(repairs), samples)
    except EngineError as error:
        return _on_record(history, f"The rows cannot be shown, for their files cannot be read: {error.what}")
    return found


def _on_record(history: History, note: str) -> Departures:
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for key, outcome in history.outcomes().items():
        task = history.tasks[key]
        for told, n in outcome.leaving.items():
            fate, _, rule = told.partition(":")
            counts[task.dataset, str(task.stage), fate, rule] += n
    rules = [Rule(*key, rows=n) for key, n in counts.most_common()]
    return Departures(rules=rules[:MOST_RULES], more_rules=max(0, len(rules) - MOST_RULES), note=note)


def _left(found: Departures, engine: Engine, paths: list[str], history: History | None) -> None:
    """Count by rule; with the run's history, show some rows too."""
    table = _table(engine, paths)
    keys = ["dataset", "stage", "fate", "rule"]
    counted = engine.rows(table.group_by(keys).aggregate(n=table.count()))
    for row in counted:
        if row["rule"] == UNREFERENCED:
            found.unreferenced[row["dataset"]] = row["n"]
    counted.sort(key=lambda row: (row["fate"] != Fate.QUARANTINED, -row["n"], row["dataset"], row["rule"]))
    rules = [Rule(r["dataset"], r["stage"], r["fate"], r["rule"], r["n"]) for r in counted]
    found.rules, found.more_rules = rules[:MOST_RULES], max(0, len(rules) - MOST_RULES)
    if history is None:
        return
    number = ibis.row_number().over(group_by=keys, order_by=ROW)
    first = table.mutate(_number=number).filter(ibis._._number < SAMPLE)
    by_rule = {(rule.dataset, rule.stage, rule.fate, rule.rule): rule for rule in found.rules}
    rows = engine.rows(first.order_by("_number"))
    filtered = _filtered(engine, rows, history)
    for row in rows:
        rule = by_rule.get(tuple(row[key] for key in keys))
        if rule:
            rule.samples.append(_sample(row, filtered.get((row["dataset"], row[ROW]))))


def _filtered(
    engine: Engine, rows: list[dict[str, Any]], history: History
) -> dict[tuple[str, int], dict[str, str | None]]:
    """The cells of filtered rows, of which the evidence tells the place alone, as far as they are on file still."""
    read: dict[str, list[DatasetRef]] = {}
    for key, outcome in history.outcomes().items():
        if history.tasks[key].stage == Stage.INGESTION and outcome.output:
            read.setdefault(history.tasks[key].dataset, []).append(outcome.output)
    found: dict[tuple[str, int], dict[str, str | None]] = {}
    for dataset, refs in read.items():
        wanted = [row[ROW] for row in rows if (row["dataset"], row["line"], row["content"]) == (dataset, None, None)]
        if wanted and all(Path(path).is_file() for ref in refs for path in ref.paths):
            found |= {(dataset, row): cells for row, cells in contents(engine, refs, wanted).items()}
    return found


def _sample(row: dict[str, Any], filtered: dict[str, str | None] | None) -> Sample:
    name = Path(row["file"]).name if row["file"] else "unknown file"
    place = f"{name}, line {row['line']}" if row["line"] is not None else f"{name}, record {row['record']}"
    if row["into_record"] is not None:
        place += f", merged into record {row['into_record']} of {Path(row['into_file'] or '').name}"
    cells, line, more = None, row["content"], 0
    content = filtered
    if row["line"] is None and row["content"] is not None:
        content = json.loads(row["content"])
    if content is not None:
        named = [column for column in content if column in row["rule"]]
        order = [*named, *(column for column in content if column not in named)]
        cells = {column: content[column] for column in order[:MOST_CELLS]}
        line, more = None, max(0, len(order) - MOST_CELLS)
    return Sample(place, row["reason"] or "", cells, line, more)


def _repaired(found: Departures, engine: Engine, paths: list[str], samples: bool) -> None:
    table = _table(engine, paths)
    keys = ["dataset", "column", "rule"]
    grouped = table.group_by(keys).aggregate(n=table.count(), confidence=table["confidence"].mean())
    counted = engine.rows(grouped)
    for row in counted:
        place = (row["dataset"], row["column"])
        found.repaired[place] = found.repaired.get(place, 0) + row["n"]
    counted.sort(key=lambda row: (-row["n"], row["dataset"], row["column"], row["rule"]))
    repairs = [Repair(r["dataset"], r["column"], r["rule"], r["n"], r["confidence"]) for r in counted]
    found.repairs, found.more_repairs = repairs[:MOST_RULES], max(0, len(repairs) - MOST_RULES)
    if not samples:
        return
    number = ibis.row_number().over(group_by=keys, order_by=ROW)
    first = table.mutate(_number=number).filter(ibis._._number < 3)
    by_key = {(repair.dataset, repair.column, repair.rule): repair for repair in found.repairs}
    for row in engine.rows(first.order_by("_number")):
        repair = by_key.get(tuple(row[key] for key in keys))
        if repair:
            repair.samples.append((row["before"], row["after"]))


def _table(engine: Engine, paths: list[str]) -> Table:
    with engine.translating():
        return engine.backend.read_parquet(paths)
