"""Rules: how rows are changed. A closed union; what a rule may do is in its fields."""

from typing import Annotated

from pydantic import Field

from core.spec.rule.cells import Case, Cast, Fill, Hash, Map, Mask, ParseDates, Replace, Trim
from core.spec.rule.change import Change, Reference
from core.spec.rule.columns import Derive, Flatten, Merge, Rename, Select, Split
from core.spec.rule.group import Aggregate, Pivot, Unpivot
from core.spec.rule.lookup import Join, Lookup
from core.spec.rule.rows import Deduplicate, DropNulls, Filter
from core.spec.rule.window import Scale, Standardise, Window

Rule = Annotated[
    Select
    | Rename
    | Cast
    | Derive
    | Filter
    | Fill
    | DropNulls
    | Trim
    | Case
    | Replace
    | Map
    | ParseDates
    | Deduplicate
    | Join
    | Lookup
    | Aggregate
    | Window
    | Pivot
    | Unpivot
    | Scale
    | Standardise
    | Split
    | Merge
    | Hash
    | Mask
    | Flatten,
    Field(discriminator="rule"),
]

__all__ = [
    "Aggregate",
    "Case",
    "Cast",
    "Change",
    "Deduplicate",
    "Derive",
    "DropNulls",
    "Fill",
    "Filter",
    "Flatten",
    "Hash",
    "Join",
    "Lookup",
    "Map",
    "Mask",
    "Merge",
    "ParseDates",
    "Pivot",
    "Reference",
    "Rename",
    "Replace",
    "Rule",
    "Scale",
    "Select",
    "Split",
    "Standardise",
    "Trim",
    "Unpivot",
    "Window",
]
