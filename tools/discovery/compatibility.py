"""Schema compatibility: which of the found datasets can be joined, by which columns, and what speaks for it."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from core.errors import CrewlineError
from tools.discovery.adapters import Adapter, adapter, guarded
from tools.discovery.dataset import Description
from tools.discovery.pairs import Pair, family, pairs

# Rows that are read to measure containment: of the one whose values must be found, and of the one to find them in.
_LOOKED_FOR = 1_000
_LOOKED_IN = 100_000

# A pair of columns that shares fewer values than this has the same name, and nothing else.
_LEAST = 0.5

# Joins that are shown; with a hundred datasets there can be thousands.
_MAX_PAIRS = 50

# A whole number, without leading zeros and an empty fraction.
_WHOLE = re.compile(r"0*(\d+)(?:\.0+)?")


class Join(BaseModel):
    """Two columns that join two datasets.

    `evidence` is `foreign key` where the source declares it, else `name` (with `type`). `containment` is the share of
    distinct values sampled from `left` that were found in `right`, and None where no sample could be had. It is a lower
    bound unless `right_whole`: then all of the right column was looked at. `alike` is that share where letter case,
    padding, and leading zeros and empty fractions of whole numbers are put aside, if it is larger.
    """

    model_config = ConfigDict(frozen=True)

    left: str
    left_column: str
    right: str
    right_column: str
    type: str
    evidence: str
    containment: float | None = None
    alike: float | None = None
    sampled: int | None = None
    right_whole: bool | None = None


class _Values(NamedTuple):
    """Distinct values of a sample as text, whether these are all of the column's, and whether none is there twice;
    `share` is what part of the rows was looked at, as far as is known how many there are."""

    distinct: set[str]
    whole: bool
    unique: bool
    share: float


def compatibility(datasets: Sequence[tuple[str, Description]]) -> list[Join]:
    """The joins between datasets, given with their sources' URLs; the best evidence first.

    Undeclared pairs are those whose columns have the same name, or of which one is named for the other dataset
    (`customer_id` and the `id` of customers, `home_team` and the `team_no` of teams), and whose types compare. Where
    samples can be had, pairs that share less than half of their values are left out, keys by their names only if the
    whole of the right column was looked at; without samples, so are those of whose names none is a key's. Such ones
    join only where no value is there twice on one side.
    """
    urls = {dataset.location: source for source, dataset in datasets}
    # Which of two columns of one name is the key, values show: the pair is there in both directions.
    likely = pairs([dataset for _, dataset in datasets], _MAX_PAIRS)
    samples = _Samples(urls, likely)
    found: dict[frozenset[tuple[str, str]], Join] = {}
    for pair in likely:
        join = _measured(pair, samples)
        if pair.reason == "declared" or (_speaks_for(pair, join, samples) and _tells_apart(pair, samples)):
            ends = frozenset(((join.left, join.left_column), (join.right, join.right_column)))
            found.setdefault(ends, join)
    return sorted(
        found.values(), key=lambda join: (join.evidence != "foreign key", -(join.containment or 0), join.left)
    )


def _speaks_for(pair: Pair, join: Join, samples: "_Samples") -> bool:
    """Whether enough values are found; where there are none to be had, the names have to do, and where only the
    beginning of a file is looked at, the names of keys: its first customers may have no order among the first ones."""
    if join.containment is None:
        return pair.reason == "named"
    right = samples.values(pair.right, pair.right_column, _LOOKED_IN)
    if right is None or right.whole or pair.reason == "shared":
        return (join.alike or join.containment) >= _LEAST
    return pair.reason == "named" or (join.alike or join.containment) >= _LEAST * right.share


def _tells_apart(pair: Pair, samples: "_Samples") -> bool:
    """Whether the right column tells its rows apart; of keys by their names this is taken for granted."""
    if pair.reason != "shared":
        return True
    right = samples.values(pair.right, pair.right_column, _LOOKED_IN)
    return right is not None and right.unique


class _Samples:
    """Distinct values of columns, each dataset read once for all that is wanted of it."""

    def __init__(self, urls: dict[str, str], likely: Sequence[Pair]) -> None:
        self._urls = urls
        self._adapters: dict[str, Adapter] = {}
        self._known: dict[tuple[str, str, int], _Values | None] = {}
        self._wanted: dict[tuple[str, int], dict[str, None]] = defaultdict(dict)
        for pair in likely:
            self._wanted[pair.left.location, _LOOKED_FOR][pair.left_column] = None
            self._wanted[pair.right.location, _LOOKED_IN][pair.right_column] = None

    def values(self, dataset: Description, column: str, rows: int) -> _Values | None:
        """The values in so many rows; None if they cannot be had."""
        key = (dataset.location, column, rows)
        if key not in self._known:
            wanted = list(self._wanted[dataset.location, rows])
            found = self._read(dataset, wanted, rows)
            if not found and len(wanted) > 1:
                # No file of the dataset has all of them.
                found = {name: one for name in wanted for one in self._read(dataset, [name], rows).values()}
            self._known |= {(dataset.location, name, rows): found.get(name) for name in wanted}
        return self._known[key]

    def _read(self, dataset: Description, columns: list[str], rows: int) -> dict[str, _Values]:
        try:
            with guarded(dataset.location):
                table = self._adapter(dataset).sample(dataset, columns, rows)
        except CrewlineError:
            # The sample is evidence, not the answer: without it, the names and types still stand.
            return {}
        if table is None:
            return {}
        whole = not dataset.rows_estimated and dataset.rows is not None and table.num_rows >= dataset.rows
        share = 1.0 if whole or not dataset.rows else min(1.0, table.num_rows / dataset.rows)
        return {
            name: _Values(distinct := set(map(str, present)), whole, len(distinct) == len(present) > 1, share)
            for name, present in ((name, table.column(place).drop_null()) for place, name in enumerate(columns))
        }

    def _adapter(self, dataset: Description) -> Adapter:
        url = self._urls[dataset.location]
        if url not in self._adapters:
            self._adapters[url] = adapter(url)
        return self._adapters[url]


def _measured(pair: Pair, samples: _Samples) -> Join:
    left = samples.values(pair.left, pair.left_column, _LOOKED_FOR)
    right = samples.values(pair.right, pair.right_column, _LOOKED_IN) if left and left.distinct else None
    shared = alike = None
    if left and right:
        shared = len(left.distinct & right.distinct) / len(left.distinct)
        marks = {_plain(value) for value in right.distinct} if shared < 1 else set()
        found = sum(_plain(value) in marks for value in left.distinct) / len(left.distinct)
        alike = found if found > shared else None
    type = next(column.type for column in pair.left.columns if column.name == pair.left_column)
    return Join(
        left=pair.left.location,
        left_column=pair.left_column,
        right=pair.right.location,
        right_column=pair.right_column,
        type=family(type),
        evidence="foreign key" if pair.reason == "declared" else "name and type",
        containment=shared,
        alike=alike,
        sampled=len(left.distinct) if left and right else None,
        right_whole=right.whole if right else None,
    )


def _plain(value: str) -> str:
    """A value as it compares where its notation is put aside."""
    text = value.strip().lower()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text
