"""Building a staged pipeline, call by call."""

import math
from dataclasses import dataclass, replace
from typing import Any, get_args

from langgraph.checkpoint.base import BaseCheckpointSaver

from core.errors import InputError
from graphs.call import is_coroutine_function
from graphs.clock import Clock, SystemClock
from graphs.staged.circuit import PROCESS, CircuitPolicy, Circuits
from graphs.staged.metrics import MetricsCollector
from graphs.staged.name import check_name
from graphs.staged.pipeline import RESERVED, Pipeline
from graphs.staged.stage import FailurePolicy, Middleware, Stage, Work, work_of
from graphs.staged.trying import Setting
from graphs.worker import Worker

RETRIES = 3
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class StagedPipeline:
    """A pipeline of stages in the making: each call returns a new one with something added, `build` the pipeline.

        pipeline = StagedPipeline("orders").stage("fetch", fetch).stage("clean", clean, on_failure="skip").build()
        run = await pipeline.run({"path": "orders.csv"})

    Wrong input raises InputError at the call that gives it.
    """

    name: str
    _stages: tuple[Stage, ...] = ()
    _middleware: tuple[tuple[Middleware, tuple[str, ...]], ...] = ()
    _collectors: tuple[MetricsCollector, ...] = ()
    _circuit: CircuitPolicy | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "pipeline")

    def stage(
        self,
        name: str,
        performer: Worker | Work,
        *,
        retries: int | None = None,
        timeout_s: float = TIMEOUT_S,
        on_failure: FailurePolicy = "retry",
    ) -> "StagedPipeline":
        """Add a stage: a function of what the stage before returned and a `Context`, or an agent (`graphs.Worker`).

        A plain function gets a thread of its own, a coroutine must not block. Each try may take `timeout_s` seconds,
        and is then given up: what it still returns is discarded, and noted.

        `on_failure`: `retry` tries again up to 3 times, after waits of about 1, 2, 4 s, and then fails the run; `stop`
        fails the run at once; `skip` goes on without the stage, and the next one gets what this one got. With
        `retries` each of them tries so many times more before that. Not tried again is what says that it would be in
        vain (InputError, Refused, StateError) and what an open circuit refused.
        """
        check_name(name, "stage")
        if name in RESERVED:
            raise InputError(f"No stage can be called {name}.", remedy=f"Taken are: {', '.join(sorted(RESERVED))}.")
        if any(stage.name == name for stage in self._stages):
            raise InputError(f"{self.name} has two stages {name}.", remedy="Give each a name of its own.")
        if on_failure not in get_args(FailurePolicy):
            policies = ", ".join(get_args(FailurePolicy))
            raise InputError(f"Stage {name}: on_failure is {on_failure!r}.", remedy=f"Choose of {policies}.")
        if retries is None:
            retries = RETRIES if on_failure == "retry" else 0
        _check_count(retries, 0, f"Stage {name}: retries")
        _check_seconds(timeout_s, f"Stage {name}: timeout_s")
        stage = Stage(name, work_of(name, performer), retries, timeout_s, on_failure)
        return replace(self, _stages=(*self._stages, stage))

    def middleware(self, function: Middleware, *stages: str) -> "StagedPipeline":
        """Put a coroutine function around each try at these stages, or at all; the first one added is the outermost.

        It is called with the value, the context and `proceed`, and awaits `proceed(value)` for what the stage returns.
        It can hand on another value, return another result, raise, or not proceed. Its time is the try's.
        """
        if not is_coroutine_function(function):
            raise InputError(
                f"The middleware {function!r} is no coroutine function.",
                remedy="Define it with: async def name(value, context, proceed)",
            )
        return replace(self, _middleware=(*self._middleware, (function, stages)))

    def metrics(self, collector: MetricsCollector) -> "StagedPipeline":
        """Have the collector told of each try and each stage that ends."""
        if not callable(getattr(collector, "record", None)):
            raise InputError(f"{collector!r} collects no metrics.", remedy="Give it a method `record(event)`.")
        return replace(self, _collectors=(*self._collectors, collector))

    def circuit(self, *, failures: int = 5, reset_s: float = 60.0) -> "StagedPipeline":
        """Give each stage a circuit breaker, shared by all runs of pipelines of this name in the process.

        After so many failed tries in a row the stage fails at once, untried; `reset_s` seconds later one try decides.
        """
        _check_count(failures, 1, "failures")
        _check_seconds(reset_s, "reset_s")
        return replace(self, _circuit=CircuitPolicy(failures, reset_s))

    def build(
        self,
        *,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        clock: Clock | None = None,
        circuits: Circuits = PROCESS,
    ) -> Pipeline:
        """The pipeline. With a checkpointer its runs can be resumed; `clock` tells the time of limits and waits."""
        if not self._stages:
            raise InputError(f"{self.name} has no stages.", remedy="Add one with: .stage(name, function)")
        names = {stage.name for stage in self._stages}
        for function, only in self._middleware:
            if unknown := [name for name in only if name not in names]:
                raise InputError(
                    f"The middleware {function!r} is for {', '.join(unknown)}, which {self.name} has not.",
                    remedy=f"Its stages are {', '.join(sorted(names))}.",
                )
        stages = [replace(stage, middleware=self._around(stage.name)) for stage in self._stages]
        policy = self._circuit
        own = {name: circuits.circuit(f"{self.name}/{name}", policy) for name in names} if policy else {}
        return Pipeline(stages, Setting(self.name, clock or SystemClock(), self._collectors), own, checkpointer)

    def _around(self, stage: str) -> tuple[Middleware, ...]:
        return tuple(function for function, only in self._middleware if not only or stage in only)


def _check_count(number: object, least: int, what: str) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise InputError(f"{what} is {number!r}.", remedy=f"Give a whole number from {least} on.")


def _check_seconds(seconds: object, what: str) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise InputError(f"{what} is {seconds!r}.", remedy="Give seconds, more than none.")
