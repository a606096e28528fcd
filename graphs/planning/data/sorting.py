"""sorted_out: the items of a goal, each with what it says by itself: restrictions and values are items too."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from core.errors import GoalError
from graphs.planning.data.naming import Vocabulary
from graphs.planning.data.wording import Item

# What no pipeline makes, so that a goal which asks for it is not taken for one without.
_NEVER = {
    *("share", "percentage", "percent", "proportion", "ratio", "growth", "increase", "decrease", "cumulative"),
    *("running", "rolling", "moving", "rank", "ranking", "trend", "forecast", "predict", "prediction", "correlation"),
    *("versus", "vs", "compared", "change", "weekday", "weekdays", "having", "percentile", "quantile", "variance"),
    *("top", "bottom", "most", "fewest", "never", "if", "unless", "when", "while", "than", "under", "above", "below"),
    *(
        "including",
        "include",
        "includes",
        "contains",
        "containing",
        "starts",
        "begins",
        "starting",
        "beginning",
        "ends",
    ),
    *("ending", "like", "null", "empty", "missing", "blank", "also", "both", "either", "neither"),
    *("between", "since", "until", "before", "after", "during", "ago", "recent", "recently", "today", "yesterday"),
}

# Kinds of columns that words name before they can be values; of one that is true or false, the name is one of these.
_NAMED = ("number", "date", "timestamp", "text", "none")


def sorted_out(found: Sequence[Item], names: Vocabulary) -> list[Item]:
    """The items with these taken apart. Raises GoalError for what is said that cannot be planned."""
    parts = [part for item in found for one in _without_bounds(item, names) for part in _without_values(one, names)]
    for item in parts:
        known = names.words
        never = next((word for word in item.said if word in _NEVER and word not in known), None)
        if never and not item.bounds and not (item.section == "condition" and _values(item, names)):
            raise _unplanned(
                names, never, "No pipeline makes that: ask for totals, counts, averages or rows, and go on from these."
            )
        if len(item.functions) > 1:
            both = " of the ".join(item.functions)
            raise _unplanned(
                names, " ".join(item.said), f"The {both} would be a measure of a measure: ask for one of them."
            )
    return parts


def _unplanned(names: Vocabulary, said: str, why: str) -> GoalError:
    return GoalError(f"Nothing can be planned for '{said}'.", there=names.survey.shown(), remedy=why)


def _without_bounds(item: Item, names: Vocabulary) -> Iterator[Item]:
    """The item without restrictions, and an item for each of these, with the words that say what it restricts."""
    bare = replace(item, bounds=())
    for bound in item.bounds:
        if not bound.bounds:
            raise _unplanned(names, bound.said, f"Of '{bound.said}', {bound.why}.")
        words, _ = names.understood(item.words)
        # `excluding cancelled since May` leaves out what was cancelled, and not what was since May.
        if item.negated and not (bound.dated and _values(item, names)):
            raise _unplanned(names, bound.said, "Say it without 'not'.")
        told = item.section in ("condition", "with", "source") or (item.follows and item.section == "group")
        if bound.dated:
            its_own = told and any(m.score >= 0.7 for m in names.columns(words, "date", "timestamp"))
            yield Item("condition", item.words if its_own else (), bounds=(bound,), either=item.either)
            bare = replace(bare, words=() if its_own else bare.words, written=() if its_own else bare.written)
        elif told and item.words:
            yield Item("condition", item.words, bounds=(bound,), either=item.either)
            bare = replace(bare, words=(), written=())
        else:
            raise _unplanned(names, bound.said, f"It does not say what is so: write 'where COLUMN {bound.said}'.")
    if not item.bounds or bare.words or bare.functions or bare.unit:
        yield bare


def _without_values(item: Item, names: Vocabulary) -> Iterator[Item]:
    """`paid orders` are orders, of which only those that are paid count."""
    words, _ = names.understood(item.words)
    whole = any(match.score >= 0.7 for match in names.columns(words, *_NAMED))
    whole = whole or any(score > 0.6 for _, score in names.datasets(words))
    if item.section in ("condition", "with", "source") or whole or not (spans := _values(item, names)):
        yield item
        return
    inside = {place for first, after in spans for place in range(first, after)}
    left = [place for place in range(len(item.words)) if place not in inside]
    if not left and item.section == "group":
        yield item
        return
    if left or item.functions or item.unit:
        yield replace(
            item,
            words=tuple(item.words[place] for place in left),
            written=tuple(item.written[place] for place in left),
            said=tuple(word for word in item.said if word not in {item.words[place] for place in inside}),
        )
    for first, after in spans:
        value = item.words[first:after]
        yield Item("condition", value, written=item.written[first:after], said=value, either=item.either)


def _values(item: Item, names: Vocabulary) -> list[tuple[int, int]]:
    """Where values of columns stand among the words of an item, the longest that begins at each place."""
    return list(valued(item.words, names))


def valued(words: Sequence[str], names: Vocabulary) -> Iterator[tuple[int, int]]:
    """From where to where words are a value of a column, the first and longest first."""
    first = 0
    while first < len(words):
        after = next((end for end in range(len(words), first, -1) if names.values(" ".join(words[first:end]))), first)
        if after > first:
            yield first, after
        first = max(after, first + 1)
