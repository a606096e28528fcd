"""The key of a dataset: the column that identifies its rows, declared, or by its name and its values."""

from collections.abc import Sequence

from graphs.planning.data.dataset import MOSTLY, Dataset
from tools.discovery.words import words

# The names that columns of keys end in.
_KEYS = ("id", "key", "code", "no", "nr", "number", "uuid", "sku", "ref", "reference")
# A column that is called like the key is meant as one if it has so many different values; rows of the same are copies,
# or an oversight. With fewer, it groups them.
_MEANT = 0.5


def key_of(dataset: Dataset, declared: Sequence[str] = ()) -> str | None:
    """The column that identifies the rows; None if there is none."""
    if len(declared) == 1 and declared[0] in dataset.columns:
        return declared[0]
    able = [column for column in dataset.columns if dataset.identifies(column) and words(column)]
    named = [column for column in able if words(column)[-1] in _KEYS]
    plain = [column for column in named if len(words(column)) == 1]
    # `order_id` of orders before `customer_id`; and the first before others.
    first = [column for column in named if column == next(iter(dataset.columns))]
    return next(iter([*_own(dataset, named), *plain, *first]), None)


def repeated(dataset: Dataset) -> list[str]:
    """The columns that are called like the dataset's key, and would be it if fewer rows had the same."""
    named = [column for column in dataset.columns if words(column) and words(column)[-1] in _KEYS]
    plain = [column for column in named if len(words(column)) == 1]
    meant = []
    for column in [*_own(dataset, named), *plain]:
        found = dataset.columns[column]
        present = dataset.rows * (1 - found.missing)
        if found.missing <= 1 - MOSTLY and not dataset.identifies(column) and found.distinct >= _MEANT * present:
            meant.append(column)
    return meant


def _own(dataset: Dataset, named: Sequence[str]) -> list[str]:
    own = {word.removesuffix("s") for word in words(dataset.name)}
    return [column for column in named if own & set(words(column))]
