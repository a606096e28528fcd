"""Conditions: which rows a goal is about, as its items say it."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from core.errors import GoalError
from graphs.planning.data.goal import ColumnOf, Comparison, Condition
from graphs.planning.data.naming import Match
from graphs.planning.data.scope import Scope
from graphs.planning.data.sorting import valued
from graphs.planning.data.wording import Item
from tools.discovery.words import stems

# What an item comes to, how far it is from the words, and why.
Found = tuple[tuple[Condition | Comparison, ...], float, str]

_TRUE, _FALSE = {"true", "yes"}, {"false", "no"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
# Values that the words beside them do not name the column of.
_UNNAMED = 0.06
_UNSAID = 0.3


class Conditions:
    """What items restrict, as seen from the dataset whose rows are measured."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._names = scope.names

    def of(self, base: str, item: Item) -> Iterator[Found]:
        """The ways to take an item; none where it says nothing that there is."""
        if item.bounds:
            yield from self._bounded(base, item)
            return
        found = list(self._by_values(base, item)) or list(self._by_column(base, item))
        yield from found
        datasets = self._names.datasets(self._scope.words(item))
        if not found and not item.negated and datasets and datasets[0][1] > 0.6:
            yield (), 0.0, ""

    def _bounded(self, base: str, item: Item) -> Iterator[Found]:
        (restriction,) = item.bounds
        kinds = ("date", "timestamp") if restriction.dated else ("number",)
        for match in self._scope.near(base, self._scope.words(item), *kinds):
            made = tuple(
                Comparison(column=match.column, operator=bound.operator, value=bound.value)
                for bound in restriction.bounds
            )
            yield made, self._scope.off(base, match), restriction.remark or match.remark

    def _by_values(self, base: str, item: Item) -> Iterator[Found]:
        """The values that stand in an item, of columns that its other words name or say nothing against."""
        spans = list(valued(item.words, self._names))
        inside = {place for first, after in spans for place in range(first, after)}
        rest, _ = self._names.understood(word for place, word in enumerate(item.words) if place not in inside)
        own = self._scope.unsaid(rest, *self._scope.survey.datasets)
        named = {match.column for match in self._scope.near(base, rest) if match.score >= 0.9} if own else set()
        options = [list(self._of_value(base, item, span, rest, named)) for span in spans]
        for chosen in itertools.product(*options) if spans else ():
            remark = "; ".join(dict.fromkeys(why for *_, why in chosen if why))
            yield tuple(condition for condition, _, _ in chosen), sum(off for _, off, _ in chosen), remark

    def _of_value(
        self, base: str, item: Item, span: tuple[int, int], rest: Sequence[str], named: set[ColumnOf]
    ) -> Iterator[tuple[Condition, float, str]]:
        for column, value in self._names.values(" ".join(item.words[slice(*span)])):
            if self._scope.reach.hops(base, column.dataset) is None or (named and column not in named):
                continue
            unsaid = self._scope.unsaid(rest, column.column, *self._scope.survey.datasets)
            off = self._scope.off(base, Match(column, 1.0)) + (_UNSAID if unsaid else 0.0)
            off += 0.0 if set(rest) & set(stems(column.column)) or column.dataset == base else _UNNAMED
            yield Condition(column=column, values=(value,), negated=item.negated), off, unsaid

    def _by_column(self, base: str, item: Item) -> Iterator[Found]:
        """The column that an item begins with, and the value that comes after, as it is written."""
        for after in [item.named] if item.named else range(len(item.words) - 1, 0, -1):
            words, remarks = self._names.understood(item.words[:after])
            value = " ".join(item.written[after:])
            for match in self._scope.near(base, words) if value else ():
                if match.score >= 0.8 and (made := self._equal(match.column, value, negated=item.negated)):
                    if isinstance(made, Condition):
                        remarks.append(f"'{value}' is looked for as it is written")
                    yield (made,), self._scope.off(base, match), "; ".join(remarks)

    def strange(self, item: Item) -> Iterator[tuple[ColumnOf, str, tuple[str, ...]]]:
        """Columns that an item names beside a value that they have not, and the values that they have."""
        for after in range(len(item.words) - 1, 0, -1):
            words, _ = self._names.understood(item.words[:after])
            for match in self._names.columns(words):
                if match.score >= 0.8 and (few := self._few(match.column)):
                    yield match.column, " ".join(item.written[after:]), few

    def _few(self, column: ColumnOf) -> tuple[str, ...]:
        of = self._scope.survey.datasets[column.dataset].columns[column.column]
        return of.values or of.known

    def _equal(self, column: ColumnOf, value: str, *, negated: bool) -> Condition | Comparison | None:
        kind = self._scope.kind(column)
        if kind == "number" and _NUMBER.fullmatch(value) and not negated:
            return Comparison(column=column, operator="=", value=value)
        if kind == "boolean" and value.lower() in _TRUE | _FALSE:
            return Condition(column=column, values=("true",), negated=negated != (value.lower() in _FALSE))
        if kind == "text" and not self._few(column):
            return Condition(column=column, values=(value,), negated=negated)
        return None


def together(chosen: Iterable[tuple[Item, tuple[Condition | Comparison, ...]]], there: str) -> list[Condition]:
    """The conditions, those of one column as one. Raises GoalError for those that can only be true of no row, or of
    which one or the other is to be true."""
    found: list[Condition] = []
    for item, made in chosen:
        for one in made:
            if not isinstance(one, Condition):
                if item.either:
                    raise _unclear(item, there)
                continue
            same = next((other for other in found if other.column == one.column), None)
            if (same and same.negated != one.negated) or (item.either and not same):
                raise _unclear(item, there)
            values = tuple(dict.fromkeys((*(same.values if same else ()), *one.values)))
            found = [other for other in found if other is not same]
            found.append(one.model_copy(update={"values": values}))
    return found


def _unclear(item: Item, there: str) -> GoalError:
    return GoalError(
        f"It is not clear which rows are meant by '{item.text or item.bounds[0].said}'.",
        there=there,
        remedy="Only conditions that all hold can be asked for: name values of a column together, after 'only' or after"
        " 'excluding'.",
    )
