"""A source whose columns are no longer what they were: going on, mapping, or waiting for a person."""

from collections.abc import Collection, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.schema import Schema, SchemaColumn
from core.spec import PipelineSpec
from delegation.consensus.consensus import Consensus, Result
from delegation.consensus.proposal import BREAKING, NEEDS_MAPPING, SchemaChange
from tools.orchestration.columns import trace

Action = Literal["go_on", "map", "wait"]


class SourceDecision(BaseModel):
    """What is to be done about a source. `names` has for each declared column that is gone somewhere the names that it
    goes by there. `results` are the decisions that this follows from, one for each schema that differs."""

    model_config = ConfigDict(frozen=True)

    action: Action
    names: dict[str, tuple[str, ...]]
    results: tuple[Result, ...]

    @property
    def reason(self) -> str:
        """Why, in the words of those who voted for it."""
        decided = [result for result in self.results if result.verdict == self._verdict]
        said = [b.vote.reason for r in decided for b in r.ballots if b.vote and b.vote.choice == self._verdict]
        return "; ".join(dict.fromkeys(said)) or "; ".join(result.tally.reason for result in decided)

    @property
    def _verdict(self) -> str:
        return {"wait": BREAKING, "map": NEEDS_MAPPING, "go_on": "compatible"}[self.action]


def judge_source(
    consensus: Consensus,
    dataset: str,
    *,
    declared: Collection[str],
    known: Schema,
    found: Sequence[Schema],
    uses: dict[str, tuple[str, ...]] | None,
    run_id: str | None = None,
) -> SourceDecision | None:
    """What a consensus decides about a source, in the journal; None if nothing has changed.

    `declared` are the columns that the pipeline reads; `known` those that the source had when it was last read, the
    declared ones by their names, empty if that is not known; `found` the schemas that its parts have now, each judged
    for itself. Of columns that are not declared, only new ones are told. The gravest verdict holds for the source: a
    breaking one waits for a person, one that needs a mapping maps.
    """
    results = []
    for schema in found:
        before = {name: known.get(name, SchemaColumn()) for name in declared}
        before |= {name: column for name, column in known.items() if name in schema}
        proposal = SchemaChange(dataset=dataset, before=before, after=schema, uses=uses)
        if proposal.changes():
            results.append(consensus.decide(proposal, run_id=run_id))
    if not results:
        return None
    names: dict[str, tuple[str, ...]] = {}
    for result in results:
        for column, now in result.mapping.items():
            names[column] = tuple(dict.fromkeys((*names.get(column, ()), now)))
    verdicts = {result.verdict for result in results}
    action: Action = "wait" if BREAKING in verdicts else "map" if NEEDS_MAPPING in verdicts else "go_on"
    return SourceDecision(action=action, names=names, results=tuple(results))


def uses(spec: PipelineSpec, dataset: str) -> dict[str, tuple[str, ...]]:
    """What the pipeline makes of each column of a source, by its lineage: `derives revenue`, `join(customers)`."""
    lineage = trace(spec)
    found: dict[str, dict[str, None]] = {}
    for name, derivation in lineage.columns.items():
        for origin in derivation.inputs:
            if origin.dataset == dataset:
                found.setdefault(origin.column, {})[f"derives {name}"] = None
    for influence in lineage.influences:
        if influence.input.dataset == dataset:
            found.setdefault(influence.input.column, {})[influence.by] = None
    return {column: tuple(by) for column, by in found.items()}
