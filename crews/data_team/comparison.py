"""The gate that a crew's answer passes: beside what rules make of the rows by themselves, it may only add."""

from core.dataset import DatasetRef
from core.errors import AccountingError
from core.ledger import check_account
from core.task import Fate, Outcome
from tools.engine.engine import Engine
from tools.engine.rowid import ROW


def objection(engine: Engine, by_rules: Outcome, corrected: Outcome) -> str:
    """Why an outcome with corrected cells cannot stand in the place of the one by rules alone; empty if it can.

    It can if its account balances, if every row that passed the rules came out as it did without the crew, if nobody
    was sent to quarantine, merged or filtered but those who would have been, and those whose cells were corrected.
    """
    try:
        check_account(corrected)
    except AccountingError as error:
        return str(error)
    if by_rules.rows.rows_in != corrected.rows.rows_in:
        return f"{by_rules.rows.rows_in} rows came, and {corrected.rows.rows_in} are accounted for"
    if lost := _lost(engine, by_rules.output, corrected.output):
        return f"{lost} rows that need no correction would come out changed, or not at all"
    then = _fates(engine, by_rules.left)
    now = _fates(engine, corrected.left)
    waiting = {row for row, fate in then.items() if fate == Fate.QUARANTINED}
    moved = sum(now.get(row) != fate for row, fate in then.items() if row not in waiting)
    moved += sum(row not in then for row in now)
    return f"{moved} rows that need no correction would leave otherwise than without it" if moved else ""


def _lost(engine: Engine, before: DatasetRef | None, after: DatasetRef | None) -> int:
    """How many rows are in the one output and not, with the same cells, in the other."""
    if before is None or before.rows == 0:
        return 0
    if after is None or list(after.columns.items()) != list(before.columns.items()):
        return before.rows
    gone = engine.read([before]).difference(engine.read([after]), distinct=False)
    ids = engine.ids([before]).anti_join(engine.ids([after]), ROW)
    return max(engine.count(gone), engine.count(ids))


def _fates(engine: Engine, left: DatasetRef | None) -> dict[int, str]:
    if left is None:
        return {}
    found = engine.arrow(engine.read([left]).select(ROW, "fate"))
    return dict(zip(found[ROW].to_pylist(), found["fate"].to_pylist(), strict=True))
