"""What a process holds while it works on a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core import run as runs
from core.errors import RunFinished, SpecChanged
from core.journal import Event, Listener
from core.lease import Lease, claim
from core.ledger import Ledger, recorded
from core.settings import Settings
from core.spec import PipelineSpec, load
from core.spec.document import parse
from core.stop import Stop
from core.store.database import Database
from crews import Agent
from crews.staff import Staff, staff
from delegation import Rules
from flows.difference import differences
from tools.engine.limits import Limits
from tools.engine.spark.requirement import check_engine
from tools.orchestration.examination import target_path
from tools.orchestration.requirements import Plan
from tools.sources import Surroundings


@dataclass
class Session:
    """A run under lease: its spec, ledger, surroundings, the machine's means, when it began, who could work on it; its
    plan, once made."""

    run_id: str
    spec: PipelineSpec
    lease: Lease
    ledger: Ledger
    stop: Stop
    surroundings: Surroundings
    threads: int
    memory_mb: int
    began: datetime
    rules: Rules
    staff: Staff
    plan: Plan | None = None

    @property
    def limits(self) -> Limits:
        """The whole machine, for work that is done alone."""
        return Limits(threads=self.threads, memory_mb=self.memory_mb)

    @property
    def target(self) -> Path:
        """The absolute path of the target."""
        return target_path(self.spec, self.surroundings.base_dir)


def open_session(
    database: Database,
    run_id: str,
    settings: Settings,
    stop: Stop,
    rules: Rules,
    *,
    listener: Listener | None = None,
    compatible: bool = False,
    agents: Iterable[Agent] = (),
) -> Session:
    """Claim a run that is on record. Raises RunNotFound, RunHeld, RunFinished, SpecChanged, InputError.

    The spec is the one that the run was started with. When its document has changed since, the run is refused, unless
    the change is declared `compatible`, or nothing is done yet; then the changed spec holds for what is to be done.
    `agents` can be given tasks besides those that are installed.
    """
    known = staff(agents)
    run = runs.get(database, run_id)
    if run.status == "published":
        raise RunFinished(run_id, run.status, remedy=f"See what it did with: crewline audit {run_id}")
    spec = parse(run.spec, document=f"spec of run {run_id}")
    changes: list[str] = []
    if run.document and Path(run.document).is_file():
        now = load(run.document)
        changes = differences(spec.content(), now.content())
        planned = recorded(database, run_id, "plan") is not None
        if changes and planned and not compatible:
            raise SpecChanged(run_id, changes)
        spec = now
    check_engine(spec.engine)
    lease = claim(database, run_id, lease_s=settings.lease_s)
    notify: Listener = listener or _nobody
    ledger = Ledger(lease, settings.runs_dir / run_id, notify)
    if changes:
        ledger.change_spec(spec, changes)
    return Session(
        run_id=run_id,
        spec=spec,
        lease=lease,
        ledger=ledger,
        stop=stop,
        surroundings=Surroundings(base_dir=run.base_dir, database_url=database.url),
        threads=settings.engine_threads,
        memory_mb=settings.engine_memory_mb,
        began=run.created_at,
        rules=rules,
        staff=known,
    )


def _nobody(event: Event) -> None:
    """Listens to nothing."""
