"""From a goal to the tasks of the domain: what has to be done, and by which names columns go in the result."""

import itertools
from dataclasses import dataclass

from core.spec.column import TYPES
from graphs.planning.data.dataset import Survey
from graphs.planning.data.goal import ColumnOf, Comparison, Condition, Goal, Measure, Unit
from graphs.planning.term import Term
from tools.discovery.words import stems

_SQL = {
    "hour": "concat(substr(cast({} as string), 1, 13), ':00')",
    "day": "cast({} as date)",
    "week": "cast(date_trunc('week', {}) as date)",
    "month": "substr(cast({} as string), 1, 7)",
    "quarter": "concat(cast(year({}) as string), '-Q', cast(quarter({}) as string))",
    "year": "year({})",
}
_AGGREGATES = {"mean": "avg", "count_distinct": "count_distinct"}
# So a goal without groups gets one of all rows.
ALL = "whole"


@dataclass(frozen=True)
class Asked:
    """The tasks, what the result is grouped by, and its aggregates (name to expression)."""

    tasks: list[Term]
    group_by: list[str]
    aggregates: dict[str, str]


def asked(goal: Goal, survey: Survey) -> Asked:
    """What has to be done for a goal."""
    return _Tasks(goal, survey).all()


def quoted(name: str) -> str:
    """A column's name as expressions have it."""
    plain = name.isidentifier() and name.isascii() and name.lower() not in _WORDS
    return name if plain else '"' + name.replace('"', '""') + '"'


def expression(unit: Unit, column: str) -> str:
    """The unit of time of a column of dates."""
    return _SQL[unit].replace("{}", quoted(column))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class _Tasks:
    def __init__(self, goal: Goal, survey: Survey) -> None:
        self._goal = goal
        self._survey = survey
        self._names: dict[ColumnOf, str] = {}
        self._taken = {column.column.lower() for column in goal.needed if column.dataset == goal.base}
        self._taken |= {name.lower() for name in survey.datasets[goal.base].columns}

    def all(self) -> Asked:
        goal = self._goal
        tasks: list[Term] = [("prepare", goal.base)]
        tasks += [
            ("prepare", dataset) for dataset in dict.fromkeys(c.dataset for c in goal.needed) if dataset != goal.base
        ]
        group_by: list[str] = []
        time: list[Term] = []
        if goal.time and goal.unit:
            unit = self._new(goal.unit, f"{goal.unit}_of_{goal.time.column}", goal.time.dataset)
            time = [("tell", goal.time.dataset, goal.time.column, goal.unit, unit)]
            time += [("have", goal.base, goal.time.dataset, unit)]
            group_by.append(unit)
        columns = [c for m in goal.measures for c in m.columns]
        columns += [*goal.groups, *(condition.column for condition in goal.kept), *goal.columns]
        for column in dict.fromkeys(columns):
            tasks += self._brought(column)
        tasks += time
        tasks += map(self._kept, goal.conditions)
        tasks += map(self._compared, goal.comparisons)
        aggregates: dict[str, str] = {}
        group_by += [self._names[column] for column in goal.groups]
        for measure in goal.measures:
            made, name, aggregate = self._measured(measure, group_by)
            tasks += made
            aggregates[name] = aggregate
        if goal.measures and not group_by:
            tasks.append(("combine", goal.base, ALL, "'all'", ()))
            group_by.append(ALL)
        tasks += [("group" if goal.measures else "pass on", goal.base), ("publish", goal.base)]
        return Asked(tasks, group_by, aggregates)

    def _brought(self, column: ColumnOf) -> list[Term]:
        """The tasks that bring a column to the base's rows, under a name that nothing else has there."""
        base, dataset = self._goal.base, column.dataset
        name = column.column
        if dataset != base and (name.lower() in self._taken or self._on_the_way(column)):
            name = self._new(f"{'_'.join(stems(dataset))}_{name}", f"{dataset}_{name}", dataset)
        self._taken.add(name.lower())
        self._names[column] = name
        written = bool(self._survey.datasets[dataset].columns[column.column].formats)
        dated: list[Term] = [("as date", dataset, column.column)] if written else []
        renamed: list[Term] = [("rename", dataset, column.column, name)] if name != column.column else []
        return [*dated, *renamed, ("have", base, dataset, name)]

    def _on_the_way(self, column: ColumnOf) -> bool:
        """Whether a dataset by way of which the column may come has a column of its name."""
        linked = {link.right for link in self._survey.links if link.left == self._goal.base}
        others = self._survey.datasets.keys() - {self._goal.base, column.dataset}
        return column.dataset not in linked and any(
            column.column in self._survey.datasets[name].columns for name in others
        )

    def _new(self, name: str, otherwise: str, dataset: str) -> str:
        """A name for a new column of a dataset, which the base's rows get too."""
        there = self._taken | {column.lower() for column in self._survey.datasets[dataset].columns}
        numbered = (f"{otherwise}_{number}" for number in itertools.count(2))
        found = next(one for one in itertools.chain((name, otherwise), numbered) if one.lower() not in there)
        self._taken.add(found.lower())
        return found

    def _kept(self, condition: Condition) -> Term:
        name = self._names[condition.column]
        of = self._survey.datasets[condition.column.dataset].columns[condition.column.column]
        if of.kind == "boolean":
            where = f"{quoted(name)} = {'true' if 'true' in condition.values else 'false'}"
        elif len(condition.values) == 1:
            where = f"{quoted(name)} = {_text(condition.values[0])}"
        else:
            where = f"{quoted(name)} IN ({', '.join(map(_text, condition.values))})"
        # A row of which nothing is known is not one of those to leave out.
        where = f"NOT coalesce({where}, false)" if condition.negated else where
        return ("keep", self._goal.base, where, (name,))

    def _compared(self, comparison: Comparison) -> Term:
        name = self._names[comparison.column]
        value = quoted(name), comparison.value
        dated = self._survey.datasets[comparison.column.dataset].columns[comparison.column.column].kind != "number"
        if dated:
            value = f"cast({quoted(name)} as date)", f"cast('{comparison.value}' as date)"
        return ("keep", self._goal.base, f" {comparison.operator} ".join(value), (name,))

    def _measured(self, measure: Measure, group_by: list[str]) -> tuple[list[Term], str, str]:
        """The tasks that make what is measured; the measure's name in the result, and its expression."""
        base = self._goal.base
        name = measure.name
        while name.lower() in {group.lower() for group in group_by}:
            name = f"{name}_{measure.function}"
        if measure.column is None:
            return [], name, "count(*)"
        column = self._names[measure.column]
        made: list[Term] = []
        if second := measure.times or measure.until:
            other = self._names[second]
            how = f"{quoted(column)} * {quoted(other)}"
            if measure.until:
                how = f"date_diff('day', {quoted(column)}, {quoted(other)})"
                if measure.in_hours:
                    how = f"date_diff('second', {quoted(column)}, {quoted(other)}) / 3600.0"
            new = self._new(measure.name, f"{measure.name}_of_each", base)
            made = [("combine", base, new, how, (column, other))]
            column = new
        function = _AGGREGATES.get(measure.function, measure.function)
        return made, name, f"{function}({quoted(column)})"


_WORDS = {
    *TYPES,
    *("and", "or", "not", "in", "is", "null", "case", "when", "then", "else", "end", "between", "like", "as", "cast"),
    *("extract", "from", "select", "order", "group", "by", "where", "interval", "user", "table", "true", "false"),
}
