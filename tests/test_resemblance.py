"""Columns under other names: what is beyond doubt, and what is not."""

from collections.abc import Collection, Mapping

import pyarrow as pa
import pytest

from core.spec.column import Column
from flows.resemblance import by_evidence

DECLARED = {
    "id": Column(type="integer"),
    "customer_id": Column(type="string"),
    "amount_1": Column(type="float"),
    "status": Column(type="string"),
}
NAMES = [f"name {chr(97 + n)}" for n in range(20)]


def found(
    sample: Mapping[str, list[object]], *missing: str, known: Mapping[str, Collection[str]] | None = None
) -> tuple[dict[str, str], list[str]]:
    matches, doubts = by_evidence(DECLARED, missing, pa.table(dict(sample)), known or {})
    return {match.column: match.now for match in matches}, doubts


@pytest.mark.parametrize(
    ("column", "sample", "known", "now"),
    [
        ("customer_id", {"CustomerID": ["a"]}, (), "CustomerID"),
        ("customer_id", {"cust_id": ["a"]}, (), "cust_id"),
        ("customer_id", {"customer_if": ["a"]}, (), "customer_if"),
        ("customer_id", {"customer": ["a", "b"], "note": ["x", "y"]}, "ab", "customer"),
        ("customer_id", {"buyer": NAMES, "note": ["x"] * 20}, NAMES, "buyer"),
        ("amount_1", {"Amount 1": [1.5, 2.0]}, (), "Amount 1"),
    ],
    ids=("the same words", "shortened", "a letter", "alike, with known values", "known values", "a Parquet column"),
)
def test_a_column_is_known_again(
    column: str, sample: Mapping[str, list[object]], known: Collection[str], now: str
) -> None:
    assert found(sample, column, known={column: set(known)}) == ({column: now}, [])


@pytest.mark.parametrize(
    ("column", "sample", "known", "doubt"),
    [
        (
            "customer_id",
            {"CustomerID": ["a"], "customer_if": ["b"]},
            (),
            "customer_id may be CustomerID or customer_if there",
        ),
        ("amount_1", {"amount_2": [1.5]}, (), "none of its columns is amount_1 beyond doubt"),
        ("amount_1", {"Amount_1": ["dear", "1.5"]}, (), "none of its columns is amount_1 beyond doubt"),
        ("customer_id", {"customer": ["c", "d"]}, "ab", "none of its columns is customer_id beyond doubt"),
        ("customer_id", {"n": list(range(20))}, map(str, range(20)), "none of its columns is customer_id beyond doubt"),
        ("status", {"Status": [None, None]}, (), "none of its columns is status beyond doubt"),
        ("status", {"Status": [["a"], ["b"]]}, (), "none of its columns is status beyond doubt"),
    ],
    ids=("two", "another number", "another type", "other values", "numbers alone", "nothing in it", "lists"),
)
def test_what_is_not_beyond_doubt_is_none(
    column: str, sample: Mapping[str, list[object]], known: Collection[str], doubt: str
) -> None:
    assert found(sample, column, known={column: set(known)}) == ({}, [doubt])


def test_one_column_is_not_two() -> None:
    declared = {"first name": Column(type="string"), "first_name": Column(type="string")}
    matches, doubts = by_evidence(declared, list(declared), pa.table({"FirstName": ["a"]}), {})
    assert (matches, len(doubts)) == ([], 2)
