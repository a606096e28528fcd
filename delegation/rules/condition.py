"""Conditions: what a rule demands of the facts of a task, as data."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from core.spec.part import Part

Scalar = bool | int | float | str

# More of anything than there is anywhere: a number beyond it is a slip of the pen.
ABSURD = 1e9

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">=": operator.ge,
    ">": operator.gt,
}


class Finding(StrEnum):
    """What became of a condition."""

    MET = "met"
    UNMET = "unmet"
    MISSING = "missing"
    MISTYPED = "mistyped"


class Condition(Part):
    """A field of the facts, an operator, and the value that it is compared with.

    `<`, `<=`, `>=`, `>` compare numbers; `=` and `!=` numbers, texts or truth values; `in` and `not in` take a list of
    these, all of one kind. A fact of another kind than the value is mistyped, which meets no condition.
    """

    field: str = Field(min_length=1, max_length=100)
    operator: Literal["<", "<=", ">=", ">", "=", "!=", "in", "not in"]
    value: Scalar | tuple[Scalar, ...]

    @field_validator("value", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        for each in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(each, Scalar) or (not isinstance(each, str) and not abs(each) <= ABSURD):
                raise ValueError(f"must be a number up to {ABSURD:g}, a text, true or false, or a list of these")
        return value

    @model_validator(mode="after")
    def _typed(self) -> "Condition":
        if self.operator in ("in", "not in"):
            if not isinstance(self.value, tuple) or not self.value:
                raise ValueError(f"'{self.operator}' needs a list of values")
            if len({kind(value) for value in self.value}) > 1:
                raise ValueError(f"the values of '{self.operator}' must be of one kind")
        elif isinstance(self.value, tuple):
            raise ValueError(f"'{self.operator}' needs a single value")
        elif self.operator in ORDER and kind(self.value) != "number":
            raise ValueError(f"'{self.operator}' compares numbers, not {kind(self.value)}")
        return self

    def check(self, facts: Mapping[str, Any]) -> Finding:
        """What the facts say to it."""
        if self.field not in facts:
            return Finding.MISSING
        fact = facts[self.field]
        wanted = self.value[0] if isinstance(self.value, tuple) else self.value
        if kind(fact) != kind(wanted):
            return Finding.MISTYPED
        return Finding.MET if self._holds(fact) else Finding.UNMET

    def demand(self, facts: Mapping[str, Any]) -> str:
        """What would have to be, and what is: `data_complexity must be >= 0.8 (is 0.5)`."""
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        told = " or ".join(str(value) for value in values)
        state = f"is {shown(facts[self.field])}" if self.field in facts else "is missing"
        words = {"=": "", "in": "", "!=": "not ", "not in": "not "}.get(self.operator, f"{self.operator} ")
        return f"{self.field} must be {words}{told} ({state})"

    def __str__(self) -> str:
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return f"{self.field} {self.operator} {value}"

    def _holds(self, fact: Any) -> bool:
        if self.operator in ORDER:
            return ORDER[self.operator](fact, self.value)
        among = fact in self.value if isinstance(self.value, tuple) else fact == self.value
        return among == (self.operator in ("=", "in"))


def kind(value: Any) -> str:
    """The kind of a fact: a number that is none, and whatever is no scalar, is of a kind that no condition has."""
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int):
        return "number"
    if isinstance(value, float):
        return "number" if math.isfinite(value) else "no number"
    return "text" if isinstance(value, str) else type(value).__name__


def shown(value: Any) -> str:
    """A value as messages quote it, cut where it is long. Python writes no number of thousands of digits."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    return f"{value!r:.80}"


def together(conditions: Iterable[Condition]) -> bool:
    """Whether some facts meet all of the conditions."""
    by_field: dict[str, list[Condition]] = {}
    for condition in conditions:
        by_field.setdefault(condition.field, []).append(condition)
    return all(any(_meets(value, of_field) for value in _samples(of_field)) for of_field in by_field.values())


def _meets(value: Scalar, conditions: Sequence[Condition]) -> bool:
    return all(condition.check({condition.field: value}) is Finding.MET for condition in conditions)


def _samples(conditions: Sequence[Condition]) -> list[Scalar]:
    """Values of which one meets the conditions if any does.

    Conditions on numbers cut the line at their values: each of these, one between each two, and one beyond each end
    are all the cases that there are. Of texts there are those that are named, and another.
    """
    named = [v for c in conditions for v in (c.value if isinstance(c.value, tuple) else (c.value,))]
    numbers = sorted({value for value in named if not isinstance(value, bool | str)})
    between = [(low + high) / 2 for low, high in pairwise(numbers)]
    beyond = [numbers[0] - 1, numbers[-1] + 1] if numbers else []
    other = "".join(str(value) for value in named) + "?"
    return [*named, *between, *beyond, other, True, False]
