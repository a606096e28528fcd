"""Domains by name, for whoever plans in one without having made it."""

from core.errors import InputError
from graphs.planning.domain import Domain

_DOMAINS: dict[str, Domain] = {}


def register(domain: Domain) -> Domain:
    """Make a domain known by its name, in place of one of that name, and return it."""
    _DOMAINS[domain.name] = domain
    return domain


def find(name: str) -> Domain:
    """The domain. Raises InputError, with the names that there are."""
    if name not in _DOMAINS:
        there = ", ".join(sorted(_DOMAINS)) or "none"
        raise InputError(f"There is no planning domain '{name}'.", remedy=f"There are: {there}.")
    return _DOMAINS[name]
