"""Investigations: the loop on a case, its conclusion on record, and the change that it proposes."""

import difflib
import os
import uuid
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from core import journal
from core.errors import CrewlineError, InputError, SpecChanged
from core.journal import Event
from core.llm import Llm
from core.settings import Settings
from core.spec import loads
from core.store.database import Database
from flows.difference import differences
from flows.investigation.case import Case, open_case, text_of
from flows.investigation.change import Change, edits_of
from flows.investigation.edit import edited_text
from flows.investigation.explanation import unproposed
from flows.investigation.rules import RuleReasoner
from flows.investigation.tools import changed, chosen, tools
from graphs.react import Analysis, ModelReasoner, ReAct, Reasoning, Step

_GOAL = (
    "Why did run {run} of pipeline {pipeline}, which is {status}, not go straight to its target, and what to change?"
)


class Investigation(BaseModel):
    """What an investigation came to.

    `conclusion` says in words what the matter is, `evidence` names the facts that it rests on. `changes` are the
    proposed ones in words, `diff` the change of the document as a unified diff; where there is none, `unproposed` says
    why. `applied` says whether the document was changed.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    status: str
    steps: tuple[Step, ...]
    analysis: Analysis
    conclusion: str
    evidence: tuple[str, ...]
    changes: tuple[str, ...]
    diff: str = ""
    unproposed: str = ""
    document: str | None
    applied: bool = False


def investigate(
    database: Database, run_id: str, settings: Settings, *, llm: Llm | None = None, apply: bool = False
) -> Investigation:
    """Look into a run that failed, waits, or was sent to be enhanced or retried; with `apply`, change its document.

    By rules; a model chooses the steps, where one is given. Steps and conclusion go to the run's journal, outside of
    its lease. A loop whose process died is taken up where it was. Raises RunNotFound; InputError for a run that is
    being worked on, and for a graph's; with `apply`, SpecChanged where the document is no longer what the run began
    with, and InputError where nothing is proposed.
    """
    case = open_case(database, run_id, settings)
    changed_since = _changed_since(case)
    if apply and changed_since:
        raise SpecChanged(run_id, changed_since)
    thread = f"investigation:{run_id}:{len(journal.events(database, run_id, kind='investigation.concluded'))}"
    reasoning = _reasoned(case, llm, thread)
    found, changes = _concluded(case, reasoning, changed_since)
    _tell(database, run_id, "concluded", thread, found.model_dump(mode="json", exclude={"steps", "analysis"}))
    if not apply:
        return found
    if not found.diff:
        raise InputError(f"Nothing is to be applied. {found.unproposed}", remedy="Change the document by hand.")
    _apply(case, found.diff, changes)
    _tell(database, run_id, "applied", thread, {"document": found.document, "changes": found.changes})
    return found.model_copy(update={"applied": True})


def _reasoned(case: Case, llm: Llm | None, thread: str) -> Reasoning:
    own = tools(case)

    def listen(step: Step, analysis: Analysis) -> None:
        told = step.model_dump(mode="json", exclude={"learned"}) | {"learned": sorted(step.learned)}
        _tell(case.database, case.run_id, f"step/{step.number}", thread, told | {"overall": analysis.overall})

    model = ModelReasoner(llm, own) if llm else None
    run = case.history.run
    goal = _GOAL.format(run=run.run_id, pipeline=run.pipeline, status=run.status)
    facts: dict[str, Any] = {"status": run.status, **({"error": run.error} if run.error else {})}
    facts |= {"failures": {k: f.message for k, f in case.failures.items()}} if case.failures else {}
    failed = [{"dataset": v.dataset, "check": v.check, "rows": v.rows} for v in case.violations[:20]]
    facts |= {"failed_checks": failed} if failed else {}
    loop = ReAct(own, RuleReasoner(case), model=model, listener=listen)
    return loop.run(goal, url=case.database.url, thread=thread, facts=facts)


def _concluded(case: Case, reasoning: Reasoning, changed_since: list[str]) -> tuple[Investigation, list[Change]]:
    given = reasoning.conclusion
    changes: list[Change] = []
    diff = why = ""
    try:
        changes = chosen(case, reasoning.facts, list(given.get("changes", ())))
        diff = _diff(case, changes) if changes and not changed_since else ""
    except CrewlineError as error:
        why = str(error)
    if changed_since:
        why = f"The document has changed since the run began: {'; '.join(changed_since[:3])}."
    elif not diff and not why:
        why = unproposed(case, reasoning.facts)
    found = Investigation(
        run_id=case.run_id,
        status=case.history.run.status,
        steps=reasoning.steps,
        analysis=reasoning.analysis,
        conclusion=given["conclusion"],
        evidence=tuple(name for name in given.get("evidence", ()) if name in reasoning.facts),
        changes=tuple(change.words for change in changes),
        diff=diff,
        unproposed=why,
        document=case.document,
    )
    return found, changes


def _diff(case: Case, changes: list[Change]) -> str:
    """The change of the document's text: checked to load as the changed spec, and as nothing else."""
    if case.document is None:
        changed(case, changes)
        return ""
    text = text_of(case.document)
    after = edited_text(text, edits_of(changes))
    if loads(after, document=case.document).content() != changed(case, changes).content():
        raise InputError(f"{case.document} cannot be changed in its place.", remedy="Change it by hand.")
    name = Path(case.document).name
    lines = difflib.unified_diff(
        text.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)


def _apply(case: Case, diff: str, changes: list[Change]) -> None:
    """Write the changed document, whole or not at all, if it still is what the change was made from."""
    assert case.document is not None, "there is a change of it"
    # Where the document is a link, it stays one.
    path = Path(case.document).resolve()
    text = text_of(case.document)
    if _diff(case, changes) != diff:
        raise InputError(f"{path} was changed while it was looked into.", remedy="Investigate once more.")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(edited_text(text, edits_of(changes)).encode())
        draft.chmod(path.stat().st_mode)
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror}.", remedy="Apply the diff by hand.") from error


def _changed_since(case: Case) -> list[str]:
    """How the document differs from the spec of the run."""
    if case.document is None or not Path(case.document).is_file():
        return []
    now = loads(text_of(case.document), document=case.document)
    return differences(case.spec.content(), now.content())


def _tell(database: Database, run_id: str, what: str, thread: str, data: dict[str, object]) -> None:
    """Write to the run's journal; a thing that is told twice stands there once."""
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{thread}/{what}")
    kind = f"investigation.{what.partition('/')[0]}"
    event = Event(run_id=run_id, kind=kind, actor="investigator", data=data, event=identity)
    database.transaction(lambda connection: journal.write(connection, event))
