"""pairs: columns of different datasets that may join, by what they are called."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, islice, permutations
from typing import Literal, NamedTuple

from tools.discovery.dataset import Description
from tools.discovery.words import stem, stems, words

# Columns whose names say nothing of what they identify.
_ANONYMOUS = {"id", "key", "code", "name", "uuid"}

# Words that make a column a key by its name.
_KEY = {"id", "key", "code", "uuid", "no", "nr", "number", "sku", "email"}

# What columns may have that rows are told apart by, beside their names.
_TELLING = ("integer", "string", "date")

_FAMILIES = {"int": "integer", "uint": "integer", "decimal": "decimal", "string": "string", "uuid": "string"}

# Why two columns may join: the source says so; both are called for the same key; one is called like the other dataset;
# they have one name, of which nothing says that it is a key's.
Reason = Literal["declared", "named", "called", "shared"]


class Pair(NamedTuple):
    """Two columns that may join: values of the left one are looked for in the right one."""

    left: Description
    left_column: str
    right: Description
    right_column: str
    reason: Reason


def pairs(datasets: Sequence[Description], most: int) -> list[Pair]:
    """Up to `most` pairs of columns that may join, the better reason first, then in the order of the datasets.

    Those that share a name alone come in both directions: which side tells its rows apart, values have to show.
    """
    places = {dataset.location: place for place, dataset in enumerate(datasets)}
    found = [
        Pair(dataset, key.columns[0], datasets[places[key.references]], key.references_columns[0], "declared")
        for dataset in datasets
        for key in dataset.foreign_keys
        if key.references in places and key.references != dataset.location and len(key.columns) == 1
    ]
    found += [
        _directed(datasets[a], left, datasets[b], right) for (a, _, left), (b, _, right) in _named_alike(datasets)
    ]
    found += [Pair(datasets[a], left, datasets[b], right, "called") for (a, left), (b, right) in _called(datasets)]
    # Of a pair that is found twice, the better reason stands.
    unique: dict[frozenset[tuple[str, str]], Pair] = {}
    for pair in found:
        unique.setdefault(_ends(pair), pair)
    more = (pair for pair in _shared(datasets) if _ends(pair) not in unique)
    return [*unique.values(), *islice(more, max(0, most - len(unique)))][:most]


def family(type: str) -> str:
    """A type without its size: `integer` of `int64`."""
    bare = type.split("(")[0].split("<")[0].rstrip("0123456789")
    return _FAMILIES.get(bare, bare)


def _ends(pair: Pair) -> frozenset[tuple[str, str]]:
    return frozenset(((pair.left.location, pair.left_column), (pair.right.location, pair.right_column)))


def _directed(a: Description, left: str, b: Description, right: str) -> Pair:
    """The side that identifies its rows is the right one: values are looked for among keys, not the other way round."""
    if _identifies(a, left) and not _identifies(b, right):
        return Pair(b, right, a, left, "named")
    return Pair(a, left, b, right, "named")


def _identifies(dataset: Description, column: str) -> bool:
    if (column,) == dataset.primary_key or (column,) in dataset.unique_keys:
        return True
    named = words(column)
    return named[-1:] == ["id"] and (len(named) == 1 or _singular(named[:-1]) == stems(dataset.name))


# A column: the place of its dataset among the others, its own place there, and its name.
_Place = tuple[int, int, str]


def _named_alike(datasets: Sequence[Description]) -> list[tuple[_Place, _Place]]:
    """Columns of two datasets that have one name, or of which one is named for the other dataset, and one type.

    Columns are found by their names: to compare each with each takes minutes when there are thousands.
    """
    equal, keys, references = defaultdict(list), defaultdict(list), defaultdict(list)
    for place, dataset in enumerate(datasets):
        for number, column in enumerate(dataset.columns):
            named, kin, found = words(column.name), _kin(column.type), (place, number, column.name)
            references[kin, *_singular(named)].append(found)
            if len(named) == 1 and named[0] in _ANONYMOUS:
                # `name` and `name` of anything are alike by accident; but `customer_id` names the `id` of customers.
                keys[kin, *_singular([*words(dataset.name), *named])].append(found)
            elif _KEY & set(named):
                equal[kin, *named].append(found)
    alike = {pair for found in equal.values() for pair in combinations(found, 2)}
    alike |= {
        (min(key, reference), max(key, reference))
        for named, found in keys.items()
        for key in found
        for reference in references.get(named, ())
    }
    return sorted((one, other) for one, other in alike if one[0] != other[0])


def _called(datasets: Sequence[Description]) -> list[tuple[tuple[int, str], tuple[int, str]]]:
    """Columns that are called like another dataset (`customer`, `customer_id`), the beginning of its name alone
    (`cust`), or what it is to the row (`home_team`, `from_account_id`), each with what that may be told by: a key
    without a name, one that is called like its dataset, or under a short name (`cust_no`)."""
    own, called = defaultdict(list), defaultdict(list)
    names = {stems(dataset.name) for dataset in datasets}
    for place, dataset in enumerate(datasets):
        dataset_name = stems(dataset.name)
        for column in dataset.columns:
            named = words(column.name)
            bare = _singular(named[:-1] if named[-1:] and named[-1] in _KEY else named)
            for name in (bare[start:] for start in range(len(bare))):
                if name in names and name != dataset_name:
                    called[_kin(column.type), name].append((place, column.name))
            begun = [name for name in names if len(bare) == 1 and _shortens(bare, name)]
            if bare not in names and len(begun) == 1 and begun[0] != dataset_name:
                called[_kin(column.type), begun[0]].append((place, column.name))
            if bare == dataset_name or (len(bare) < len(named) and _shortens(bare, dataset_name)):
                own[_kin(column.type), dataset_name].append((place, column.name))
    return sorted({(left, right) for of, found in called.items() for left in found for right in own.get(of, ())})


def _shared(datasets: Sequence[Description]) -> Iterator[Pair]:
    """Columns of one name and type that is no key's by its name: `product` of sales, and of prices."""
    places = defaultdict(list)
    for dataset in datasets:
        for column in dataset.columns:
            named, kind = words(column.name), family(column.type)
            if kind in _TELLING and named and not (len(named) == 1 and named[0] in _ANONYMOUS):
                places["date" if kind == "date" else "key", *named].append((dataset, column.name))
    for found in places.values():
        for (a, left), (b, right) in permutations(found, 2):
            if a is not b:
                yield Pair(a, left, b, right, "shared")


def _shortens(bare: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Whether a key's name without its last word is the dataset's beginning, or nothing."""
    return not bare or (len(bare) == len(name) == 1 and len(bare[0]) > 2 and name[0].startswith(bare[0]))


def _singular(named: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(stem, named))


def _kin(type: str) -> str:
    """What types compare: keys are numbers here and texts there, and their values tell whether they are the same."""
    kind = family(type)
    return "key" if kind in ("integer", "decimal", "double", "float", "string") else kind
