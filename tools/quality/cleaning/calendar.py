"""Dates of which nothing tells the day: they can be read in two ways, are in another order than all others, or exist in
no calendar.
"""

from datetime import date

import numpy as np

from tools.quality.cleaning.grid import Column
from tools.quality.notation.dates import readings

RULE = "date"

_ISO, _SLASHED = r"\d{4}-\d{2}-\d{2}", r"\d{1,2}/\d{1,2}/\d{4}"
_ROWS = 20
# A column is of such dates if so much of it is written so.
_DATES = 0.8
# Dates that do not exist, or are in another order, are an accident if they are as rare as this among the others.
_RARE = 0.02


def ambiguous(column: Column) -> dict[int, float]:
    """The texts, by code, that are 05/06/2024 in a column of ISO dates, and the share of rows that are not."""
    iso = column.matches(_ISO) if column.present >= _ROWS else np.zeros(0, bool)
    rows = int(column.counts[iso].sum()) if len(iso) else 0
    if rows < max(_ROWS, _DATES * column.present) or rows == column.present:
        return {}
    slashed = np.flatnonzero(column.matches(_SLASHED) & (column.counts > 0)).tolist()
    return {code: round(rows / column.present, 4) for code in slashed if len(set(readings(column.texts[code]))) == 2}


def disordered(column: Column) -> dict[int, float]:
    """The texts, by code, that are 31/12/2024 where nearly all dates that tell are like 12/31/2024, or conversely."""
    if column.present < _ROWS:
        return {}
    slashed = np.flatnonzero(column.matches(_SLASHED) & (column.counts > 0)).tolist()
    if column.counts[slashed].sum() < _DATES * column.present:
        return {}
    orders: dict[bool, list[int]] = {True: [], False: []}
    for code in slashed:
        day_first, month_first = readings(column.texts[code])
        if (day_first is None) != (month_first is None):
            orders[month_first is None].append(code)
    rows = {order: int(column.counts[codes].sum()) for order, codes in orders.items()}
    usual = max(rows, key=lambda order: rows[order])
    if rows[usual] < _ROWS or rows[not usual] > _RARE * rows[usual]:
        return {}
    share = round(rows[usual] / (rows[usual] + rows[not usual]), 4)
    return dict.fromkeys(orders[not usual], share)


def impossible(column: Column) -> dict[int, float]:
    """The texts, by code, that are written as the column's dates are, and are none: 2023-02-30."""
    if column.present < _ROWS:
        return {}
    for pattern in (_ISO, _SLASHED):
        codes = np.flatnonzero(column.matches(pattern) & (column.counts > 0)).tolist()
        if (rows := int(column.counts[codes].sum())) >= _DATES * column.present:
            none = [code for code in codes if not _exists(column.texts[code])]
            unreal = int(column.counts[none].sum())
            return dict.fromkeys(none, round(1 - unreal / rows, 4)) if unreal <= max(1, _RARE * rows) else {}
    return {}


def _exists(text: str) -> bool:
    if "/" in text:
        return any(readings(text))
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False
