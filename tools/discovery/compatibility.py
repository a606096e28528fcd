"""Schema compatibility: which of the found datasets can be joined, by which columns, and what speaks for it."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from core.errors import CrewlineError
from tools.discovery.adapters import Adapter, adapter, guarded
from tools.discovery.dataset import Description
from tools.discovery.words import words

if TYPE_CHECKING:
    import pyarrow as pa

# Rows that are read to measure containment: of the one whose values must be found, and of the one to find them in.
_LOOKED_FOR = 1_000
_LOOKED_IN = 100_000

# A pair of columns that shares fewer values than this has the same name, and nothing else.
_LEAST = 0.5

# Joins that are shown; with a hundred datasets there can be thousands.
_MAX_PAIRS = 50

# Columns whose names say nothing of what they identify.
_ANONYMOUS = {"id", "key", "code", "name", "uuid"}

# Words that make a column a key by its name.
_KEY = {"id", "key", "code", "uuid", "no", "nr", "number", "sku", "email"}

_FAMILIES = {"int": "integer", "uint": "integer", "decimal": "decimal", "string": "string", "uuid": "string"}


class Join(BaseModel):
    """Two columns that join two datasets.

    `evidence` is `foreign key` where the source declares it, else `name` (with `type`). `containment` is the share of
    distinct values sampled from `left` that were found in `right`, and None where no sample could be had. It is a lower
    bound unless `right_whole`: then all of the right column was looked at.
    """

    model_config = ConfigDict(frozen=True)

    left: str
    left_column: str
    right: str
    right_column: str
    type: str
    evidence: str
    containment: float | None = None
    sampled: int | None = None
    right_whole: bool | None = None


class _Pair(NamedTuple):
    left: Description
    left_column: str
    right: Description
    right_column: str
    declared: bool


Sampler = Callable[[Description, Sequence[str], int], "pa.Table | None"]


def compatibility(datasets: Sequence[tuple[str, Description]]) -> list[Join]:
    """The joins between datasets, given with their sources' URLs; the best evidence first.

    Undeclared pairs are those whose columns have the same name, or of which one is named for the other dataset
    (`customer_id` and the `id` of customers), and whose types compare. Where samples can be had, pairs that share less
    than half of their values are left out.
    """
    urls = {dataset.location: source for source, dataset in datasets}
    samples = _Samples(urls)
    found = []
    pairs = [pair for (_, a), (_, b) in combinations(datasets, 2) for pair in _pairs(a, b)]
    for pair in sorted(pairs, key=lambda pair: not pair.declared)[:_MAX_PAIRS]:
        join = _measured(pair, samples)
        if join.evidence == "foreign key" or join.containment is None or join.containment >= _LEAST:
            found.append(join)
    return sorted(found, key=lambda join: (join.evidence != "foreign key", -(join.containment or 0), join.left))


def _pairs(a: Description, b: Description) -> list[_Pair]:
    declared = [
        _Pair(one, key.columns[0], other, key.references_columns[0], True)
        for one, other in ((a, b), (b, a))
        for key in one.foreign_keys
        if key.references == other.location and len(key.columns) == 1
    ]
    known = {frozenset(((p.left.location, p.left_column), (p.right.location, p.right_column))) for p in declared}
    named = [
        _directed(a, left.name, b, right.name)
        for left in a.columns
        for right in b.columns
        if _same_family(left.type, right.type)
        and _named_alike(a, left.name, b, right.name)
        and frozenset(((a.location, left.name), (b.location, right.name))) not in known
    ]
    return declared + named


def _directed(a: Description, left: str, b: Description, right: str) -> _Pair:
    """The side that identifies its rows is the right one: values are looked for among keys, not the other way round."""
    if _identifies(a, left) and not _identifies(b, right):
        return _Pair(b, right, a, left, False)
    return _Pair(a, left, b, right, False)


def _identifies(dataset: Description, column: str) -> bool:
    if (column,) == dataset.primary_key or (column,) in dataset.unique_keys:
        return True
    named = words(column)
    return named[-1:] == ["id"] and (len(named) == 1 or _singular(named[:-1]) == _singular(words(dataset.name)))


def _named_alike(a: Description, left: str, b: Description, right: str) -> bool:
    one, other = words(left), words(right)
    if one == other:
        # `name` and `name` of anything are alike by accident.
        return bool(_KEY & set(one)) and not (len(one) == 1 and one[0] in _ANONYMOUS)
    return _names(one, other, b) or _names(other, one, a)


def _names(reference: list[str], key: list[str], dataset: Description) -> bool:
    """Whether `customer_id` names the `id` of customers."""
    return len(key) == 1 and key[0] in _ANONYMOUS and _singular(reference) == _singular([*words(dataset.name), *key])


def _singular(named: list[str]) -> list[str]:
    return [word.removesuffix("s") for word in named]


def _same_family(left: str, right: str) -> bool:
    return _family(left) == _family(right)


def _family(type: str) -> str:
    bare = type.split("(")[0].split("<")[0].rstrip("0123456789")
    return _FAMILIES.get(bare, bare)


class _Samples:
    """Distinct values of columns, each read once."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._urls = urls
        self._adapters: dict[str, Adapter] = {}
        self._known: dict[tuple[str, str, int], tuple[set[Any], bool] | None] = {}

    def values(self, dataset: Description, column: str, rows: int) -> tuple[set[Any], bool] | None:
        """The values in so many rows, and whether these are all; None if they cannot be had."""
        key = (dataset.location, column, rows)
        if key not in self._known:
            self._known[key] = self._read(dataset, column, rows)
        return self._known[key]

    def _read(self, dataset: Description, column: str, rows: int) -> tuple[set[Any], bool] | None:
        try:
            with guarded(dataset.location):
                table = self._adapter(dataset).sample(dataset, [column], rows)
        except CrewlineError:
            # The sample is evidence, not the answer: without it, the names and types still stand.
            return None
        if table is None:
            return None
        values = set(map(str, table.column(0).drop_null().to_pylist()))
        whole = not dataset.rows_estimated and dataset.rows is not None and table.num_rows >= dataset.rows
        return values, whole

    def _adapter(self, dataset: Description) -> Adapter:
        url = self._urls[dataset.location]
        if url not in self._adapters:
            self._adapters[url] = adapter(url)
        return self._adapters[url]


def _measured(pair: _Pair, samples: _Samples) -> Join:
    left = samples.values(pair.left, pair.left_column, _LOOKED_FOR)
    right = samples.values(pair.right, pair.right_column, _LOOKED_IN) if left and left[0] else None
    type = next(column.type for column in pair.left.columns if column.name == pair.left_column)
    return Join(
        left=pair.left.location,
        left_column=pair.left_column,
        right=pair.right.location,
        right_column=pair.right_column,
        type=_family(type),
        evidence="foreign key" if pair.declared else "name and type",
        containment=len(left[0] & right[0]) / len(left[0]) if left and right else None,
        sampled=len(left[0]) if left and right else None,
        right_whole=right[1] if right else None,
    )
