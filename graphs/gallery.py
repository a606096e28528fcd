"""The graphs that there are: each drawn, and made anew from what is on record with a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from graphs.branch import Branch
from graphs.parallel.options import Options
from graphs.parallel.workflow import ParallelWorkflow
from graphs.worker import Answer, Attempt, Worker

if TYPE_CHECKING:
    from graphs.adaptive.workflow import Maker

# As graphs.workers has them, who need a database.
_BUILT_IN = ("data", "research", "primary_analysis", "secondary_analysis")


@dataclass(frozen=True)
class Named:
    """A worker of whom the name alone is known: enough to look at a graph, not to run it."""

    name: str
    kinds: frozenset[str]
    capacity: int = 1

    def perform(self, branch: Branch, attempt: Attempt) -> Answer:
        raise InputError(f"Nobody knows how {self.name} performs {branch.key}.", remedy="Give a worker of this name.")


def draw(name: str) -> str:
    """A graph as Mermaid text. Raises InputError, with the names that there are."""
    if name not in _DRAWN:
        raise InputError(f"There is no graph '{name}'.", remedy=f"There are: {', '.join(_DRAWN)}.")
    return _DRAWN[name]()


def restored(definition: Mapping[str, Any], workers: Sequence[Worker], make: "Maker | None" = None) -> ParallelWorkflow:
    """The workflow that a run was started with, with other workers, or for an adaptive one another maker of them.

    Raises InputError for a graph that is none of Crewline's.
    """
    options = Options.model_validate(definition["options"])
    if definition["graph"] == "parallel":
        return ParallelWorkflow(workers, options=options, review=definition["review"])
    if definition["graph"] == "adaptive":
        from crews.dynamic import Resources, TemplateSpecifier
        from graphs.adaptive.workflow import AdaptiveWorkflow

        budget = Resources.model_validate(definition["budget"]) if "budget" in definition else None
        specifier, review = TemplateSpecifier(), definition["review"]
        return AdaptiveWorkflow(specifier, make or _unmade, options=options, review=review, budget=budget)
    raise InputError(
        f"The graph {definition['graph']} is none of Crewline's.",
        remedy="Resume and inspect its runs from Python, with the workflow that they were started with.",
    )


def named(workers: Mapping[str, Sequence[str]]) -> list[Worker]:
    """Workers to look at a graph with, by name, each with its kinds."""
    return [Named(name, frozenset(kinds)) for name, kinds in workers.items()]


def _unmade(spec: Any) -> Worker:
    return Named(spec.id, frozenset(spec.kinds))


def _drawn(graph: str) -> str:
    workers = named({name: [name] for name in _BUILT_IN})
    return restored({"graph": graph, "options": {}, "review": ()}, workers).graph().get_graph().draw_mermaid()


def _staged() -> str:
    from graphs.staged.builder import StagedPipeline

    def stage(value: Any, context: Any) -> Any:
        return value

    # Its stages are whoever builds it to name.
    pipeline = StagedPipeline("staged").stage("first", stage).stage("second", stage).stage("third", stage)
    return pipeline.build().mermaid()


def _react() -> str:
    from graphs.react.reasoner import Nobody
    from graphs.react.workflow import ReAct

    return str(ReAct({}, Nobody()).graph().get_graph().draw_mermaid())


_DRAWN: dict[str, Callable[[], str]] = {
    "parallel": lambda: _drawn("parallel"),
    "adaptive": lambda: _drawn("adaptive"),
    "staged": _staged,
    "react": _react,
}
