"""Which columns and datasets a goal's words name, and how well."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from graphs.planning.data.dataset import KEYS, Dataset, Survey
from graphs.planning.data.goal import ColumnOf
from tools.discovery.words import stem, stems
from tools.discovery.words import words as parts_of

# Words that mean the same, as far as columns go.
_ALIKE = (
    {"revenue", "sale", "turnover", "income", "earning", "taking", "proceed"},
    {"amount", "value", "total", "sum"},
    {"quantity", "qty", "unit", "piece", "count"},
    {"price", "fee", "rate", "cost"},
    {"customer", "client", "buyer"},
    {"type", "kind", "category", "class"},
    {"place", "location", "site"},
    {"country", "nation"},
    {"staff", "employee"},
    {"member", "user"},
)
_LABELS = ("name", "title", "label")
# Words of a name that say in what its numbers are told, not what they are.
_UNITS = {"eur", "euro", "usd", "dollar", "gbp", "pound", "chf", "pct", "percent", "km", "kg", "kwh"}


@dataclass(frozen=True)
class Match:
    """What words may name. `score` is 1 where they are the name itself; `remark` says what was made of them."""

    column: ColumnOf
    score: float
    remark: str = ""


class Vocabulary:
    """The words of a survey's names."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self._words = {word for name, found in survey.datasets.items() for word in _of(name, found)}
        # A dataset's columns may be named by what it is to others: the city of the start station.
        self._called = {name: set(stems(name)) for name in survey.datasets}
        for link in survey.links:
            self._called[link.right] |= link.role
        self._values: dict[str, list[tuple[ColumnOf, str]]] = {}
        for name, found in survey.datasets.items():
            for column in found.columns.values():
                for value in column.values or column.known:
                    one = ColumnOf(dataset=name, column=column.name), value
                    self._values.setdefault(" ".join(value.lower().split()), []).append(one)
                if column.kind == "boolean":
                    said = " ".join(part for part in parts_of(column.name) if part not in ("is", "has"))
                    self._values.setdefault(said, []).append((ColumnOf(dataset=name, column=column.name), "true"))

    @property
    def words(self) -> set[str]:
        """The stems of all names."""
        return self._words

    def understood(self, words: Iterable[str]) -> tuple[list[str], list[str]]:
        """The words by their stems, those misspelt or begun as the survey's own; and remarks on these."""
        found, remarks = [], []
        for word in (part for text in words for part in parts_of(text) or [text]):
            known = self._known(stem(word))
            found.append(known)
            if known != stem(word):
                remarks.append(f"'{word}' was taken for '{known}'")
        return found, remarks

    def datasets(self, words: Sequence[str]) -> list[tuple[str, float]]:
        """The datasets that words name, the best first; those last that leave some of the words unsaid."""
        found = []
        for name in self.survey.datasets:
            own = set(stems(name))
            if own == set(words):
                found.append((name, 1.0))
            elif words and set(words) <= own:
                found.append((name, 0.8))
            elif words and own <= set(words):
                found.append((name, 0.6))
        return sorted(found, key=lambda one: -one[1])

    def columns(self, words: Sequence[str], *kinds: str) -> Iterator[Match]:
        """The columns that words name, of these kinds, if any are given."""
        for name, found in self.survey.datasets.items():
            for column in found.columns.values():
                if kinds and column.kind not in kinds:
                    continue
                if score := _score(set(words), bare(column.name, words), self._called[name]):
                    yield Match(ColumnOf(dataset=name, column=column.name), *score)

    def values(self, text: str) -> list[tuple[ColumnOf, str]]:
        """The columns that have the text as one of their few values, each with the value as it is written there."""
        return self._values.get(" ".join(text.lower().split()), [])

    def _known(self, word: str) -> str:
        known = self._words.union(*_ALIKE)
        if word in known or len(word) < 4:
            return word
        begun = sorted(other for other in known if other.startswith(word))
        if begun:
            return begun[0]
        far = 1 if len(word) <= 5 else 2
        near = [(OSA.distance(word, other), other) for other in known if abs(len(word) - len(other)) <= far]
        distance, nearest = min(near, default=(far + 1, word))
        return nearest if distance <= far else word


def label_of(dataset: Dataset) -> str | None:
    """The column that people know the dataset's rows by."""
    return next((name for label in _LABELS for name in dataset.columns if stems(name)[-1:] == (label,)), None)


def means(words: Iterable[str], what: str) -> bool:
    """Whether some word means the same."""
    group = next(alike for alike in _ALIKE if what in alike)
    return any(word in group for word in words)


def bare(name: str, asked: Collection[str] = ()) -> tuple[str, ...]:
    """The stems of a column's name, without units that are not asked for; the last one says what it is."""
    found = stems(name)
    return tuple(word for word in found if word not in _UNITS or word in asked) or found


def _score(asked: set[str], name: Sequence[str], dataset: set[str]) -> tuple[float, str] | None:
    """How well words name a column, given the words of its name and of its dataset's. The last one says what it is."""
    own = set(name)
    if not asked or not own:
        return None
    if asked == own or (own <= asked and asked - own <= dataset):
        return 1.0, ""
    if asked == own - KEYS:
        return 0.9, ""
    if (asked <= own or (asked <= own | dataset and asked & own)) and name[-1] in asked:
        return 0.8, ""
    if {_group(word) for word in asked} <= {_group(word) for word in own} and _group(name[-1]) in map(_group, asked):
        return 0.7, f"'{' '.join(sorted(asked))}' was taken for '{' '.join(name)}'"
    others = asked - dataset
    if others and others != asked and (again := _score(others, name, set())) and again[0] >= 0.7:
        return again[0] - 0.02, again[1]
    if own <= asked:
        return 0.6, f"'{' '.join(sorted(asked - own))}' says nothing here"
    return (0.55, "") if asked <= own else None


def _group(word: str) -> str:
    return next((min(alike) for alike in _ALIKE if word in alike), word)


def _of(name: str, dataset: Dataset) -> Iterator[str]:
    yield from stems(name)
    for column in dataset.columns:
        yield from stems(column)
