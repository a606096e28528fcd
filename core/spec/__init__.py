"""The pipeline document: sources, checks, rules, target, gate."""

from core.spec.check import (
    Between,
    Check,
    Distribution,
    Expression,
    ForeignKey,
    Freshness,
    InSet,
    Matches,
    NotNull,
    RowCount,
    Type,
    Unique,
)
from core.spec.checklist import Checklist
from core.spec.column import Column
from core.spec.document import load, load_checklist, loads
from core.spec.governance import Governance
from core.spec.pipeline import Aggregation, Gate, PipelineSpec, Target
from core.spec.rule import Cast, Deduplicate, Derive, DropNulls, Fill, Filter, Join, Rule, Select
from core.spec.sla import Sla
from core.spec.source import CsvSource, JsonLinesSource, ParquetSource, PostgresSource, Source

__all__ = [
    "Aggregation",
    "Between",
    "Cast",
    "Check",
    "Checklist",
    "Column",
    "CsvSource",
    "Deduplicate",
    "Derive",
    "Distribution",
    "DropNulls",
    "Expression",
    "Fill",
    "Filter",
    "ForeignKey",
    "Freshness",
    "Gate",
    "Governance",
    "InSet",
    "Join",
    "JsonLinesSource",
    "Matches",
    "NotNull",
    "ParquetSource",
    "PipelineSpec",
    "PostgresSource",
    "RowCount",
    "Rule",
    "Select",
    "Sla",
    "Source",
    "Target",
    "Type",
    "Unique",
    "load",
    "load_checklist",
    "loads",
]
