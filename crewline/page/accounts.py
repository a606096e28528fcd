"""The account of a run's rows, by dataset and stage."""

from core.report import Records
from core.spec import PipelineSpec
from core.task import RowCount, Stage
from crewline.page.flow import Leg, Stream
from crewline.page.wording import count
from tools.orchestration.history import History


def records_of(history: History) -> Records:
    """The account of a run as it was closed; of one that was not yet, as far as it has come."""
    closing = history.closing()
    if closing:
        return closing.records
    done = [(history.tasks[key], o.rows) for key, o in history.outcomes().items() if o.status == "done"]
    return Records(
        rows_in=sum(rows.rows_in for task, rows in done if task.stage == Stage.INGESTION),
        quarantined=sum(rows.quarantined for _, rows in done),
        merged=sum(rows.merged for _, rows in done),
        filtered=sum(rows.filtered for _, rows in done),
    )


def streams(history: History, spec: PipelineSpec, unreferenced: dict[str, int]) -> list[Stream]:
    """What became of the rows of each dataset in the last round, the result's first, then the largest."""
    found = [_stream(history, spec, dataset, unreferenced.get(dataset, 0)) for dataset in spec.sources]
    return sorted(found, key=lambda stream: (stream.dataset != spec.result, -stream.rows_in, stream.dataset))


def _stream(history: History, spec: PipelineSpec, dataset: str, unreferenced: int) -> Stream:
    legs: list[Leg] = []
    out, groups = 0, None
    for stage in Stage:
        keys = [key for key, task in history.tasks.items() if task.dataset == dataset and task.stage == stage]
        outcomes = [history.outcome(key) for key in keys]
        done = [outcome for outcome in outcomes if outcome and outcome.status == "done"]
        if not keys or not (done or any(outcome for outcome in outcomes)):
            continue
        rows = RowCount(**{name: sum(getattr(o.rows, name) for o in done) for name in RowCount.model_fields})
        legs.append(Leg(str(stage), rows, failed=len(done) < len(keys)))
        out = rows.rows_out
        if any(outcome.groups is not None for outcome in done):
            groups = sum(outcome.groups or 0 for outcome in done)
    closing = history.closing()
    published = closing is not None and closing.version is not None
    end = f"{count(out)} {_end(published, dataset == spec.result)}"
    if groups is not None and published:
        end += f" in {count(groups, 'group')}"
    return Stream(dataset, legs, end, out, unreferenced if published else 0)


def _end(published: bool, result: bool) -> str:
    if not published:
        return "held, not published"
    return "published" if result else "there to be looked up"
