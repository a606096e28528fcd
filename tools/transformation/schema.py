"""The schema that a result must have, and every way in which it does not."""

from collections.abc import Mapping

from ibis.expr.types import Table

from tools.engine.types import declared_type, ibis_type
from tools.transformation.request import TargetColumn


def mismatches(rows: Table, target: Mapping[str, TargetColumn]) -> list[str]:
    """What the columns of the result lack, have beyond the target, or have of another type; a line for each."""
    columns = [name for name in rows.columns if not name.startswith("_")]
    found = [f"column '{name}' ({column.type}) is missing" for name, column in target.items() if name not in columns]
    found += [f"column '{name}' is extra" for name in columns if name not in target]
    for name, column in target.items():
        if name in columns:
            kind = rows[name].type()
            if declared_type(kind) != column.type:
                found.append(f"column '{name}' is of type {declared_type(kind) or kind}, not {column.type}")
    return found


def conformed(target: Mapping[str, TargetColumn]) -> dict[str, str]:
    """The target's columns in their order, as types of the engine: an integer of 32 bits is written with 64."""
    return {name: ibis_type(column.type) for name, column in target.items()}
