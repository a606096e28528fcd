"""The flow's state (systems F1): JSON-plain, and references only. What is done, the ledger says."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from core.task import Outcome, Stage, Task, Violation
from flows.gate import Spent

Step = Literal["initiate", "orchestrate_teams", "execute", "quality_gate", "publish", "enhance", "retry", "fail", "end"]


class Recovery(Spent):
    """How often enhancing and retrying were tried, and what was changed since: whether tasks run alone on the machine,
    in how many pieces a task's rows are worked on, and which agents have tried it before, both by its place."""

    alone: bool = False
    pieces: dict[str, int] = Field(default_factory=dict)
    tried: dict[str, list[str]] = Field(default_factory=dict)


class Checkpoint(BaseModel):
    """What the flow needs to find its tasks and decisions in the ledger again.

    `passes` counts the passes through the gate. `repaired` has the datasets given to repair, for each round after the
    first. `route` is the gate's course so far.
    """

    passes: int = 0
    repaired: list[list[str]] = Field(default_factory=list)
    route: list[str] = Field(default_factory=list)


class PipelineState(BaseModel):
    """Where a run is. `id` is the run's id, `step` what it does next when resumed."""

    id: str = ""
    version: Literal[1] = 1
    pipeline: str = ""
    step: Step = "initiate"
    pipeline_status: str = "created"

    current_stage: str = ""
    completed_stages: list[str] = Field(default_factory=list)
    data_volume_processed: int = 0

    task_queue: list[str] = Field(default_factory=list)
    active_tasks: list[str] = Field(default_factory=list)
    completed_tasks: list[str] = Field(default_factory=list)

    quality_metrics: dict[str, Any] = Field(default_factory=dict)
    quality_violations: list[Violation] = Field(default_factory=list)

    team_assignments: dict[str, str] = Field(default_factory=dict)
    resource_allocation: dict[str, float] = Field(default_factory=dict)
    processing_performance: dict[str, Any] = Field(default_factory=dict)
    schema_registry: dict[str, dict[str, str]] = Field(default_factory=dict)

    checkpoint_data: Checkpoint = Field(default_factory=Checkpoint)
    error_recovery: Recovery = Field(default_factory=Recovery)

    def take_note(self, tasks: list[Task], outcomes: dict[str, Outcome], seconds: float, branches: int) -> None:
        """Sum up what a round of execution came to, with so many branches open for it.

        Throughputs are in rows per second. Resource efficiency is the share of the branches' time in which they were
        busy; a team's share is that of its agent in all the work.
        """
        self.active_tasks = []
        done = [outcome for outcome in outcomes.values() if outcome.status == "done"]
        self.completed_tasks = sorted(outcome.task for outcome in done)
        self.task_queue = sorted(outcomes.keys() - set(self.completed_tasks))
        unfinished = {task.stage for task in tasks if task.key in self.task_queue}
        worked = {task.stage for task in tasks}
        self.completed_stages = [stage for stage in Stage if stage in worked - unfinished]
        self.current_stage = next((stage for stage in Stage if stage in unfinished), "")
        ingested = [outcomes[task.key] for task in tasks if task.stage == Stage.INGESTION]
        self.data_volume_processed = sum(outcome.rows.rows_in for outcome in ingested)
        busy = sum(outcome.seconds for outcome in done)
        self.processing_performance = {
            "execution_s": round(seconds, 3),
            "resource_efficiency": round(busy / (seconds * branches), 3),
            "team_share": {agent: round(s / busy, 3) for agent, s in _by_agent(done).items()} if busy else {},
            "throughput_rps": round(self.data_volume_processed / seconds, 1),
            "successes": len(done),
            "failures": len(outcomes) - len(done),
            "task_s": {outcome.task: round(outcome.seconds, 4) for outcome in done},
            "task_rps": {o.task: round(o.rows.rows_in / o.seconds, 1) for o in done if o.seconds},
        }


def _by_agent(outcomes: list[Outcome]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for outcome in outcomes:
        seconds[outcome.agent] = seconds.get(outcome.agent, 0.0) + outcome.seconds
    return seconds
