"""Runs: started, gone on with, looked at, proved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crewline.facade.store import database

if TYPE_CHECKING:
    from core.journal import Event, Listener
    from core.report import RunReport
    from core.run import Run
    from core.spec import PipelineSpec
    from core.stop import Stop
    from crews import Agent
    from flows.audit import Audit
    from flows.gc import Garbage
    from flows.replay import Replay
    from graphs.runs import GraphReport


def run(
    spec: PipelineSpec | str | Path,
    *,
    base_dir: str | Path | None = None,
    agents: Iterable[Agent] = (),
    wait: bool = False,
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> RunReport:
    """Run a pipeline from its start, and return what it came to.

    `spec` is a PipelineSpec or the path of a YAML document. Relative paths in it stand under the document's folder, or
    under `base_dir`. `agents` can be in the run's team besides those that are installed. Where the run waits for
    approval, its report says `waiting`; with `wait` this waits too, and goes on once that is decided.
    `stop.request(...)` from another thread interrupts the run at a safe place; `listener` is told each event of the
    run's journal.

    Raises InputError (SpecError, SourceError, TargetError, ...) for what cannot be worked with, Interrupted,
    StoreUnavailable, LeaseLost. A run that the quality gate refuses is no error: its report says `failed`.
    """
    return _kickoff(wait, stop, listener, spec=spec, base_dir=base_dir, agents=tuple(agents))


def resume(
    run_id: str,
    *,
    compatible: bool = False,
    approved_by: str | None = None,
    answers: Mapping[str, str] | None = None,
    agents: Iterable[Agent] = (),
    wait: bool = False,
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> RunReport | GraphReport:
    """Go on with a run that was killed, interrupted, failed or waits. What it had finished is not done again.

    `compatible` declares that a spec changed since the run began fits what is done already. `approved_by` names who
    approves publishing, if the run waits for that: it is put on record as that person's decision. A run whose approval
    was denied fails, one that nobody has decided on waits on; `wait` and `agents` are as for `run`. `answers` are what
    a graph's run asks, by the question's id. Raises as `run` does, and RunNotFound, RunHeld (another living process
    works on it), RunFinished, SpecChanged; InputError for a graph's run whose workers are not known by name.
    """
    from core import run as runs
    from core.errors import InputError

    with database() as store:
        kind = runs.get(store, run_id).kind
        if kind == "graph":
            if compatible or approved_by or wait or tuple(agents):
                raise InputError(
                    f"Run {run_id} is a graph's: it has no spec and no gate.", remedy="Give answers to what it asks."
                )
            from graphs.roster import take_up

            return take_up(store, run_id, answers or {}, stop=stop, listener=listener)
    if answers:
        raise InputError(f"Run {run_id} is a pipeline's, and asks nothing.", remedy="Say who approves it, if it waits.")
    return _kickoff(
        wait, stop, listener, run_id=run_id, compatible=compatible, approved_by=approved_by, agents=tuple(agents)
    )


def status(run_id: str | None = None, *, limit: int = 50) -> list[Run]:
    """The newest runs, or the one named. Raises RunNotFound."""
    from core import run as runs

    with database() as store:
        return [runs.get(store, run_id)] if run_id else runs.newest(store, limit)


def timeline(run_id: str) -> list[Event]:
    """The journal of a run, in order. Raises RunNotFound."""
    from core import journal
    from core import run as runs

    with database() as store:
        return journal.events(store, runs.get(store, run_id).run_id)


def audit(run_id: str) -> Audit:
    """Prove a run's account from its files: `in = out + quarantined + merged + filtered`.

    Raises RunNotFound; InputError if the run has not come to its end yet.
    """
    from core.settings import settings
    from flows.audit import audit as prove

    with database() as store:
        return prove(store, run_id, settings())


def replay(run_id: str, out: str | Path, *, dataset: str | None = None) -> Replay:
    """Write the rows that a run quarantined as a source file of the columns that they came with.

    Its name ends in `.csv` or `.jsonl`. `dataset` may be left out if rows of one alone were quarantined. Raises
    RunNotFound; InputError if the run has not come to its end yet, or quarantined no such row.
    """
    from flows.replay import write_quarantined

    with database() as store:
        return write_quarantined(store, run_id, Path(out), dataset)


def collect_garbage() -> Garbage:
    """Remove files that no record refers to, and return how much it was."""
    from core.settings import settings
    from flows.gc import collect

    with database() as store:
        return collect(store, settings())


def _kickoff(wait: bool, stop: Stop | None, listener: Listener | None, **options: Any) -> RunReport:
    from core.errors import AwaitingApproval
    from core.settings import settings
    from core.spec import PipelineSpec, load
    from core.stop import Stop
    from core.store import open_database

    if not isinstance(options.get("spec"), (PipelineSpec, type(None))):
        # A wrong document is told at once, before anything is started.
        load(options["spec"])
    settings().prepare()
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_database)
        # CrewAI takes seconds to import; the database starts meanwhile.
        from flows import DataPipelineFlow
        from flows.approval import await_decision, await_decisions

        store = opening.result()
    used: dict[str, Any] = {"database": store, "stop": stop or Stop(), "listener": listener}
    try:
        while True:
            flow = DataPipelineFlow(**options, **used)
            try:
                report: RunReport = flow.kickoff()
            except AwaitingApproval as waiting:
                if not wait:
                    raise
                await_decision(store, waiting.approval_id, used["stop"])
            else:
                if not wait or report.status != "waiting":
                    return report
                await_decisions(store, report.run_id, used["stop"])
            options = {"run_id": flow.run_id}
    finally:
        store.close()
