"""`clean`: a file in, the cleaned table out, with all that was judged, repaired and taken out of it."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from core.errors import AccountingError, TargetError
from tools.engine.files import sync
from tools.quality.cleaning.decision import judged
from tools.quality.cleaning.finding import Finding
from tools.quality.cleaning.grid import NOTHING
from tools.quality.cleaning.reading import Reading, read

CLEAN, FLAGS, REPAIRS, QUARANTINE = "clean.parquet", "flags.parquet", "repairs.parquet", "quarantine.parquet"

# A row leaves if so many of its cells, and most of them, are wrong beyond repair.
_BEYOND_REPAIR = 3

_FLAGS = pa.schema(
    [
        ("row", pa.int64()),
        ("column", pa.string()),
        ("reason", pa.string()),
        ("confidence", pa.float64()),
    ]
)
_REPAIRS = pa.schema(
    [
        ("row", pa.int64()),
        ("column", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
        ("rule", pa.string()),
        ("confidence", pa.float64()),
    ]
)


class Cleaning(BaseModel):
    """What became of a file: rows = clean + quarantined.

    `flagged` counts the cells judged wrong, `repaired` those of them that were repaired, `by_rule` the repairs of each
    rule. `files` are the paths of the four files written, `notes` what was taken for granted when the file was read.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    clean: int
    quarantined: int
    flagged: int
    repaired: int
    by_rule: dict[str, int]
    files: dict[str, str]
    notes: list[str]


def clean(path: str | Path, out: str | Path) -> Cleaning:
    """Clean a CSV, JSON lines or Parquet file into the folder `out`, which is made if need be.

    Writes, each in the order of rows, `row` being the row's number in the input from 0:

    - `clean.parquet`: every row but those quarantined, with the columns of the input
    - `flags.parquet`: each cell judged wrong, repaired or not: row, column, reason, confidence
    - `repairs.parquet`: each repaired cell: row, column, before, after, rule, confidence
    - `quarantine.parquet`: each row that left, whole: the columns of the input, then row, rule, reason, and the text of
      lines that are no records (line). Where the input has a column of that name, ours begins with `_`.

    The same file gives the same bytes. Raises SourceError for what cannot be read, TargetError for a folder that
    cannot be written.
    """
    reading = read(path)
    findings = judged(reading.table)
    leaving = _leaving(reading.table, findings)
    cleaned, made = _repaired(reading.table, [f for f in findings if f.row not in leaving])
    stays = pa.array([row not in leaving for row in range(reading.table.num_rows)], pa.bool_())
    cleaned = cleaned.filter(stays)
    quarantine = _quarantine(reading, leaving)
    rows = len(reading.numbers) + len(reading.unreadable)
    if cleaned.num_rows + quarantine.num_rows != rows:
        raise AccountingError(f"{rows} rows in, but {cleaned.num_rows} clean and {quarantine.num_rows} quarantined.")
    tables = {
        CLEAN: cleaned,
        FLAGS: _flags(reading, findings),
        REPAIRS: _repairs(reading, made),
        QUARANTINE: quarantine,
    }
    return Cleaning(
        rows=rows,
        clean=cleaned.num_rows,
        quarantined=quarantine.num_rows,
        flagged=len(findings),
        repaired=len(made),
        by_rule=dict(sorted(Counter(f.rule for f in made).items())),
        files=_written(tables, Path(out)),
        notes=reading.notes,
    )


def _leaving(table: pa.Table, findings: list[Finding]) -> dict[int, tuple[str, str]]:
    """The rows that leave, with rule and reason: copies of the header, and rows most of whose cells are wrong."""
    leaving: dict[int, tuple[str, str]] = {}
    names = table.column_names
    if len(names) > 1 and pa.types.is_string(table.schema[0].type):
        for row in pc.indices_nonzero(pc.fill_null(pc.equal(table.column(0), names[0]), False)).to_pylist():
            if [table.column(index)[row].as_py() for index in range(len(names))] == names:
                leaving[row] = ("header", "the header, once more")
    unrepaired = Counter(finding.row for finding in findings if finding.after is None)
    for row, wrong in unrepaired.items():
        if wrong >= _BEYOND_REPAIR:
            cells = [table.column(index)[row].as_py() for index in range(len(names))]
            present = sum(cell is not None and str(cell).strip().lower() not in NOTHING for cell in cells)
            if 2 * wrong > present:
                leaving.setdefault(row, ("beyond repair", f"{wrong} of its {present} values are wrong"))
    return leaving


def _repaired(table: pa.Table, findings: list[Finding]) -> tuple[pa.Table, list[Finding]]:
    """The table with its cells repaired, and the repairs; a text that the column's type cannot hold is none."""
    by_column: dict[int, list[Finding]] = {}
    for finding in findings:
        if finding.after is not None:
            by_column.setdefault(finding.column, []).append(finding)
    made: list[Finding] = []
    for index, of in sorted(by_column.items()):
        field = table.schema[index]
        values = {text: _value(text, field.type) for text in {finding.after for finding in of if finding.after}}
        fit = [finding for finding in of if finding.after in values and values[finding.after] is not None]
        mask = [False] * table.num_rows
        for finding in fit:
            mask[finding.row] = True
        new = pa.array([values[finding.after] for finding in fit if finding.after], field.type)
        cells = pc.replace_with_mask(table.column(index).combine_chunks(), pa.array(mask, pa.bool_()), new)
        table = table.set_column(index, field, cells)
        made += fit
    return table, sorted(made, key=lambda finding: (finding.row, finding.column))


def _value(text: str, kind: pa.DataType) -> Any:
    try:
        return pa.scalar(text, pa.string()).cast(kind).as_py()
    except pa.ArrowInvalid:
        return None


def _flags(reading: Reading, findings: list[Finding]) -> pa.Table:
    names = reading.table.column_names
    columns = [
        [reading.numbers[finding.row] for finding in findings],
        [names[finding.column] for finding in findings],
        [f"{finding.rule}: {finding.reason}" for finding in findings],
        [finding.confidence for finding in findings],
    ]
    return pa.table(columns, schema=_FLAGS)


def _repairs(reading: Reading, made: list[Finding]) -> pa.Table:
    names = reading.table.column_names
    before: dict[tuple[int, int], str | None] = {}
    for index in {finding.column for finding in made}:
        rows = [finding.row for finding in made if finding.column == index]
        texts = pc.cast(reading.table.column(index).take(pa.array(rows, pa.int64())), pa.string()).to_pylist()
        before |= {(row, index): text for row, text in zip(rows, texts, strict=True)}
    columns = [
        [reading.numbers[finding.row] for finding in made],
        [names[finding.column] for finding in made],
        [before[finding.row, finding.column] for finding in made],
        [finding.after for finding in made],
        [finding.rule for finding in made],
        [finding.confidence for finding in made],
    ]
    return pa.table(columns, schema=_REPAIRS)


def _quarantine(reading: Reading, leaving: dict[int, tuple[str, str]]) -> pa.Table:
    rows = sorted(leaving)
    names = {name: name if name not in reading.table.column_names else f"_{name}" for name in _TOLD}
    left = reading.table.take(pa.array(rows, pa.int64()))
    told: list[tuple[int, str, str, str | None]] = [(reading.numbers[row], *leaving[row], None) for row in rows]
    told += [
        (number, "readable", f"line {line.line}: {line.reason}", line.text)
        for number, line in reading.unreadable.items()
    ]
    lines = pa.table({field.name: pa.nulls(len(reading.unreadable), field.type) for field in left.schema})
    whole = pa.concat_tables([left, lines.cast(left.schema)])
    for index, (name, kind) in enumerate(_TOLD.items()):
        whole = whole.append_column(names[name], pa.array([cells[index] for cells in told], kind))
    return whole.sort_by(names["row"])


_TOLD = {"row": pa.int64(), "rule": pa.string(), "reason": pa.string(), "line": pa.string()}


def _written(tables: dict[str, pa.Table], out: Path) -> dict[str, str]:
    """Write the files, none of them under its name before all are whole."""
    drafts = {name: out / f".{name}.draft" for name in tables}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            pq.write_table(table, drafts[name], compression="snappy")
            sync(drafts[name])
        for name, draft in drafts.items():
            os.replace(draft, out / name)
        sync(out)
    except OSError as error:
        raise TargetError(
            f"The folder {out} cannot be written: {error.strerror or error}.", remedy="Give another folder."
        ) from error
    return {Path(name).stem: str(out / name) for name in tables}
