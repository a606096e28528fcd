"""The tools of an investigation: they look at the true record and the true files, and change nothing."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from core.errors import InputError
from core.spec import PipelineSpec
from core.spec.document import parse
from flows.investigation.case import Case
from flows.investigation.change import Change, edits_of
from flows.investigation.edit import edited_values
from flows.investigation.evidence import check_facts
from flows.investigation.proposals import proposals
from flows.investigation.routing import route_facts
from flows.investigation.schema import readable, schema_facts
from flows.investigation.trial import tried
from graphs.react import Action, Tool
from graphs.react.action import Arguments, Conclusion


class SourceName(Arguments):
    source: str = Field(description="The name of a source, as the spec has it.")


class CheckName(Arguments):
    dataset: str = Field(description="The name of a dataset.")
    check: str = Field(description="The name of a check or join that rows failed, such as `type(amount)`.")


class ChangeNames(Arguments):
    changes: list[str] = Field(
        min_length=1, description="Ids of changes that the facts speak for, to be tried together."
    )


class Nothing(Arguments):
    pass


class Ending(Conclusion):
    changes: list[str] = Field(default=[], description="Ids of the changes to propose, of those that the facts list.")


def tools(case: Case) -> dict[Action, Tool]:
    """The tools by their action, for one case."""
    return {
        tool.action: tool
        for tool in (
            Tool(
                Action.ANALYZE_SCHEMA,
                "Compare a source as it is now with what the spec says: files, delimiter, encoding, columns.",
                SourceName,
                lambda given, known: _told(case, known, _schema(case, given.source)),
            ),
            Tool(
                Action.VALIDATE_DATA,
                "Look at the rows of a dataset that fail a check: how many, which values, what they would pass for.",
                CheckName,
                lambda given, known: _told(case, known, check_facts(case, _known(case, given.dataset), given.check)),
            ),
            Tool(
                Action.TRANSFORM_DATA,
                "Try changes of the spec on the sources as they are now: what would the gate say?",
                ChangeNames,
                lambda given, known: {"trial": _trial(case, chosen(case, known, given.changes))},
            ),
            Tool(
                Action.ROUTE_PIPELINE,
                "Tell the course of the run through the gate, what it missed, and by how much.",
                Nothing,
                lambda given, known: _told(case, known, route_facts(case)),
            ),
            Tool(Action.FINAL_RESULT, "Conclude, and propose changes by their ids.", Ending, lambda given, known: {}),
        )
    }


def chosen(case: Case, facts: Mapping[str, Any], ids: list[str]) -> list[Change]:
    """The changes of these ids. Raises InputError for one that the facts do not speak for."""
    there = {change.id: change for change in proposals(case, facts)}
    for name in ids:
        if name not in there:
            raise InputError(
                f"Nothing speaks for a change '{name}'.", remedy=f"There are: {', '.join(there) or 'none'}."
            )
    return [there[name] for name in ids]


def changed(case: Case, changes: list[Change]) -> PipelineSpec:
    """The spec with changes made. Raises SpecError where it is none, InputError where they fit nowhere."""
    values = edited_values(case.values or case.history.run.spec, edits_of(changes))
    spec = parse(values, document="the changed spec")
    if spec.sources.keys() != case.spec.sources.keys():
        raise InputError("The changed spec has other sources.", remedy="Change it by hand.")
    return spec


def _trial(case: Case, changes: list[Change]) -> dict[str, Any]:
    names = {source: columns for change in changes for source, columns in change.names.items()}
    surroundings = case.surroundings.model_copy(update={"names": {**case.surroundings.names, **names}})
    return {"changes": [change.id for change in changes], **tried(changed(case, changes), surroundings, case.settings)}


def _told(case: Case, known: Mapping[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Facts, with the changes that they speak for together with what is known, which a model may choose from."""
    there = {change.id: change.words for change in proposals(case, {**known, **facts})}
    return facts | ({"changes": there} if there else {})


def _schema(case: Case, source: str) -> dict[str, Any]:
    facts = schema_facts(case, _known(case, source))
    usable = [path for path in facts.get(f"{source}.near", ()) if readable(case, source, path)]
    return facts | ({f"{source}.usable": usable[0]} if len(usable) == 1 else {})


def _known(case: Case, name: str) -> str:
    if name not in case.spec.sources:
        raise InputError(f"There is no source '{name}'.", remedy=f"There are: {', '.join(case.spec.sources)}.")
    return name
