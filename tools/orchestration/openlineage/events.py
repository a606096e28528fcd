"""A run's journal as OpenLineage events: one job for the pipeline, one for each task.

They are worked out from what is on record, so they can be sent at any time, again, and to several places: the same
record gives the same events, with the same ids.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import RunFacet, dataset_version_dataset

from core import journal
from core.dataset import DatasetRef
from core.journal import Event
from core.report import Closing, Quality
from core.spec.document import parse
from core.store.database import Database
from core.task import Stage, Task
from tools.orchestration.examination import target_path
from tools.orchestration.history import History, read
from tools.orchestration.openlineage import facets, places

_RUN_STATES = {
    "run.claimed": RunState.START,
    "run.published": RunState.COMPLETE,
    "run.failed": RunState.FAIL,
    "run.interrupted": RunState.ABORT,
    "run.waiting": RunState.OTHER,
}
_TASK_STATES = {
    "step.started": RunState.START,
    "step.committed": RunState.COMPLETE,
    "step.failed": RunState.FAIL,
}


def events(database: Database, run_id: str) -> list[RunEvent]:
    """The events of a run up to now, in order. Raises RunNotFound.

    A resumed run starts again under the same id. An attempt at a task has an id of its own; one that ended with its
    process is aborted when the next one starts.
    """
    history = read(database, run_id)
    return list(_Teller(history, database.url).tell(journal.events(database, run_id)))


def identity(run_id: str, step: str = "", attempt: int = 0) -> str:
    """The id of a run, or of an attempt at one of its steps, as OpenLineage wants it: a UUID, always the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"crewline:{run_id}/{step}/{attempt}" if step else f"crewline:{run_id}"))


class _Teller:
    """Tells the events of one run."""

    def __init__(self, history: History, database_url: str) -> None:
        self._history = history
        self._run = history.run
        self._spec = parse(history.run.spec, document=f"spec of run {history.run.run_id}")
        self._id = identity(self._run.run_id)
        base_dir = self._run.base_dir
        self._places = {
            name: places.of_source(source, base_dir, database_url) for name, source in self._spec.sources.items()
        }
        self._target = places.of_path(str(target_path(self._spec, base_dir)), base_dir)

    def tell(self, told: list[Event]) -> Iterator[RunEvent]:
        running: dict[str, int] = {}
        for event in told:
            if event.kind in _RUN_STATES:
                yield self._of_run(event, _RUN_STATES[event.kind])
            elif event.kind in _TASK_STATES and event.step in self._history.all_tasks:
                task, attempt = self._history.all_tasks[event.step], int(event.data["attempt"])
                before = running.pop(event.step, attempt)
                if before != attempt:
                    yield self._of_task(event, task, before, RunState.ABORT)
                if event.kind == "step.started":
                    running[event.step] = attempt
                yield self._of_task(event, task, attempt, _TASK_STATES[event.kind])

    def _of_run(self, event: Event, state: RunState) -> RunEvent:
        closing = self._history.closing(event.at) if state != RunState.START else None
        found: dict[str, RunFacet] = {}
        if closing:
            found["crewline_rowAccounting"] = facets.of_run(closing.records)
        if why := event.data.get("error"):
            found["errorMessage"] = facets.error(str(why))
        outputs = [self._published(closing)] if closing and closing.version and state == RunState.COMPLETE else []
        run = Run(runId=self._id, facets=found)
        return self._event(event, state, run, self._spec.name, "PIPELINE", self._sources(event.at), outputs)

    def _of_task(self, event: Event, task: Task, attempt: int, state: RunState) -> RunEvent:
        found: dict[str, RunFacet] = {"parent": facets.parent(self._id, self._spec.name)}
        inputs, outputs = self._read(task, event.at), []
        outcome = self._history.outcome(task.key) if state == RunState.COMPLETE else None
        if outcome:
            found["crewline_rowAccounting"] = facets.of_task(outcome.rows, outcome.leaving)
            if outcome.output:
                outputs.append(self._written(task, outcome.output))
            if task.stage == Stage.VALIDATION:
                checks = self._spec.validation.get(task.dataset, ())
                for dataset in inputs:
                    assert dataset.inputFacets is not None
                    dataset.inputFacets["dataQualityAssertions"] = facets.assertions(checks, outcome.violations)
        if state == RunState.FAIL:
            found["errorMessage"] = facets.error(str(event.data.get("message", "")))
        run = Run(runId=identity(self._run.run_id, task.key, attempt), facets=found)
        return self._event(event, state, run, _name(self._spec.name, task.key), "TASK", inputs, outputs)

    def _event(
        self,
        event: Event,
        state: RunState,
        run: Run,
        job: str,
        kind: str,
        inputs: list[InputDataset],
        outputs: list[OutputDataset],
    ) -> RunEvent:
        assert event.at is not None, "it was read from the journal"
        return RunEvent(
            eventTime=event.at.isoformat(),
            eventType=state,
            run=run,
            job=Job(namespace=facets.NAMESPACE, name=job, facets={"jobType": facets.job_type(kind)}),
            inputs=inputs,
            outputs=outputs,
            producer=facets.PRODUCER,
        )

    def _sources(self, at: datetime | None) -> list[InputDataset]:
        """The sources as they were known then; once measured, with how each did against the gate's thresholds."""
        measured = self._history.verdict(at)
        sources = []
        for name in self._spec.sources:
            dataset = self._source(name, at)
            if measured and name in measured["datasets"]:
                assert dataset.inputFacets is not None
                quality = Quality.model_validate(measured["datasets"][name])
                scores = facets.scores(self._spec.gate.thresholds, quality)
                dataset.inputFacets["dataQualityAssertions"] = scores
            sources.append(dataset)
        return sources

    def _source(self, name: str, at: datetime | None, shard: Task | None = None) -> InputDataset:
        """A source as a whole, or as one ingestion task read it; its rows, once all of them are read."""
        namespace, place = self._places[name]
        columns = {column: declared.type for column, declared in self._spec.sources[name].columns.items()}
        ingested = [t for t in self._history.tasks.values() if t.stage == Stage.INGESTION and t.dataset == name]
        tasks = [shard] if shard else ingested
        done = [outcome for task in tasks if (outcome := self._history.outcome(task.key, at)) and outcome.output]
        rows = sum(outcome.rows.rows_in for outcome in done) if tasks and len(done) == len(tasks) else None
        files = sum(len(outcome.output.paths) for outcome in done if outcome.output)
        return InputDataset(
            namespace=namespace,
            name=place,
            facets={"schema": facets.schema(columns)},
            inputFacets={"inputStatistics": facets.was_read(rows, files)},
        )

    def _read(self, task: Task, at: datetime | None) -> list[InputDataset]:
        if task.stage == Stage.INGESTION:
            return [self._source(task.dataset, at, task)]
        inputs = []
        for key in [*task.inputs, *(key for keys in task.context.values() for key in keys)]:
            outcome = self._history.outcome(key)
            if outcome and outcome.output:
                ref = outcome.output
                inputs.append(
                    InputDataset(
                        namespace=facets.NAMESPACE,
                        name=_name(self._spec.name, key),
                        facets={"schema": facets.schema(ref.columns)},
                        inputFacets={"inputStatistics": facets.was_read(ref.rows, len(ref.paths))},
                    )
                )
        return inputs

    def _written(self, task: Task, ref: DatasetRef) -> OutputDataset:
        return OutputDataset(
            namespace=facets.NAMESPACE,
            name=_name(self._spec.name, task.key),
            facets={"schema": facets.schema(ref.columns)},
            outputFacets={"outputStatistics": facets.was_written(ref.rows, len(ref.paths))},
        )

    def _published(self, closing: Closing) -> OutputDataset:
        namespace, name = self._target
        refs, version = self._history.result(self._spec.result), (closing.version or "").rpartition("/")[2]
        columns = {column: kind for ref in refs for column, kind in ref.columns.items() if not column.startswith("_")}
        return OutputDataset(
            namespace=namespace,
            name=name,
            facets={
                "schema": facets.schema(columns),
                "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=version),
                "columnLineage": facets.column_lineage(self._spec, self._places),
            },
            outputFacets={"outputStatistics": facets.was_written(sum(ref.rows for ref in refs), None)},
        )


def _name(pipeline: str, key: str) -> str:
    """A task, or what it writes, whatever the round: `shop.validation.orders.0`."""
    return ".".join([pipeline, *key.partition("@")[0].split("/")])
