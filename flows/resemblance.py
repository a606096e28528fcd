"""Which column of a file is one that the spec declares, under another name."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
from rapidfuzz import fuzz

from core.schema import Schema, SchemaColumn
from core.spec.column import Column
from delegation.consensus.change import renames
from tools.engine.session import session
from tools.engine.types import typed

# Names are alike from this share on, and nearly the same from that on (normalized Indel similarity).
ALIKE, NEARLY = 0.6, 0.9

# The share of a column's values that must be of the declared type; and the shares of its different values that speak
# for it, if they were values of the missing column too: beside a name that is alike, and alone. Alone, there must be so
# many of them, with a letter in each: numbers of different columns are often the same.
TYPED, KNOWN, ALL_KNOWN, LEAST_KNOWN = 0.9, 0.5, 0.9, 10


_NUMBER = re.compile(r"\d+")


class Match(NamedTuple):
    """A declared column, what it is called now, and what speaks for that."""

    column: str
    now: str
    why: str


def by_name(
    declared: Collection[str], missing: Collection[str], new: Collection[str], schema: Schema
) -> dict[str, str]:
    """Which new column each missing one is, where that is clear: by its words, by its letters, or as the only one.

    A guess, for proposals that are tried before anyone goes by them.
    """
    found = renames(dict.fromkeys(declared, SchemaColumn()), schema)
    olds = [name for name in missing if name not in found]
    news = [name for name in new if name not in found.values()]
    pairs = sorted(((likeness(old, now), old, now) for old in olds for now in news), reverse=True)
    for alike, old, now in pairs:
        taken = old in found or now in found.values()
        alone = len(olds) == len(news) == 1
        if not taken and (alike >= ALIKE or alone):
            found[old] = now
    return found


def by_evidence(
    declared: Mapping[str, Column], missing: Collection[str], sample: pa.Table, known: Mapping[str, Collection[str]]
) -> tuple[list[Match], list[str]]:
    """Which column of a sample each missing one is, beyond doubt; and for each of which that cannot be said, why not.

    `known` are values that missing columns had elsewhere. A match is of the declared type, and is the only one that has
    the same words for its name, nearly the same name, a name that is alike and known values, or known values alone.
    """
    texts = _texts(sample, [name for name in sample.column_names if name not in declared])
    spoken = renames(dict.fromkeys(declared, SchemaColumn()), dict.fromkeys(sample.column_names, SchemaColumn()))
    fitting = _typed(texts, {column: declared[column].type for column in missing})
    strong = [
        Match(old, now, f"{why}, and {share:.0%} of its values are {declared[old].type}")
        for (old, now), share in fitting.items()
        if share >= TYPED and (why := _resembles(old, now, spoken, set(texts[now]), known.get(old, ())))
    ]
    matches, doubts = [], []
    for old in missing:
        mine = [one for one in strong if one.column == old]
        if len(mine) == 1 and sum(one.now == mine[0].now for one in strong) == 1:
            matches += mine
        else:
            may = " or ".join(one.now for one in mine)
            doubts.append(f"{old} may be {may} there" if may else f"none of its columns is {old} beyond doubt")
    return matches, doubts


def likeness(one: str, other: str) -> float:
    """How alike two names are, 0 to 1."""
    return fuzz.ratio(one.lower(), other.lower()) / 100


def _resembles(old: str, now: str, spoken: Mapping[str, str], values: set[str], known: Collection[str]) -> str:
    """What speaks for it that one column is the other; nothing, if too little does."""
    alike, shared = likeness(old, now), len(values.intersection(known)) / max(1, len(values))
    told = f"{shared:.0%} of its different values are known of {old}"
    if spoken.get(old) == now:
        return "the names have the same words"
    same_numbers = _NUMBER.findall(old) == _NUMBER.findall(now)
    if alike >= NEARLY and same_numbers:
        return f"the names are nearly the same ({alike:.0%})"
    if alike >= ALIKE and same_numbers and shared >= KNOWN:
        return f"the names are alike ({alike:.0%}), and {told}"
    telling = sum(any(map(str.isalpha, value)) for value in values)
    return told if shared >= ALL_KNOWN and telling == len(values) >= LEAST_KNOWN else ""


def _texts(sample: pa.Table, names: Iterable[str]) -> dict[str, list[str]]:
    """The values of columns as text. What has none, such as lists, is left out."""
    found: dict[str, list[str]] = {}
    for name in names:
        try:
            column = sample[name].cast(pa.string())
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            continue
        found[name] = column.drop_null().to_pylist()
    return found


def _typed(texts: Mapping[str, list[str]], types: Mapping[str, str]) -> dict[tuple[str, str], float]:
    """For each column and each of the others, the share of the latter's values that are of the former's type."""
    pairs = [(column, now) for column in types for now, values in texts.items() if values]
    if not pairs:
        return {}
    with session() as (engine, _):

        def shares() -> Iterator[float]:
            for column, now in pairs:
                rows = engine.table(pa.table({"value": pa.array(texts[now], pa.string())}))
                kept = rows.aggregate(n=typed(rows["value"], types[column]).count())
                yield engine.row(kept)["n"] / len(texts[now])

        return dict(zip(pairs, shares(), strict=True))
