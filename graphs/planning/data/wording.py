"""The words of a goal, sorted: what is measured, by what, of which rows. English, as the catalog's search is."""

import re
from dataclasses import dataclass
from typing import Literal

from graphs.planning.data.goal import Function, Unit
from tools.discovery.words import words

Section = Literal["measure", "group", "source", "condition", "with"]

_SECTIONS: dict[str, Section] = {
    **dict.fromkeys(("by", "per", "each", "every", "grouped"), "group"),
    **dict.fromkeys(("from", "using", "in", "across", "within"), "source"),
    **dict.fromkeys(("where", "only", "for", "whose", "excluding", "without", "except"), "condition"),
    "with": "with",
}
_NOT = {"not", "no", "excluding", "without", "except"}

_UNITS: dict[str, Unit] = {
    **dict.fromkeys(("hourly", "hour", "hours"), "hour"),
    **dict.fromkeys(("daily", "day", "days", "date", "dates"), "day"),
    **dict.fromkeys(("weekly", "week", "weeks"), "week"),
    **dict.fromkeys(("monthly", "month", "months"), "month"),
    **dict.fromkeys(("quarterly", "quarter", "quarters"), "quarter"),
    **dict.fromkeys(("yearly", "annual", "annually", "year", "years"), "year"),
}
_ALWAYS_UNITS = {"hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "annual", "annually"}

_FUNCTIONS: dict[str, Function] = {
    **dict.fromkeys(("total", "sum", "overall"), "sum"),
    **dict.fromkeys(("average", "mean", "avg", "averaged"), "mean"),
    "median": "median",
    **dict.fromkeys(("min", "minimum", "minimal", "lowest", "smallest", "least", "shortest", "cheapest"), "min"),
    **dict.fromkeys(("max", "maximum", "maximal", "highest", "largest", "greatest", "peak", "longest"), "max"),
    **dict.fromkeys(("stddev", "deviation", "spread"), "stddev"),
    **dict.fromkeys(("count", "counts", "number", "many", "frequency"), "count"),
    **dict.fromkeys(("distinct", "unique", "different"), "count_distinct"),
}
_FILLERS = {
    *("a", "an", "the", "of", "our", "my", "all", "their", "its", "that", "which", "is", "are", "was", "were", "what"),
    *("how", "show", "me", "give", "get", "list", "report", "table", "please", "i", "want", "need", "dataset", "data"),
    *("datasets", "values", "value", "clean", "cleaned", "standard", "records", "rows", "on", "over", "at", "as", "to"),
    *("time", "compute", "calculate", "find", "grouped", "broken", "down", "split", "based", "source", "sources"),
}
_SEPARATORS = {"and", ",", ";", "&", "plus", "as well as", "joined", "join", "or"}


@dataclass(frozen=True)
class Item:
    """One thing that a goal names. `words` are what is left of it without function, unit and fillers."""

    section: Section
    words: tuple[str, ...]
    functions: tuple[Function, ...] = ()
    unit: Unit | None = None
    negated: bool = False

    @property
    def text(self) -> str:
        return " ".join(self.words)


def items(text: str) -> list[Item]:
    """What the text names, in its order, each thing once."""
    found: list[Item] = []
    section: Section = "measure"
    pending: list[str] = []
    for token in _tokens(text):
        if token in _SECTIONS or token in _SEPARATORS:
            found += _item(section, pending)
            pending = [token] if token in _NOT else []
            section = _SECTIONS.get(token, section)
        else:
            pending.append(token)
    return list(dict.fromkeys(_with_nouns([*found, *_item(section, pending)])))


def stem(word: str) -> str:
    """The word without its plural."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ch|sh|x|ss)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2 else word


def stems(name: str) -> tuple[str, ...]:
    """The stems of an identifier's words."""
    return tuple(stem(word) for word in words(name))


def _tokens(text: str) -> list[str]:
    """Words and separators, identifiers taken apart; what is in quotes is one word."""
    found: list[str] = []
    for quoted, mark, word in re.findall(r"[\"']([^\"']+)[\"']|([,;&])|([\w-]+)", text):
        found += [quoted] if quoted else [mark] if mark else words(word)
    return found


def _item(section: Section, tokens: list[str]) -> list[Item]:
    left: list[str] = []
    functions: list[Function] = []
    unit: Unit | None = None
    for token in tokens:
        if token in _UNITS and (token in _ALWAYS_UNITS or section == "group"):
            unit = _UNITS[token]
        elif token in _FUNCTIONS and section == "measure":
            functions.append(_FUNCTIONS[token])
        elif token not in _FILLERS and token not in _NOT:
            left.append(token)
    if not (left or functions or unit):
        return []
    return [Item(section, tuple(left), _joined(functions), unit, bool(_NOT & set(tokens)))]


def _joined(functions: list[Function]) -> tuple[Function, ...]:
    """`number of different` is one function."""
    if "count_distinct" in functions:
        return ("count_distinct",)
    return tuple(dict.fromkeys(functions))[:1]


def _with_nouns(found: list[Item]) -> list[Item]:
    """In `min, max and mean temperature` the functions before share the noun that comes last."""
    result: list[Item] = []
    for item in reversed(found):
        last = result[-1] if result else None
        alone = item.section == "measure" and item.functions and not item.words
        if alone and last and last.section == "measure" and last.words:
            item = Item("measure", last.words, item.functions, item.unit)
        result.append(item)
    return result[::-1]
