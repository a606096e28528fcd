"""Checks of one dataset on their own, outside a pipeline; and whether checks can be made on given columns."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from core.spec.check import Between, Check, Distribution, ForeignKey, Freshness, Type
from core.spec.column import Column, Names
from core.spec.part import Part

_NUMBERS = ("integer", "float", "decimal")
_DATES = ("date", "timestamp")


class Checklist(Part):
    """What a dataset is checked for.

    `columns` declares types, each of which is checked too; a column that is not declared has the type of a `type`
    check, or else the type that it has in its file, which in text files is `string`. `partition_by` parts the dataset:
    checks without a `per` of their own are told for each part. `references` gives, for each dataset that a foreign key
    names, the path of its file; relative paths stand under the folder of the document.
    """

    checks: tuple[Check, ...] = Field(min_length=1)
    columns: dict[str, Column] = Field(default_factory=dict)
    partition_by: Names = ()
    references: dict[str, str] = Field(default_factory=dict)

    def declared(self) -> dict[str, Column]:
        """The columns whose type is told, here or by a check of it."""
        told = {check.column: Column(type=check.type) for check in self.checks if isinstance(check, Type)}
        return {**told, **self.columns}


def misfits(check: Check, columns: Mapping[str, Column], others: Mapping[str, Column] | None = None) -> Iterator[str]:
    """What keeps a check from being made on a dataset with these columns.

    `others` are the columns of the dataset that a foreign key refers to.
    """
    unknown = [name for name in dict.fromkeys((*check.reads, *check.per)) if name not in columns]
    for name in unknown:
        yield f"the source declares no column '{name}'; it declares {', '.join(columns)}"
    if unknown:
        return
    match check:
        case Between(column=column):
            bounds, kinds = ("dates", _DATES) if check.of_dates else ("numbers", _NUMBERS)
            if not columns[column].type.startswith(kinds):
                yield f"'{column}' is of type {columns[column].type}, but its bounds are {bounds}"
        case Freshness(column=column):
            if not columns[column].type.startswith(_DATES):
                yield f"'{column}' is of type {columns[column].type}, and only a date or a timestamp has an age"
        case Distribution(column=column, of_numbers=True):
            if not columns[column].type.startswith(_NUMBERS):
                yield f"'{column}' is of type {columns[column].type}, and only numbers have a mean, std or quantiles"
        case Type(column=column, type=kind, severity="minor"):
            if columns[column].type == kind != "string":
                yield f"a cell of '{column}' that is not of its declared type is lost: its row cannot stay as minor"
        case ForeignKey() if others is not None:
            yield from _unlike(check, columns, others)


def _unlike(key: ForeignKey, columns: Mapping[str, Column], others: Mapping[str, Column]) -> Iterator[str]:
    for own, theirs in key.on.items():
        if theirs not in others:
            yield f"'{key.dataset}' declares no column '{theirs}'; it declares {', '.join(others)}"
        elif _family(columns[own].type) != _family(others[theirs].type):
            yield (
                f"'{own}' is of type {columns[own].type}, but '{theirs}' of '{key.dataset}' of type"
                f" {others[theirs].type}"
            )


def _family(kind: str) -> str:
    return "number" if kind.startswith(_NUMBERS) else kind
