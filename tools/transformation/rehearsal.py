"""Rehearsal: the rules of a spec applied to no rows at all, so that what does not fit is told before work begins."""

from datetime import UTC, datetime

import pyarrow as pa
from ibis.expr.types import Table

from core.errors import CheckError, EngineError, ExpressionError, RuleError, SpecError
from core.spec.pipeline import PipelineSpec
from core.spec.source import Source
from core.task import Stage
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.types import ibis_type
from tools.quality.checks import check_patterns, testable, tests, with_orphans
from tools.quality.measurement import of_wholes
from tools.transformation.aggregation import aggregated
from tools.transformation.rules import transform


def rehearse(engine: Engine, spec: PipelineSpec, order: list[tuple[Stage, str]]) -> list[str]:
    """Apply every check and rule to empty tables, in the given order of stages; return the result's columns.

    Raises SpecError, with a line for each stage of a dataset whose rules do not fit, and the place in the document.
    """
    rows = {name: _empty(engine, source) for name, source in spec.sources.items()}
    problems: list[str] = []
    broken: set[str] = set()
    for stage, dataset in order:
        if dataset in broken:
            # What comes after is wrong because of what came before.
            continue
        try:
            rows[dataset] = _passed(engine, spec, stage, dataset, rows)
        except RuleError as error:
            place = f"{stage}.{dataset}.{error.index}" if stage != Stage.AGGREGATION else str(stage)
            problems.append(f"{place}: {error.reason}")
        except ExpressionError as error:
            problems.append(f"{stage}.{dataset}: {error.what}")
        except CheckError as error:
            problems.append(f"{stage}.{dataset}: {error.check}: {error.reason}")
        except EngineError as error:
            problems.append(f"{stage}.{dataset}: {error.what}")
        else:
            continue
        broken.add(dataset)
    if not problems:
        columns = [column for column in rows[spec.result].columns if not column.startswith("_")]
        absent = [name for name in spec.target.partition_by if name not in columns]
        there = ", ".join(columns)
        problems += [f"target.partition_by: the result has no column '{name}'; it has {there}" for name in absent]
        if not set(columns) - set(spec.target.partition_by):
            problems.append("target.partition_by: at least one column must be left to stand in the files")
    if problems:
        raise SpecError(spec.name, problems)
    return columns


def _passed(engine: Engine, spec: PipelineSpec, stage: Stage, dataset: str, rows: dict[str, Table]) -> Table:
    table = rows[dataset]
    if stage == Stage.VALIDATION:
        columns = dict(spec.sources[dataset].columns)
        checks = spec.validation.get(dataset, ())
        check_patterns(engine, dataset, checks)
        marked = with_orphans(testable(table, columns), checks, rows)
        engine.hold(marked.mutate(**{f"_{test.index}": test.fails for test in tests(marked, checks)}))
        of_wholes(engine, marked, checks, datetime.now(UTC))
    elif stage in (Stage.TRANSFORMATION, Stage.ENRICHMENT):
        rules = spec.transformation if stage == Stage.TRANSFORMATION else spec.enrichment
        after = transform(engine, table, rules[dataset], dataset=dataset, others=rows).rows
        return after.select(ROW, *(name for name in after.columns if not name.startswith("_")))
    elif stage == Stage.AGGREGATION and spec.aggregation:
        return engine.hold(aggregated(table, spec.aggregation))
    return table


def _empty(engine: Engine, source: Source) -> Table:
    fields = {ROW: "int64", **dict.fromkeys(source.columns, "string")}
    text = engine.table(pa.table({name: pa.array([], kind) for name, kind in fields.items()}))
    return text.mutate(**{name: text[name].try_cast(ibis_type(c.type)) for name, c in source.columns.items()})
