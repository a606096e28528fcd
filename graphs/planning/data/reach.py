"""Which datasets the rows of another can look up, by how many joins."""

from graphs.planning.data.dataset import Survey
from graphs.planning.data.goal import ColumnOf

# A row is looked up by way of so many others at most.
HOPS = 3


class Reach:
    """Distances between datasets by their links."""

    def __init__(self, survey: Survey) -> None:
        self._next: dict[str, set[str]] = {name: set() for name in survey.datasets}
        self._same: dict[ColumnOf, set[ColumnOf]] = {}
        for link in survey.links:
            self._next[link.left].add(link.right)
            left = ColumnOf(dataset=link.left, column=link.left_column)
            self._same.setdefault(ColumnOf(dataset=link.right, column=link.right_column), set()).add(left)

    def hops(self, base: str, dataset: str) -> int | None:
        """How many joins it takes from the rows of one to those of the other; None if there is no way."""
        seen, frontier = {base}, {base}
        for hops in range(HOPS + 1):
            if dataset in seen:
                return hops
            frontier = {other for one in frontier for other in self._next[one]} - seen
            seen |= frontier
        return None

    def own(self, base: str, column: ColumnOf) -> bool:
        """Whether a column of another dataset is the key by which the base's rows look it up: they have it already."""
        return column.dataset != base and any(same.dataset == base for same in self._same.get(column, ()))
