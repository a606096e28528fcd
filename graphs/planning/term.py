"""Terms: tasks and facts are tuples of a name and its arguments; in a domain, arguments that begin with `?` are
variables. `("at", "?truck", "?city")` is a fact about any truck and city, `("at", "red", "Oslo")` about these two."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from core.errors import DomainError

Term = tuple[Hashable, ...]
# What the variables stand for, by their names with the question mark.
Binding = Mapping[str, Any]


def is_variable(part: Hashable) -> bool:
    return isinstance(part, str) and part.startswith("?")


class Template:
    """A term with variables, taken apart once, so that filling it in is quick."""

    __slots__ = ("name", "parts", "term", "variables")

    def __init__(self, term: Term) -> None:
        check_term(term)
        self.term = term
        self.name = str(term[0])
        self.parts: tuple[tuple[bool, Any], ...] = tuple((is_variable(part), part) for part in term)
        self.variables = tuple(str(part) for is_one, part in self.parts if is_one)

    def filled(self, binding: Binding) -> Term:
        """The term with what its variables stand for. Raises KeyError for one that stands for nothing."""
        return tuple([binding[part] if is_one else part for is_one, part in self.parts])

    def known(self, binding: Binding) -> Term:
        """The same, leaving variables that stand for nothing as they are."""
        return tuple([binding.get(part, part) if is_one else part for is_one, part in self.parts])

    def bound(self, term: Term, binding: Binding) -> dict[str, Any] | None:
        """The binding, with what makes the template the term; None if nothing does."""
        if len(term) != len(self.parts):
            return None
        found = dict(binding)
        for (is_one, part), value in zip(self.parts, term, strict=True):
            if not is_one:
                if part != value:
                    return None
            elif found.setdefault(part, value) != value:
                return None
        return found


def check_term(term: Any) -> None:
    """Raise DomainError for what is no term."""
    if not isinstance(term, tuple) or not term or not isinstance(term[0], str) or is_variable(term[0]):
        raise DomainError(f"{term!r} is no term.", remedy="Write a tuple that begins with a name: ('move', '?what').")
    try:
        hash(term)
    except TypeError as error:
        raise DomainError(f"{term!r} has a part that cannot be compared.", remedy="Use texts and numbers.") from error


def shown(term: Term) -> str:
    """A term as people write it: `move(red, Oslo)`."""
    name, *arguments = map(str, term)
    return f"{name}({', '.join(arguments)})" if arguments else name


def templates(terms: "Iterable[Term]") -> tuple[Template, ...]:
    return tuple(Template(term) for term in terms)


Terms = Iterable[Term] | Callable[[Binding], Iterable[Term]]
