"""Repair by evidence for rows of a pipeline: what `tools.quality.repair` is for single cells, for whole tables."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from ibis.expr.types import Table
from numpy.typing import NDArray

from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.quality.cleaning import exchange, spill
from tools.quality.cleaning.decision import judged
from tools.quality.cleaning.finding import Finding
from tools.quality.repair import CHANGES

# These repair two cells of a row, and one without the other is no repair.
_PAIRED = (exchange.RULE, spill.RULE)

RowIds = NDArray[np.int64]


def changes_by_evidence(
    engine: Engine, raw: Table, suspects: Mapping[str, RowIds], wrong: Mapping[str, RowIds]
) -> pa.Table:
    """The suspected cells of text that the rows' own evidence repairs, as `tools.quality.repair.changes` has them.

    `raw` has `_row` and the columns as they came; all of it is read into memory. `suspects` has, for each column that
    may be repaired, the ids of the rows whose cell may be. Those of them that are `wrong` are known to be, and have no
    say in what belongs into others.
    """
    table = engine.arrow(raw.order_by(ROW))
    ids = table.column(ROW).to_numpy()
    cells = table.drop_columns([ROW])
    findings = judged(cells, {name: np.searchsorted(ids, of) for name, of in wrong.items()})
    open_to = {
        cells.schema.get_field_index(name): set(np.searchsorted(ids, of).tolist()) for name, of in suspects.items()
    }
    made = [
        finding
        for finding in _whole_pairs(findings, open_to)
        if finding.after is not None and pa.types.is_string(cells.schema[finding.column].type)
    ]
    return _listed(cells, ids, made)


def _whole_pairs(findings: list[Finding], open_to: dict[int, set[int]]) -> list[Finding]:
    """The findings on suspected cells, but those that repair one cell together with another that is not suspected."""
    allowed = [finding.row in open_to.get(finding.column, ()) for finding in findings]
    halves = Counter((f.row, f.rule) for f, may in zip(findings, allowed, strict=True) if f.rule in _PAIRED and not may)
    return [f for f, may in zip(findings, allowed, strict=True) if may and (f.row, f.rule) not in halves]


def _listed(cells: pa.Table, ids: RowIds, made: list[Finding]) -> pa.Table:
    names = cells.column_names
    before: dict[tuple[int, int], str | None] = {}
    for index in {finding.column for finding in made}:
        rows = [finding.row for finding in made if finding.column == index]
        texts = cells.column(index).take(pa.array(rows, pa.int64())).to_pylist()
        before |= {(row, index): text for row, text in zip(rows, texts, strict=True)}
    columns = [
        [int(ids[finding.row]) for finding in made],
        [names[finding.column] for finding in made],
        [before[finding.row, finding.column] for finding in made],
        [finding.after for finding in made],
        [finding.rule for finding in made],
        [finding.confidence for finding in made],
    ]
    return pa.table(columns, schema=CHANGES.to_pyarrow())
