"""What is measured of stages, and who collects it."""

import logging
from dataclasses import dataclass
from typing import Literal, Protocol

from graphs.staged.record import Status

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageEvent:
    """Something that happened to a stage.

    `tried`: a try ended, with `status` success, failed or cancelled, after `seconds`. `ended`: the stage did, after
    `number` tries which took `seconds` in all. `late`: an abandoned try ended `seconds` after it began, and was
    discarded. `error` is the name of the error's type, None where there was none.
    """

    kind: Literal["tried", "ended", "late"]
    pipeline: str
    run_id: str
    stage: str
    number: int
    status: Status
    seconds: float
    error: str | None = None


class MetricsCollector(Protocol):
    """Gets all events on the event loop's thread: `record` must be quick. What it raises is logged and ends nothing."""

    def record(self, event: StageEvent) -> None: ...


class OpenTelemetryMetrics:
    """Metrics for OpenTelemetry, by the meter provider that the process has set up.

    `crewline.stage.duration` is a histogram in seconds, `crewline.stage.tries` and `crewline.stage.late` are counters.
    All have the attributes `crewline.pipeline` and `crewline.stage`; the first two `crewline.status` too, and what
    failed has `error.type`.
    """

    def __init__(self) -> None:
        from opentelemetry.metrics import get_meter  # not everyone who runs stages wants its import

        meter = get_meter("crewline")
        self._duration = meter.create_histogram("crewline.stage.duration", "s", "What the tries of a stage took.")
        self._tries = meter.create_counter("crewline.stage.tries", "{try}", "Tries at a stage.")
        self._late = meter.create_counter("crewline.stage.late", "{try}", "Tries that ended after they were given up.")

    def record(self, event: StageEvent) -> None:
        attributes = {"crewline.pipeline": event.pipeline, "crewline.stage": event.stage}
        if event.kind == "late":
            self._late.add(1, attributes)
            return
        attributes["crewline.status"] = event.status
        if event.error:
            attributes["error.type"] = event.error
        if event.kind == "tried":
            self._tries.add(1, attributes)
        else:
            self._duration.record(event.seconds, attributes)


def report(collectors: tuple[MetricsCollector, ...], event: StageEvent) -> None:
    """Give the event to each collector."""
    for collector in collectors:
        try:
            collector.record(event)
        except Exception:  # noqa: BLE001 - it observes the work, and is none of it
            _log.exception("the metrics collector %r failed on %r", collector, event)
