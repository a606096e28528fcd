"""Who performs a run's tasks, and what the journal tells of it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from core import journal
from core import run as runs
from core.errors import AtCapacity, AwaitingApproval, Interrupted, Refused, SpecError
from core.settings import settings
from core.spec import load
from core.stop import Stop
from core.store import Database
from core.task import Stage, Task
from crews import AGENTS
from delegation import AgentCard, Authority, Claim, Decision, Policy, PolicyAssigner, Workload, load_rules, rules
from delegation.approvals import decide, requests
from delegation.handover import Terms
from delegation.load import Load, Loads
from flows import DataPipelineFlow
from flows.assignment import WAITS
from flows.session import Session
from flows.teams import COORDINATOR, cards
from flows.terms import limits_of, terms_of
from tests import shop
from tools.engine.limits import Limits


def run(tmp_path: Path, database: Database, assignment: str, listener: journal.Listener | None = None) -> str:
    document = shop.build(tmp_path / "shop")
    spec = load(document).model_copy(update={"assignment": assignment})
    report = DataPipelineFlow(spec, base_dir=document.parent, database=database, listener=listener).kickoff()
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
    assert event.data["rights"]["resources"].keys() == {"cpu", "memory"}
    assert all(each["reason"] for each in assignments)


def test_the_auctions_are_on_record(tmp_path: Path, database: Database) -> None:
    auctioned = run(tmp_path, database, "auction")
    assert len(told(database, auctioned, "auction")) >= len(told(database, auctioned, "delegation.allowed"))


def test_the_optimizer_asks_the_policy_once_for_each_pair_and_its_proposal_is_on_record(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[tuple[str, str]] = Counter()
    can_delegate = Policy.can_delegate

    def counted(self: Policy, delegator: str, delegate: str, task_type: str, *rest: Any, **more: Any) -> Decision:
        asked[delegate, task_type] += 1
        return can_delegate(self, delegator, delegate, task_type, *rest, **more)

    monkeypatch.setattr(Policy, "can_delegate", counted)
    run_id = run(tmp_path, database, "optimizer")
    handed = Counter((e.data["delegate"], e.data["task_type"]) for e in told(database, run_id, "delegation.allowed"))
    assert asked == handed
    assert told(database, run_id, "assignment.optimized")


def test_each_task_is_claimed_while_it_is_worked_on_and_released(tmp_path: Path, database: Database) -> None:
    run_id = run(tmp_path, database, "policy")
    claimed = [(event.actor, event.data["task"]) for event in told(database, run_id, "workload.claimed")]
    released = [(event.actor, event.data["task"]) for event in told(database, run_id, "workload.released")]
    assert sorted(claimed) == sorted(released)
    assert claimed
    with Workload(database) as workload:
        workload.register(cards().values())
        assert {agent: workload.load(agent) for agent in AGENTS} == dict.fromkeys(AGENTS, 0)


class Busy:
    """Has all that an agent may have, until a run waits for it: then it calls `then`."""

    def __init__(self, workload: Workload, agent: str) -> None:
        self.waits: list[journal.Event] = []
        self.then: Callable[[], object] = self.leave
        self._workload = workload
        workload.register([AgentCard(id=agent, capacity=10)])
        self._claims = [workload.claim(Claim(agent=agent, task=f"elsewhere/{number}")) for number in range(10)]

    def leave(self) -> None:
        for claim in self._claims:
            self._workload.release(claim)

    def __call__(self, event: journal.Event) -> None:
        if event.kind == WAITS:
            self.waits.append(event)
            self.then()


@pytest.mark.parametrize("assignment", ["policy", "auction", "optimizer"])
def test_a_run_waits_for_an_agent_that_has_all_it_may_have_and_goes_on(
    tmp_path: Path, database: Database, assignment: str
) -> None:
    """It says so once, to who watches and in the journal; the refusal is on record, and then the hand-over."""
    with Workload(database) as workload:
        busy = Busy(workload, "validation_agent")
        run_id = run(tmp_path, database, assignment, listener=busy)
    (event,) = told(database, run_id, WAITS)
    assert (event.data["agent"], [seen.kind for seen in busy.waits]) == ("validation_agent", [WAITS])
    refused = told(database, run_id, "delegation.refused")
    assert {(e.data["delegate"], e.data["verdict"]) for e in refused} == {("validation_agent", "no_capacity")}
    assert {e.data["delegate"] for e in told(database, run_id, "delegation.allowed")} >= {"validation_agent"}


def test_a_task_waits_for_its_agent_that_has_got_too_much_to_do_since(tmp_path: Path, database: Database) -> None:
    """Between the hand-over and the work; it says so too."""
    busy: list[Busy] = []

    def listen(event: journal.Event) -> None:
        if (event.kind, event.step) == ("step.committed", "assignment"):
            busy.append(Busy(workload, "validation_agent"))
        for each in busy:
            each(event)

    with Workload(database) as workload:
        run_id = run(tmp_path, database, "policy", listener=listen)
    waited = told(database, run_id, WAITS)
    assert {(event.actor, str(event.step).partition("/")[0]) for event in waited} == {
        ("validation_agent", "validation")
    }


def test_a_run_that_waits_for_an_agent_can_be_interrupted_and_resumed(tmp_path: Path, database: Database) -> None:
    document = shop.build(tmp_path / "shop")
    stop = Stop()
    with Workload(database) as workload:
        busy = Busy(workload, "validation_agent")
        busy.then = lambda: stop.request("enough")
        flow = DataPipelineFlow(document, database=database, stop=stop, listener=busy)
        with pytest.raises(Interrupted):
            flow.kickoff()
        busy.leave()
    assert DataPipelineFlow(run_id=flow.run_id, database=database).kickoff().status == "published"


def test_an_agent_without_any_capacity_is_not_waited_for(tmp_path: Path) -> None:
    policy = Policy(
        load_rules(),
        [*cards().values(), AgentCard(id="nobody", authority=Authority.PIPELINE_COLLABORATOR, capacity=0)],
        Loads({"nobody": Load(agent="nobody", capacity=0)}),
    )
    task = Task(stage=Stage.VALIDATION, dataset="orders")
    facts = {"scope": "stage", "quality_threshold": 0.9}
    assigner = PolicyAssigner(policy, COORDINATOR, lambda task: Terms(facts), lambda decisions: None)
    with pytest.raises(Refused, match="0 of 0 tasks") as caught:
        assigner.assign([task], {"nobody": frozenset(Stage)})
    assert not isinstance(caught.value, AtCapacity)


@pytest.mark.parametrize(
    ("threads", "memory_mb", "cpu", "memory"),
    [(4, 8_000, 1, 1.2), (140, 1_000_000, 20, 100), (400, 2_000_000, 20, 100)],
)
def test_a_task_is_handed_over_with_its_share_of_the_machine_within_the_limits_of_the_rule(
    tmp_path: Path, threads: int, memory_mb: int, cpu: int, memory: float
) -> None:
    """Of however much there is, 20 threads and 100 GB, also alone on the machine; and the policy agrees."""
    spec = load(shop.build(tmp_path / "shop"))
    whole = Limits(threads=threads, memory_mb=memory_mb)
    session = cast(
        Session, SimpleNamespace(spec=spec, limits=whole, threads=threads, memory_mb=memory_mb, rules=load_rules())
    )
    task = Task(stage=Stage.AGGREGATION, dataset="orders")
    terms = terms_of(session, task)
    assert terms.context["resources"] == {"cpu": cpu, "memory": memory}
    assert limits_of(session, task) == Limits(threads=cpu, memory_mb=round(1000 * memory))
    assert limits_of(session, task, alone=True) == Limits(threads=min(threads, 20), memory_mb=min(memory_mb, 100_000))
    policy = Policy(load_rules(), cards().values(), Loads({"aggregation_agent": Load(agent="", capacity=10)}))
    found = policy.can_delegate(
        COORDINATOR, "aggregation_agent", "data_transformation", terms.context, held=terms.held, asked=terms.asked
    )
    assert found.allowed
    assert found.rights is not None
    assert found.rights.resources.named == terms.context["resources"]


def own_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """The default rules, but for those by which a run's tasks are handed over."""
    table = yaml.safe_load(Path(rules.__file__).with_name("rules.yaml").read_text())
    table["rules"][2] |= changes
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(table))
    monkeypatch.setenv("CREWLINE_RULES", str(tmp_path / "rules.yaml"))
    settings.cache_clear()


@pytest.mark.parametrize("assignment", ["policy", "auction", "optimizer"])
def test_a_run_whose_rules_ask_for_an_approval_waits_for_it_and_goes_on(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, assignment: str
) -> None:
    """One request for all hand-overs, to those to whom the rule escalates; denied, nothing is done."""
    own_rules(tmp_path, monkeypatch, approval=True)
    with pytest.raises(AwaitingApproval):
        run(tmp_path, database, assignment)
    (asked,) = requests(database)
    assert asked.path == ("pipeline_manager", "data_architect")
    assert (asked.reason, asked.asked_by) == ("asked for by coordinator_to_collaborator", COORDINATOR)
    assert set(asked.seen["tasks"].values()) <= AGENTS.keys()
    assert asked.run_id is not None
    if assignment == "auction":
        assert (
            DataPipelineFlow(run_id=asked.run_id, approved_by="Ada", database=database).kickoff().status == "published"
        )
        return
    decide(database, asked.approval, approved=assignment == "policy", by="Ada", reason="so")
    again = DataPipelineFlow(run_id=asked.run_id, database=database)
    if assignment == "policy":
        assert again.kickoff().status == "published"
        return
    with pytest.raises(Refused, match="was denied by Ada: so"):
        again.kickoff()
    assert not told(database, asked.run_id, "workload.claimed")


def test_the_agents_of_a_run_get_the_rights_that_their_tasks_need_within_the_limits_of_the_rules(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_rules(tmp_path, monkeypatch, limits={"cpu": 1, "memory": 0.2})
    document = shop.build(tmp_path / "shop")
    confidential = "name: shop\ngovernance: {classification: confidential}"
    document.write_text(document.read_text().replace("name: shop", confidential))
    flow = DataPipelineFlow(document, database=database)
    assert flow.kickoff().status == "published"
    rights = [event.data["rights"] for event in told(database, flow.run_id, "delegation.allowed")]
    assert {each["clearance"] for each in rights} == {"confidential"}
    assert [each for each in rights if each["resources"] != {"cpu": 1.0, "memory": 0.2}] == []
    assert all(len(each["task_types"]) == 1 for each in rights)


def test_rules_that_are_none_are_told_before_anything_is_done(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_rules(tmp_path, monkeypatch, approval="perhaps")
    with pytest.raises(SpecError, match=r"rules\.yaml: rules\.2\.approval"):
        run(tmp_path, database, "policy")
    assert runs.newest(database) == []


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
