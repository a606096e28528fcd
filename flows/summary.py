"""The report of a run that has come to its end."""

from core.report import Closing, Quality, RunReport, TaskCount
from flows.gate import Route
from flows.round import tasks_now
from flows.session import Session
from flows.state import PipelineState


def summed_up(session: Session, state: PipelineState, seconds: float) -> RunReport:
    """What the run came to, after so many seconds of work on it."""
    checkpoint = state.checkpoint_data
    published = state.pipeline_status == "published"
    key = "publish" if published else f"close/{checkpoint.passes}"
    closing = Closing.model_validate(session.ledger.recorded(key))
    detours = [route for route in checkpoint.route if route != Route.PUBLISH]
    tasks, outcomes = tasks_now(session, state)
    done = sum(outcome.status == "done" for outcome in outcomes.values())
    return RunReport(
        run_id=session.run_id,
        status=state.pipeline_status,
        route=",".join(detours) or Route.PUBLISH,
        quality=Quality.model_validate(state.quality_metrics),
        records=closing.records,
        tasks=TaskCount(completed=done, failed=len(tasks) - done),
        target=str(session.target),
        duration_s=round(seconds, 3),
        throughput_rps=round(closing.records.rows_in / seconds, 1),
    )
