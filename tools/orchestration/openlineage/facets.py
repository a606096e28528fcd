"""The facets of OpenLineage that runs, jobs and datasets of Crewline have."""

from collections.abc import Iterable
from importlib import metadata

import attr
from openlineage.client.facet_v2 import (
    RunFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)
from openlineage.client.generated.base import JobFacet

from core.report import Quality, Records
from core.spec import PipelineSpec
from core.spec.check import Check
from core.task import Dimension, RowCount, Severity, Violation
from tools.orchestration.columns import Derivation, Influence, SourceColumn, trace

HOME = "https://github.com/crewline/crewline"
PRODUCER = f"{HOME}/tree/v{metadata.version('crewline')}"
NAMESPACE = "crewline"

# The subtypes of column lineage that the specification lists, for what decides about rows.
_SUBTYPES = {"check": "FILTER", "filter": "FILTER", "join": "JOIN", "deduplicate": "FILTER", "group_by": "GROUP_BY"}


@attr.define
class RowAccountingRunFacet(RunFacet):
    """Where every row went: `rowsIn = rowsOut + quarantined + merged + filtered + held`."""

    rowsIn: int
    rowsOut: int
    quarantined: int
    merged: int
    filtered: int
    held: int
    leaving: dict[str, int] = attr.field(factory=dict)

    @staticmethod
    def _get_schema() -> str:
        return f"{HOME}/blob/main/docs/openlineage/1-0-0/RowAccountingRunFacet.json#/$defs/RowAccountingRunFacet"


def of_task(rows: RowCount, leaving: dict[str, int]) -> RowAccountingRunFacet:
    """A task's account."""
    return RowAccountingRunFacet(
        rowsIn=rows.rows_in,
        rowsOut=rows.rows_out,
        quarantined=rows.quarantined,
        merged=rows.merged,
        filtered=rows.filtered,
        held=0,
        leaving=leaving,
    )


def of_run(records: Records) -> RowAccountingRunFacet:
    """A run's account."""
    return RowAccountingRunFacet(
        rowsIn=records.rows_in,
        rowsOut=records.out,
        quarantined=records.quarantined,
        merged=records.merged,
        filtered=records.filtered,
        held=records.held,
    )


def parent(run_id: str, pipeline: str) -> parent_run.ParentRunFacet:
    """The run of the pipeline that a task is part of."""
    return parent_run.ParentRunFacet(
        run=parent_run.Run(runId=run_id), job=parent_run.Job(namespace=NAMESPACE, name=pipeline)
    )


def error(message: str) -> error_message_run.ErrorMessageRunFacet:
    """Why something failed."""
    return error_message_run.ErrorMessageRunFacet(message=message, programmingLanguage="python")


def job_type(kind: str) -> JobFacet:
    """What kind of job it is: PIPELINE or TASK."""
    return job_type_job.JobTypeJobFacet(processingType="BATCH", integration="CREWLINE", jobType=kind)


def schema(columns: dict[str, str]) -> schema_dataset.SchemaDatasetFacet:
    """Columns by name and type."""
    return schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(name=name, type=kind, ordinal_position=place)
            for place, (name, kind) in enumerate(columns.items(), start=1)
        ]
    )


def was_read(rows: int | None, files: int) -> input_statistics_input_dataset.InputStatisticsInputDatasetFacet:
    """How much was read; rows only where they are known."""
    return input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=rows, fileCount=files or None)


def was_written(rows: int, files: int | None) -> output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet:
    """How much was written; files only where they are counted."""
    return output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows, fileCount=files)


def assertions(
    checks: Iterable[Check], found: Iterable[Violation]
) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    """How each declared check came out, and each violation of what is checked undeclared, such as types."""
    failed = {violation.check: violation for violation in found}
    declared = {check.name: check.severity for check in checks}
    declared |= {name: violation.severity for name, violation in failed.items()}
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
        assertions=[
            data_quality_assertions_dataset.Assertion(
                assertion=name.partition("(")[0],
                success=name not in failed,
                # A grave failure keeps the row from going on, a minor one is only told.
                severity="warn" if severity == Severity.MINOR else "error",
                name=name,
                expected="0 rows fail",
                actual=f"{failed[name].rows if name in failed else 0} rows fail",
            )
            for name, severity in declared.items()
        ]
    )


def scores(
    thresholds: dict[Dimension, float], quality: Quality
) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    """How a dataset did in each dimension that was measured, against its threshold."""
    measured = {dimension: getattr(quality, dimension) for dimension in thresholds}
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
        assertions=[
            data_quality_assertions_dataset.Assertion(
                assertion=str(dimension),
                success=measured[dimension] >= threshold,
                severity="error",
                expected=f">= {threshold:g}",
                actual=f"{measured[dimension]:.6g}",
            )
            for dimension, threshold in thresholds.items()
            if measured[dimension] is not None
        ]
    )


def column_lineage(
    spec: PipelineSpec, places: dict[str, tuple[str, str]]
) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    """Which columns of the sources the published ones come from. `places` has each source's namespace and name."""
    found = trace(spec)

    def field(origin: SourceColumn, change: column_lineage_dataset.Transformation) -> column_lineage_dataset.InputField:
        namespace, name = places[origin.dataset]
        return column_lineage_dataset.InputField(
            namespace=namespace, name=name, field=origin.column, transformations=[change]
        )

    return column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            name: column_lineage_dataset.Fields(
                inputFields=[field(origin, _derives(derivation)) for origin in derivation.inputs]
            )
            for name, derivation in found.columns.items()
        },
        dataset=[field(influence.input, _decides(influence)) for influence in found.influences],
    )


def _derives(derivation: Derivation) -> column_lineage_dataset.Transformation:
    return column_lineage_dataset.Transformation(
        type="DIRECT", subtype=derivation.kind.upper(), description="; ".join(derivation.by)
    )


def _decides(influence: Influence) -> column_lineage_dataset.Transformation:
    return column_lineage_dataset.Transformation(
        type="INDIRECT", subtype=_SUBTYPES[influence.kind], description=influence.by
    )
