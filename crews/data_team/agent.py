"""CrewedAgent: an agent that does a stage by rules, and lets a crew judge what these alone cannot.

The rules do the task first. Rows that they send to quarantine wait: a crew looks at them through its tools, and says
what should stand in their cells. Then the rules do the task once more, with those cells corrected, and that outcome
is taken if it only adds to the first (`crews.data_team.comparison`). So a crew changes no row that needs no correction,
and what it brings in passed everything that the pipeline demands. In every other case the rules' own outcome stands,
with a note that says why.
"""

import shutil
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa

from core.errors import (
    BudgetSpent,
    CrewlineError,
    Interrupted,
    LeaseLost,
    ModelError,
    Refused,
    StoreUnavailable,
)
from core.llm import Llm
from core.task import Outcome, Stage, Task
from crews.agents import Agent, Work
from crews.data_team.budget import Budget, Purse
from crews.data_team.comparison import objection
from crews.data_team.correction import Corrections
from crews.data_team.rights import contexts_for
from crews.data_team.telling import inputs_for
from crews.data_team.waiting import MOST_ROWS, Waiting
from crews.skills import Profile
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.orchestration.columns import keys
from tools.quality.enhancement import folded

if TYPE_CHECKING:
    from crews.data_team.crew import DataTeam

CREW = "data_team"

# These are about the run, not about what a crew said.
ABOUT_THE_RUN = (Interrupted, LeaseLost, StoreUnavailable)

# How often a crew at work is looked after, seconds.
_LOOK_S = 0.2


class _NotTaken(CrewlineError):
    """What a crew came to is not taken, or there is none. `kind` is the journal's event."""

    def __init__(self, kind: str, why: str) -> None:
        self.kind = kind
        super().__init__(why)


@dataclass(frozen=True)
class CrewedAgent:
    """An agent (`rules`) and, for tasks of the stages that the spec gives to it, a crew.

    `llm` is None where no model is configured: then the rules do everything. `budget` is that of the run. `delegator`
    hands the crew's members their work, as the policy lets it.
    """

    rules: Agent
    llm: Llm | None
    budget: Budget
    delegator: str

    @property
    def id(self) -> str:
        return self.rules.id

    @property
    def stages(self) -> frozenset[Stage]:
        return self.rules.stages

    @property
    def profile(self) -> Profile:
        return self.rules.profile

    def perform(self, task: Task, work: Work) -> Outcome:
        """The outcome, balanced. Raises CrewlineError; but what a crew does not get right is no error, but a note."""
        if work.spec.executor.get(task.stage) != "crew":
            return self.rules.perform(task, work)
        by_rules = self.rules.perform(task, work)
        folder = work.path / "crew"
        try:
            return self._judged(task, work, by_rules)
        except _NotTaken as error:
            self.budget.tell(error.kind, actor=CREW, step=task.key, reason=str(error), used=self.budget.used)
            note = f"{task.dataset}: the rules did the stage {task.stage} without a crew, for {error}"
            return by_rules.model_copy(update={"notes": [*by_rules.notes, note]})
        finally:
            shutil.rmtree(folder / "waiting", ignore_errors=True)

    def _judged(self, task: Task, work: Work, by_rules: Outcome) -> Outcome:
        waits = by_rules.rows.quarantined
        if not waits:
            raise _NotTaken("crew.idle", "they send no row to quarantine")
        if self.llm is None:
            raise _NotTaken("crew.absent", "no model is configured (CREWLINE_LLM_MODEL)")
        if waits > MOST_ROWS:
            raise _NotTaken("crew.absent", f"{waits:,} rows wait, and it could look at {MOST_ROWS:,}")
        folder = work.path / "crew" / "waiting"
        folder.mkdir(parents=True)
        waiting = Waiting(self.rules, task, work, folder, by_rules)
        texts = {column: waiting.texts(column) for column in waiting.columns}
        corrections = Corrections(texts, _keys(task, work, waiting.columns))
        self._ask(task, work, waiting, corrections)
        try:
            cells = waiting.needed(corrections.cells(waiting.rows))
            if not cells.num_rows:
                raise _NotTaken("crew.answered", "it corrected no cell that lets a row pass")
            return self._corrected(task, work, waiting, cells, by_rules)
        except (_NotTaken, *ABOUT_THE_RUN):
            raise
        except CrewlineError as error:
            raise _NotTaken("crew.refused", f"its corrections cannot be worked with: {_short(error)}") from error

    def _ask(self, task: Task, work: Work, waiting: Waiting, corrections: Corrections) -> None:
        """Let a crew fill in the corrections. Raises _NotTaken if it does not come to an end, or may not begin."""
        from crews.data_team.crew import DataTeam
        from crews.data_team.model import BudgetedModel
        from crews.data_team.tool import tools_of

        assert self.llm is not None, "asked before"
        purse = Purse(self.budget, task.key)
        try:
            contexts = contexts_for(self.delegator, task, work, self.budget)
        except Refused as error:
            raise _NotTaken("crew.refused", str(error)) from error
        tools = tools_of(contexts, purse, corrections, waiting)
        models = {name: BudgetedModel.of(self.llm, purse, name) for name in tools}
        team = DataTeam(models, tools)
        self.budget.tell("crew.started", actor=CREW, step=task.key, rows=waiting.rows.num_rows, model=self.llm.model)
        try:
            failure = self._awaited(team, inputs_for(task, work.spec, waiting), purse, work)
        finally:
            purse.open = False
            for member, own in tools.items():
                models[member].close()
                for tool in own:
                    tool.close()
        if purse.spent is not None:
            raise _NotTaken("crew.spent", str(purse.spent))
        if isinstance(failure, CrewlineError) and not isinstance(failure, (BudgetSpent, ModelError)):
            raise failure
        if failure is not None:
            raise _NotTaken("crew.failed", f"it came to no end: {_short(failure)}") from failure

    def _awaited(self, team: "DataTeam", inputs: Mapping[str, Any], purse: Purse, work: Work) -> BaseException | None:
        """Wait for a crew, in a thread of its own, as long as there is time; return what it failed by, if it did.

        Nobody waits for a crew whose time is over: its next question is refused. Raises Interrupted.
        """
        done: Future[None] = Future()

        def kickoff() -> None:
            try:
                team.crew().kickoff(dict(inputs))
                done.set_result(None)
            except BaseException as error:  # noqa: BLE001 - returned to whoever waits
                done.set_exception(error)

        Thread(target=kickoff, name=f"crew {purse.task}", daemon=True).start()
        while not wait([done], min(_LOOK_S, max(0.0, purse.budget.left_s))).done:
            work.stop.check()
            if purse.budget.left_s <= 0:
                purse.spent = BudgetSpent(f"{purse.budget.limits.seconds:g} seconds")
                return purse.spent
        return done.exception()

    def _corrected(self, task: Task, work: Work, waiting: Waiting, cells: pa.Table, by_rules: Outcome) -> Outcome:
        """The task done by rules with these cells corrected. Raises _NotTaken if that does more than it may."""
        folder = work.path / "crew" / "answer"
        folder.mkdir(parents=True)
        outcome = waiting.performed([waiting.corrected(cells, folder)], folder / "rules")
        with Engine(work.limits, folder, work.stop) as engine:
            if why := objection(engine, by_rules, outcome):
                shutil.rmtree(folder)
                raise _NotTaken("crew.refused", why)
            rows = engine.table(cells)
            # How sure a model is of what it says, nothing measures.
            made = rows.mutate(rule=ibis.literal("crew"), confidence=ibis.null("float64"))
            later = [engine.read([outcome.repairs])] if outcome.repairs else []
            listed = folded(engine, [made], later)
            table = ibis.union(*listed) if len(listed) > 1 else listed[0]
            repairs = engine.write(table.order_by(ROW, "column"), folder / "repairs.parquet")
        saved = by_rules.rows.quarantined - outcome.rows.quarantined
        told = {"cells": cells.num_rows, "saved": saved, "waiting": by_rules.rows.quarantined}
        self.budget.tell("crew.answered", actor=CREW, step=task.key, used=self.budget.used, **told)
        note = f"{task.dataset}: a crew corrected {cells.num_rows} cells; of {told['waiting']} rows, {saved} pass now"
        return outcome.model_copy(update={"agent": CREW, "repairs": repairs, "notes": [*outcome.notes, note]})


def _keys(task: Task, work: Work, columns: list[str]) -> frozenset[str]:
    """The columns whose texts tell rows apart, or find others; and those that stages before this one made."""
    made = set(columns) - work.spec.sources[task.dataset].columns.keys()
    return keys(work.spec, task.dataset) | made


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."
