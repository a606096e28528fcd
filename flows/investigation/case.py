"""The case: a run that did not go straight to its target, and what on record shows it."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from core import run as runs
from core.errors import InputError
from core.settings import Settings
from core.spec import PipelineSpec
from core.spec.document import parse, yaml_values
from core.store.database import Database
from core.task import Failure, Outcome, Severity, Violation
from flows.gate import of_threshold
from tools.orchestration.history import History, read
from tools.sources import Surroundings

_SOURCE = re.compile(r"Source '([^']+)'")


@dataclass
class Case:
    """A run with all that is known of it. `document` is the path of the spec's document, if it has one."""

    database: Database
    settings: Settings
    history: History
    spec: PipelineSpec
    surroundings: Surroundings

    @property
    def run_id(self) -> str:
        return self.history.run.run_id

    @property
    def document(self) -> str | None:
        return self.history.run.document

    @property
    def error(self) -> str:
        """What stopped the run, if something did."""
        return self.history.run.error or ""

    @cached_property
    def failures(self) -> dict[str, Failure]:
        """The tasks of the last round that failed, and why."""
        outcomes = self.history.outcomes()
        return {key: outcome.failure for key, outcome in outcomes.items() if outcome.failure}

    @cached_property
    def violations(self) -> list[Violation]:
        """The grave checks that failed at the first passage through the gate, those of most rows first; no thresholds,
        which only sum them up."""
        verdict = self.history.first_verdict()
        found = [Violation.model_validate(told) for told in verdict["violations"]] if verdict else []
        grave = [v for v in found if v.severity != Severity.MINOR and not of_threshold(v)]
        return sorted(grave, key=lambda v: (-(v.rows or 0), v.dataset, v.check))

    def counted(self, dataset: str, check: str) -> dict[str, int]:
        """How many rows failed a check, as `recorded` at the first passage through the gate; and how many still did,
        `left`, at the last, where that was another."""
        verdicts = [self.history.first_verdict(), self.history.verdict()]
        rows = [
            sum(
                told["rows"] or 0
                for told in verdict["violations"]
                if (told["dataset"], told["check"]) == (dataset, check)
            )
            for verdict in verdicts
            if verdict
        ]
        again = any(task.round for task in self.history.tasks.values())
        return {"recorded": rows[0]} | ({"left": rows[-1]} if again else {}) if rows else {}

    @property
    def suspects(self) -> list[str]:
        """The sources that may not be what the spec says: those that errors name, and those with cells of other types,
        without a value, or with lines that are no records."""
        named = _SOURCE.findall(" ".join([self.error, *(failure.message for failure in self.failures.values())]))
        failed = [self.history.tasks[key].dataset for key in self.failures if key.startswith("ingestion/")]
        odd = [v.dataset for v in self.violations if v.check.startswith(("readable", "type(", "not_null("))]
        return [name for name in dict.fromkeys([*named, *failed, *odd]) if name in self.spec.sources]

    def cells(self, dataset: str) -> list[Outcome]:
        """What reading the dataset came to: references to its cells as they came."""
        tasks = self.history.tasks
        keys = [key for key, task in tasks.items() if task.dataset == dataset and key.startswith("ingestion/")]
        return [outcome for key in keys if (outcome := self.history.outcome(key)) and outcome.output]

    @cached_property
    def values(self) -> dict[str, Any]:
        """The document's values as it gives them; none where there is no document."""
        found = yaml_values(text_of(self.document), self.document) if self.document else None
        return found if isinstance(found, dict) else {}

    @property
    def detoured(self) -> bool:
        """Whether the gate ever sent the run elsewhere than to be published."""
        return any(route != "publish" for route, _ in self.history.passages())


def open_case(database: Database, run_id: str, settings: Settings) -> Case:
    """The case of a run. Raises RunNotFound; InputError for a graph's run, and one that is being worked on."""
    history = read(database, run_id)
    run = history.run
    if run.kind == "graph":
        raise InputError(f"Run {run_id} is a graph's: it has no spec.", remedy=f"See: crewline status {run_id}")
    if run.status == "running" and _fresh(database, run, settings):
        raise InputError(f"Run {run_id} is being worked on.", remedy="Wait for its end, or interrupt it.")
    spec = parse(run.spec, document=f"spec of run {run_id}")
    plan = history.plan
    surroundings = Surroundings(base_dir=run.base_dir, database_url=database.url, names=plan.names if plan else {})
    return Case(database, settings, history, spec, surroundings)


def _fresh(database: Database, run: runs.Run, settings: Settings) -> bool:
    now = database.query("SELECT clock_timestamp() AS now")[0]["now"]
    return bool(run.heartbeat_at and (now - run.heartbeat_at).total_seconds() < settings.lease_s)


def text_of(path: str) -> str:
    """The text of a document, its line ends as they are. Raises InputError."""
    try:
        return Path(path).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The document {path} cannot be read: {error}.", remedy="Bring it back.") from error
