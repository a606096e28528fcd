"""Truth values as people write them."""

import ibis
from ibis.expr.types import StringValue

TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")


def plain(text: StringValue) -> StringValue:
    """`true` or `false` for their usual spellings; any other text as it is."""
    lower = text.lower()
    return ibis.cases((lower.isin(TRUE), "true"), (lower.isin(FALSE), "false"), else_=text)
