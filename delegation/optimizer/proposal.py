"""The proposal: who should get what, what that gains, how to get there, and what could go wrong."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from core import journal
from core.store import Database
from delegation.optimizer.measures import Analysis, Gain


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Placement(_Part):
    """A task with its agent: the hours that it takes that agent, and the agent's skill in it."""

    task: str
    agent: str
    hours: float
    skill: float


class Leftover(_Part):
    """A task without an agent, and why."""

    task: str
    reason: str


class Step(_Part):
    """One change of today's assignment. `saves` is in hours; None where the task had no agent, or gets none.

    `give` to an agent, `move` from one to another, `take` back what no agent can do, or has room for.
    """

    action: Literal["give", "move", "take"]
    task: str
    agent: str | None
    before: str | None
    saves: float | None


class Governance(_Part):
    """What the rules say of the placements. `checked` is False when no policy was given: then nothing else is known.

    `refused_pairs` counts the pairs of task and agent that the policy closed. Of the tasks placed, `approvals` need a
    person's approval first, `monitored` must be watched, `validated` validated.
    """

    checked: bool
    refused_pairs: int = 0
    approvals: tuple[str, ...] = ()
    monitored: tuple[str, ...] = ()
    validated: tuple[str, ...] = ()


class Risk(_Part):
    """Something that could go wrong, with the figure that says so."""

    kind: Literal["left_over", "full_agent", "only_agent", "concentration", "worse_measure", "unproven"]
    subject: str
    detail: str


class Watch(_Part):
    """A figure to watch while the work is done, and beyond what it belies the proposal."""

    measure: Literal["hours", "quality", "load"]
    subject: str
    bound: float
    meaning: str


class Proposal(_Part):
    """The best assignment found.

    `proven` says whether no better one exists; if not, `gap` is by which share of its cost it can be worse than the
    best, at most, and the time was over. `seconds` is what it took.
    """

    objective: str
    proven: bool
    gap: float
    bound: float
    seconds: float
    placements: tuple[Placement, ...]
    left_over: tuple[Leftover, ...]
    today: Analysis
    proposed: Analysis
    gains: tuple[Gain, ...]
    steps: tuple[Step, ...]
    governance: Governance
    risks: tuple[Risk, ...]
    watch: tuple[Watch, ...]


def record(database: Database, proposal: Proposal, *, actor: str, run_id: str | None = None) -> None:
    """Write into the journal that an assignment was proposed: its figures, and each placement."""
    event = journal.Event(
        run_id=run_id,
        kind="assignment.optimized",
        actor=actor,
        data={
            **proposal.model_dump(mode="json", include={"objective", "proven", "gap", "bound", "today", "proposed"}),
            "placements": {placement.task: placement.agent for placement in proposal.placements},
            "left_over": {leftover.task: leftover.reason for leftover in proposal.left_over},
        },
    )
    database.transaction(lambda connection: journal.write(connection, event))
