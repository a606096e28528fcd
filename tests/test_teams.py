"""Who performs a run's tasks, and what the journal tells of it."""

from collections import Counter
from pathlib import Path

import pytest

from core import journal
from core.errors import Refused
from core.spec import load
from core.store import Database
from crews import AGENTS
from delegation import AgentCard, Claim, Workload
from delegation.approvals import decide, requests
from flows import DataPipelineFlow
from flows.teams import COORDINATOR, cards
from tests import shop


def run(tmp_path: Path, database: Database, assignment: str) -> str:
    document = shop.build(tmp_path / "shop")
    spec = load(document).model_copy(update={"assignment": assignment})
    report = DataPipelineFlow(spec, base_dir=document.parent, database=database).kickoff()
    assert report.status == "published"
    return report.run_id


def told(database: Database, run_id: str, kind: str) -> list[journal.Event]:
    return journal.events(database, run_id, kind=kind)


@pytest.mark.parametrize("assignment", ["policy", "auction", "optimizer"])
def test_each_hand_over_is_decided_by_the_policy_and_on_record(
    tmp_path: Path, database: Database, assignment: str
) -> None:
    """Who got what from whom, and why; whichever way the agents were found."""
    run_id = run(tmp_path, database, assignment)
    given = told(database, run_id, "step.committed")
    assignments = next(event for event in given if event.step == "assignment").data["assignments"]
    allowed = Counter(event.data["delegate"] for event in told(database, run_id, "delegation.allowed"))
    assert allowed == Counter(each["agent"] for each in assignments)
    assert not told(database, run_id, "delegation.refused")
    event = told(database, run_id, "delegation.allowed")[0]
    assert (event.actor, event.data["rule"]) == (COORDINATOR, "coordinator_to_collaborator")
    assert all(each["reason"] for each in assignments)


def test_the_auctions_and_the_proposal_of_the_optimizer_are_on_record(tmp_path: Path, database: Database) -> None:
    auctioned = run(tmp_path / "a", database, "auction")
    tasks = len(told(database, auctioned, "delegation.allowed"))
    assert len(told(database, auctioned, "auction")) >= tasks
    optimized = run(tmp_path / "o", database, "optimizer")
    kinds = {event.kind for event in journal.events(database, optimized)}
    assert "assignment.optimized" in kinds


def test_each_task_is_claimed_while_it_is_worked_on_and_released(tmp_path: Path, database: Database) -> None:
    run_id = run(tmp_path, database, "policy")
    claimed = [(event.actor, event.data["task"]) for event in told(database, run_id, "workload.claimed")]
    released = [(event.actor, event.data["task"]) for event in told(database, run_id, "workload.released")]
    assert sorted(claimed) == sorted(released)
    assert claimed
    with Workload(database) as workload:
        workload.register(cards().values())
        assert {agent: workload.load(agent) for agent in AGENTS} == dict.fromkeys(AGENTS, 0)


def test_tasks_are_not_handed_to_an_agent_that_has_all_it_may_have(tmp_path: Path, database: Database) -> None:
    """The run is refused, and says whom to wait for."""
    with Workload(database) as workload:
        workload.register([AgentCard(id="validation_agent", capacity=10)])
        for number in range(10):
            workload.claim(Claim(agent="validation_agent", task=f"elsewhere/{number}"))
        with pytest.raises(Refused, match="validation"):
            run(tmp_path, database, "policy")


def test_one_run_shows_its_approval_its_auctions_and_its_consensus_on_a_changed_source(
    tmp_path: Path, database: Database
) -> None:
    """The renamed column is mapped by a vote, the tasks are won by bids, and a person lets the result be published."""
    document = tmp_path / "sales.yaml"
    document.write_text(
        "name: sales\n"
        "sources:\n"
        "  orders:\n"
        "    kind: csv\n"
        "    path: orders.csv\n"
        "    columns: {order_id: integer, amount: float}\n"
        "    on_schema_change: consensus\n"
        "target: {path: out}\n"
        "assignment: auction\n"
        "gate: {approval: true, approvers: [Ada]}\n"
    )
    (tmp_path / "orders.csv").write_text("OrderID,amount\n1,1.5\n2,2.5\n")
    flow = DataPipelineFlow(document, database=database)
    assert flow.kickoff().status == "waiting"
    (asked,) = requests(database, run_id=flow.run_id)
    decide(database, asked.approval, approved=True, by="Ada", reason="seen")
    assert DataPipelineFlow(run_id=flow.run_id, database=database).kickoff().status == "published"
    kinds = {event.kind for event in journal.events(database, flow.run_id)}
    assert {"consensus.decided", "source.changed", "auction.closed", "approval.requested"} <= kinds, sorted(kinds)
    approved = [e for e in journal.events(database, flow.run_id, kind="approval") if e.actor == "Ada"]
    assert approved, sorted(kinds)
