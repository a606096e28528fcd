"""Repair by evidence for rows of a pipeline: what `tools.quality.repair` is for single cells, for whole tables."""

import pyarrow as pa
from ibis.expr.types import Table

from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.quality.cleaning.decision import judged
from tools.quality.repair import CHANGES


def changes_by_evidence(engine: Engine, raw: Table) -> Table:
    """The cells of text that the rows' own evidence repairs, as `tools.quality.repair.changes` has them.

    `raw` has `_row` and the columns as they came. All of it is read into memory.
    """
    with engine.translating():
        table = raw.order_by(ROW).to_pyarrow()
    rows = table.column(ROW).to_pylist()
    cells = table.drop_columns([ROW])
    made = [f for f in judged(cells) if f.after is not None and pa.types.is_string(cells.schema[f.column].type)]
    before = {index: cells.column(index).to_pylist() for index in {finding.column for finding in made}}
    names = cells.column_names
    columns = [
        [rows[finding.row] for finding in made],
        [names[finding.column] for finding in made],
        [before[finding.column][finding.row] for finding in made],
        [finding.after for finding in made],
        [finding.rule for finding in made],
        [finding.confidence for finding in made],
    ]
    return engine.table(pa.table(columns, schema=CHANGES.to_pyarrow()))
