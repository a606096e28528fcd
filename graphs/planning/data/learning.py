"""What the cells of a column teach that are as most of them are. The others are what checks are there to find."""

from collections.abc import Iterable

from core.spec.check import Check
from graphs.planning.data.dataset import MOSTLY, Column
from tools.quality.profile import ColumnProfile, Count, Profile
from tools.quality.suggestion import suggest_checks

# A wider type is taken before a narrower one if the narrower one has fewer than this of its cells.
_NEARLY = 0.98
_NUMBERS = ("integer", "decimal(18,2)", "float")
# What stands for no value, though it is a text.
NOTHING = {"n/a", "na", "null", "none", "-", "--", "nan", "unknown", "?", "nil"}
# A small set of values has so many, each in so large a share of the rows, and together so many of them.
_MOST_VALUES = 15
_EACH = 0.005
_ALL = 0.95


def learned(column: ColumnProfile, rows: int) -> Column:
    """The column as a plan sees it."""
    nothing = sum(count.rows for count in column.top if count.value.strip().lower() in NOTHING)
    missing = column.missing + nothing
    present = rows - missing
    kind, share = _type(column, present)
    values = _values(column, present) if kind == "string" else ()
    patterns = _patterns(column, present) if kind == "string" and not values else []
    # The same profile as if the other cells were not there: what it teaches holds for those that are as most are.
    trusted = column.model_copy(
        update={
            "type": kind,
            "missing": 0,
            "distinct": len(values) or None,
            "top": [Count(value=value, rows=present) for value in values],
            "patterns": patterns,
            "quantiles": None,
        }
    )
    told = sum(count.rows for count in patterns) or present
    checks = suggest_checks(Profile(rows=told, columns=[trusted]))
    return Column(
        name=column.name,
        type=kind,
        share=share,
        missing=missing / rows if rows else 0.0,
        distinct=column.distinct or 0,
        values=values,
        checks=tuple(_of_cells(checks)),
        remark=_remark(kind, share, values, column),
        nearly=_nearly(column, present) if kind == "string" and not values else "",
        known=_known(column) if kind == "string" and not values else (),
    )


def _type(column: ColumnProfile, present: int) -> tuple[str, float]:
    if column.type == "float" and column.kinds.get("decimal(18,2)") == column.kinds.get("float", 0) > 0:
        # Amounts: sums of them are exact, where sums of floats are not.
        return "decimal(18,2)", 1.0
    if column.type != "string" or not present:
        return column.type, 1.0
    counts = {kind: column.kinds.get(kind, 0) for kind in _NUMBERS}
    if max(counts.values()) >= MOSTLY * present:
        kind = next(kind for kind in _NUMBERS if counts[kind] >= _NEARLY * max(counts.values()))
        return kind, min(1.0, counts[kind] / present)
    for kind in ("date", "timestamp", "boolean"):
        if column.kinds.get(kind, 0) >= MOSTLY * present:
            return kind, min(1.0, column.kinds[kind] / present)
    return "string", 1.0


def _nearly(column: ColumnProfile, present: int) -> str:
    """What more than half of the cells are, though too few of them for the column to be of that type."""
    kinds = {kind: column.kinds.get(kind, 0) for kind in (*_NUMBERS, "date", "timestamp")}
    most = max(kinds, key=lambda kind: kinds[kind])
    return (
        f"text, as only {kinds[most] / present:.1%} of its cells are of type {most}"
        if kinds[most] * 2 > present
        else ""
    )


def _values(column: ColumnProfile, present: int) -> tuple[str, ...]:
    """The few values that almost all rows have, but for how they are written; none if there are more."""
    spelled: dict[str, list[Count]] = {}
    for count in column.top:
        if count.value.strip().lower() not in NOTHING:
            spelled.setdefault(" ".join(count.value.lower().split()), []).append(count)
    least = max(5.0, _EACH * present)
    # A spelling without padding stands for the value, even if a padded one is more frequent.
    tidy = [[count for count in counts if count.value == count.value.strip()] for counts in spelled.values()]
    often = [max(counts, key=lambda count: count.rows) for counts in tidy if counts]
    often = [count for count in often if count.rows >= least]
    named = {" ".join(count.value.lower().split()) for count in often}
    covered = sum(count.rows for key in named for count in spelled[key])
    if not often or len(often) > _MOST_VALUES or covered < _ALL * present:
        return ()
    return tuple(sorted(count.value for count in often))


def _known(column: ColumnProfile) -> tuple[str, ...]:
    """All values, where the profile has them all; those that differ in how they are written alone are left out."""
    if column.distinct is None or column.distinct > len(column.top):
        return ()
    spelled: dict[str, list[str]] = {}
    for count in column.top:
        spelled.setdefault(" ".join(count.value.lower().split()), []).append(count.value)
    return tuple(sorted(one[0] for key, one in spelled.items() if len(one) == 1 and key not in NOTHING))


def _patterns(column: ColumnProfile, present: int) -> list[Count]:
    """The forms that almost all texts have."""
    often = [count for count in column.patterns if count.rows >= max(5.0, _EACH * present)]
    often = [count for count in often if count.value == count.value.strip()][:2]
    return often if sum(count.rows for count in often) >= _ALL * present else []


def _of_cells(checks: Iterable[Check]) -> Iterable[Check]:
    """What is to be true of a cell. Whether it must be there, or be there once, depends on what it is needed for."""
    return (check for check in checks if check.check in ("in_set", "matches"))


def _remark(kind: str, share: float, values: tuple[str, ...], column: ColumnProfile) -> str:
    if values and column.distinct and column.distinct > len(values):
        return f"{column.distinct} spellings come down to {len(values)} values"
    return f"{share:.1%} of its cells are of this type" if kind != "string" and share < 1 else ""
