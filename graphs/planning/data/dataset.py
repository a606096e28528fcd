"""What is known of a dataset that a plan may read: how to read it, and what each column holds for the most part."""

from dataclasses import dataclass, field
from typing import Any, Literal

from core.spec.check import Check
from tools.discovery.words import stems

# A rule as the document has it.
Rule = dict[str, Any]
Kind = Literal["number", "date", "timestamp", "boolean", "text", "none"]

# A column is of the type that so many of its cells have; the others are for repair and quarantine to deal with.
MOSTLY = 0.9
# A column identifies its rows if so many of its values are different; the repeats are taken for copies.
IDENTIFIES = 0.95
# The words of a name that say no more than that it is a key's.
KEYS = {"id", "key", "code", "no", "nr", "number", "uuid"}
# What is left of the belief in a link of which the data says little.
LEAST = 0.05


@dataclass(frozen=True)
class Column:
    """A column. `type` is the spec's; `share` of the cells with a value are of it. `missing` is the share without one.

    `formats` read dates that are written otherwise, where most are; `turned` those with the month before the day, where
    nothing shows which comes first; `timed` says that they have the time of day too. `values` are those that a small
    set of values comes down to, `known` all values of another text, where they are few; `checks` what else was learned
    from the cells that are as most are. `nearly` says of a text what too few of its cells are to take it for that.
    `plain` are the rules that make its texts numbers, where most are, `doubt` what these may mean otherwise.
    """

    name: str
    type: str
    share: float
    missing: float
    distinct: int
    formats: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    remark: str = ""
    nearly: str = ""
    plain: tuple[Rule, ...] = ()
    turned: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    timed: bool = False
    doubt: str = ""

    @property
    def kind(self) -> Kind:
        if self.formats:
            return "timestamp" if self.timed else "date"
        if self.plain or self.type in ("integer", "float") or self.type.startswith("decimal"):
            return "number"
        if self.type in ("date", "timestamp", "boolean"):
            return self.type  # type: ignore[return-value]
        return "text" if self.type == "string" else "none"


@dataclass(frozen=True)
class Dataset:
    """A dataset of files. `source` is what a spec says of it beside its columns; `key` identifies its rows, if
    something does. `copies` are rows that are another one once more, as far as they were counted. `remarks` are what
    was taken for granted when it was read."""

    name: str
    location: str
    source: dict[str, str]
    rows: int
    columns: dict[str, Column]
    unreadable: int = 0
    key: str | None = None
    remarks: tuple[str, ...] = ()
    copies: int = 0

    def identifies(self, column: str) -> bool:
        """Whether a column tells the dataset's rows apart, but for copies."""
        found = self.columns[column]
        present = (self.rows - self.copies) * (1 - found.missing)
        return self.rows > 0 and found.missing <= 1 - MOSTLY and found.distinct >= IDENTIFIES * present


@dataclass(frozen=True)
class Link:
    """A column by which rows of one dataset are looked up in another, where the other column identifies them.

    `share` of the `rows` with a value found theirs there; None where there is none. They do so as `told`, once the
    rules have made the columns alike.
    """

    left: str
    left_column: str
    right: str
    right_column: str
    declared: bool
    share: float | None
    rows: int
    left_rules: tuple[Rule, ...] = ()
    right_rules: tuple[Rule, ...] = ()
    told: str = ""

    @property
    def names(self) -> tuple[str, str, str, str]:
        return self.left, self.left_column, self.right, self.right_column

    @property
    def role(self) -> frozenset[str]:
        """What the right rows are to the left ones, in the words of the column: `start` of `start_station`."""
        known = {word for name in (self.left, self.right, self.right_column) for word in stems(name)}
        return frozenset(stems(self.left_column)) - known - KEYS

    @property
    def chance(self) -> float:
        """How probable it is that they belong together: the share that found theirs, where the source does not say."""
        return 1.0 if self.declared else max(self.share or 0.0, LEAST)

    @property
    def evidence(self) -> str:
        how = f" {self.told}" if self.told else ""
        found = "" if self.share is None else f"{self.share:.1%} of {self.rows:,} rows find theirs{how}"
        if self.declared:
            return f"the source declares the foreign key{f'; {found}' if found else ''}"
        return found or "by name and type alone"


@dataclass(frozen=True)
class Survey:
    """What there is to plan with: datasets by name, how they are linked, and what could not be read, with why."""

    sources: str
    datasets: dict[str, Dataset]
    links: list[Link]
    unread: dict[str, str] = field(default_factory=dict)

    def shown(self) -> str:
        """The datasets with their columns, for an error to say what there is."""
        there = [f"{name} ({', '.join(map(_shown, found.columns.values()))})" for name, found in self.datasets.items()]
        return "; ".join([*there, *(f"not read: {why.rstrip('.')}" for why in self.unread.values())])


def _shown(column: Column) -> str:
    return f"{column.name} [{column.nearly}]" if column.nearly else column.name
