"""How the page words numbers, times and texts that come from anywhere."""

import json
import unicodedata
from datetime import datetime

# Texts longer than this are cut.
LONGEST = 300


def shown(value: object, longest: int = LONGEST) -> str:
    """A text as it can stand on the page: cut where it is too long, and with what nobody could see as escapes.

    Among these are the characters that turn the direction of a text around, by which one text can look like another.
    """
    text = str(value)
    cut = text if len(text) <= longest else text[:longest] + f"… ({len(text) - longest:,} more characters)"
    return "".join(char if _visible(char) else f"\\u{ord(char):04x}" for char in cut)


def brief(value: object, longest: int) -> str:
    """A text for a place of so many characters."""
    text = shown(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def count(number: int, thing: str = "") -> str:
    """A number with its thousands apart, and of what: `1 row`, `3,484 rows`."""
    return f"{number:,}" + (f" {thing}{'' if number == 1 else 's'}" if thing else "")


def percent(share: float | None) -> str:
    """A share as a percentage, never rounded up to all."""
    if share is None:
        return "not measured"
    text = f"{share:.1%}"
    return "> 99.9%" if share < 1 and text == "100.0%" else text


def span(seconds: float | None) -> str:
    """A length of time."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def moment(at: datetime | None) -> str:
    """A time of the clock, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def plain(value: object) -> str:
    """A value of an event: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def lines(value: object, most: int = 12) -> list[str]:
    """A value of an event in words, a line for each item of a list."""
    if not isinstance(value, list):
        return [worded(value)]
    more = [f"and {len(value) - most:,} more"] if len(value) > most else []
    return [*map(worded, value[:most]), *more]


def worded(value: object) -> str:
    """A value of an event in words: `skill data_quality, level advanced`."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {worded(of)}" for key, of in value.items())
    if isinstance(value, list):
        return "; ".join(map(worded, value)) or "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


def _visible(char: str) -> bool:
    # Cc and Cf: control characters, and those that turn directions; Cs: halves of surrogate pairs.
    return char in "\n\t " or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
