"""roads: by which columns a goal's datasets are looked up, where there are several ways that mean different things."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from graphs.planning.data.dataset import Link, Survey
from graphs.planning.data.goal import ColumnOf, Goal, Reading
from graphs.planning.data.reach import HOPS
from graphs.planning.term import Term
from tools.discovery.words import stems

# One link after the other, from the rows that are measured to a dataset that the goal names a column of.
Road = tuple[Link, ...]


def by_each_road(reading: Reading, text: str, survey: Survey) -> Iterator[Reading]:
    """The reading, once for each way to look up what it names: trips look up their stations by where they start, or by
    where they end.

    Of several ways those are taken that the text names; else the one that is called for nothing but the dataset.
    """
    forks = [_named(found, text, reading.goal) for found in _forks(reading.goal, survey).values()]
    for chosen in itertools.product(*forks):
        if _agree(chosen):
            columns = (ColumnOf(dataset=link.left, column=link.left_column) for road in chosen for link in road)
            through = tuple(dict.fromkeys(columns))
            yield reading.model_copy(update={"goal": reading.goal.model_copy(update={"through": through})})


def passable(known: Iterable[Term], goal: Goal, survey: Survey) -> list[Term]:
    """The facts, without the links by which the goal does not go."""
    forks = _forks(goal, survey).values()
    taken = {link.names for found in forks for road in found if _goes(goal, road) for link in road}
    closed = {link.names for found in forks for road in found for link in road} - taken
    return [fact for fact in known if fact[0] != "link" or fact[1:5] not in closed]


def _forks(goal: Goal, survey: Survey) -> dict[str, list[Road]]:
    """The datasets that the goal's rows can look up by several roads, none longer than another; with these."""
    named = dict.fromkeys(column.dataset for column in goal.needed if column.dataset != goal.base)
    roads = {name: _roads(goal.base, name, survey) for name in named}
    return {name: found for name, found in roads.items() if len(found) > 1}


def _roads(base: str, dataset: str, survey: Survey) -> list[Road]:
    """The shortest roads; of links by the same column, the one by which more rows find theirs."""
    links: dict[tuple[str, str, str], Link] = {}
    for link in sorted(survey.links, key=lambda one: one.chance):
        links[link.left, link.left_column, link.right] = link
    roads: list[Road] = [()]
    for _ in range(HOPS):
        roads = [
            (*road, link)
            for road in roads
            for link in links.values()
            if link.left == (road[-1].right if road else base) and link.right not in (base, *(one.left for one in road))
        ]
        if found := [road for road in roads if road[-1].right == dataset]:
            return found
    return []


def _named(roads: Sequence[Road], text: str, goal: Goal) -> Sequence[Road]:
    if given := [road for road in roads if goal.through and _goes(goal, road)]:
        return given
    said = set(stems(text))
    told = [len(said & _words(road)) for road in roads]
    if max(told):
        return [road for road, words in zip(roads, told, strict=True) if words == max(told)]
    plain = [road for road in roads if len(road) == 1 and not road[0].role]
    return [max(plain, key=lambda road: road[0].chance)] if plain else roads


def _words(road: Road) -> set[str]:
    """What a text may call a road by: what its links' columns say beside the dataset, and the datasets on its way."""
    return {word for link in road for word in link.role} | {word for link in road[:-1] for word in stems(link.right)}


def _goes(goal: Goal, road: Road) -> bool:
    return all(ColumnOf(dataset=link.left, column=link.left_column) in goal.through for link in road)


def _agree(roads: Iterable[Road]) -> bool:
    """Whether no two roads look up one dataset from another by different columns."""
    by: dict[tuple[str, str], str] = {}
    return all(
        by.setdefault((link.left, link.right), link.left_column) == link.left_column for road in roads for link in road
    )
