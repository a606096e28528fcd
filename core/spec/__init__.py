"""The pipeline document: sources, checks, rules, target, gate."""

from core.spec.check import Between, Check, Expression, InSet, Matches, NotNull, Unique
from core.spec.column import Column
from core.spec.document import load, loads
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
    "Column",
    "CsvSource",
    "Deduplicate",
    "Derive",
    "DropNulls",
    "Expression",
    "Fill",
    "Filter",
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
    "Rule",
    "Select",
    "Sla",
    "Source",
    "Target",
    "Unique",
    "load",
    "loads",
]
