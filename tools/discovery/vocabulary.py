"""The words of a query as the catalog's own: beginnings completed, misspelt ones matched to the nearest."""

from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from core.store.database import Database
from tools.discovery.words import words

# A query is a few words; the rest of a long text would only cost.
_MAX_WORDS = 12

# A shorter word is a typo away from too many others.
_SHORTEST = 4


class Word(NamedTuple):
    """A word of the query; what it is in the index, as alternatives; the word that it was taken for, if another."""

    asked: str
    lexemes: list[str]
    corrected: str | None


def understand(database: Database, query: str) -> list[Word]:
    """The words of a query, in order, without those that say nothing, such as "the"."""
    asked = list(dict.fromkeys(words(query)))[:_MAX_WORDS]
    rows = database.query(_LOOKUP, (asked,))
    return [
        _known(row["word"], row) or _nearest(database, row["word"], row["lexemes"]) for row in rows if row["lexemes"]
    ]


# A word is known by its stem ("orders" by "order"), or as the beginning of others ("quant" of "quantity"): then it
# stands for the stems of all that begin with it. U+10FFFF is after every character that a word can have.
_LOOKUP = """
SELECT asked.word, asked.lexemes,
    EXISTS (SELECT FROM catalog_words w WHERE w.lexeme = ANY (asked.lexemes COLLATE "C")) AS known,
    ARRAY(SELECT DISTINCT lexeme FROM (
        SELECT lexeme FROM catalog_words w WHERE w.word >= asked.word AND w.word < asked.word || U&'\\+10FFFF' LIMIT 50
    ) AS begun) AS begun
FROM (
    SELECT word, tsvector_to_array(to_tsvector('english', word)) AS lexemes, number
    FROM unnest(%s::text[]) WITH ORDINALITY AS t (word, number)
) AS asked
ORDER BY number
"""


def _known(word: str, row: dict[str, object]) -> Word | None:
    lexemes, begun = row["lexemes"], row["begun"]
    assert isinstance(lexemes, list)
    assert isinstance(begun, list)
    if row["known"] or begun:
        return Word(word, sorted({*(lexemes if row["known"] else ()), *begun}), None)
    return None


def _nearest(database: Database, word: str, lexemes: list[str]) -> Word:
    """The word of the vocabulary that is at most one edit away, or two from a long word; else the word as it is."""
    far = 1 if len(word) <= 5 else 2
    if len(word) < _SHORTEST:
        return Word(word, lexemes, None)
    rows = database.query(
        "SELECT word, lexeme FROM catalog_words WHERE length(word) BETWEEN %s AND %s ORDER BY word",
        (len(word) - far, len(word) + far),
    )
    choices = {row["word"]: row["lexeme"] for row in rows}
    near = process.extract(word, choices.keys(), scorer=OSA.distance, score_cutoff=far, limit=20)
    if not near:
        return Word(word, lexemes, None)
    # People seldom get the first letter wrong.
    nearest, _, _ = min(near, key=lambda found: (found[1], found[0][0] != word[0], found[0]))
    return Word(word, [choices[nearest]], nearest)
