"""The words of a goal, sorted: what is measured, by what, of which rows. English, as the catalog's search is."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from graphs.planning.data.goal import Function, Unit
from graphs.planning.data.restriction import MARK, Restriction
from tools.discovery.words import words

Section = Literal["measure", "group", "source", "condition", "with"]

_SECTIONS: dict[str, Section] = {
    **dict.fromkeys(("by", "per", "each", "every", "grouped"), "group"),
    **dict.fromkeys(("from", "using", "in", "across", "within"), "source"),
    **dict.fromkeys(("where", "only", "for", "whose", "excluding", "without", "except", "but"), "condition"),
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
    **dict.fromkeys(("earliest", "oldest", "first"), "min"),
    **dict.fromkeys(("max", "maximum", "maximal", "highest", "largest", "greatest", "peak", "longest"), "max"),
    **dict.fromkeys(("latest", "newest", "last"), "max"),
    **dict.fromkeys(("stddev", "deviation", "spread"), "stddev"),
    **dict.fromkeys(("count", "counts", "number", "many", "frequency"), "count"),
    **dict.fromkeys(("distinct", "unique", "different"), "count_distinct"),
}
_IS = ("is", "are", "was", "were", "equals", "equal", "=")
_FILLERS = {
    *("a", "an", "the", "of", "our", "my", "all", "their", "its", "that", "which", "what"),
    *("how", "show", "me", "give", "get", "list", "report", "table", "please", "i", "want", "need", "dataset", "data"),
    *("datasets", "values", "clean", "cleaned", "standard", "records", "rows", "on", "over", "at", "as", "to"),
    *("time", "compute", "calculate", "find", "grouped", "broken", "down", "split", "based", "source", "sources"),
    *(
        "do",
        "does",
        "did",
        "we",
        "have",
        "has",
        "had",
        "there",
        "be",
        "been",
        "ones",
        "those",
        "these",
        "equals",
        "equal",
    ),
}
_EITHER = {"or", "nor"}
_SEPARATORS = {"and", ",", ";", "&", "plus", "joined", "join", "do", "does", "did", *_EITHER}
_BY_THE_WAY = {"first", "last", "oldest", "newest", "least"}
# Two functions of one thing that are no measure of a measure.
_ONE: dict[frozenset[Function], Function] = {
    frozenset(("sum", "count")): "count",
    frozenset(("count", "count_distinct")): "count_distinct",
    frozenset(("sum", "count_distinct")): "count_distinct",
}
_EACH = {"min", "max", "mean", "median", "stddev"}


@dataclass(frozen=True)
class Item:
    """One thing that a goal names. `words` are what is left of it without function, unit and fillers, `written` is how
    these stand in the text, and `said` are all of its words but fillers.

    `functions` are several only where they make no measure together. `follows` says that it is told beside another of
    its section, `either` that an `or` stands between them; `named` is how many words come before an `is`. `bounds` are
    restrictions that are told of it.
    """

    section: Section
    words: tuple[str, ...]
    functions: tuple[Function, ...] = ()
    unit: Unit | None = None
    negated: bool = False
    written: tuple[str, ...] = field(default=(), compare=False)
    said: tuple[str, ...] = field(default=(), compare=False)
    follows: bool = field(default=False, compare=False)
    either: bool = field(default=False, compare=False)
    named: int = field(default=0, compare=False)
    bounds: tuple[Restriction, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(self.words)


class _Token(NamedTuple):
    """A word in lower case, as it is written, and whether it is in quotes, and so nothing but a name or a value."""

    word: str
    written: str
    quoted: bool = False
    bound: Restriction | None = None


def items(text: str, restrictions: Sequence[Restriction] = (), known: Collection[str] = ()) -> list[Item]:
    """What the text names, in its order, each thing once; a text with marks of restrictions, see `restricted`.

    `known` are words of names: those among them that may be functions only by the way are none.
    """
    found: list[Item] = []
    section: Section = "measure"
    pending: list[_Token] = []
    excluding = follows = either = False
    for token in [*_tokens(text, restrictions), None]:
        plain = "" if token is None or token.quoted or token.bound else token.word
        starts = plain in _SECTIONS or (plain == "not" and section != "condition" and not pending)
        if token is not None and not starts and plain not in _SEPARATORS:
            pending.append(token)
            continue
        made = _item(section, pending, known, excluding=excluding, follows=follows, either=either)
        found += made
        pending = []
        if starts:
            section = _SECTIONS.get(plain, "condition")
            excluding, follows, either = plain in _NOT, False, False
        elif made or not follows:
            follows, either = bool(made) or follows, plain in _EITHER
        else:
            either = either or plain in _EITHER
    return list(dict.fromkeys(_with_nouns(found)))


def _tokens(text: str, restrictions: Sequence[Restriction]) -> list[_Token]:
    """Words and separators, identifiers taken apart; what is in quotes is one word."""
    found: list[_Token] = []
    form = rf"\"([^\"]+)\"|(?<!\w)'([^']+)'|{MARK}(\d+){MARK}|([,;&])|([\w-]+|=+)"
    for double, single, number, mark, word in re.findall(form, text):
        if number:
            restriction = restrictions[int(number)]
            found.append(_Token("", restriction.said, bound=restriction))
        elif quoted := double or single:
            found.append(_Token(quoted, quoted, quoted=True))
        else:
            # An identifier is written once, whatever its words are.
            parts = [mark] if mark else words(word) or ["="] * word.startswith("=")
            found += [_Token(part, word if len(parts) == 1 else part) for part in parts]
    return found


def _item(
    section: Section, tokens: Sequence[_Token], known: Collection[str], *, excluding: bool, follows: bool, either: bool
) -> list[Item]:
    left: list[_Token] = []
    functions: list[Function] = []
    unit: Unit | None = None
    negated, named = excluding, 0
    for token in tokens:
        word = token.word
        if token.bound:
            continue
        if token.quoted:
            left.append(token)
        elif word in _UNITS and _tells_time(word, section, tokens):
            unit = _UNITS[word]
        elif word in _FUNCTIONS and section == "measure" and not (word in _BY_THE_WAY and word in known):
            functions.append(_FUNCTIONS[word])
        elif word in _NOT and token.written != "NO":
            negated = True
        elif word in _IS:
            named = named or len(left)
        elif word not in _FILLERS:
            left.append(token)
    bounds = tuple(token.bound for token in tokens if token.bound)
    if not (left or functions or unit or bounds):
        return []
    if negated and not excluding:
        section = "condition"
    one = Item(
        section,
        tuple(token.word for token in left),
        unit=unit,
        negated=negated,
        written=tuple(token.written for token in left),
        said=tuple(t.word for t in tokens if t.word and t.word not in _FILLERS and t.word not in _NOT),
        follows=follows,
        either=either,
        named=named,
        bounds=bounds,
    )
    return [replace(one, functions=joined) for joined in _joined(functions)]


def _tells_time(word: str, section: Section, tokens: Sequence[_Token]) -> bool:
    """Whether a word is a unit of time: `by date` asks for days, `by order date` for a column."""
    if word in _ALWAYS_UNITS:
        return True
    alone = all(token.word in _FILLERS or token.word == word for token in tokens if not token.bound)
    return section == "group" and (alone or word not in ("date", "dates"))


def _joined(functions: Sequence[Function]) -> list[tuple[Function, ...]]:
    """`number of different` is one function, `min max` are two of one thing, `average number of` is a measure of a
    measure."""
    each = list(dict.fromkeys(functions))
    if set(each) <= _EACH:
        return [(function,) for function in each] or [()]
    if len(each) == 1:
        return [(each[0],)]
    return [(_ONE[frozenset(each)],) if frozenset(each) in _ONE else tuple(each)]


def _with_nouns(found: list[Item]) -> list[Item]:
    """In `min, max and mean temperature` the functions before share the noun that comes last."""
    result: list[Item] = []
    for item in reversed(found):
        last = result[-1] if result else None
        alone = item.section == "measure" and item.functions and not item.words
        if alone and last and last.section == "measure" and last.words:
            item = replace(last, functions=item.functions, unit=item.unit or last.unit)
        result.append(item)
    return result[::-1]
