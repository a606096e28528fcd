"""Grouping: many rows to one, with the number of them kept, so that none can get lost unseen."""

from ibis.expr.types import Table

from core.errors import ExpressionError, RuleError
from core.spec.pipeline import Aggregation
from tools.transformation.expression import aggregate

ROWS = "_rows"


def aggregated(rows: Table, spec: Aggregation) -> Table:
    """One row a group, in the order of the groups: the columns grouped by, the aggregates, and `_rows`, how many.

    Raises RuleError when a column is not there or an expression does not fit.
    """
    try:
        for name in spec.group_by:
            if name not in rows.columns:
                there = ", ".join(column for column in rows.columns if not column.startswith("_"))
                raise ExpressionError(f"there is no column '{name}' to group by; there are {there}.")
        values = {name: aggregate(text, rows) for name, text in spec.aggregates.items()}
    except ExpressionError as error:
        raise RuleError(spec.dataset, 0, "aggregation", error.what) from error
    return rows.group_by(list(spec.group_by)).aggregate(**values, **{ROWS: rows.count()}).order_by(list(spec.group_by))
