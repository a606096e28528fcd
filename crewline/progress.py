"""What a run shows while it works: a table by stage on a terminal, plain lines elsewhere. On standard error."""

from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from core.journal import Event
from core.task import Stage


class Progress(Protocol):
    """A listener to a run's journal, used in a `with` block. `run_id` is there once the run is on record."""

    run_id: str | None

    def __call__(self, event: Event) -> None: ...

    def __enter__(self) -> "Progress": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress(console: Console) -> Progress:
    """The progress that suits the console."""
    return LiveProgress(console) if console.is_terminal else LineProgress(console)


class LineProgress:
    """A line for each thing that ends, and for each decision."""

    def __init__(self, console: Console) -> None:
        self.run_id: str | None = None
        self._console = console

    def __enter__(self) -> "LineProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, event: Event) -> None:
        if self.run_id is None:
            self.run_id = event.run_id
            self._say(f"run {event.run_id}")
        for line in told(event):
            self._say(line)

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


class LiveProgress:
    """A table with a row for each stage, and under it what happened last."""

    def __init__(self, console: Console) -> None:
        self.run_id: str | None = None
        self._console = console
        self._stages = {stage: _StageProgress() for stage in Stage}
        self._live = Live(console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> "LiveProgress":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        if self.run_id is None:
            self.run_id = event.run_id
            self._console.print(f"run {event.run_id}")
        if event.kind == "round.started":
            for stage, seen in self._stages.items():
                seen.tasks = {key for key in event.data["tasks"] if _stage(key) == stage}
        elif event.step and _is_task(event.step):
            self._stages[_stage(event.step)].note(event)
        else:
            for line in told(event):
                self._console.print(line)
        self._live.update(self._table())

    def _table(self) -> Table:
        table = Table("stage", "tasks", "running", "rows in", "rows out", "left", box=None, pad_edge=False)
        for stage, seen in self._stages.items():
            if seen.tasks:
                failed = f", {len(seen.failed)} failed" if seen.failed else ""
                table.add_row(
                    str(stage),
                    f"{len(seen.done.keys() & seen.tasks)}/{len(seen.tasks)}{failed}",
                    ", ".join(sorted(seen.running)),
                    f"{seen.total('rows_in'):,}",
                    f"{seen.total('rows_out'):,}",
                    f"{seen.total('rows_in') - seen.total('rows_out'):,}",
                )
        return table


class _StageProgress:
    """What one stage has come to so far."""

    def __init__(self) -> None:
        self.tasks: set[str] = set()
        self.running: set[str] = set()
        self.failed: set[str] = set()
        self.done: dict[str, dict[str, Any]] = {}

    def note(self, event: Event) -> None:
        key = event.step or ""
        self.running.discard(key)
        self.failed.discard(key)
        if event.kind == "step.started":
            self.running.add(key)
        elif event.kind == "step.failed":
            self.failed.add(key)
        elif event.kind == "step.committed":
            self.done[key] = event.data["rows"]

    def total(self, what: str) -> int:
        """Of the latest round of each task: an earlier round's rows were all taken up again."""
        latest = {key.partition("@")[0]: rows[what] for key, rows in sorted(self.done.items())}
        return sum(latest.values())


def told(event: Event) -> list[str]:
    """An event in words; nothing for those that are of no interest to who watches."""
    data = event.data
    if event.kind == "step.committed" and event.step == "plan":
        rows = ", ".join(f"{name} {n:,} rows" for name, n in data["rows"].items())
        plan = f"plan: {len(data['tasks'])} tasks ({data['level']}) over {rows}"
        return [plan, *(f"note: {note}" for note in data["notes"])]
    if event.kind == "step.committed" and event.actor == "gate":
        return [f"gate: {data['route']}, as {data['reason']}"]
    if event.kind == "step.committed" and event.step == "publish":
        return [f"published: {data['target']}"]
    if event.kind == "step.committed" and event.step and _is_task(event.step):
        rows = data["rows"]
        left = "".join(f", {rows[fate]:,} {fate}" for fate in ("quarantined", "merged", "filtered") if rows[fate])
        done = f"{event.step}: {rows['rows_in']:,} in, {rows['rows_out']:,} out{left} ({data['seconds']:.2f} s)"
        # Runs of earlier versions have no notes on record here.
        return [done, *(f"note: {note}" for note in data.get("notes", ()))]
    if event.kind == "step.failed":
        return [f"{event.step}: failed, {data['message']}"]
    if event.kind == "team.formed":
        return [f"team: {', '.join(member['agent'] for member in data['members'])}, {data['reason']}"]
    if event.kind == "workload.waits":
        return [f"waiting: {data['agent']} has all the tasks that it may have at a time"]
    if event.kind == "experience.applied":
        return [f"experience: {data['decision']}, as {data['reason']}"]
    if event.kind == "experience.failed":
        return [f"experience: nothing was learned, {data['reason']}"]
    if event.kind == "replan.made":
        return [f"replan: {data['change']}"]
    if event.kind in ("replan.refused", "replan.unmet"):
        return [f"{event.kind.replace('.', ' ')}: {data['reason']}"]
    if event.kind == "spec.changed":
        return [f"spec changed: {change}" for change in data["changes"]]
    return []


def _is_task(step: str) -> bool:
    return step.partition("/")[0] in list(Stage)


def _stage(step: str) -> Stage:
    return Stage(step.partition("/")[0])
