"""A coordinator, its workers, and what comes of the parts."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from core import journal
from core.errors import InputError
from core.store import Database
from delegation import AgentCard, Authority, Policy, load_rules
from delegation.hierarchy import Coordinator, Work, levels_of
from delegation.load import Load, Loads
from tests.hand import TurnedClock, answered


@dataclass(frozen=True)
class Doing:
    """A worker that does its parts by a function."""

    id: str
    function: Callable[[Work], Any]
    task_types: frozenset[str] = frozenset({"sum"})

    def perform(self, part: Work) -> Any:
        return self.function(part)


@dataclass(frozen=True)
class Says:
    allowed: bool
    approval: bool
    reason: str


@dataclass
class Rules:
    """A policy that refuses hand-overs to some, and wants a person for others. It remembers what it was asked."""

    refused: frozenset[str] = frozenset()
    approved: frozenset[str] = frozenset()
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def can_delegate(self, delegator: str, delegate: str, task_type: str, context: Mapping[str, Any], /) -> Says:
        self.asked.append((delegator, delegate, task_type))
        return Says(delegate not in self.refused, delegate in self.approved, f"{delegate} may {task_type}, or not")


class Halves:
    """Sums numbers, by taking them apart in the middle."""

    def parts(self, work: Work) -> Sequence[Work]:
        numbers = work.payload["numbers"]
        middle = len(numbers) // 2
        return [
            Work(id=f"{work.id}/{n}", task_type="sum", payload={"numbers": part})
            for n, part in enumerate((numbers[:middle], numbers[middle:]))
        ]

    def whole(self, work: Work, results: Mapping[str, Any]) -> Any:
        return sum(results.values())

    def problems(self, work: Work, result: Any) -> Sequence[str]:
        return [] if result == sum(work.payload["numbers"]) else [f"{result} is not the sum"]


def total(part: Work) -> int:
    return sum(part.payload["numbers"])


def task(complexity: float) -> Work:
    return Work(id="all", task_type="sum", complexity=complexity, payload={"numbers": list(range(8))})


@pytest.mark.parametrize(("complexity", "levels"), [(0.0, 0), (0.29, 0), (0.3, 1), (0.69, 1), (0.7, 2), (1.0, 2)])
def test_the_complexity_says_how_often_a_task_is_taken_apart(
    complexity: float, levels: int, database: Database
) -> None:
    whole = Coordinator(database, "boss", [Doing("a", total)], Rules(), Halves()).coordinate(task(complexity))
    assert levels_of(complexity) == whole.levels == levels
    assert (whole.status, whole.result) == ("done", 28)
    leaves = [leaf for part in whole.parts for leaf in (part.parts or (part,))]
    assert len(leaves) == 2**levels


def test_parts_are_done_at_once_and_spread_over_the_workers(database: Database) -> None:
    """Each part waits for the other one."""
    both = threading.Barrier(2, timeout=10)

    def meeting(part: Work) -> int:
        both.wait()
        return total(part)

    coordinator = Coordinator(database, "boss", [Doing("b", meeting), Doing("a", meeting)], Rules(), Halves())
    whole = coordinator.coordinate(task(0.5))
    assert [(part.worker, part.status) for part in whole.parts] == [("a", "done"), ("b", "done")]


def test_every_hand_over_is_asked_of_the_policy_and_a_refused_worker_is_passed_over(database: Database) -> None:
    rules = Rules(refused=frozenset({"a"}), approved=frozenset({"b"}))
    workers = [Doing(name, total) for name in "abc"]
    whole = Coordinator(database, "boss", workers, rules, Halves()).coordinate(task(0.5))
    assert [part.worker for part in whole.parts] == ["c", "c"]
    assert {asked[0] for asked in rules.asked} == {"boss"}
    assert {asked[1] for asked in rules.asked} == {"a", "b", "c"}


def test_a_part_that_nobody_may_get_is_refused_with_the_reasons_and_one_that_nobody_can_do_unassigned(
    database: Database,
) -> None:
    rules = Rules(refused=frozenset({"a"}), approved=frozenset({"b"}))
    whole = Coordinator(database, "boss", [Doing(n, total) for n in "ab"], rules, Halves()).coordinate(task(0))
    assert whole.status == "failed"
    assert whole.parts[0].status == "refused"
    assert whole.parts[0].reason == "a: a may sum, or not; b: b may sum, or not, once a person agrees"
    other = Doing("a", total, frozenset({"join"}))
    whole = Coordinator(database, "boss", [other], Rules(), Halves()).coordinate(task(0))
    assert (whole.parts[0].status, whole.parts[0].reason) == ("unassigned", "no worker does sum")


def test_a_part_that_fails_is_an_outcome_and_the_whole_is_partial(database: Database, run_id: str) -> None:
    def failing(part: Work) -> int:
        if part.id == "all/1":
            raise ValueError("too large")
        return total(part)

    whole = Coordinator(database, "boss", [Doing("a", failing)], Rules(), Halves()).coordinate(task(0.5), run_id=run_id)
    assert (whole.status, whole.result, whole.problems) == ("partial", 6, ("6 is not the sum",))
    assert (whole.parts[1].status, whole.parts[1].reason) == ("failed", "ValueError: too large")
    (event,) = journal.events(database, run_id, kind="hierarchy.closed")
    assert event.actor == "boss"
    assert [(part["id"], part["worker"], part["status"]) for part in event.data["parts"]] == [
        ("all/0", "a", "done"),
        ("all/1", "a", "failed"),
    ]


def test_a_part_that_hangs_is_late_and_the_others_count(database: Database) -> None:
    clock, release = TurnedClock(), threading.Event()

    def hanging(part: Work) -> int:
        if part.id == "all/0":
            answered("all/1")
            clock.advance(300)
            release.wait(20)
        return total(part)

    whole = Coordinator(database, "boss", [Doing("a", hanging)], Rules(), Halves(), clock=clock).coordinate(task(0.5))
    release.set()
    assert [(part.id, part.status) for part in whole.parts] == [("all/0", "late"), ("all/1", "done")]
    assert (whole.status, whole.result) == ("partial", 22)


def test_a_result_that_is_wrong_is_invalid_and_says_how(database: Database) -> None:
    whole = Coordinator(database, "boss", [Doing("a", lambda part: 1)], Rules(), Halves()).coordinate(task(0.5))
    assert (whole.status, whole.problems) == ("invalid", ("2 is not the sum",))


@pytest.mark.parametrize("fails", ["whole", "problems"])
def test_a_plan_that_fails_on_what_was_done_loses_none_of_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def failing(*given: Any) -> Any:
        raise ValueError("no way\nto say")

    plan = Halves()
    monkeypatch.setattr(plan, fails, failing)
    whole = Coordinator(database, "chief", [Doing("a", total)], Rules(), plan).coordinate(task(0.5))
    assert (whole.status, whole.problems) == ("invalid", ("ValueError: no way to say",))
    assert [part.result for part in whole.parts] == [6, 22]


def test_the_decisions_of_the_policy_on_the_parts_are_in_the_journal(database: Database) -> None:
    cards = [
        AgentCard(id="chief", authority=Authority.STAGE_COORDINATOR),
        AgentCard(id="a", authority=Authority.PIPELINE_COLLABORATOR, capacity=0),
        AgentCard(id="b", authority=Authority.PIPELINE_COLLABORATOR),
    ]

    class Sums(Halves):
        def parts(self, work: Work) -> Sequence[Work]:
            context = {"scope": "stage", "quality_threshold": 0.9}
            changed = {"task_type": "data_validation", "context": context}
            return [part.model_copy(update=changed) for part in super().parts(work)]

    workers = [Doing(name, total, frozenset({"data_validation"})) for name in ("a", "b")]
    policy = Policy(load_rules(), cards, Loads({"a": Load(agent="a", capacity=0), "b": Load(agent="b", capacity=10)}))
    assert Coordinator(database, "chief", workers, policy, Sums()).coordinate(task(0.5)).status == "done"
    told = [(e.kind, e.data["delegate"]) for e in journal.events(database, None, kind="delegation.")]
    assert told == [("delegation.refused", "a"), ("delegation.allowed", "b")] * 2


def test_inner_parts_are_put_together_before_the_whole(database: Database) -> None:
    def failing(part: Work) -> int:
        if part.id == "all/1/1":
            raise ValueError("torn")
        return total(part)

    whole = Coordinator(database, "boss", [Doing("a", failing)], Rules(), Halves()).coordinate(task(0.9))
    assert [(part.id, part.status, part.result) for part in whole.parts] == [
        ("all/0", "done", 6),
        ("all/1", "failed", None),
    ]
    assert whole.parts[1].reason == "9 is not the sum"


def test_parts_and_workers_of_one_id_are_refused(database: Database) -> None:
    class Same(Halves):
        def parts(self, work: Work) -> Sequence[Work]:
            return [part.model_copy(update={"id": "same"}) for part in super().parts(work)]

    with pytest.raises(InputError, match="Two parts of all"):
        Coordinator(database, "boss", [Doing("a", total)], Rules(), Same()).coordinate(task(0.5))
    with pytest.raises(InputError, match="Two workers"):
        Coordinator(database, "boss", [Doing("a", total)] * 2, Rules(), Halves())
