"""Circuit breakers of stages, and the metrics of what stages do."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from langgraph.checkpoint.memory import InMemorySaver
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from core.errors import CircuitOpen
from core.stop import Stop
from graphs.staged import Circuits, Context, OpenTelemetryMetrics, StagedPipeline, StageEvent
from graphs.staged.circuit import CircuitPolicy
from tests.turned_clock import TurnedClock

POLICY = CircuitPolicy(failures=3, reset_s=10)


class CircuitMachine(RuleBasedStateMachine):
    """Tries that succeed, fail or are cancelled, and time that passes, in any order, against a model of the circuit."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = TurnedClock()
        self.circuit = Circuits(self.clock).circuit("warehouse", POLICY)
        self.failures = 0
        self.opened: float | None = None

    @property
    def refuses(self) -> bool:
        return self.opened is not None and self.clock.now() < self.opened + POLICY.reset_s

    def attempt(self, error: BaseException | None) -> None:
        with self.circuit.trying():
            if error:
                raise error

    @precondition(lambda self: not self.refuses)
    @rule()
    def succeeds(self) -> None:
        self.attempt(None)
        self.failures, self.opened = 0, None

    @precondition(lambda self: not self.refuses)
    @rule()
    def fails(self) -> None:
        with pytest.raises(ValueError, match="no"):
            self.attempt(ValueError("no"))
        self.failures += 1
        if self.opened is not None or self.failures >= POLICY.failures:
            self.opened = self.clock.now()

    @precondition(lambda self: not self.refuses)
    @rule()
    def is_cancelled(self) -> None:
        """Says nothing for a circuit on trial; in a closed one, the failures before it are no row any more."""
        with pytest.raises(asyncio.CancelledError):
            self.attempt(asyncio.CancelledError())
        if self.opened is None:
            self.failures = 0

    @rule(seconds=st.sampled_from([1, 4, 10]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def refuses_exactly_while_open(self) -> None:
        if self.refuses:
            with pytest.raises(CircuitOpen, match="warehouse"):
                self.attempt(None)


CircuitMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestCircuit = CircuitMachine.TestCase


def test_only_one_try_goes_through_a_circuit_on_trial() -> None:
    clock = TurnedClock()
    circuit = Circuits(clock).circuit("one", CircuitPolicy(failures=1, reset_s=10))
    with pytest.raises(ValueError, match="no"), circuit.trying():
        raise ValueError("no")
    clock.advance(10)
    with circuit.trying(), pytest.raises(CircuitOpen), circuit.trying():
        pytest.fail("two at a time")
    with circuit.trying():
        pass


def failing(clock: TurnedClock, circuits: Circuits, calls: list[str], name: str = "shared") -> Any:
    async def work(value: Any, context: Context) -> Any:
        calls.append(context.run_id)
        if clock.now() < 100:
            raise ConnectionError("away")
        return "back"

    return (
        StagedPipeline(name)
        .stage("fetch", work, on_failure="stop")
        .circuit(failures=2, reset_s=60)
        .build(clock=clock, circuits=circuits)
    )


def test_runs_share_the_circuits_of_pipelines_of_one_name_and_no_others() -> None:
    clock, calls = TurnedClock(), list[str]()
    circuits = Circuits(clock)

    async def scenario() -> None:
        for number in range(3):
            # Built anew each time: what is shared belongs to the process.
            result = await failing(clock, circuits, calls).run(run_id=f"r{number}")
            assert result.status == "failed"
        (entry,) = result.errors
        assert entry.failure is not None
        assert (entry.failure.error, entry.failure.kind) == ("CircuitOpen", "transient")
        assert calls == ["r0", "r1"]
        await failing(clock, circuits, calls, "other").run(run_id="r3")
        assert calls == ["r0", "r1", "r3"]
        clock.advance(100)
        assert (await failing(clock, circuits, calls).run(run_id="r4")).output == "back"

    asyncio.run(scenario())


def test_a_stage_whose_circuit_opens_meanwhile_is_not_tried_on() -> None:
    clock, calls = TurnedClock(), 0

    async def work(value: Any, context: Context) -> Any:
        nonlocal calls
        calls += 1
        raise ConnectionError("away")

    pipeline = (
        StagedPipeline("on")
        .stage("fetch", work, retries=9)
        .circuit(failures=3)
        .build(clock=clock, circuits=Circuits(clock))
    )
    result = asyncio.run(clock.run_out(pipeline.run()))
    assert (calls, result.errors[-1].failure and result.errors[-1].failure.error) == (3, "CircuitOpen")


def test_a_cancelled_run_does_not_open_a_circuit() -> None:
    clock = TurnedClock()
    circuits = Circuits(clock)

    async def work(value: Any, context: Context) -> Any:
        if value == "hang":
            stop.request("a test")
            await asyncio.Event().wait()
        return value

    stop = Stop()
    pipeline = StagedPipeline("c").stage("a", work).circuit(failures=1).build(clock=clock, circuits=circuits)
    assert asyncio.run(pipeline.run("hang", stop=stop)).status == "cancelled"
    assert asyncio.run(pipeline.run("go")).status == "success"


async def fail_once(value: Any, context: Context) -> Any:
    if context.number == 1:
        raise ConnectionError("away")
    return value


async def fail(value: Any, context: Context) -> Any:
    raise ValueError("no")


def measured(collectors: Sequence[Any]) -> None:
    clock = TurnedClock()
    pipeline = StagedPipeline("m").stage("once", fail_once).stage("never", fail, on_failure="stop")
    for collector in collectors:
        pipeline = pipeline.metrics(collector)
    result = asyncio.run(clock.run_out(pipeline.build(clock=clock).run(run_id="r")))
    assert result.status == "failed"


def test_collectors_hear_of_each_try_and_each_stage_and_one_that_fails_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[StageEvent] = []

    class Broken:
        def record(self, event: StageEvent) -> None:
            raise RuntimeError("broken")

    class Hearing:
        def record(self, event: StageEvent) -> None:
            heard.append(event)

    measured([Broken(), Hearing()])
    assert [(event.kind, event.stage, event.number, event.status, event.error) for event in heard] == [
        ("tried", "once", 1, "failed", "ConnectionError"),
        ("tried", "once", 2, "success", None),
        ("ended", "once", 2, "success", None),
        ("tried", "never", 1, "failed", "ValueError"),
        ("ended", "never", 1, "failed", "ValueError"),
    ]
    assert {(event.pipeline, event.run_id) for event in heard} == {("m", "r")}
    assert "broken" in caplog.text


def test_a_resumed_stage_reports_the_tries_of_this_time_alone() -> None:
    heard: list[StageEvent] = []

    class Hearing:
        def record(self, event: StageEvent) -> None:
            heard.append(event)

    async def scenario() -> None:
        pipeline = StagedPipeline("again").stage("once", fail_once, on_failure="stop").metrics(Hearing())
        built = pipeline.build(checkpointer=InMemorySaver())
        await built.run(run_id="r")
        await built.resume("r")

    asyncio.run(scenario())
    ended = [(event.number, event.status) for event in heard if event.kind == "ended"]
    assert ended == [(1, "failed"), (1, "success")]


def test_open_telemetry_gets_durations_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a real provider of its SDK, read as an exporter would."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    measured([OpenTelemetryMetrics()])
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    found = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    tries = {
        (
            point.attributes["crewline.stage"],
            point.attributes["crewline.status"],
            point.attributes.get("error.type"),
        ): point.value
        for point in found["crewline.stage.tries"].data.data_points
    }
    assert tries == {
        ("once", "failed", "ConnectionError"): 1,
        ("once", "success", None): 1,
        ("never", "failed", "ValueError"): 1,
    }
    durations = found["crewline.stage.duration"]
    assert durations.unit == "s"
    assert {(point.attributes["crewline.stage"], point.count) for point in durations.data.data_points} == {
        ("once", 1),
        ("never", 1),
    }
