"""Numbers as people write them: with currency, with groups of thousands, with a decimal comma."""

import re

from tools.engine.types import scale_of

_MARK = r"\$|€|£|usd|eur|gbp|chf"
_CURRENCY = re.compile(rf"({_MARK})?\s*([+-]?[\d.,]*\d[\d.,]*)\s*({_MARK})?", re.IGNORECASE | re.ASCII)
_CODE = {"$": "usd", "€": "eur", "£": "gbp"}

_THOUSANDS_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
_THOUSANDS_POINT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d{1,2}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d{1,2}", re.ASCII)
_ONE_GROUP = re.compile(r"[+-]?\d{1,3},\d{3}", re.ASCII)
_WHOLE = re.compile(r"([+-]?\d+)\.0+", re.ASCII)


def currency(text: str) -> str | None:
    """The currency that a number names, as a lower-case code; None if it names none."""
    match = _CURRENCY.fullmatch(text)
    mark = (match[1] or match[3] or "").lower() if match else ""
    return _CODE.get(mark, mark) or None


def without_currency(text: str) -> str:
    """The number without a currency before or after it. Right only where the column names one currency at most."""
    match = _CURRENCY.fullmatch(text)
    return match[2] if match else text


def plain(text: str, declared: str) -> str:
    """The number in plain notation; a text that is no number, or could be two, as it is."""
    scale = scale_of(declared)
    if _THOUSANDS_POINT.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    if (declared == "float" or (scale is not None and scale > 2)) and _ONE_GROUP.fullmatch(text):
        # 1,234 may be one and a bit.
        return text
    if _THOUSANDS_COMMA.fullmatch(text):
        return text.replace(",", "")
    if declared == "integer":
        match = _WHOLE.fullmatch(text)
        return match[1] if match else text
    if _DECIMAL_COMMA.fullmatch(text):
        return text.replace(",", ".")
    if scale and (match := re.fullmatch(rf"([+-]?\d+\.\d{{{scale}}})0+", text, re.ASCII)):
        return match[1]
    return text
