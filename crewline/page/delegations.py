"""Teams and delegations: who got what, from whom and why; auctions, votes, approvals and messages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core import journal
from core.journal import Event
from core.store.database import Database
from core.task import Outcome
from delegation import approvals
from delegation.approvals import Approval
from tools.orchestration.history import History

MOST_AGENTS = 40
MOST_SHOWN = 40


@dataclass
class AgentShare:
    """What an agent was given in all rounds, and what came of it."""

    agent: str
    stages: list[str] = field(default_factory=list)
    tasks: int = 0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass
class Delegations:
    """`handed` counts hand-overs by delegator, delegate, kind of task, verdict and reason. `more` says, by what it is,
    how many of a kind are left out."""

    agents: list[AgentShare]
    handed: list[tuple[tuple[str, str, str, str, str], int]]
    teams: list[Event]
    auctions: list[dict[str, Any]]
    votes: list[dict[str, Any]]
    approvals: list[Approval]
    messages: list[dict[str, Any]]
    more: dict[str, int]

    @property
    def any(self) -> bool:
        return bool(
            self.agents or self.handed or self.teams or self.auctions or self.votes or self.approvals or self.messages
        )


def delegations(database: Database, history: History) -> Delegations:
    """All that is on record of a run about who does what."""
    run_id = history.run.run_id
    agents = _agents(database, history)
    handed = _handed(database, run_id)
    teams = journal.events(database, run_id, kind="team.")
    auctions = _results(database, "auctions", "closed_at", run_id)
    votes = _results(database, "consensus", "decided_at", run_id)
    asked = approvals.requests(database, closed=True, run_id=run_id)
    messages = database.query(
        "SELECT sender, recipient, kind, status, count(*) AS n FROM messages WHERE run_id = %s"
        " GROUP BY sender, recipient, kind, status ORDER BY n DESC, sender, recipient, kind",
        (run_id,),
    )
    lists: dict[str, Sequence[object]] = {
        "agents": agents,
        "hand-overs": handed,
        "teams": teams,
        "auctions": auctions,
        "votes": votes,
    }
    lists |= {"approvals": asked, "messages": messages}
    return Delegations(
        agents=agents[:MOST_AGENTS],
        handed=handed[:MOST_SHOWN],
        teams=teams[:MOST_SHOWN],
        auctions=auctions[:MOST_SHOWN],
        votes=votes[:MOST_SHOWN],
        approvals=asked[:MOST_SHOWN],
        messages=messages[:MOST_SHOWN],
        more={name: len(of) - MOST_SHOWN for name, of in lists.items() if len(of) > MOST_SHOWN},
    )


def _agents(database: Database, history: History) -> list[AgentShare]:
    reasons = {}
    for event in journal.events(database, history.run.run_id, kind="step.committed"):
        if event.step == "assignment":
            reasons = {told["task"]: told["reason"] for told in event.data.get("assignments", ())}
    found: dict[str, AgentShare] = {}
    for key, step in history.steps.items():
        outcome = step.outcome or {}
        if not outcome.get("agent"):
            continue
        share = found.setdefault(outcome["agent"], AgentShare(outcome["agent"]))
        _add(share, Outcome.model_validate(outcome), key)
        place = key.partition("@")[0]
        if place in reasons:
            share.reasons[_without_ids(reasons[place])] += 1
    return sorted(found.values(), key=lambda share: -share.seconds)


def _add(share: AgentShare, outcome: Outcome, key: str) -> None:
    share.tasks += 1
    share.done += outcome.status == "done"
    share.failed += outcome.status == "failed"
    share.seconds += outcome.seconds
    share.rows += outcome.rows.rows_in
    stage = key.partition("/")[0]
    if stage not in share.stages and len(share.stages) < 6:
        share.stages.append(stage)


def _without_ids(reason: str) -> str:
    """A reason without what is different in each: the auction's id, and its score."""
    return "won at auction" if reason.startswith("won auction") else reason


def _handed(database: Database, run_id: str) -> list[tuple[tuple[str, str, str, str, str], int]]:
    rows = database.query(
        "SELECT data ->> 'delegator' AS delegator, data ->> 'delegate' AS delegate, data ->> 'task_type' AS task_type,"
        " data ->> 'verdict' AS verdict, data ->> 'reason' AS reason, count(*) AS n FROM journal"
        " WHERE run_id = %s AND starts_with(kind, 'delegation.') GROUP BY 1, 2, 3, 4, 5"
        " ORDER BY bool_and(kind = 'delegation.allowed'), min(seq)",
        (run_id,),
    )
    names = ("delegator", "delegate", "task_type", "verdict", "reason")
    return [(tuple(row[name] or "" for name in names), row["n"]) for row in rows]  # type: ignore[misc]


def _results(database: Database, table: str, at: str, run_id: str) -> list[dict[str, Any]]:
    rows = database.query(f"SELECT result FROM {table} WHERE run_id = %s ORDER BY {at}, id", (run_id,))
    return [row["result"] for row in rows]
