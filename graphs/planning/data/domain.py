"""The built-in domain: from a goal over datasets to the steps of a pipeline. It is registered as `data`.

Facts: `column(dataset, column)`; `dated(dataset, column)` of columns of dates, `written(dataset, column, format)` of
dates that are written as no plain date is; `link(left, column, right, column, chance, evidence)`: rows of the left can
look up rows of the right; `fewer(n, m)`: of n joins that may be made, m are left after one; `effort(stage, dataset,
seconds, success, evidence)`: what a stage is expected to take; `beside(seconds)`: what a run takes beside its stages.
Tasks: `prepare(dataset)` reads and checks it; `tell(dataset, column, unit, new)` makes a column of the unit of time;
`have(dataset, other, column)` brings a column of the other dataset to the rows of the one.
"""

from core.task import Stage
from graphs.planning.data.dataset import Survey
from graphs.planning.data.reach import HOPS
from graphs.planning.domain import Action, Domain, Method
from graphs.planning.registry import register
from graphs.planning.term import Binding, Term
from tools.orchestration.rates import Rates

NAME = "data"
# The rows of a dataset as they are by then: whatever changes them says so, so that steps come one after the other.
_ROWS = ("rows", "?d")


def facts(survey: Survey, rates: Rates) -> list[Term]:
    """What is known of the datasets, and what the stages took so far, as the domain wants it."""
    found: list[Term] = [("beside", rates.beside_s), *(("fewer", n, n - 1) for n in range(HOPS, 1, -1))]
    for name, dataset in survey.datasets.items():
        for column in dataset.columns.values():
            found.append(("column", name, column.name))
            if column.formats:
                found.append(("written", name, column.name, " or ".join(column.formats)))
            elif column.kind in ("date", "timestamp"):
                found.append(("dated", name, column.name))
        for stage in Stage:
            rate = rates.of(stage, dataset.source["kind"] if stage == Stage.INGESTION else None)
            found.append(("effort", stage, name, rate.duration_s(dataset.rows), rate.success, rate.told))
    found += [
        ("link", link.left, link.left_column, link.right, link.right_column, link.chance, link.evidence)
        for link in survey.links
    ]
    return found


def _work(stage: Stage, task: Term, *, needs: list[Term], adds: list[Term]) -> Action:
    """An action that is a stage's work on the dataset that the task names first."""
    return Action(
        task,
        needs=[*needs, ("effort", stage, task[1], "?seconds", "?success", "?evidence")],
        adds=adds,
        duration_s=lambda b: b["?seconds"],
        success=lambda b: b["?success"],
        risk=lambda b: f"{stage} of {b['?d']} may fail: {b['?evidence']}",
    )


def _prepared() -> list[Action | Method]:
    return [
        _work(Stage.INGESTION, ("read", "?d"), needs=[], adds=[("read", "?d")]),
        _work(Stage.VALIDATION, ("check", "?d"), needs=[("read", "?d")], adds=[("ready", "?d"), _ROWS]),
        Method(("prepare", "?d"), name="it is ready", needs=[("ready", "?d")]),
        Method(
            ("prepare", "?d"),
            name="reading and checking it",
            unless=[("ready", "?d")],
            subtasks=[("read", "?d"), ("check", "?d")],
        ),
    ]


def _told_by_time() -> list[Action | Method]:
    return [
        Method(
            ("tell", "?d", "?c", "?unit", "?new"),
            subtasks=[("as date", "?d", "?c"), ("truncate", "?d", "?c", "?unit", "?new")],
        ),
        Method(("as date", "?d", "?c"), name="taking its dates as they are", needs=[("dated", "?d", "?c")]),
        Method(
            ("as date", "?d", "?c"),
            name="reading how its dates are written",
            needs=[("written", "?d", "?c", "?format")],
            subtasks=[("parse", "?d", "?c", "?format")],
        ),
        Action(
            ("parse", "?d", "?c", "?format"),
            needs=[("ready", "?d")],
            adds=[("dated", "?d", "?c"), _ROWS],
            removes=[("written", "?d", "?c", "?format")],
        ),
        _work(
            Stage.TRANSFORMATION,
            ("truncate", "?d", "?c", "?unit", "?new"),
            needs=[("ready", "?d"), ("dated", "?d", "?c")],
            adds=[("column", "?d", "?new"), _ROWS],
        ),
        Action(
            ("rename", "?d", "?c", "?new"),
            needs=[("ready", "?d"), ("column", "?d", "?c")],
            adds=[("column", "?d", "?new"), _ROWS],
        ),
    ]


def _brought() -> list[Action | Method]:
    def doubt(binding: Binding) -> str:
        return f"{binding['?k']} may not be what {binding['?f']} is: {binding['?why']}"

    take = ("take", "?d", "?k", "?e", "?f", "?c")
    return [
        Method(("have", "?d", "?d", "?c"), name="its own column", needs=[("column", "?d", "?c")]),
        Method(
            ("have", "?d", "?o", "?c"),
            name="looking it up",
            needs=[("column", "?o", "?c")],
            where=lambda b: b["?d"] != b["?o"],
            subtasks=[("bring", "?d", "?o", "?c", HOPS)],
        ),
        Method(
            ("bring", "?d", "?o", "?c", "?n"),
            name="their key",
            needs=[("link", "?d", "?k", "?o", "?f", "?p", "?why")],
            subtasks=[("prepare", "?o"), ("join", "?d", "?k", "?o", "?f"), ("take", "?d", "?k", "?o", "?f", "?c")],
            success=lambda b: b["?p"],
            risk=doubt,
        ),
        Method(
            ("bring", "?d", "?o", "?c", "?n"),
            name="way of another dataset",
            needs=[("fewer", "?n", "?m"), ("link", "?d", "?k", "?e", "?f", "?p", "?why")],
            where=lambda b: b["?e"] not in (b["?d"], b["?o"]),
            subtasks=[("prepare", "?e"), ("bring", "?e", "?o", "?c", "?m"), ("join", "?d", "?k", "?e", "?f"), take],
            success=lambda b: b["?p"],
            risk=doubt,
        ),
        Method(("join", "?d", "?k", "?e", "?f"), name="the join there is", needs=[("joined", "?d", "?k", "?e", "?f")]),
        Method(
            ("join", "?d", "?k", "?e", "?f"),
            unless=[("joined", "?d", "?k", "?e", "?f")],
            subtasks=[("look up", "?d", "?k", "?e", "?f")],
        ),
        _work(
            Stage.ENRICHMENT,
            ("look up", "?d", "?k", "?e", "?f"),
            needs=[("rows", "?d"), ("rows", "?e")],
            adds=[("joined", "?d", "?k", "?e", "?f"), _ROWS],
        ),
        Action(
            take,
            needs=[("joined", "?d", "?k", "?e", "?f"), ("column", "?e", "?c")],
            adds=[("column", "?d", "?c"), _ROWS],
        ),
    ]


def _finished() -> list[Action | Method]:
    return [
        Action(("combine", "?d", "?new", "?how", "?columns"), needs=[_ROWS], adds=[("column", "?d", "?new"), _ROWS]),
        Action(("keep", "?d", "?condition", "?columns"), needs=[_ROWS], adds=[_ROWS]),
        _work(Stage.AGGREGATION, ("group", "?d"), needs=[_ROWS], adds=[("result", "?d")]),
        Action(("pass on", "?d"), needs=[_ROWS], adds=[("result", "?d")]),
        Action(("publish", "?d"), needs=[("result", "?d"), ("beside", "?seconds")], duration_s=lambda b: b["?seconds"]),
    ]


register(Domain(NAME).add(*_prepared(), *_told_by_time(), *_brought(), *_finished()))
