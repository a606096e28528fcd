"""Schema compatibility: which of the found datasets can be joined, by which columns, and what speaks for it."""

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from core.errors import CrewlineError
from tools.discovery.adapters import Adapter, adapter, guarded
from tools.discovery.dataset import Description
from tools.discovery.words import words

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

# A whole number, without leading zeros and an empty fraction.
_WHOLE = re.compile(r"0*(\d+)(?:\.0+)?")

_FAMILIES = {"int": "integer", "uint": "integer", "decimal": "decimal", "string": "string", "uuid": "string"}


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


class _Pair(NamedTuple):
    left: Description
    left_column: str
    right: Description
    right_column: str
    declared: bool
    named_alike: bool = True


class _Values(NamedTuple):
    """Distinct values of a sample as text, and whether these are all that the column has."""

    distinct: set[str]
    whole: bool


def compatibility(datasets: Sequence[tuple[str, Description]]) -> list[Join]:
    """The joins between datasets, given with their sources' URLs; the best evidence first.

    Undeclared pairs are those whose columns have the same name, or of which one is named for the other dataset
    (`customer_id` and the `id` of customers, `customer` and their `cust_no`), and whose types compare. Where samples
    can be had, pairs that share less than half of their values are left out; without samples, so are those that are
    only called like the dataset.
    """
    urls = {dataset.location: source for source, dataset in datasets}
    pairs = _pairs([dataset for _, dataset in datasets])[:_MAX_PAIRS]
    samples = _Samples(urls, pairs)
    found = []
    for pair in pairs:
        join = _measured(pair, samples)
        believed = 1.0 if pair.named_alike or pair.declared else 0.0
        if pair.declared or (believed if join.containment is None else join.alike or join.containment) >= _LEAST:
            found.append(join)
    return sorted(found, key=lambda join: (join.evidence != "foreign key", -(join.containment or 0), join.left))


def _pairs(datasets: Sequence[Description]) -> list[_Pair]:
    """Pairs of columns that may join, declared ones first, then in the order of the datasets."""
    places = {dataset.location: place for place, dataset in enumerate(datasets)}
    declared = [
        _Pair(dataset, key.columns[0], datasets[places[key.references]], key.references_columns[0], True)
        for dataset in datasets
        for key in dataset.foreign_keys
        if key.references in places and key.references != dataset.location and len(key.columns) == 1
    ]
    named = [_directed(datasets[a], left, datasets[b], right) for (a, _, left), (b, _, right) in _named_alike(datasets)]
    named += [_Pair(datasets[a], left, datasets[b], right, False, False) for (a, left), (b, right) in _called(datasets)]
    # Of a pair that is found twice, the better reason stands.
    pairs: dict[frozenset[tuple[str, str]], _Pair] = {}
    for pair in declared + named:
        ends = ((pair.left.location, pair.left_column), (pair.right.location, pair.right_column))
        pairs.setdefault(frozenset(ends), pair)
    return list(pairs.values())


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


# A column: the place of its dataset among the others, its own place there, and its name.
_Place = tuple[int, int, str]


def _named_alike(datasets: Sequence[Description]) -> list[tuple[_Place, _Place]]:
    """Columns of two datasets that have one name, or of which one is named for the other dataset, and one type.

    Columns are found by their names: to compare each with each takes minutes when there are thousands.
    """
    equal, keys, references = defaultdict(list), defaultdict(list), defaultdict(list)
    for place, dataset in enumerate(datasets):
        for number, column in enumerate(dataset.columns):
            named, family, found = words(column.name), _kin(column.type), (place, number, column.name)
            references[family, *_singular(named)].append(found)
            if len(named) == 1 and named[0] in _ANONYMOUS:
                # `name` and `name` of anything are alike by accident; but `customer_id` names the `id` of customers.
                keys[family, *_singular([*words(dataset.name), *named])].append(found)
            elif _KEY & set(named):
                equal[family, *named].append(found)
    alike = {pair for found in equal.values() for pair in combinations(found, 2)}
    alike |= {
        (min(key, reference), max(key, reference))
        for named, found in keys.items()
        for key in found
        for reference in references.get(named, ())
    }
    return sorted((one, other) for one, other in alike if one[0] != other[0])


def _called(datasets: Sequence[Description]) -> list[tuple[tuple[int, str], tuple[int, str]]]:
    """Columns that are called like another dataset, or like the beginning of its name alone (`customer`, `customer_id`,
    `cust`), each with what that may be told by: a key without a name, or under a short one (`cust_no`)."""
    own, called = defaultdict(list), defaultdict(list)
    names = {tuple(_singular(words(dataset.name))) for dataset in datasets}
    for place, dataset in enumerate(datasets):
        dataset_name = tuple(_singular(words(dataset.name)))
        for column in dataset.columns:
            named = words(column.name)
            bare = tuple(_singular(named[:-1] if named[-1:] and named[-1] in _KEY else named))
            meant = [bare] if bare in names else [name for name in names if bare and _shortens(bare, name)]
            if len(meant) == 1 and meant[0] != dataset_name:
                called[_kin(column.type), meant[0]].append((place, column.name))
            elif len(bare) < len(named) and _shortens(bare, dataset_name):
                own[_kin(column.type), dataset_name].append((place, column.name))
    pairs = {(left, right) for of, found in called.items() for left in found for right in own.get(of, ())}
    return sorted(pairs)


def _shortens(bare: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Whether a key's name without its last word is the dataset's, its beginning, or nothing."""
    return (
        not bare or bare == name or (len(bare) == len(name) == 1 and len(bare[0]) > 2 and name[0].startswith(bare[0]))
    )


def _singular(named: list[str]) -> list[str]:
    return [word.removesuffix("s") for word in named]


def _kin(type: str) -> str:
    """What types compare: keys are numbers here and texts there, and their values tell whether they are the same."""
    family = _family(type)
    return "key" if family in ("integer", "decimal", "double", "float", "string") else family


def _family(type: str) -> str:
    bare = type.split("(")[0].split("<")[0].rstrip("0123456789")
    return _FAMILIES.get(bare, bare)


class _Samples:
    """Distinct values of columns, each dataset read once for all that is wanted of it."""

    def __init__(self, urls: dict[str, str], pairs: Sequence[_Pair]) -> None:
        self._urls = urls
        self._adapters: dict[str, Adapter] = {}
        self._known: dict[tuple[str, str, int], _Values | None] = {}
        self._wanted: dict[tuple[str, int], dict[str, None]] = defaultdict(dict)
        for pair in pairs:
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
        return {
            name: _Values(set(map(str, table.column(place).drop_null().to_pylist())), whole)
            for place, name in enumerate(columns)
        }

    def _adapter(self, dataset: Description) -> Adapter:
        url = self._urls[dataset.location]
        if url not in self._adapters:
            self._adapters[url] = adapter(url)
        return self._adapters[url]


def _measured(pair: _Pair, samples: _Samples) -> Join:
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
        type=_family(type),
        evidence="foreign key" if pair.declared else "name and type",
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
