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

    def nearer(self, base: str, column: ColumnOf) -> bool:
        """Whether a column is the key of rows that are looked up by a column which the base's rows are nearer to."""
        away = self.hops(base, column.dataset) or 0
        return any((self.hops(base, same.dataset) or 0) < away for same in self._reached(base, column))

    def _reached(self, base: str, column: ColumnOf) -> list[ColumnOf]:
        return [one for one in self._same.get(column, ()) if self.hops(base, one.dataset) is not None]
