"""Scope: which columns the words of a goal may name, as seen from the dataset whose rows are measured."""

from collections.abc import Iterator, Sequence

from graphs.planning.data.dataset import Survey
from graphs.planning.data.goal import ColumnOf
from graphs.planning.data.naming import Match, Vocabulary
from graphs.planning.data.reach import Reach
from graphs.planning.data.wording import Item

# What a column of another dataset is further off for each join; of a dataset that the text names beside others, nearer.
_HOP = 0.02
_NAMED = 0.1
# Datasets that the text does not give as sources, though it gives some.
NOT_NAMED = 0.4


class Scope:
    """What there is, and what the items of a text name of it."""

    def __init__(self, survey: Survey, names: Vocabulary, items: Sequence[Item]) -> None:
        self.survey = survey
        self.names = names
        self.reach = Reach(survey)
        self.understood = {item: names.understood(item.words) for item in items}
        self.given = {
            name
            for item in items
            if item.section == "source" or (item.section == "with" and not self.has_columns(item))
            for name, _ in names.datasets(self.words(item))
        }
        self.mentioned = {name for item in items for name, score in names.datasets(self.words(item)) if score == 1}

    def words(self, item: Item) -> list[str]:
        return self.understood[item][0]

    def has_columns(self, item: Item) -> bool:
        """Whether an item is the name of columns, and of no dataset as a whole."""
        if any(score == 1 for _, score in self.names.datasets(self.words(item))):
            return False
        return any(match.score >= 0.9 for match in self.names.columns(self.words(item)))

    def near(self, base: str, words: Sequence[str], *kinds: str) -> Iterator[Match]:
        """The columns that words name and that the base has or can look up; keys by which it does are its own."""
        for match in self.names.columns(words, *kinds):
            if self.reach.hops(base, match.column.dataset) is not None and not self.reach.nearer(base, match.column):
                yield match

    def off(self, base: str, match: Match) -> float:
        """How far a column is from what words say, as seen from the base."""
        dataset = match.column.dataset
        off = 1 - match.score + _HOP * (self.reach.hops(base, dataset) or 0)
        off += NOT_NAMED if self.given and dataset not in self.given else 0.0
        return off - (_NAMED if not self.given and dataset in self.mentioned and dataset != base else 0.0)

    def unsaid(self, words: Sequence[str], *names: str) -> str:
        """A remark on the words that are in none of the names; empty if all are."""
        known = {part for name in names for part in self.names.understood([name])[0]}
        # What another dataset is to the rows says by which column it is looked up.
        known |= {word for link in self.survey.links for word in link.role}
        left = [word for word in dict.fromkeys(words) if word not in known]
        return f"'{' '.join(left)}' says nothing here" if left else ""

    def kind(self, column: ColumnOf) -> str:
        return self.survey.datasets[column.dataset].columns[column.column].kind
