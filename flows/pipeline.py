"""DataPipelineFlow: the course of a run through its steps and the gate (systems F3).

Every step that does something is a step of the ledger too, so that entering it again returns what it did. The state
says where the flow was (`step`); the ledger says what is done, and decides where the two differ.
"""

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core import run as runs
from core.crashpoint import reached
from core.errors import InputError
from core.journal import Listener
from core.report import RunReport
from core.settings import Settings, settings
from core.spec import PipelineSpec, load
from core.stop import Stop
from core.store import Database, open_database
from core.telemetry import quiet
from crews import Agent
from delegation import Assigner, Rules, Workload, load_rules
from flows.approval import confirm
from flows.assignment import staffed
from flows.closing import publish_run, write_off
from flows.experience import alone_at_once, pause, reflect_on, taught
from flows.gate import Route
from flows.passage import changes_of, failures, passed, repairable
from flows.planning import planned
from flows.replanning.application import apply
from flows.round import perform, prepare, tasks_now
from flows.session import Session, open_session
from flows.state import PipelineState, Step
from flows.summary import summed_up
from flows.teams import cards
from graphs.checkpoints.retention import keep_latest
from tools.engine.spark.requirement import check_engine
from tools.orchestration.requirements import SHARES

os.environ.update(quiet())

from crewai.flow.flow import Flow, listen, or_, router, start
from crewai.flow.persistence import persist
from pydantic import PrivateAttr

from flows.persistence import PostgresFlowPersistence
from flows.resumption import conclude, held, saved_state

_AFTER_GATE: dict[Route, tuple[Step, str]] = {
    Route.PUBLISH: ("publish", "publishable"),
    Route.ENHANCE: ("enhance", "enhanceable"),
    Route.RETRY: ("retry", "retryable"),
    Route.FAIL: ("fail", "hopeless"),
    Route.WAIT: ("fail", "hopeless"),
}


@persist(PostgresFlowPersistence())
class DataPipelineFlow(Flow[PipelineState]):
    """One run of one pipeline. `kickoff()` works on it until it is published, waits, or has failed.

        DataPipelineFlow("pipeline.yaml").kickoff()           # a new run
        DataPipelineFlow(run_id="retail-2026...").kickoff()   # goes on with one that was killed or interrupted

    `kickoff` returns a RunReport. It raises InputError for what cannot be worked with, Interrupted after
    `stop.request(...)`, StoreUnavailable when the database went away, LeaseLost when another process took over; after
    the last three, and after some of the first (`error.resumable`), the run can be resumed.
    """

    _skip_auto_memory = True
    _database: Database | None = PrivateAttr(default=None)
    _settings: Settings = PrivateAttr()
    _rules: Rules = PrivateAttr()
    _spec: PipelineSpec | None = PrivateAttr(default=None)
    _document: Path | None = PrivateAttr(default=None)
    _base_dir: str = PrivateAttr(default="")
    _stop: Stop = PrivateAttr()
    _listener: Listener | None = PrivateAttr(default=None)
    _assigner: Assigner | None = PrivateAttr()
    _agents: tuple[Agent, ...] = PrivateAttr(default=())
    _workload: Workload = PrivateAttr()
    _compatible: bool = PrivateAttr(default=False)
    _approved_by: str | None = PrivateAttr(default=None)
    _session: Session = PrivateAttr()

    def __init__(
        self,
        spec: PipelineSpec | str | Path | None = None,
        *,
        run_id: str | None = None,
        base_dir: str | Path | None = None,
        database: Database | None = None,
        stop: Stop | None = None,
        listener: Listener | None = None,
        assigner: Assigner | None = None,
        agents: Iterable[Agent] = (),
        compatible: bool = False,
        approved_by: str | None = None,
    ) -> None:
        """Give either a `spec`, or the path of one, for a new run; or the `run_id` of one to resume.

        Relative paths in a spec stand under the folder of its document, or `base_dir`. `database` is opened from the
        settings if not given. `agents` can be in the team besides those that are installed here. `listener` is told
        every event of the journal as it is written. `compatible` accepts a spec that changed since the run began;
        `approved_by` names who approves a run that waits for it.
        """
        if (spec is None) == (run_id is None):
            raise InputError("A flow needs either a spec, for a new run, or the run_id of one to resume.")
        document = Path(spec).absolute() if isinstance(spec, (str, Path)) else None
        loaded = load(document) if document else spec if isinstance(spec, PipelineSpec) else None
        if loaded:
            check_engine(loaded.engine)
        identity = run_id or runs.new_id(loaded.name if loaded else "")
        super().__init__(
            initial_state=PipelineState(id=identity),
            persistence=PostgresFlowPersistence(),
            suppress_flow_events=True,
            # A pass through the gate takes a call of each step; the quotas bound the passes.
            max_method_calls=10_000,
        )
        self._database = database
        self._settings = settings()
        self._rules = load_rules(self._settings.rules) if self._settings.rules else load_rules()
        self._spec = loaded
        self._document = document
        self._base_dir = str(Path(base_dir).absolute() if base_dir else document.parent if document else Path.cwd())
        self._stop = stop or Stop()
        self._listener = listener
        self._assigner = assigner
        self._agents = tuple(agents)
        self._compatible = compatible
        self._approved_by = approved_by

    @property
    def run_id(self) -> str:
        return str(self.state.id)

    async def kickoff_async(  # type: ignore[override]  # the options of other flows have no meaning here
        self, inputs: dict[str, Any] | None = None, input_files: dict[str, Any] | None = None, **options: Any
    ) -> RunReport:
        """See the class. What a run needs is in its spec: raises InputError if anything is given here."""
        if inputs or input_files or any(options.values()):
            raise InputError("A DataPipelineFlow takes no inputs.", remedy="Put what it needs into its spec.")
        if self._database is not None:
            return await self._work(self._database)
        database = await asyncio.to_thread(open_database, self._settings)
        try:
            return await self._work(database)
        finally:
            await asyncio.to_thread(database.close)

    async def _work(self, database: Database) -> RunReport:
        started = time.monotonic()
        self._session = await asyncio.to_thread(self._open, database)
        assert isinstance(self.persistence, PostgresFlowPersistence)
        self.persistence.bind(self._session.lease)
        saved = await asyncio.to_thread(saved_state, self._session)
        async with held(self._session):
            with Workload(database, lease_s=self._settings.lease_s) as self._workload:
                self._workload.register(cards(self._session.staff.agents).values())
                await super().kickoff_async(inputs=saved)
            report = summed_up(self._session, self.state, time.monotonic() - started)
            if report.status == "published":
                passes = range(self.state.checkpoint_data.passes)
                await keep_latest(database.url, [f"{self.run_id}/{n}" for n in passes])
            await asyncio.to_thread(reflect_on, self._session, report)
            await asyncio.to_thread(conclude, self._session, report)
            return report

    def _open(self, database: Database) -> Session:
        if self._spec is not None:
            document = str(self._document) if self._document else None
            runs.create(database, self.run_id, self._spec, base_dir=self._base_dir, document=document)
        return open_session(
            database,
            self.run_id,
            self._settings,
            self._stop,
            self._rules,
            listener=self._listener,
            compatible=self._compatible,
            agents=self._agents,
        )

    @start()
    def begin(self) -> None:
        """Where a run is taken up, new or resumed."""
        self.state.pipeline = self._session.spec.name
        self.state.pipeline_status = "running"
        if self.state.step == "end":
            # It failed, or waits. What is not done is done now; what is done is found on record.
            self.state.step = "execute"

    @router(begin)
    def course(self) -> str:
        """To the step that the run was in."""
        return f"at_{self.state.step}"

    @listen("at_initiate")
    def initiate(self) -> None:
        """Look at the sources and the target, and plan."""
        plan = planned(self._session, approved_by=self._approved_by)
        self.state.schema_registry = {
            name: {column: declared.type for column, declared in source.columns.items()}
            for name, source in self._session.spec.sources.items()
        }
        self.state.resource_allocation = {str(stage): share for stage, share in SHARES.items()}
        self.state.task_queue = [task.key for task in plan.tasks]
        self.state.error_recovery.alone = alone_at_once(self._session, plan)
        self.state.error_recovery.enhancements = int(any(task.repair for task in plan.tasks))
        self._next("orchestrate_teams")

    @listen(or_("at_orchestrate_teams", initiate))
    def orchestrate_teams(self) -> None:
        """Form a team, and give each task to one of its members."""
        self.state.team_assignments = staffed(
            self._session,
            self._workload,
            planned(self._session).tasks,
            assigner=self._assigner,
            approved_by=self._approved_by,
        )
        self._next("execute")

    @listen(or_("at_execute", orchestrate_teams, "again"))
    def execute(self) -> None:
        """Run the tasks of this round that are not done."""
        prepare(self._session, self.state, self._workload, self._approved_by)
        perform(self._session, self.state, self._workload)
        self._next("quality_gate")

    @router(or_("at_quality_gate", execute))
    def quality_gate(self) -> str:
        """Measure what came of the tasks, and decide where the run goes."""
        tasks, outcomes = tasks_now(self._session, self.state)
        verdict, route = passed(self._session, self.state, tasks, outcomes, self._approved_by)
        self.state.quality_metrics = verdict.quality.model_dump()
        self.state.quality_violations = verdict.violations
        self.state.checkpoint_data.route.append(route)
        self.state.checkpoint_data.passes += 1
        step, label = _AFTER_GATE[route]
        self._next(step)
        return label

    @router(or_("at_enhance", "enhanceable"))
    def enhance(self) -> str:
        """Repair the datasets that want it, and do again what builds on them."""
        self._repair()
        plan = planned(self._session)
        self.state.error_recovery.alone = bool(taught(plan).alone(plan.tasks))
        self.state.error_recovery.enhancements += 1
        self._next("execute")
        return "again"

    @router(or_("at_retry", "retryable"))
    def retry(self) -> str:
        """Do again what failed, with another plan: after a pause, alone, in pieces, by others; or with repair."""
        recovery = self.state.error_recovery
        tasks, outcomes = tasks_now(self._session, self.state)
        if failures(outcomes):
            changes = changes_of(self._session, self.state.checkpoint_data)
            pause(self._session, planned(self._session), changes.pause_s, first=recovery.retries == 0)
            apply(self._session, self.state, changes, tasks, self._workload, self._approved_by)
        else:
            self._repair()
        recovery.retries += 1
        self._next("execute")
        return "again"

    @listen(or_("at_publish", "publishable"))
    def publish(self) -> None:
        """Write the target and swap it in, with the evidence beside it."""
        session, (tasks, outcomes) = self._session, tasks_now(self._session, self.state)
        confirm(session, self.state.checkpoint_data.passes, tasks, outcomes)
        publish_run(session, planned(session), tasks, outcomes)
        self.state.pipeline_status = "published"
        self._next("end")

    @listen(or_("at_fail", "hopeless"))
    def fail(self) -> None:
        """Publish nothing, and keep all evidence; or wait for a person."""
        checkpoint, (tasks, outcomes) = self.state.checkpoint_data, tasks_now(self._session, self.state)
        write_off(self._session, planned(self._session), tasks, outcomes, checkpoint.passes)
        self.state.pipeline_status = "waiting" if checkpoint.route[-1] == Route.WAIT else "failed"
        self._next("end")

    def _repair(self) -> None:
        """The next round repairs what the last verdict found repairable."""
        checkpoint = self.state.checkpoint_data
        checkpoint.repaired.append(repairable(self._session, checkpoint))

    def _next(self, step: Step) -> None:
        self.state.step = step
        reached(f"flow.{step}")
