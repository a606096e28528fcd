"""Trying a stage: its tries, the waits between them, its time limit, its circuit, and what comes of them."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from core.errors import Interrupted
from core.stop import Stop
from graphs.call import called, waited, within
from graphs.clock import Clock
from graphs.failure import ABOUT_THE_RUN, failure_of, worth_retrying
from graphs.staged.circuit import Circuit
from graphs.staged.metrics import MetricsCollector, StageEvent, report
from graphs.staged.plain import plain
from graphs.staged.record import StageRecord, Status, Try, passed_on
from graphs.staged.stage import Context, Middleware, Proceed, Stage

# Seconds before the second try; each further wait is twice as long, up to the longest. Up to so much is added by
# chance, so that runs that failed together do not come back together.
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
JITTER_S = 1.0

_WAIT = wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S) + wait_random(0, JITTER_S)


@dataclass
class Live:
    """What a run has only while a process works on it. `late` are tries whose end is not yet in the state."""

    run_id: str
    stop: Stop = field(default_factory=Stop)
    late: list[Try] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """What all stages of a pipeline are tried with."""

    pipeline: str
    clock: Clock
    collectors: tuple[MetricsCollector, ...]


@dataclass
class Visit:
    """A run's visit at one stage: `before` are the stages that it came through, `tries` grows with each try."""

    stage: Stage
    setting: Setting
    live: Live
    circuit: Circuit | None
    input: Any
    before: tuple[StageRecord, ...]
    tries: list[Try]

    async def record(self) -> StageRecord:
        """Try the stage as often as its policy says. Returns what came of it: success, failed or cancelled.

        Raises what is about the run as a whole: LeaseLost, StoreUnavailable, and Interrupted where not this run's own
        stop is the cause.
        """
        earlier = len(self.tries)
        retrying = AsyncRetrying(
            sleep=self._wait,
            stop=stop_after_attempt(self.stage.retries + 1),
            wait=_WAIT,
            # Given explicitly: what is worth another try is ours to say, not the library's.
            retry=retry_if_exception(worth_retrying),
            reraise=True,
        )
        try:
            self.live.stop.check()
            output: Any = await retrying(self._try)
        except Interrupted:
            if not self.live.stop.requested:
                raise
            return self._ended("cancelled", earlier)
        except ABOUT_THE_RUN:
            raise
        except Exception:  # noqa: BLE001 - it is on record among the tries, as the stage's failure
            return self._ended("failed", earlier)
        return self._ended("success", earlier, output)

    async def _try(self) -> Any:
        began, start = datetime.now(UTC).isoformat(timespec="milliseconds"), self.setting.clock.now()
        number = max((entry.number for entry in self.tries), default=0) + 1

        def ended(status: Status, error: BaseException | None, *, late: bool = False) -> Try:
            failure = failure_of(error) if error else None
            seconds = self.setting.clock.now() - start
            self._report("late" if late else "tried", number, status, seconds, failure.error if failure else None)
            return Try(stage=self.stage.name, number=number, began=began, seconds=seconds, failure=failure, late=late)

        def late(error: BaseException | None) -> None:
            self.live.late.append(ended("failed" if error else "success", error, late=True))

        try:
            with self.circuit.trying() if self.circuit else nullcontext():
                output = await self._output(number, late)
        except ABOUT_THE_RUN as error:
            self.tries.append(ended("cancelled", error))
            raise
        except Exception as error:
            self.tries.append(ended("failed", error))
            raise
        self.tries.append(ended("success", None))
        return output

    async def _output(self, number: int, late: Callable[[BaseException | None], None]) -> Any:
        """What one try returns, through the middleware, in time, and plain."""
        name = f"Stage {self.stage.name}"
        # Copies, for a stage may change what it is given, and the next try must not see that.
        given, value = copy.deepcopy((self.input, passed_on(self.input, self.before)))
        outputs = {record.stage: record.output for record in self.before if record.status == "success"}
        context = Context(
            pipeline=self.setting.pipeline,
            run_id=self.live.run_id,
            stage=self.stage.name,
            number=number,
            stop=Stop(),
            input=given,
            outputs=copy.deepcopy(outputs),
            history=(*(entry for record in self.before for entry in record.tries), *self.tries),
        )

        async def work(value: Any) -> Any:
            return await called(name, self.stage.work, value, context, late=late)

        proceed: Proceed = work
        for middleware in reversed(self.stage.middleware):
            proceed = _around(middleware, context, proceed)
        try:
            output = await within(
                proceed(value),
                self.stage.timeout_s,
                name=name,
                clock=self.setting.clock,
                stop=self.live.stop,
                late=late,
            )
        finally:
            # Whatever has not ended by now works for nobody.
            context.stop.request("this try has ended")
        return plain(output, f"What stage {self.stage.name} returned")

    async def _wait(self, seconds: float) -> None:
        await waited(seconds, self.setting.clock, self.live.stop)

    def _ended(self, status: Status, earlier: int, output: Any = None) -> StageRecord:
        tries = tuple(self.tries)
        record = StageRecord(
            stage=self.stage.name,
            status=status,
            skipped=status == "failed" and self.stage.on_failure == "skip",
            tries=tries,
            output=output,
        )
        own = StageRecord(stage=self.stage.name, tries=tries[earlier:])
        failure = own.tries[-1].failure if own.tries else None
        self._report("ended", len(own.tries), status, own.seconds, failure.error if failure else None)
        return record

    def _report(self, kind: Any, number: int, status: Status, seconds: float, error: str | None) -> None:
        event = StageEvent(
            kind=kind,
            pipeline=self.setting.pipeline,
            run_id=self.live.run_id,
            stage=self.stage.name,
            number=number,
            status=status,
            seconds=seconds,
            error=error,
        )
        report(self.setting.collectors, event)


def _around(middleware: Middleware, context: Context, proceed: Proceed) -> Proceed:
    async def around(value: Any) -> Any:
        return await middleware(value, context, proceed)

    return around
