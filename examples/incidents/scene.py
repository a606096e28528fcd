"""Where incidents are played: a copy of the retail example in a folder of its own, and a voice that tells of it."""

import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import crewline
from core.errors import CrewlineError
from core.journal import Event
from core.report import RunReport
from core.store import open_database
from crewline.facade.runs import timeline
from crewline.progress import LineProgress
from delegation.approvals import Approval

RETAIL = Path(__file__).parent.parent / "retail"

# The table of customers is loaded as the retail example does it.
sys.path.append(str(RETAIL))
from load import load  # noqa: E402  # the path is known only now

# Files of orders that are played with: a story is told as well by few as by many.
MONTHS = 3

# What of an event's data is told.
TOLD = ("action", "verdict", "route", "failure", "change", "reason", "error", "attempt", "target")

# What CrewAI logs of an error is raised too, and told here once.
logging.getLogger("crewai").setLevel(logging.CRITICAL)

_console = Console(markup=False, highlight=False, width=140)


@dataclass(frozen=True)
class Scene:
    """The retail example in `folder`, as a pipeline called `name`."""

    name: str
    folder: Path

    @property
    def pipeline(self) -> Path:
        return self.folder / "pipeline.yaml"

    @property
    def orders(self) -> Path:
        """The folder of the monthly files of orders."""
        return self.folder / "data" / "orders"

    def says(self, text: str) -> None:
        """Tell whoever watches what happens next."""
        _console.print(f"\n# {text}", style="bold")

    def shows(self, line: str) -> None:
        _console.print(f"  {line}")

    def change(self, old: str, new: str) -> None:
        """Change the pipeline's document: `old` must stand there."""
        text = self.pipeline.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {self.pipeline}"
        self.pipeline.write_text(text.replace(old, new, 1), encoding="utf-8")

    def run(self) -> RunReport | CrewlineError:
        """Run the pipeline: its report, or the error that ended it."""
        self.shows(f"$ crewline run {self.pipeline}")
        return self._watched(lambda listener: crewline.run(self.pipeline, listener=listener))

    def resume(self, run_id: str, meanwhile: Callable[[], object] | None = None) -> RunReport | CrewlineError:
        """Go on with a run: its report, or the error that ended it. `meanwhile` happens once its tasks are begun."""
        self.shows(f"$ crewline resume {run_id}")
        to_come = [meanwhile] if meanwhile else []

        def resumed(told: LineProgress) -> RunReport:
            def listen(event: Event) -> None:
                told(event)
                if event.kind == "round.started" and to_come:
                    to_come.pop()()

            return crewline.resume(run_id, listener=listen)

        return self._watched(resumed)

    def newest_run(self) -> str:
        """The id of the newest run of this pipeline."""
        return next(run.run_id for run in crewline.status() if run.run_id.startswith(self.name))

    def request(self, run_id: str) -> Approval:
        """What the run waits for, as a person sees it."""
        self.shows("$ crewline approvals")
        request = next(request for request in crewline.approvals() if request.run_id == run_id)
        self.shows(f"{request.approval}: {request.subject}, as {request.reason}")
        return request

    def story(self, run_id: str, *kinds: str) -> list[Event]:
        """What the journal tells of a run: the events whose kind begins with one of these."""
        events = [event for event in timeline(run_id) if event.kind.startswith(kinds)]
        self.says(f"What the journal of {run_id} tells:")
        for event in events:
            told = "; ".join(f"{key}: {event.data[key]}" for key in TOLD if event.data.get(key))
            self.shows(f"{event.at:%H:%M:%S}  {event.kind}  {event.step or ''}  by {event.actor}  {told}")
        return events

    def proves(self, run_id: str) -> None:
        """Prove the run's account from its files."""
        found = crewline.audit(run_id)
        assert found.balanced, f"the account of {run_id} does not hold"
        records = found.records
        left = f"{records.quarantined:,} quarantined + {records.merged:,} merged + {records.filtered:,} filtered"
        self.shows(f"$ crewline audit {run_id}: {records.rows_in:,} in = {records.out:,} out + {left}")

    def _watched(self, work: Callable[[LineProgress], RunReport]) -> RunReport | CrewlineError:
        try:
            report = work(LineProgress(_console))
        except CrewlineError as error:
            self.shows(f"{type(error).__name__}: {error}")
            return error
        self.shows(f"status {report.status}, route {report.route}, quality {report.quality.overall:.1%}")
        return report


@contextmanager
def scene(name: str) -> Iterator[Scene]:
    """A scene in a temporary folder. It is kept, so that what happened there can be looked at."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    shutil.copytree(RETAIL / "data", folder / "data")
    for file in sorted((folder / "data" / "orders").glob("*.csv"))[MONTHS:]:
        file.unlink()
    shutil.copy(RETAIL / "pipeline.yaml", folder)
    database = open_database()
    load(database, folder / "data" / "customers.csv")
    database.close()
    played = Scene(name, folder)
    played.change("name: retail\n", f"name: {name}\n")
    yield played
    played.says(f"All of it is in {folder}, and on record: crewline status {played.newest_run()}")
