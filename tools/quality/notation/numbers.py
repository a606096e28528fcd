"""Numbers as people write them: with currency, with groups of thousands, with a decimal comma."""

import ibis
from ibis.expr.types import StringValue

from tools.engine.types import scale_of

_CURRENCY = r"(?i)^\s*(\$|€|£|usd|eur|gbp|chf)?\s*([^a-z$€£]*?)\s*(\$|€|£|usd|eur|gbp|chf)?\s*$"
_SAME = {"$": "usd", "€": "eur", "£": "gbp", "": None}

_THOUSANDS_COMMA = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_THOUSANDS_POINT = r"^[+-]?\d{1,3}(\.\d{3})+,\d{1,2}$"
_DECIMAL_COMMA = r"^[+-]?\d+,\d{1,2}$"
_ONE_GROUP = r"^[+-]?\d{1,3},\d{3}$"
_WHOLE = r"^[+-]?\d+\.0+$"


def currency(text: StringValue) -> StringValue:
    """The currency that a text names, as a code; null if it names none."""
    lower = text.lower()
    mark = lower.re_extract(_CURRENCY, 1)
    mark = ibis.ifelse(mark == "", lower.re_extract(_CURRENCY, 3), mark)
    return mark.substitute({sign: code for sign, code in _SAME.items() if code}).nullif("")


def without_currency(text: StringValue) -> StringValue:
    """The text without a currency before or after it. Right only where the column names one currency at most."""
    bare = text.re_extract(_CURRENCY, 2)
    return ibis.ifelse(text.re_search(_CURRENCY) & bare.re_search(r"\d"), bare, text)


def plain(text: StringValue, declared: str) -> StringValue:
    """The number in plain notation; a text that is no number, or could be two, as it is."""
    scale = scale_of(declared)
    cases = [(text.re_search(_THOUSANDS_POINT), text.replace(".", "").replace(",", "."))]
    if declared == "float" or (scale is not None and scale > 2):
        # 1,234 may be one and a bit.
        cases.append((text.re_search(_ONE_GROUP), text))
    cases.append((text.re_search(_THOUSANDS_COMMA), text.replace(",", "")))
    if declared == "integer":
        cases.append((text.re_search(_WHOLE), text.re_extract(r"^([+-]?\d+)\.", 1)))
    else:
        cases.append((text.re_search(_DECIMAL_COMMA), text.replace(",", ".")))
    if scale:
        longer = rf"^([+-]?\d+\.\d{{{scale}}})0+$"
        cases.append((text.re_search(longer), text.re_extract(longer, 1)))
    return ibis.cases(*cases, else_=text)
