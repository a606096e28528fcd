"""What the cells say that fail a check: how many they are, which, and what they would pass for."""

from collections.abc import Iterable, Mapping
from typing import Any

from ibis.expr.types import Table

from core.classification import Classification
from core.errors import InputError
from core.spec.check import Check, ForeignKey, InSet, Type, Unique
from core.spec.column import Column
from core.spec.rule import Join, Reference
from flows.investigation.case import Case
from flows.investigation.rule import NamedRule, rule_named, rule_names
from graphs.planning.data.dates import reads_date, written_dates
from graphs.planning.data.linking import by_letters
from graphs.planning.data.notation import written_numbers
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.session import session
from tools.engine.types import missing, typed
from tools.quality.checks import testable, with_types
from tools.quality.measurement import measure
from tools.quality.spelling import listed

# Different values that are shown of a column, and that are looked at.
SHOWN = 8
MOST_VALUES = 20_000
# Different values of which notations are worked out.
MOST_NOTED = 2_000

# Notations of dates that are tried, as rules write them.
FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y%m%d", "%d %b %Y", "%b %d, %Y", "%d.%m.%y")

# Types that are tried where cells are not of the declared one, from the narrowest.
TYPES = ("integer", "decimal(18,2)", "decimal(38,6)", "float", "date", "timestamp", "boolean")

Counts = list[tuple[str, int]]


def check_facts(case: Case, dataset: str, name: str) -> dict[str, Any]:
    """Facts about the rows of a dataset that fail a check, by its name, as they came. Raises InputError for a check
    that there is none of, or whose rows were not read."""
    refs = [outcome.output for outcome in case.cells(dataset) if outcome.output]
    if not refs:
        raise InputError(f"No row of {dataset} was read.", remedy="Look at its source instead.")
    columns = case.spec.sources[dataset].columns
    with session() as (engine, _):
        raw = engine.read(refs)
        join = _join(case, dataset, name)
        if join:
            facts = _orphans(engine, case, raw, columns, join)
        elif rule := rule_named(case.spec, dataset, name):
            facts = _defeated(engine, case, raw, dataset, rule)
        else:
            facts = _failing(engine, case, raw, columns, dataset, _check(case, dataset, name))
        facts |= {"of": engine.count(raw), **case.counted(dataset, name)}
    return {f"{dataset}.{name}": facts if _open(case) else _counted(facts)}


def _open(case: Case) -> bool:
    """Whether cells may be told: what is concluded goes to the journal, and to whoever reads it."""
    classification = case.spec.governance.classification or Classification.INTERNAL
    return classification.rank <= Classification.INTERNAL.rank


def _counted(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in ("values", "unknown", "keys", "misspelt")}


def _check(case: Case, dataset: str, name: str) -> Check:
    checks = with_types(case.spec.sources[dataset].columns, case.spec.validation.get(dataset, ()))
    found = next((check for check in checks if check.name == name), None)
    if found is None:
        there = ", ".join([*(check.name for check in checks), *rule_names(case.spec, dataset)])
        raise InputError(f"{dataset} has no check {name!r}.", remedy=f"It has: {there}.")
    return found


def _join(case: Case, dataset: str, name: str) -> Reference | None:
    joins = (rule for owner, _, rule in case.spec.joins() if owner == dataset)
    return next((rule for rule in joins if f"{rule.rule}({rule.dataset})" == name), None)


def _failing(
    engine: Engine, case: Case, raw: Table, columns: Mapping[str, Column], dataset: str, check: Check
) -> dict[str, Any]:
    others = {}
    if isinstance(check, ForeignKey) and check.dataset != dataset:
        others[check.dataset] = _typed(engine, case, check.dataset)
    found = measure(engine, raw, columns, [check], dataset=dataset, others=others, at=case.history.run.created_at)
    verdict = found.verdicts[0]
    facts: dict[str, Any] = {"rows": verdict.failed, "observed": verdict.observed}
    failing = found.failing.get(0)
    if failing is None:
        return facts
    failing = engine.hold(failing)
    if isinstance(check, Unique):
        return facts | _doubles(engine, raw, check, list(columns))
    reads = [name for name in check.reads if name in failing.columns]
    if reads:
        facts["values"] = _values(engine, failing, reads[0], SHOWN)
    if isinstance(check, Type):
        facts |= _notations(engine, raw, failing, check)
    if isinstance(check, InSet):
        facts |= _unknown(_values(engine, failing, check.column, MOST_VALUES), check.values)
    return facts


def _defeated(engine: Engine, case: Case, raw: Table, dataset: str, rule: NamedRule) -> dict[str, Any]:
    """The rows that a rule sent to quarantine, by the cells as they came, where the column is one of the source's."""
    name = f"{rule.kind}({rule.column})"
    outcomes = [case.history.outcome(key) for key in case.history.tasks if key.startswith(f"{rule.stage}/{dataset}/")]
    left = [outcome.left for outcome in outcomes if outcome and outcome.left]
    facts: dict[str, Any] = {"rows": 0, "rule": rule.kind, "stage": rule.stage, "number": rule.number}
    if not left:
        return facts
    gone = engine.read(left)
    gone = gone.filter(gone["rule"] == name).select(ROW)
    facts["rows"] = engine.count(gone)
    if rule.column not in raw.columns or rule.made:
        return facts
    failing = engine.hold(raw.semi_join(gone, ROW))
    facts["values"] = _values(engine, failing, rule.column, SHOWN)
    if rule.kind == "cast":
        present = raw.filter(~missing(raw[rule.column]))
        facts |= _types(engine, present, rule.column, rule.to)
        texts = [value.strip() for value, _ in _values(engine, present, rule.column, MOST_NOTED)]
        numbers = written_numbers(rule.column, texts, whole=len(texts) < MOST_NOTED)
        facts |= {"numbers": numbers._asdict()} if numbers else {}
    return facts | _notated(engine, failing, rule.column)


def _types(engine: Engine, present: Table, column: str, declared: str) -> dict[str, Any]:
    """As which other types all cells with a value could be read: the share of them."""
    shares = {kind: typed(present[column], kind).notnull().sum() for kind in TYPES if kind != declared}
    row = engine.row(present.aggregate(_n=present.count(), **{f"_{i}": s for i, s in enumerate(shares.values())}))
    types = {kind: (row[f"_{i}"] or 0) / row["_n"] for i, kind in enumerate(shares) if row["_n"]}
    return {"types": {kind: share for kind, share in types.items() if share}, "present": row["_n"]}


def _notated(engine: Engine, failing: Table, column: str) -> dict[str, Any]:
    """The notations of dates that together read most of the odd cells, and whether nothing shows what comes first."""
    counted = _values(engine, failing, column, MOST_NOTED)
    texts = {value: value.strip() for value, _ in counted if value.strip()}
    dates = written_dates(sorted(set(texts.values()))) if texts else None
    if dates is None:
        return {}
    rows = sum(n for _, n in counted)
    read = sum(n for value, n in counted if any(reads_date(value.strip(), form) for form in dates.formats))
    return {"notations": {"formats": dates.formats, "share": read / rows, "unclear": bool(dates.turned)}}


def _values(engine: Engine, table: Table, column: str, most: int) -> Counts:
    """The most frequent values of a column, with how many rows have each."""
    counted = table.group_by(value=table[column].cast("string")).aggregate(n=table.count())
    rows = engine.rows(counted.order_by([counted["n"].desc(), counted["value"]]).limit(most))
    return [("" if row["value"] is None else row["value"], row["n"]) for row in rows]


def _notations(engine: Engine, raw: Table, failing: Table, check: Type) -> dict[str, Any]:
    """As which types, and as dates in which notations, the cells could be read: the share of those with a value."""
    present = raw.filter(~missing(raw[check.column]))
    facts = _types(engine, present, check.column, check.type)
    all_present = facts.pop("present")
    if check.type in ("date", "timestamp"):
        values = _values(engine, failing, check.column, MOST_VALUES)
        facts["formats"] = _formats(values)
        facts["written_right"] = all_present - sum(n for _, n in values)
        facts |= _notated(engine, failing, check.column)
    return facts


def _formats(values: Counts) -> dict[str, float]:
    """The share of the rows that each notation of dates can read, the best first."""
    rows = sum(n for _, n in values)
    shares = {f: sum(n for value, n in values if reads_date(value.strip(), f)) / rows for f in FORMATS} if rows else {}
    return dict(sorted(((f, share) for f, share in shares.items() if share), key=lambda one: -one[1]))


def _unknown(values: Counts, accepted: tuple[str, ...]) -> dict[str, Any]:
    """Values that are not accepted: those that an accepted one is meant by, and those that are words of their own."""
    misspelt = {value: near[0] for value, _ in values if (near := listed(value, accepted))}
    return {
        "unknown": [(value, n) for value, n in values if value not in misspelt][:SHOWN],
        "misspelt": dict(list(misspelt.items())[:SHOWN]),
        "misspelt_rows": sum(n for value, n in values if value in misspelt),
    }


def _doubles(engine: Engine, raw: Table, check: Unique, columns: list[str]) -> dict[str, Any]:
    """The keys that stand more than once; how many of them are copies; which columns would tell their rows apart."""
    key = list(check.columns)
    present = raw.filter([~missing(raw[name]) for name in key])
    others = [name for name in columns if name not in key]
    several = present.group_by(key).aggregate(
        _n=present.count(), **{f"_{i}": present[name].nunique() for i, name in enumerate(others)}
    )
    several = engine.hold(several.filter(several["_n"] > 1))
    told = engine.row(
        several.aggregate(
            keys=several.count(),
            rows=several["_n"].sum(),
            copies=_every(several, [several[f"_{i}"] <= 1 for i in range(len(others))]),
            **{f"_{i}": (several[f"_{i}"] == several["_n"]).all() for i in range(len(others))},
        )
    )
    apart = [name for i, name in enumerate(others) if told[f"_{i}"]]
    top = engine.rows(several.order_by(several["_n"].desc(), *key).limit(SHOWN))
    return {
        "keys_twice": told["keys"],
        "copies": told["copies"] or 0,
        "told_apart_by": apart,
        "keys": [", ".join(str(row[name]) for name in key) for row in top],
    }


def _every(table: Table, conditions: Iterable[Any]) -> Any:
    whole = None
    for condition in conditions:
        whole = condition if whole is None else whole & condition
    return table.count() if whole is None else whole.sum()


def _orphans(engine: Engine, case: Case, raw: Table, columns: Mapping[str, Column], join: Reference) -> dict[str, Any]:
    """The keys that find nothing in the dataset that they are looked up in."""
    own = testable(raw, columns)
    other = _typed(engine, case, join.dataset)
    on = dict(join.on) if isinstance(join, Join) else dict(zip(join.reads(), join.keys(), strict=True))
    keys = other.select(**{f"_{i}": other[theirs] for i, theirs in enumerate(on.values())}).distinct()
    present = own.filter([own[name].notnull() for name in on])
    orphans = engine.hold(present.anti_join(keys, [present[name] == keys[f"_{i}"] for i, name in enumerate(on)]))
    first = next(iter(on))
    facts = {
        "rows": engine.count(orphans),
        "looked_up_in": join.dataset,
        "values": _values(engine, orphans, first, SHOWN),
    }
    key = on[first]
    texts = len(on) == 1 and own[first].type().is_string() and other[key].type().is_string()
    way = by_letters(engine, first, own[first], key, other[key]) if texts and facts["rows"] else None
    if way:
        facts["alike"] = {"told": way.told, "share": way.share, "own": way.left_rules, "theirs": way.right_rules}
    return facts


def _typed(engine: Engine, case: Case, dataset: str) -> Table:
    refs = [outcome.output for outcome in case.cells(dataset) if outcome.output]
    if not refs:
        raise InputError(f"No row of {dataset} was read.", remedy="Look at its source instead.")
    return testable(engine.read(refs), case.spec.sources[dataset].columns)
