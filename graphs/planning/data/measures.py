"""Measures: what is to be counted, added up or averaged, as the items of a goal say it."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from graphs.planning.data.goal import ColumnOf, Function, Measure
from graphs.planning.data.naming import Match, bare, means
from graphs.planning.data.scope import Scope
from graphs.planning.data.wording import Item
from tools.discovery.words import stems

# Measures of a dataset that is looked up.
_LOOKED_UP = 0.3

# What is not added up, but averaged, where a goal does not say.
_LEVELS = {
    *("temperature", "humidity", "pressure", "price", "rate", "rating", "score", "age", "speed", "level", "percent"),
    *("percentage", "share", "ratio", "voltage", "latency", "duration", "height", "weight", "length", "concentration"),
}
_DURATIONS = {"duration", "length", "stay", "time", "day", "period", "term"}
_BEGINS = {"start", "begin", "from", "loaned", "borrowed", "issued", "opened", "admitted", "created", "placed"}
_BEGINS |= {"ordered", "checkin", "arrival", "arrived", "pickup", "checked", "taken", "lent", "departure", "out"}
_BEGINS |= {"loan", "rented", "started", "began", "entered"}
_ENDS = {"end", "to", "until", "returned", "closed", "discharged", "completed", "delivered", "checkout", "dropoff"}
_ENDS |= {"return", "ended", "stopped", "exited", "finished", "settled", "paid", "back", "left"}


class Measures:
    """What items measure, as seen from the dataset whose rows are measured."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._survey = scope.survey
        self._names = scope.names
        self._reach = scope.reach
        self._references = {ColumnOf(dataset=link.left, column=link.left_column) for link in scope.survey.links}

    def of(self, base: str, item: Item, *, rows: bool) -> Iterator[tuple[Measure | None, float, str]]:
        """The ways to take an item, how far each is from the words, and why; with `rows`, also as the rows themselves
        (None)."""
        words = self._scope.words(item)
        function = item.functions[0] if item.functions else None
        scores = [score for name, score in self._names.datasets(words) if name == base]
        unsaid = self._scope.unsaid(words, base) if scores else ""
        if rows and scores and not function:
            yield None, 1 - scores[0], unsaid
            return
        if function in (None, "count") and (scores or (function and not words)):
            yield Measure(name=base, function="count"), 1 - (scores[0] if scores else 0.8), unsaid
        if function in ("count", "count_distinct"):
            for match in self._scope.near(base, words):
                if match.column.dataset == base:
                    name = f"different_{'_'.join(stems(match.column.column))}"
                    off = self._scope.off(base, match) + (0.2 if function == "count" else 0.0)
                    yield Measure(name=name, function="count_distinct", column=match.column), off, match.remark
            return
        yield from self._of_columns(base, words, function)
        if function and not words:
            # A column may be called like a function, such as `total`.
            yield from self._of_columns(base, self._names.understood(item.said)[0], None)
        if words and means(words, "revenue"):
            yield from self._revenue(base, words, function)
        if set(words) & _DURATIONS:
            yield from self._duration(base, words, function)

    def _of_columns(
        self, base: str, words: Sequence[str], function: Function | None
    ) -> Iterator[tuple[Measure, float, str]]:
        kinds = ("number", "date", "timestamp") if function in ("min", "max") else ("number",)
        for match in self._scope.near(base, words, *kinds):
            # What identifies something is not added up.
            key = self._survey.datasets[match.column.dataset].key
            if match.column.column != key and match.column not in self._references:
                yield self._of_column(base, match, function)

    def _revenue(
        self, base: str, words: Sequence[str], function: Function | None
    ) -> Iterator[tuple[Measure, float, str]]:
        yield from self._product(base, words, function)
        others = [word for word in words if not means([word], "revenue")]
        unsaid = self._scope.unsaid(others, base, "amount")
        for match in self._scope.near(base, ["amount"], "number"):
            remark = f"no column is called {' '.join(words)}: it was taken for {match.column}"
            score = match.score - (0.55 if unsaid else 0.25)
            yield self._of_column(base, Match(match.column, score, "; ".join(filter(None, [remark, unsaid]))), function)

    def _of_column(self, base: str, match: Match, function: Function | None) -> tuple[Measure, float, str]:
        chosen, remark = function, match.remark
        if chosen is None:
            level = set(stems(match.column.column)) & _LEVELS
            chosen = "mean" if level else "sum"
            remark = (
                remark or f"{match.column.column} is {'averaged' if level else 'added up'}, as nothing else is said"
            )
        off = self._scope.off(base, match) + (_LOOKED_UP if match.column.dataset != base else 0.0)
        if match.column.dataset != base and chosen not in ("min", "max"):
            once = f"{match.column} counts once for each row of {base} that looks it up"
            remark = f"{remark}; {once}" if remark else once
        name = match.column.column if chosen == "sum" else f"{chosen}_{match.column.column}"
        return Measure(name=name, function=chosen, column=match.column), off, remark

    def _product(
        self, base: str, words: Sequence[str], function: Function | None
    ) -> Iterator[tuple[Measure, float, str]]:
        """Revenue, where no column has it: what was sold times its price."""
        numbers = [c.name for c in self._survey.datasets[base].columns.values() if c.kind == "number"]
        quantities = [name for name in numbers if means(bare(name)[-1:], "quantity")]
        for quantity in quantities[:2]:
            for dataset in self._survey.datasets.values():
                hops = self._reach.hops(base, dataset.name)
                for column in dataset.columns.values() if hops is not None else ():
                    if column.kind == "number" and means(bare(column.name)[-1:], "price"):
                        price = Match(ColumnOf(dataset=dataset.name, column=column.name), 0.85)
                        measure = Measure(
                            name="_".join(words),
                            function=function or "sum",
                            column=ColumnOf(dataset=base, column=quantity),
                            times=price.column,
                        )
                        remark = f"no column is called {' '.join(words)}: it is {quantity} x {price.column}"
                        off = self._scope.off(base, price) + (0.1 if dataset.name != base else 0.0)
                        yield measure, off, remark

    def _duration(
        self, base: str, words: Sequence[str], function: Function | None
    ) -> Iterator[tuple[Measure, float, str]]:
        """Days between two dates of a row, one of which begins something that the other ends; hours between times."""
        dates = [c for c in self._survey.datasets[base].columns.values() if c.kind in ("date", "timestamp")]
        for begin, end in itertools.permutations(dates, 2):
            if set(stems(begin.name)) & _stems(_BEGINS) and set(stems(end.name)) & _stems(_ENDS):
                hours = begin.kind == end.kind == "timestamp"
                measure = Measure(
                    name="_".join([function or "mean", *words, *(["hours"] if hours else [])]),
                    function=function or "mean",
                    column=ColumnOf(dataset=base, column=begin.name),
                    until=ColumnOf(dataset=base, column=end.name),
                    in_hours=hours,
                )
                own = set(words) - _DURATIONS - set(stems(base))
                yield (
                    measure,
                    0.2 if not own else 0.35,
                    f"it is the {'hours' if hours else 'days'} from {begin.name} to {end.name}",
                )


def derived(item: Item, words: Sequence[str]) -> bool:
    """Whether an item may be made of several columns."""
    return item.section == "measure" and (not item.words or means(words, "revenue") or bool(_DURATIONS & set(words)))


def _stems(words: Iterable[str]) -> set[str]:
    return {stem for word in words for stem in stems(word)}
