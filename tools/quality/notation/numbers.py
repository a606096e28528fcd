"""Numbers as people write them: with currency, with groups of thousands, with a decimal comma."""

import re

from tools.engine.types import scale_of

_MARK = r"\$|€|£|usd|eur|gbp|chf"
_CURRENCY = re.compile(rf"({_MARK})?\s*([+-]?[\d.,]*\d[\d.,]*)\s*({_MARK})?", re.IGNORECASE | re.ASCII)
_CODE = {"$": "usd", "€": "eur", "£": "gbp"}

# No group of thousands begins with a zero: 0,500 is a half.
_THOUSANDS_COMMA = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", re.ASCII)
_THOUSANDS_POINT = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+,\d{1,2}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d{1,2}", re.ASCII)
_ONE_GROUP = re.compile(r"[+-]?[1-9]\d{0,2}[,.]\d{3}", re.ASCII)


def currency(text: str) -> str | None:
    """The currency that a number names, as a lower-case code; None if it names none, or two."""
    match = _CURRENCY.fullmatch(text)
    named = {_CODE.get(mark.lower(), mark.lower()) for mark in (match[1], match[3]) if mark} if match else set()
    return named.pop() if len(named) == 1 else None


def without_currency(text: str) -> str:
    """The number without a currency before or after it. Right only where the column names one currency at most."""
    match = _CURRENCY.fullmatch(text)
    return match[2] if match and currency(text) else text


def has_decimal_comma(text: str) -> bool:
    """Whether a number can only be one whose fraction comes after a comma."""
    return bool(_DECIMAL_COMMA.fullmatch(text) or _THOUSANDS_POINT.fullmatch(text))


def plain(text: str, declared: str, *, commas: bool = False) -> str:
    """The number in plain notation; a text that is no number, or could be two, as it is.

    `commas` says that other numbers of the column have a decimal comma.
    """
    if commas and _ONE_GROUP.fullmatch(text):
        # 1,234 may be one and a bit here.
        return text
    scale = scale_of(declared) or 0
    number = _ungrouped(text, declared, scale)
    if declared == "float" or (_ONE_GROUP.fullmatch(text) and "." in text):
        # 1.000 may be a thousand.
        return number
    longer = rf"([+-]?\d+\.\d{{{scale}}})0+" if scale else r"([+-]?\d+)\.0+"
    match = re.fullmatch(longer, number, re.ASCII)
    return match[1] if match else number


def _ungrouped(text: str, declared: str, scale: int) -> str:
    if _THOUSANDS_POINT.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    if (declared == "float" or scale > 2) and _ONE_GROUP.fullmatch(text):
        # 1,234 may be one and a bit.
        return text
    if _THOUSANDS_COMMA.fullmatch(text):
        return text.replace(",", "")
    if declared != "integer" and _DECIMAL_COMMA.fullmatch(text):
        return text.replace(",", ".")
    return text
