"""readings: what a goal's text may mean, given what there is. The rules; no model is asked."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from core.errors import GoalError
from graphs.planning.data.choice import combined
from graphs.planning.data.dataset import Dataset, Survey
from graphs.planning.data.goal import ColumnOf, Condition, Function, Goal, Measure, Reading, Unit
from graphs.planning.data.naming import Match, Vocabulary, label_of, means
from graphs.planning.data.reach import Reach
from graphs.planning.data.wording import Item, items, stems

# Readings no further than this from the nearest one are as good as it.
_AS_GOOD = 0.05
# What a column of another dataset is further off for each join; of a dataset that the text names beside others, nearer.
_HOP = 0.02
_NAMED = 0.1
# Datasets that the text does not give as sources, though it gives some; and measures of a dataset that is looked up.
_NOT_NAMED = 0.3
_LOOKED_UP = 0.3
# Two date columns of which one has so many more gaps are not equally good.
_GAPS = 0.02
_MOST = 4
# A goal is a sentence; it has so many characters at most.
_LONGEST = 1_000

# What is not added up, but averaged, where a goal does not say.
_LEVELS = {
    *("temperature", "humidity", "pressure", "price", "rate", "rating", "score", "age", "speed", "level", "percent"),
    *("percentage", "share", "ratio", "voltage", "latency", "duration", "height", "weight", "length", "concentration"),
}
_DURATIONS = {"duration", "length", "stay", "time", "day", "period", "term"}
_BEGINS = {"start", "begin", "from", "loaned", "borrowed", "issued", "opened", "admitted", "created", "placed"}
_BEGINS |= {"ordered", "checkin", "arrival", "arrived", "pickup", "checked", "taken", "lent", "departure", "out"}
_BEGINS |= {"loan", "rented"}
_ENDS = {"end", "to", "until", "returned", "closed", "discharged", "completed", "delivered", "checkout", "dropoff"}
_ENDS |= {"return", "finished", "settled", "paid", "back", "left"}


def readings(text: str, survey: Survey) -> list[Reading]:
    """What the text may mean, the nearest first; several where they are as good as each other.

    Raises GoalError for a text that is empty, that names nothing there is, or that names something there is not.
    """
    if not text.strip():
        raise GoalError("The goal is empty.", there=survey.shown())
    if len(text) > _LONGEST:
        raise GoalError(
            f"The goal has {len(text):,} characters, and up to {_LONGEST:,} are read.", there=survey.shown()
        )
    found = items(text)
    if not found:
        raise GoalError(f"The goal '{text}' names nothing.", there=survey.shown())
    reader = _Reader(survey, found)
    bases = [one for base in survey.datasets for one in reader.of(base)]
    if not bases:
        raise reader.failure(text)
    nearest = min(reading.distance for reading in bases)
    as_good = [reading for reading in bases if reading.distance <= nearest + _AS_GOOD]
    unique = {reading.goal: reading for reading in sorted(as_good, key=lambda one: one.distance, reverse=True)}
    return sorted(unique.values(), key=lambda one: one.distance)


class _Reader:
    """Reads the items of one text, for one base after the other."""

    def __init__(self, survey: Survey, found: Sequence[Item]) -> None:
        self._survey = survey
        self._names = Vocabulary(survey)
        self._reach = Reach(survey)
        self._understood = {item: self._names.understood(item.words) for item in found}
        self._items = found
        self._given = {
            name
            for item in found
            if item.section == "source" or (item.section == "with" and not self._columns(item))
            for name, _ in self._names.datasets(self._understood[item][0])
        }
        self._mentioned = {
            name for item in found for name, score in self._names.datasets(self._understood[item][0]) if score == 1
        }
        self._unit: Unit | None = next((item.unit for item in found if item.unit), None)

    def of(self, base: str) -> Iterator[Reading]:
        """What the text may mean if the rows of this dataset are what is measured."""
        distance = _NOT_NAMED if self._given and base not in self._given else 0.0
        distance -= 0.01 if base in self._mentioned else 0.0
        named = [item for item in self._items if item.section == "measure" and (item.words or item.functions)]
        grouped = [item for item in self._items if item.section == "group" and item.words]
        options = [list(self._best(self._measures(base, item, rows=not grouped))) for item in named]
        if not named and (grouped or self._unit):
            options = [[(Measure(name=base, function="count"), 0.2, "")]]
        groups = [list(self._best(self._group(base, item))) for item in grouped]
        conditions = [list(self._best(self._condition(base, item))) for item in self._of("condition")]
        extra = [list(self._best(self._group(base, item))) for item in self._of("with") if self._columns(item)]
        times = list(self._best(self._times(base))) if self._unit else [(None, 0.0, "")]
        sources = [item for item in self._of("source") if not self._names.datasets(self._understood[item][0])]
        wheres = [list(self._best(self._condition(base, item))) for item in sources]
        for chosen in combined([*options, *groups, *conditions, *wheres, *extra, times]):
            parts = [part for part, _, _ in chosen]
            yield self._reading(base, parts, distance + sum(off for _, off, _ in chosen), [why for *_, why in chosen])

    def failure(self, text: str) -> GoalError:
        """Why no dataset is one that the text could be about."""
        for item in self._items:
            words, _ = self._understood[item]
            there = bool(self._names.datasets(words) or self._names.value(item.text)) or any(self._names.columns(words))
            derived = item.section == "measure" and (
                not item.words or means(words, "revenue") or _DURATIONS & set(words)
            )
            if words and not there and not derived:
                return GoalError(f"Nothing there is called '{item.text or text}'.", there=self._survey.shown())
        if self._unit and not any(c.kind in ("date", "timestamp") for d in self._all() for c in d.columns.values()):
            return GoalError(f"No column has dates, to tell a {self._unit} by.", there=self._survey.shown())
        return GoalError(f"No dataset has, or can look up, all that '{text}' names.", there=self._survey.shown())

    def _all(self) -> Iterable[Dataset]:
        return self._survey.datasets.values()

    def _of(self, section: str) -> list[Item]:
        return [item for item in self._items if item.section == section and item.words]

    def _columns(self, item: Item) -> bool:
        return any(match.score >= 0.9 for match in self._names.columns(self._understood[item][0]))

    def _best(self, found: Iterable[tuple]) -> list[tuple]:  # type: ignore[type-arg]
        """Those as good as the nearest one, by their distances."""
        ranked = sorted(found, key=lambda one: one[1])
        return [one for one in ranked if one[1] <= ranked[0][1] + _AS_GOOD][:_MOST]

    def _reading(self, base: str, parts: list[object], distance: float, remarks: list[str]) -> Reading:
        measures = _apart([part for part in parts if isinstance(part, Measure)])
        columns = [part for part in parts if isinstance(part, ColumnOf)]
        time = columns.pop() if self._unit and columns else None
        groups = tuple(dict.fromkeys(columns))
        taken = "; ".join(remark for item in self._items for remark in self._understood[item][1])
        return Reading(
            goal=Goal(
                base=base,
                measures=measures,
                groups=groups if measures else (),
                columns=() if measures else tuple(column for column in groups if column.dataset != base),
                time=time,
                unit=self._unit if time else None,
                conditions=tuple(part for part in parts if isinstance(part, Condition)),
            ),
            remarks=tuple(dict.fromkeys(filter(None, [taken, *remarks]))),
            distance=distance,
        )

    def _off(self, base: str, match: Match) -> float:
        """How far a column is from what words say, as seen from the base."""
        dataset = match.column.dataset
        off = 1 - match.score + _HOP * (self._reach.hops(base, dataset) or 0)
        off += _NOT_NAMED if self._given and dataset not in self._given else 0.0
        return off - (_NAMED if not self._given and dataset in self._mentioned and dataset != base else 0.0)

    def _near(self, base: str, words: Sequence[str], *kinds: str) -> Iterator[Match]:
        """The columns that words name and that the base has or can look up; keys by which it does are its own."""
        for match in self._names.columns(words, *kinds):
            if self._reach.hops(base, match.column.dataset) is not None and not self._reach.nearer(base, match.column):
                yield match

    def _measures(self, base: str, item: Item, *, rows: bool) -> Iterator[tuple[Measure | None, float, str]]:
        words, _ = self._understood[item]
        function = item.functions[0] if item.functions else None
        of_base = [score for name, score in self._names.datasets(words) if name == base]
        if rows and of_base and not function and not self._unit and self._rows_alone():
            yield None, 1 - of_base[0], ""
            return
        if function in (None, "count") and (of_base or (function and not words)):
            yield Measure(name=base, function="count"), 1 - (of_base[0] if of_base else 0.8), ""
        if function in ("count", "count_distinct"):
            for match in self._near(base, words):
                if match.column.dataset == base:
                    name = f"different_{'_'.join(stems(match.column.column))}"
                    off = self._off(base, match) + (0.2 if function == "count" else 0.0)
                    yield Measure(name=name, function="count_distinct", column=match.column), off, match.remark
            return
        for match in self._near(base, words, "number"):
            # What identifies something is not added up.
            if match.column.column != self._survey.datasets[match.column.dataset].key:
                yield self._of_column(base, match, function)
        if words and means(words, "revenue"):
            yield from self._product(base, words, function)
            for match in self._near(base, ["amount"], "number"):
                remark = f"no column is called {' '.join(words)}: it was taken for {match.column}"
                yield self._of_column(base, Match(match.column, match.score - 0.25, remark), function)
        if set(words) & _DURATIONS:
            yield from self._duration(base, words, function)

    def _rows_alone(self) -> bool:
        """Whether the text asks for no more than rows."""
        return all(item.section in ("measure", "source", "with", "condition") for item in self._items)

    def _of_column(self, base: str, match: Match, function: Function | None) -> tuple[Measure, float, str]:
        chosen, remark = function, match.remark
        if chosen is None:
            level = set(stems(match.column.column)) & _LEVELS
            chosen = "mean" if level else "sum"
            remark = (
                remark or f"{match.column.column} is {'averaged' if level else 'added up'}, as nothing else is said"
            )
        off = self._off(base, match) + (_LOOKED_UP if match.column.dataset != base else 0.0)
        name = match.column.column if chosen == "sum" else f"{chosen}_{match.column.column}"
        return Measure(name=name, function=chosen, column=match.column), off, remark

    def _product(
        self, base: str, words: Sequence[str], function: Function | None
    ) -> Iterator[tuple[Measure, float, str]]:
        """Revenue, where no column has it: what was sold times its price."""
        numbers = [c.name for c in self._survey.datasets[base].columns.values() if c.kind == "number"]
        quantities = [name for name in numbers if means(stems(name)[-1:], "quantity")]
        for quantity in quantities[:2]:
            for dataset in self._survey.datasets.values():
                hops = self._reach.hops(base, dataset.name)
                for column in dataset.columns.values() if hops is not None else ():
                    if column.kind == "number" and means(stems(column.name)[-1:], "price"):
                        price = Match(ColumnOf(dataset=dataset.name, column=column.name), 0.85)
                        measure = Measure(
                            name="_".join(words),
                            function=function or "sum",
                            column=ColumnOf(dataset=base, column=quantity),
                            times=price.column,
                        )
                        remark = f"no column is called {' '.join(words)}: it is {quantity} x {price.column}"
                        off = self._off(base, price) + (0.1 if dataset.name != base else 0.0)
                        yield measure, off, remark

    def _duration(
        self, base: str, words: Sequence[str], function: Function | None
    ) -> Iterator[tuple[Measure, float, str]]:
        """Days between two dates of a row, of which one begins something, and the other ends it."""
        dates = [c for c in self._survey.datasets[base].columns.values() if c.kind in ("date", "timestamp")]
        for begin, end in itertools.permutations(dates, 2):
            if set(stems(begin.name)) & _stems(_BEGINS) and set(stems(end.name)) & _stems(_ENDS):
                measure = Measure(
                    name="_".join([function or "mean", *words]),
                    function=function or "mean",
                    column=ColumnOf(dataset=base, column=begin.name),
                    until=ColumnOf(dataset=base, column=end.name),
                )
                own = set(words) - _DURATIONS - set(stems(base))
                yield measure, 0.2 if not own else 0.35, f"it is the days from {begin.name} to {end.name}"

    def _group(self, base: str, item: Item) -> Iterator[tuple[ColumnOf, float, str]]:
        words, _ = self._understood[item]
        for match in self._near(base, words):
            yield match.column, self._off(base, match), match.remark
        for name, score in self._names.datasets(words):
            label = self._survey.datasets[name].key or label_of(self._survey.datasets[name])
            if label and self._reach.hops(base, name) is not None:
                match = Match(ColumnOf(dataset=name, column=label), 0.85 * score)
                if not self._reach.nearer(base, match.column):
                    yield match.column, self._off(base, match), f"rows of {name} are told apart by {label}"

    def _times(self, base: str) -> Iterator[tuple[ColumnOf, float, str]]:
        """The columns of dates that the unit may be told by: those of the base, if it has some."""
        kinds = ("timestamp",) if self._unit == "hour" else ("date", "timestamp")
        asked = {word for item in self._items for word in self._understood[item][0]}
        for dataset in self._all():
            hops = self._reach.hops(base, dataset.name)
            dates = [column for column in dataset.columns.values() if column.kind in kinds]
            for column in dates if hops is not None else ():
                fullest = min(other.missing for other in dates)
                off = 0.2 * bool(hops) + (0.1 if column.missing > fullest + _GAPS else 0.0)
                off -= 0.15 if set(stems(column.name)) & (asked - {"date", "day"}) else 0.0
                off += _NOT_NAMED if self._given and dataset.name not in self._given else 0.0
                yield ColumnOf(dataset=dataset.name, column=column.name), off, ""

    def _condition(self, base: str, item: Item) -> Iterator[tuple[Condition | None, float, str]]:
        texts = [item.text, *item.words]
        for value in (self._names.value(text) for text in texts):
            if value and self._reach.hops(base, value[0].dataset) is not None:
                yield Condition(column=value[0], values=(value[1],), negated=item.negated), 0.0, ""
                return
        if self._names.datasets(self._understood[item][0]):
            yield None, 0.0, ""


def _apart(measures: list[Measure]) -> tuple[Measure, ...]:
    """The measures, each once, and no two of one name."""
    found: dict[str, Measure] = {}
    for measure in dict.fromkeys(measures):
        name = measure.name if measure.name not in found else f"{measure.name}_{len(found) + 1}"
        found[name] = measure.model_copy(update={"name": name})
    return tuple(found.values())


def _stems(words: Iterable[str]) -> set[str]:
    return {stem for word in words for stem in stems(word)}
