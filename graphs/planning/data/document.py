"""The document of a pipeline that was planned, with comments that say why each part is there."""

import json
import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphs.planning.data.dataset import Survey
from graphs.planning.data.draft import Draft, Part
from graphs.planning.data.goal import Goal
from graphs.planning.data.tasks import Asked

_WIDTH = 110
# By its first line a document is known as planned, so that another plan may take its place.
MARK = "# Planned by Crewline"

_PLAIN = re.compile(r"[A-Za-z_*][A-Za-z0-9_./*() -]*")


def document(
    name: str, head: Sequence[str], draft: Draft, goal: Goal, wanted: Asked, survey: Survey, folder: Path
) -> str:
    """The document as YAML. Paths in it are relative to the folder that it is to stand in; `head` begins it."""
    lines = [MARK + "."]
    lines += [line for text in head for line in _comment(text)]
    lines += [f"name: {name}", "", "sources:"]
    for dataset, columns in draft.columns.items():
        lines += _source(survey, dataset, columns, goal, folder)
    lines += _stage("validation", draft.checks)
    lines += _stage("transformation", draft.transformation)
    lines += _stage("enrichment", draft.enrichment)
    if wanted.aggregates:
        lines += ["", *_comment(f"The goal: {goal}."), "aggregation:", f"  dataset: {goal.base}"]
        lines += [f"  group_by: {_flow(wanted.group_by)}", "  aggregates:"]
        lines += [f"    {_flow(measure)}: {_flow(how)}" for measure, how in wanted.aggregates.items()]
    lines += ["", "target:", f"  path: {_flow(f'out/{name}')}"]
    lines += [] if wanted.aggregates else [f"  dataset: {goal.base}"]
    lines += ["", *_gate(draft)]
    return "\n".join(lines) + "\n"


def _gate(draft: Draft) -> Iterator[str]:
    yield from _comment(
        "Checks of what the result is made of are critical, so that repair is tried whenever one fails, however many"
        " do. What is left when nothing more can be repaired, a person decides on."
    )
    yield "gate:"
    yield f"  max_critical: {max(draft.critical, 2)}"
    yield "  spent: approval"


def _source(survey: Survey, name: str, columns: Sequence[str], goal: Goal, folder: Path) -> Iterator[str]:
    found = survey.datasets[name]
    role = "what is measured" if name == goal.base else "looked up"
    bad = f", and {found.unreadable:,} lines that are no records" if found.unreadable else ""
    yield from _comment(f"{name}: {role}; {found.rows:,} rows{bad}.", 2)
    yield from (line for remark in found.remarks for line in _comment(f"Note: {remark}.", 2))
    yield f"  {name}:"
    for key, value in found.source.items():
        yield f"    {key}: {_flow(_relative(value, folder) if key == 'path' else value)}"
    if left := [column for column in found.columns if column not in columns]:
        yield from _comment(f"Left out, as nothing needs them: {', '.join(left)}.", 4)
    yield "    columns:"
    for column in columns:
        declared = found.columns[column]
        remark = declared.remark if declared.type != "string" else ""
        yield f"      {_flow(column)}: {_flow(declared.type)}" + (f"  # {remark}" if remark else "")


def _relative(path: str, folder: Path) -> str:
    return path if "://" in path else os.path.relpath(path, folder)


def _stage(name: str, datasets: Mapping[str, Sequence[Part]]) -> Iterator[str]:
    there = {dataset: parts for dataset, parts in datasets.items() if parts}
    if there:
        yield ""
        yield f"{name}:"
    for dataset, parts in there.items():
        yield f"  {dataset}:"
        last = ""
        for part in parts:
            if part.why and part.why != last:
                yield from _comment(f"{_capital(part.why)}.", 4)
            last = part.why
            yield f"    - {_flow(part.content)}"


def _capital(text: str) -> str:
    """The text as a sentence begins, unless its first word is a name."""
    first = text.partition(" ")[0]
    return text if "_" in first or not first.isalpha() else text[0].upper() + text[1:]


def _comment(text: str, indent: int = 0) -> list[str]:
    space = " " * indent
    # What stands in a comment stays in it, whatever columns are called.
    words = " ".join(text.split())
    mark = f"{space}# "
    return textwrap.wrap(words, _WIDTH, initial_indent=mark, subsequent_indent=mark, break_long_words=False)


def _flow(value: Any) -> str:
    """A value in YAML's flow notation, plain where it can be."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value == value.strip() and value not in _TRUTHS:
        return value
    return json.dumps(value, ensure_ascii=False)


_TRUTHS = {"true", "false", "null", "True", "False", "Null", "~"}
