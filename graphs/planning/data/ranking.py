"""unranked: a goal without what it says of order and number of its groups, which a dataset as a whole does not have."""

import re

_ENDS = r"top|best|bottom|worst|first|last|largest|biggest|highest|lowest|smallest|fewest"
_FORMS: list[tuple[re.Pattern[str], str]] = [
    # `top 10 customers by revenue`
    (
        re.compile(
            rf"^\W*(?:\w+ ){{0,3}}?(?:the )?(?P<rank>(?:{_ENDS}) \d+) (?P<group>.+?)"
            r" (?:by|in terms of|according to|ranked by) (?P<measure>.+)$",
            re.IGNORECASE,
        ),
        "{measure} by {group}",
    ),
    # `the 5 regions with the highest revenue`
    (
        re.compile(
            r"^\W*(?:(?:show|list|find|give|which) (?:me )?)?(?:the )?(?P<group>(?:\w+ )?\w+)"
            r" (?:with|have|has|had) (?:the )?(?P<rank>highest|lowest|largest|biggest|smallest) (?P<measure>.+)$",
            re.IGNORECASE,
        ),
        "{measure} by {group}",
    ),
    # `customers with the most orders`
    (
        re.compile(
            r"^\W*(?:(?:show|list|find|give|which) (?:me )?)?(?:the )?(?P<group>(?:\w+ )?\w+)"
            r" (?:with|have|has|had) (?:the )?(?P<rank>most|fewest) (?P<measure>.+)$",
            re.IGNORECASE,
        ),
        "number of {measure} by {group}",
    ),
]
_SORTED = re.compile(
    r",?\s*\b(?P<rank>(?:sorted|ordered|ranked|sort) by [^,;]+|(?:in )?(?:descending|ascending)(?: order)?)",
    re.IGNORECASE,
)


def unranked(text: str) -> tuple[str, list[str]]:
    """The text without it, and remarks on what was left out."""
    remarks: list[str] = []

    def left_out(rank: str) -> None:
        said = " ".join(rank.split())
        remarks.append(f"'{said}' is left to whoever reads the result: it has all groups, and no order")

    if found := _SORTED.search(text):
        left_out(found["rank"])
        text = text[: found.start()] + text[found.end() :]
    for form, plain in _FORMS:
        if match := form.match(text):
            group = re.sub(r"^(?:top )?\d+ ", "", match["group"])
            number = "" if group == match["group"] else match["group"][: -len(group)]
            left_out(f"{number}{match['rank']}")
            return plain.format(measure=match["measure"], group=group), remarks
    return text, remarks
