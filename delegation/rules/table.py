"""The table of rules: read, checked, and indexed by who hands which type of task to whom."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from pydantic import PrivateAttr, model_validator

from core.spec.document import load_document
from core.spec.part import Part
from core.spec.pipeline import Misfits
from delegation.card import Authority
from delegation.rules.rule import Rule

_DEFAULT = Path(__file__).with_name("rules.yaml")


class Rules(Part):
    """Rules that do not contradict one another. Where several hold for a task, they say the same of it."""

    # Not by min_length: pydantic would say of every faulty rule that there is none.
    rules: tuple[Rule, ...]

    _index: dict[tuple[Authority, Authority, str], list[Rule]] = PrivateAttr()
    _levels: dict[str, list[tuple[Authority, Authority]]] = PrivateAttr()

    @model_validator(mode="after")
    def _consistent(self) -> "Rules":
        if not self.rules:
            raise Misfits(["rules: there must be at least one"])
        self._index = defaultdict(list)
        self._levels = defaultdict(list)
        for rule in self.rules:
            for task_type in dict.fromkeys(rule.task_types):
                self._index[rule.delegator, rule.delegate, task_type].append(rule)
                self._levels[task_type].append((rule.delegator, rule.delegate))
        problems = _namesakes(self.rules) + _contradictions(list(self._index.values()))
        if problems:
            raise Misfits(problems)
        return self

    def candidates(self, delegator: Authority, delegate: Authority, task_type: str) -> Sequence[Rule]:
        """The rules between these levels for this type of task, in the table's order."""
        return self._index.get((delegator, delegate, task_type), ())

    def levels(self, task_type: str) -> Sequence[tuple[Authority, Authority]]:
        """From which level to which this type of task can be handed; empty if no rule names it."""
        return self._levels.get(task_type, ())


def load_rules(path: str | Path = _DEFAULT) -> Rules:
    """The rules at `path`, a YAML document; without a path, the default rules of systems D1.

    Raises SpecError with one line for each problem; of rules that contradict each other it names both.
    """
    return load_document(path, Rules)


def _namesakes(rules: Sequence[Rule]) -> list[str]:
    names = [rule.name for rule in rules]
    return [
        f"rules: {names.count(name)} rules are named '{name}'" for name in sorted(set(names)) if names.count(name) > 1
    ]


def _contradictions(groups: Sequence[Sequence[Rule]]) -> list[str]:
    found: dict[tuple[str, str], str] = {}
    for group in groups:
        for one, other in combinations(group, 2):
            if (one.name, other.name) not in found and (differing := one.contradicts(other)):
                shared = ", ".join(sorted(set(one.task_types) & set(other.task_types)))
                found[one.name, other.name] = (
                    f"rules: '{one.name}' and '{other.name}' contradict each other: for {shared} both can hold,"
                    f" and they differ in {', '.join(differing)}"
                )
    return list(found.values())
