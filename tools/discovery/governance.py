"""Governance: whether someone answers for a dataset, and whether personal data is treated as such."""

import re

from pydantic import BaseModel, ConfigDict

from core.classification import Classification
from tools.discovery.annotations import Annotations
from tools.discovery.dataset import Description
from tools.discovery.words import words

# Words of column names that tell of persons. A name says what a column is meant for, not what is in it.
_PERSONAL = {
    *("email", "mail", "phone", "mobile", "ssn", "passport", "birth", "birthday", "birthdate", "dob", "iban", "salary"),
    *("surname", "firstname", "lastname", "street", "zip", "postcode", "gender", "religion", "diagnosis", "patient"),
}
_PERSONAL_PAIRS = re.compile(r"\b(?:first|last|family|given|full) name\b|\bcredit card\b|\bdate of birth\b")


class Governance(BaseModel):
    """The demands on a dataset, and which of them it does not meet; `compliant` if it meets all."""

    model_config = ConfigDict(frozen=True)

    compliant: bool
    personal_columns: tuple[str, ...]
    problems: tuple[str, ...]


class Compliance(BaseModel):
    """Over the datasets of an answer: how many are compliant, their share, and how often each problem occurs."""

    model_config = ConfigDict(frozen=True)

    compliant: int
    share: float | None
    problems: dict[str, int]


def judge(dataset: Description, annotations: Annotations) -> Governance:
    """An owner and a classification for every dataset; for one with personal columns also at least confidential, a
    retention, and a compliance tag."""
    personal = tuple(column.name for column in dataset.columns if _personal(column.name))
    problems = []
    if not (annotations.owner or dataset.owner):
        problems.append("no owner")
    if annotations.classification is None:
        problems.append("not classified")
    elif personal and annotations.classification.rank < Classification.CONFIDENTIAL.rank:
        problems.append("personal data below confidential")
    if personal and not annotations.retention:
        problems.append("personal data without retention")
    if personal and not annotations.compliance_tags:
        problems.append("personal data without compliance tags")
    return Governance(compliant=not problems, personal_columns=personal, problems=tuple(problems))


def summary(judged: list[Governance]) -> Compliance:
    """The judgements of an answer's datasets together."""
    counts: dict[str, int] = {}
    for problem in (problem for one in judged for problem in one.problems):
        counts[problem] = counts.get(problem, 0) + 1
    compliant = sum(one.compliant for one in judged)
    return Compliance(compliant=compliant, share=compliant / len(judged) if judged else None, problems=counts)


def _personal(name: str) -> bool:
    found = words(name)
    return not _PERSONAL.isdisjoint(found) or _PERSONAL_PAIRS.search(" ".join(found)) is not None
