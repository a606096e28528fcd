"""readings: what a goal's text may mean, given what there is. The rules; no model is asked."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime

from core.errors import GoalError
from graphs.planning.data.choice import combined
from graphs.planning.data.conditions import Conditions, together
from graphs.planning.data.dataset import Dataset, Survey
from graphs.planning.data.goal import ColumnOf, Comparison, Condition, Goal, Measure, Reading, Unit
from graphs.planning.data.measures import Measures, derived
from graphs.planning.data.naming import Match, Vocabulary, label_of
from graphs.planning.data.ranking import unranked
from graphs.planning.data.restriction import restricted
from graphs.planning.data.scope import NOT_NAMED, Scope
from graphs.planning.data.sorting import sorted_out, valued
from graphs.planning.data.wording import Item, items
from tools.discovery.words import stems

# Readings no further than this from the nearest one are as good as it.
_AS_GOOD = 0.05
# Two date columns of which one has so many more gaps are not equally good.
_GAPS = 0.02
_MOST = 4
# A goal is a sentence; it has so many characters at most.
_LONGEST = 1_000
# The finer unit of two tells the coarser one too.
_FINEST: tuple[Unit, ...] = ("hour", "day", "week", "month", "quarter", "year")


def readings(text: str, survey: Survey, today: date | None = None) -> list[Reading]:
    """What the text may mean, the nearest first; several where they are as good as each other.

    `today` is what `last month` goes by. Raises GoalError for a text that is empty, that names nothing there is, that
    names something there is not, or asks for what no pipeline makes.
    """
    if not text.strip():
        raise GoalError("The goal is empty.", there=survey.shown())
    if len(text) > _LONGEST:
        raise GoalError(
            f"The goal has {len(text):,} characters, and up to {_LONGEST:,} are read.", there=survey.shown()
        )
    names = Vocabulary(survey)
    plain, remarks = unranked(text.replace("\x00", " "))
    marked, restrictions = restricted(plain, today or datetime.now(UTC).date())
    found = sorted_out(items(marked, restrictions, names.words), names)
    if not found:
        raise GoalError(f"The goal '{text}' names nothing.", there=survey.shown())
    reader = _Reader(survey, names, found, remarks)
    bases = [one for base in survey.datasets for one in reader.of(base)]
    if not bases:
        raise reader.failure(text)
    nearest = min(reading.distance for reading in bases)
    as_good = [reading for reading in bases if reading.distance <= nearest + _AS_GOOD]
    unique = {reading.goal: reading for reading in sorted(as_good, key=lambda one: one.distance, reverse=True)}
    return sorted(unique.values(), key=lambda one: one.distance)


class _Reader:
    """Reads the items of one text, for one base after the other."""

    def __init__(self, survey: Survey, names: Vocabulary, found: Sequence[Item], remarks: Sequence[str]) -> None:
        self._survey = survey
        self._names = names
        self._items = found
        self._scope = Scope(survey, names, found)
        self._measures = Measures(self._scope)
        self._conditions = Conditions(self._scope)
        self._remarks = list(remarks)
        units = [unit for unit in _FINEST if any(item.unit == unit for item in found)]
        self._unit: Unit | None = next(iter(units), None)
        if len(units) > 1:
            self._remarks.append(f"it is told by the {units[0]} alone, not by the {' and the '.join(units[1:])} too")
        # Times that no column is named for.
        self._periods = [item for item in found if item.bounds and not item.words]

    def of(self, base: str) -> Iterator[Reading]:
        """What the text may mean if the rows of this dataset are what is measured."""
        scope = self._scope
        distance = NOT_NAMED if scope.given and base not in scope.given else 0.0
        distance -= 0.01 if base in scope.mentioned else 0.0
        named = [item for item in self._items if item.section == "measure" and (item.words or item.functions)]
        grouped = [item for item in self._items if item.section == "group" and item.words]
        rows = not grouped and not self._unit
        options = [list(self._best(self._measures.of(base, item, rows=rows))) for item in named]
        if not named and (grouped or self._unit):
            options = [[(Measure(name=base, function="count"), 0.2, "")]]
        groups = [list(self._best(self._group(base, item))) for item in grouped]
        withs = [item for item in self._of("with") if not scope.names.datasets(scope.words(item))]
        extra = [item for item in self._of("with") if scope.has_columns(item)]
        extras = [list(self._best(self._group(base, item, measured=bool(named)))) for item in extra]
        sources = [item for item in self._of("source") if not scope.names.datasets(scope.words(item))]
        where = [*self._of("condition"), *sources, *(item for item in withs if item not in extra)]
        wheres = [list(self._best(self._conditions.of(base, item))) for item in where]
        timed = self._unit or self._periods
        times = list(self._best(self._times(base))) if timed else [(None, 0.0, "")]
        for chosen in combined([*wheres, *options, *groups, *extras, times]):
            parts = [part for part, _, _ in chosen]
            kept = list(zip(where, parts[: len(where)], strict=True))
            off = distance + sum(off for _, off, _ in chosen)
            yield self._reading(base, kept, parts[len(where) :], off, [why for *_, why in chosen])

    def failure(self, text: str) -> GoalError:
        """Why no dataset is one that the text could be about."""
        there = self._survey.shown()
        for item in self._items:
            words = self._scope.words(item)
            datasets = self._names.datasets(words)
            if item.section == "condition" and item.negated and datasets and not self._names.values(item.text):
                remedy = "Rows that nothing of another dataset belongs to cannot be asked for."
                return GoalError(f"Nothing can be planned for 'without {item.text}'.", there=there, remedy=remedy)
            if item.section == "condition" and not list(valued(item.words, self._names)):
                for column, value, values in self._conditions.strange(item):
                    has = f"it has {', '.join(values)}"
                    return GoalError(f"No row has '{value}' as {column}: {has}.", there=there)
            known = bool(datasets or self._names.values(item.text)) or any(self._names.columns(words))
            if words and not known and not derived(item, words):
                return GoalError(f"Nothing there is called '{item.text or text}'.", there=there)
        dates = any(c.kind in ("date", "timestamp") for d in self._all() for c in d.columns.values())
        if (self._unit or self._periods) and not dates:
            what = f"a {self._unit}" if self._unit else f"'{self._periods[0].bounds[0].said}'"
            return GoalError(f"No column has dates, to tell {what} by.", there=there)
        where = {item.text: self._places(item) for item in self._items if item.words}
        apart = [f"'{said}' is of {' and '.join(sorted(places))}" for said, places in where.items() if places]
        joined = [link for link in self._survey.links if {link.left, link.right} <= set().union(*where.values())]
        why = f": {', '.join(apart)}, and no key leads from one to the other" if len(apart) > 1 and not joined else ""
        return GoalError(f"No dataset has, or can look up, all that '{text}' names{why}.", there=there)

    def _places(self, item: Item) -> set[str]:
        """The datasets with columns that an item names."""
        return {match.column.dataset for match in self._names.columns(self._scope.words(item)) if match.score >= 0.7}

    def _all(self) -> Iterable[Dataset]:
        return self._survey.datasets.values()

    def _of(self, section: str) -> list[Item]:
        return [item for item in self._items if item.section == section and item.words]

    def _best(self, found: Iterable[tuple]) -> list[tuple]:  # type: ignore[type-arg]
        """Those as good as the nearest one, by their distances."""
        ranked = sorted(found, key=lambda one: one[1])
        return [one for one in ranked if one[1] <= ranked[0][1] + _AS_GOOD][:_MOST]

    def _reading(
        self,
        base: str,
        kept: list[tuple[Item, tuple[Condition | Comparison, ...]]],
        parts: list[object],
        distance: float,
        remarks: list[str],
    ) -> Reading:
        measures = _apart([part for part in parts if isinstance(part, Measure)])
        columns = [part for part in parts if isinstance(part, ColumnOf)]
        time = columns.pop() if (self._unit or self._periods) and columns else None
        # A column that is called like a unit, where there are no dates.
        named = time if time and self._scope.kind(time) not in ("date", "timestamp") else None
        groups = tuple(dict.fromkeys([*([named] if named else []), *columns]))
        comparisons = [one for _, made in kept for one in made if isinstance(one, Comparison)]
        for bound in (bound for item in self._periods for bound in item.bounds[0].bounds):
            assert time, "a period needs a column of dates"
            comparisons.append(Comparison(column=time, operator=bound.operator, value=bound.value))
        names = [item for item in self._items if item.section != "condition"]
        taken = "; ".join(remark for item in names for remark in self._scope.understood[item][1])
        told = [item.bounds[0].remark for item in self._periods]
        unit = None if named else self._unit
        return Reading(
            goal=Goal(
                base=base,
                measures=measures,
                groups=groups if measures else (),
                columns=() if measures else tuple(column for column in groups if column.dataset != base),
                time=time if unit else None,
                unit=unit if time else None,
                conditions=tuple(together(kept, self._survey.shown())),
                comparisons=tuple(dict.fromkeys(comparisons)),
            ),
            remarks=tuple(dict.fromkeys(filter(None, [taken, *self._remarks, *told, *remarks]))),
            distance=distance,
        )

    def _group(self, base: str, item: Item, *, measured: bool = False) -> Iterator[tuple[ColumnOf, float, str]]:
        """What an item groups by; where it is beside measures without a `by`, numbers are no groups."""
        words = self._scope.words(item)
        for match in self._scope.near(base, words):
            if not (measured and self._scope.kind(match.column) == "number"):
                yield match.column, self._scope.off(base, match), match.remark
        for name, score in self._names.datasets(words):
            label = self._survey.datasets[name].key or label_of(self._survey.datasets[name])
            if label and self._scope.reach.hops(base, name) is not None:
                match = Match(ColumnOf(dataset=name, column=label), 0.85 * score)
                if not self._scope.reach.nearer(base, match.column):
                    remark = f"rows of {name} are told apart by {label}"
                    unsaid = self._scope.unsaid(words, name)
                    yield match.column, self._scope.off(base, match), "; ".join(filter(None, [remark, unsaid]))

    def _times(self, base: str) -> Iterator[tuple[ColumnOf, float, str]]:
        """The columns of dates that times may be told by: those of the base, if it has some."""
        kinds = ("timestamp",) if self._unit == "hour" else ("date", "timestamp")
        asked = {word for item in self._items for word in self._scope.words(item)}
        found = False
        for dataset in self._all():
            hops = self._scope.reach.hops(base, dataset.name)
            dates = [column for column in dataset.columns.values() if column.kind in kinds]
            for column in dates if hops is not None else ():
                found = True
                fullest = min(other.missing for other in dates)
                off = 0.2 * bool(hops) + (0.1 if column.missing > fullest + _GAPS else 0.0)
                off -= 0.15 if set(stems(column.name)) & (asked - {"date", "day"}) else 0.0
                off += NOT_NAMED if self._scope.given and dataset.name not in self._scope.given else 0.0
                yield ColumnOf(dataset=dataset.name, column=column.name), off, ""
        if not found and self._unit and not self._periods:
            for match in self._scope.near(base, [self._unit]):
                if match.score >= 0.9:
                    yield match.column, self._scope.off(base, match), "no column has dates: it is grouped by the column"


def _apart(measures: list[Measure]) -> tuple[Measure, ...]:
    """The measures, each once, and no two of one name."""
    found: dict[str, Measure] = {}
    for measure in dict.fromkeys(measures):
        name = measure.name if measure.name not in found else f"{measure.name}_{len(found) + 1}"
        found[name] = measure.model_copy(update={"name": name})
    return tuple(found.values())
