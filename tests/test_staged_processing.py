"""Branches spread over agents, by how busy each is."""

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError, Interrupted, StoreUnavailable
from core.stop import Stop
from core.task import Outcome
from graphs.branch import Branch
from graphs.staged import ParallelProcessing
from graphs.worker import Attempt, FunctionWorker, Result
from tests.turned_clock import TurnedClock

WORK = frozenset({"work"})


def branch(number: int, **fields: Any) -> Branch:
    return Branch(**{"key": f"b{number}", "kind": "work", "payload": {"n": number}, **fields})


async def double(branch: Branch, attempt: Attempt) -> Result:
    return Result({"n": branch.payload["n"] * 2}, quality=0.5)


@settings(max_examples=40)
@given(
    capacities=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    count=st.integers(0, 25),
    order=st.randoms(use_true_random=False),
)
def test_no_agent_is_over_its_capacity_and_each_branch_goes_to_the_least_loaded(
    capacities: list[int], count: int, order: Any
) -> None:
    """Branches end in any order; at each beginning no free agent had a smaller share of its capacity busy."""
    clock = TurnedClock()
    lasting = [order.randint(1, 9) for _ in range(count)]

    def agent(index: int) -> FunctionWorker:
        async def perform(branch: Branch, attempt: Attempt) -> Result:
            active[index] += 1
            before = [active[other] - (other == index) for other in range(len(capacities))]
            shares = [busy / capacity for busy, capacity in zip(before, capacities, strict=True)]
            begun.append((index, shares))
            await clock.sleep(lasting[branch.payload["n"]])
            active[index] -= 1
            return Result({"by": index})

        return FunctionWorker(f"a{index}", WORK, perform, capacity=capacities[index])

    active: Counter[int] = Counter()
    begun: list[tuple[int, list[float]]] = []
    processing = ParallelProcessing([agent(index) for index in range(len(capacities))], clock=clock)
    outcomes = asyncio.run(clock.run_out(processing.run([branch(number) for number in range(count)])))
    assert [outcome.task for outcome in outcomes] == [f"b{number}" for number in range(count)]
    assert all(outcome.agent == f"a{outcome.result['by']}" for outcome in outcomes if outcome.result)
    assert len(begun) == count
    for index, shares in begun:
        assert shares[index] < 1
        assert shares[index] == min(shares)
    assert set(processing.active.values()) <= {0}


def test_results_come_in_the_order_of_the_branches_whatever_their_priority() -> None:
    begun: list[int] = []

    async def perform(branch: Branch, attempt: Attempt) -> Result:
        begun.append(branch.payload["n"])
        return await double(branch, attempt)

    agent = FunctionWorker("a", WORK, perform, capacity=1)
    branches = [branch(1, priority="low"), branch(2), branch(3, priority="high"), branch(4, priority="high")]
    outcomes = asyncio.run(ParallelProcessing([agent]).run(branches))
    assert begun == [3, 4, 2, 1]
    assert [outcome.result for outcome in outcomes] == [{"n": 2}, {"n": 4}, {"n": 6}, {"n": 8}]
    assert {(outcome.status, outcome.quality, outcome.attempt) for outcome in outcomes} == {("done", 0.5, 1)}


def test_blocking_agents_work_side_by_side() -> None:
    """All must be there at once, or none gets past the barrier."""
    barrier = threading.Barrier(4)

    def perform(branch: Branch, attempt: Attempt) -> Result:
        barrier.wait(10)
        attempt.path.joinpath("out.txt").write_text("x")
        return Result({"path": str(attempt.path)})

    agents = [FunctionWorker(name, WORK, perform, capacity=2) for name in "ab"]
    outcomes = asyncio.run(ParallelProcessing(agents).run([branch(number) for number in range(4)]))
    assert Counter(outcome.agent for outcome in outcomes) == {"a": 2, "b": 2}
    assert len({outcome.result["path"] for outcome in outcomes if outcome.result}) == 4


def test_failures_garbage_and_hanging_are_outcomes_and_do_not_keep_the_others_from_their_work() -> None:
    clock = TurnedClock()

    async def perform(branch: Branch, attempt: Attempt) -> Any:
        match branch.payload["n"]:
            case 0:
                raise ValueError("no")
            case 1:
                return {"n": 1}
            case 2:
                return Result({"n": {1, 2}})
            case 3:
                await asyncio.Event().wait()
            case 4:
                return Result({}, quality=7)
            case 5:
                return Outcome(task="else", status="blocked")
        return await double(branch, attempt)

    agent = FunctionWorker("a", WORK, perform, capacity=2)
    branches = [branch(number, timeout_s=5) for number in range(7)]
    outcomes = asyncio.run(clock.run_out(ParallelProcessing([agent], clock=clock).run(branches)))
    assert [outcome.failure and outcome.failure.error for outcome in outcomes] == [
        "ValueError",
        "StateError",
        "StateError",
        "TimedOut",
        "ValidationError",
        None,
        None,
    ]
    assert [outcome.status for outcome in outcomes] == [*["failed"] * 5, "blocked", "done"]
    assert [outcome.task for outcome in outcomes] == [f"b{number}" for number in range(7)]
    assert outcomes[3].seconds == 5


def test_a_kind_whose_agents_are_busy_does_not_hold_up_another() -> None:
    clock = TurnedClock()

    async def wait(branch: Branch, attempt: Attempt) -> Result:
        await clock.sleep(10)
        return Result({"at": clock.now()})

    async def tell(branch: Branch, attempt: Attempt) -> Result:
        return Result({"at": clock.now()})

    agents = [FunctionWorker("slow", WORK, wait, capacity=1), FunctionWorker("quick", frozenset({"tell"}), tell)]
    branches = [branch(0), branch(1), branch(2, kind="tell")]
    outcomes = asyncio.run(clock.run_out(ParallelProcessing(agents, clock=clock).run(branches)))
    assert [outcome.result for outcome in outcomes] == [{"at": 10}, {"at": 20}, {"at": 0}]


def test_two_runs_at_a_time_share_the_capacity_of_their_agents() -> None:
    clock, active, most = TurnedClock(), 0, 0

    async def perform(branch: Branch, attempt: Attempt) -> Result:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await clock.sleep(1)
        active -= 1
        return Result({})

    processing = ParallelProcessing([FunctionWorker("a", WORK, perform, capacity=3)], clock=clock)

    async def both() -> list[list[Outcome]]:
        branches = [branch(number) for number in range(5)]
        return await asyncio.gather(processing.run(branches), processing.run(branches))

    first, second = asyncio.run(clock.run_out(both()))
    assert (len(first), len(second), most) == (5, 5, 3)


def test_a_stop_or_an_error_about_the_whole_gives_the_others_up_and_frees_their_agents() -> None:
    async def scenario(error: Exception | None) -> None:
        stop, began, told = Stop(), 0, []

        async def perform(branch: Branch, attempt: Attempt) -> Result:
            nonlocal began
            began += 1
            if branch.payload["n"] < 2:
                try:
                    await asyncio.Event().wait()
                finally:
                    told.append(attempt.stop.requested)
            if error:
                raise error
            stop.request("a test")
            return Result({})

        processing = ParallelProcessing([FunctionWorker("a", WORK, perform, capacity=3)])
        with pytest.raises(type(error) if error else Interrupted):
            await processing.run([branch(number) for number in range(6)], stop=stop)
        assert (began, told) == (3, [True, True])
        assert processing.active == {"a": 0}

    asyncio.run(scenario(None))
    asyncio.run(scenario(StoreUnavailable("away")))


@pytest.mark.parametrize(
    ("branches", "says"),
    [
        ([branch(1), branch(1)], "two of the branch b1"),
        ([branch(1, kind="else")], "No agent performs"),
        ([branch(1), branch(2, needs=("b1",))], "needs b1"),
    ],
)
def test_branches_that_cannot_be_spread_are_refused(branches: list[Branch], says: str) -> None:
    with pytest.raises(InputError, match=says):
        asyncio.run(ParallelProcessing([FunctionWorker("a", WORK, double)]).run(branches))


def test_agents_that_cannot_be_told_apart_or_have_no_capacity_are_refused() -> None:
    agent = FunctionWorker("a", WORK, double)
    for agents, says in (
        ([], "no agents"),
        ([agent, agent], "two agents a"),
        ([FunctionWorker("b", WORK, double, capacity=0)], "capacity of 0"),
    ):
        with pytest.raises(InputError, match=says):
            ParallelProcessing(agents)
