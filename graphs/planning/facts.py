"""The facts that hold at a moment. A change makes another set, which shares with the first what they have in common."""

import random
from collections.abc import Collection, Hashable, Iterable, Iterator
from typing import Any

from rpds import HashTrieMap, HashTrieSet

from graphs.planning.term import Binding, Template, Term

# What facts are found under: a name, or a name and a first argument.
Place = tuple[Hashable, ...]

_NONE: Any = HashTrieSet()


class Facts:
    """A set of ground facts, which can be hashed. Facts are found in the order in which they first came to hold."""

    __slots__ = ("_found", "_index", "_key", "_marks")

    def __init__(self, found: Any, index: Any, key: int, marks: "_Marks") -> None:
        self._found = found
        self._index = index
        self._key = key
        self._marks = marks

    @classmethod
    def of(cls, facts: Iterable[Term], *, scanned: Collection[str] | None = None) -> "Facts":
        """The facts, of which those of the `scanned` names can be found by their names alone; all, if not given."""
        return cls(_NONE, HashTrieMap(), 0, _Marks(scanned)).changed((), facts)

    def __contains__(self, fact: Term) -> bool:
        return fact in self._found

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Term]:
        return iter(self._marks.ordered(self._found))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        # Comparing fact by fact would take as long as the sets are large. With 128 random bits for each fact, two
        # sets that are not equal have the same bits less often than memory errs.
        return isinstance(other, Facts) and self._key == other._key

    def at(self, place: Place) -> list[Term]:
        """The facts of a place, in their order; none for a name that is not scanned."""
        there = self._index.get(place)
        return self._marks.ordered(there) if there else []

    def changed(self, removed: Iterable[Term], added: Iterable[Term]) -> "Facts":
        """These facts without some, and with others: a fact that is both is there."""
        found, index, key = self._found, self._index, self._key
        for fact in removed:
            if fact in found:
                found, key = found.remove(fact), key ^ self._marks[fact][1]
                for place in self._marks.places(fact):
                    index = index.insert(place, index[place].remove(fact))
        for fact in added:
            if fact not in found:
                found, key = found.insert(fact), key ^ self._marks[fact][1]
                for place in self._marks.places(fact):
                    index = index.insert(place, index.get(place, _NONE).insert(fact))
        return self if found is self._found else Facts(found, index, key, self._marks)

    def fitting(self, template: Template, binding: Binding) -> Iterator[dict[str, Any]]:
        """The binding, extended in each way in which a fact fits the template."""
        known = template.known(binding)
        if all(variable in binding for variable in template.variables):
            if known in self._found:
                yield dict(binding)
            return
        is_one, first = template.parts[1]
        for fact in self.at(known[:1] if is_one and first not in binding else known[:2]):
            if (found := template.bound(fact, binding)) is not None:
                yield found


def places(fact: Term) -> tuple[Place, ...]:
    """Where a fact is found: under its name, and under its name and first argument."""
    return (fact[:1], fact[:2]) if len(fact) > 1 else (fact,)


class _Marks(dict[Term, tuple[int, int]]):
    """For each fact that was ever seen its number, and random bits: those of a set together, by XOR, tell it from
    others. The same in every process, unlike Python's hashes."""

    def __init__(self, scanned: Collection[str] | None) -> None:
        self._random = random.Random(0)
        self._scanned = scanned

    def places(self, fact: Term) -> tuple[Place, ...]:
        """Where the index has a fact."""
        return places(fact) if self._scanned is None or fact[0] in self._scanned else (fact[:2],)

    def __missing__(self, fact: Term) -> tuple[int, int]:
        self[fact] = found = (len(self), self._random.getrandbits(128))
        return found

    def ordered(self, facts: Iterable[Term]) -> list[Term]:
        found = list(facts)
        return sorted(found, key=self.__getitem__) if len(found) > 1 else found
