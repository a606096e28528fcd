"""The six kinds of transformations: what rules each is made of, so that what is meant can be told from what is done."""

from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import SpecError
from core.spec.check import ForeignKey
from core.spec.rule import Join, Reference
from tools.transformation.request import TransformationRequest

_MAPPING = frozenset({"aggregate", "pivot", "unpivot"})
_LEAVING = frozenset({"filter", "drop_nulls", "deduplicate"})
_FORM = frozenset(
    {"case", "cast", "flatten", "map", "merge", "parse_dates", "replace", "scale", "split", "standardise", "trim"}
)


@dataclass(frozen=True)
class _Kind:
    """Needs one of `needs`, if there are any, and has none of `refuses`, because of `why`."""

    needs: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    why: str = ""


_KINDS = {
    # From anywhere to anywhere: whatever it takes.
    "etl": _Kind(),
    "aggregation": _Kind(needs=frozenset({"aggregate", "pivot"})),
    "join": _Kind(needs=frozenset({"join"}), refuses=_MAPPING, why="a join keeps the rows that it is about"),
    "enrichment": _Kind(
        needs=frozenset({"derive", "join", "lookup", "window"}),
        refuses=_MAPPING | _LEAVING,
        why="an enrichment adds to rows, and loses none",
    ),
    "cleansing": _Kind(
        needs=_LEAVING | _FORM | {"fill"},
        refuses=_MAPPING | {"join", "lookup"},
        why="a cleansing mends the rows that there are",
    ),
    "normalization": _Kind(
        needs=_FORM | {"unpivot"},
        refuses=_LEAVING | {"aggregate", "pivot", "join", "lookup"},
        why="a normalization changes the form of rows, and loses none",
    ),
}


def check_kind(request: TransformationRequest) -> None:
    """Raise SpecError, with a line for each rule that is not of the request's type, and each reference to nothing."""
    if problems := [*_misfits(request), *_unknown(request)]:
        raise SpecError("transformation", problems)


def _misfits(request: TransformationRequest) -> Iterator[str]:
    kind = _KINDS[request.type]
    there = {rule.rule for rule in request.rules}
    if kind.needs and not there & kind.needs:
        yield f"rules: {request.type} needs at least one of {', '.join(sorted(kind.needs))}"
    for index, rule in enumerate(request.rules):
        if rule.rule in kind.refuses:
            yield f"rules.{index}: '{rule.rule}' is not of the type {request.type}: {kind.why}"
        elif request.type == "enrichment" and isinstance(rule, Join) and rule.missing != "keep":
            yield f"rules.{index}: {kind.why}; set `missing: keep`"


def _unknown(request: TransformationRequest) -> Iterator[str]:
    used = set()
    for place, dataset in _references(request):
        used.add(dataset)
        if dataset not in request.datasets:
            there = ", ".join(sorted(request.datasets)) or "none"
            yield f"{place}.dataset: there is no dataset '{dataset}'; there are {there}"
    for name in sorted(request.datasets.keys() - used):
        yield f"datasets.{name}: no rule or check looks anything up in it"


def _references(request: TransformationRequest) -> Iterator[tuple[str, str]]:
    """The place of each rule and check that looks rows up, and the dataset in which it does."""
    for index, rule in enumerate(request.rules):
        if isinstance(rule, Reference):
            yield f"rules.{index}", rule.dataset
    for index, check in enumerate(request.checks):
        if isinstance(check, ForeignKey):
            yield f"checks.{index}", check.dataset
