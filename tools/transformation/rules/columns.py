"""Rules about columns."""

import ibis

from core.spec.rule import Derive, Merge, Rename, Select, Split
from tools.transformation.expression import scalar
from tools.transformation.rules.passage import Passage
from tools.transformation.text import joined


def select(passage: Passage, rule: Select) -> None:
    passage.arrange({name: name for name in rule.columns})


def rename(passage: Passage, rule: Rename) -> None:
    passage.arrange({rule.columns.get(name, name): name for name in passage.columns})


def derive(passage: Passage, rule: Derive) -> None:
    passage.change(**{name: scalar(text, passage.marked) for name, text in rule.columns.items()})


def split(passage: Passage, rule: Split) -> None:
    parts = passage.text(rule.column).split(rule.by)
    last = len(rule.into) - 1
    values = [parts[index] for index in range(last)] + [parts[last:].join(rule.by)]
    # Engines differ about what stands beyond the last part.
    there = [ibis.ifelse(parts.length() > index, value, ibis.null("string")) for index, value in enumerate(values)]
    passage.change(**dict(zip(rule.into, there, strict=True)))


def merge(passage: Passage, rule: Merge) -> None:
    cells = [passage.marked[name].cast("string") for name in rule.columns]
    # Each value brings its separator along, and the first of them is cut off.
    together = joined(*((ibis.literal(rule.by) + cell).fill_null("") for cell in cells))
    nothing = ibis.and_(*(cell.isnull() for cell in cells))
    passage.change(**{rule.into: ibis.ifelse(nothing, ibis.null("string"), together.substr(len(rule.by)))})
