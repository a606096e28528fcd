"""Keys of a table: columns, or pairs of them, that tell all rows apart."""

from itertools import combinations

from ibis.expr.types import Table
from pydantic import BaseModel, ConfigDict

from graphs.workers.columns import aggregated
from tools.engine.engine import Engine
from tools.engine.types import declared_type, missing

# Columns that are looked at, and of these the ones with the most values that are put into pairs.
_MAX_COLUMNS = 100
_PAIRED = 5


class Keys(BaseModel):
    """What was measured over `rows` rows, all of the dataset's if `whole`.

    `keys` are the smallest: single columns, or pairs where no column is one.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    whole: bool
    keys: list[tuple[str, ...]]


def measured_keys(engine: Engine, table: Table, *, whole: bool) -> Keys:
    """The keys of a table. A key has a value in every row, and no value twice; a table without rows has none."""
    names = [name for name in table.columns if declared_type(table[name].type())][:_MAX_COLUMNS]
    counts = aggregated(
        engine,
        table,
        {("rows",): table.count()}
        | {(name, "distinct"): table[name].nunique() for name in names}
        | {(name, "missing"): missing(table[name]).sum().fill_null(0) for name in names},
    )
    rows = counts["rows",]
    filled = [name for name in names if not counts[name, "missing"]]
    single: list[tuple[str, ...]] = [(name,) for name in filled if counts[name, "distinct"] == rows]
    if single or not rows:
        return Keys(rows=rows, whole=whole, keys=single)
    paired = sorted(filled, key=lambda name: -counts[name, "distinct"])[:_PAIRED]
    pairs = [
        (left, right)
        for left, right in combinations(sorted(paired, key=names.index), 2)
        # Fewer pairs than rows are possible: nobody need count.
        if counts[left, "distinct"] * counts[right, "distinct"] >= rows
    ]
    return Keys(
        rows=rows, whole=whole, keys=[pair for pair in pairs if engine.count(table.select(*pair).distinct()) == rows]
    )
