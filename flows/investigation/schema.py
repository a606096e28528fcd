"""What a source is now, beside what the spec says of it."""

import glob
import posixpath
from pathlib import Path
from typing import Any

from core.errors import SourceError
from core.schema import Schema, SchemaColumn
from core.spec.source import CsvSource, PostgresSource, Source
from delegation.consensus.change import renames
from flows.investigation.case import Case
from flows.resemblance import ALIKE, by_name, likeness
from tools.engine.files import SourceFile, find, open_file
from tools.sources import reader
from tools.sources.dialect import delimiter_of, encoding_of

# So many files nearby are told.
MOST_NEAR = 5


def schema_facts(case: Case, source: str) -> dict[str, Any]:
    """Files, delimiter, encoding and columns of a source, as found now. Raises SourceError."""
    declared = case.spec.sources[source]
    facts: dict[str, Any] = {}
    if not isinstance(declared, PostgresSource):
        files = find(declared.path, case.surroundings.base_dir)
        facts[f"{source}.files"] = len(files)
        if not files:
            return facts | {f"{source}.near": _near(declared.path, case.surroundings.base_dir)}
        if empty := [file.path for file in files if not file.size]:
            return facts | {f"{source}.empty": empty}
        if isinstance(declared, CsvSource):
            declared, dialect = _dialect(declared, files)
            facts |= {f"{source}.{name}": told for name, told in dialect.items()}
    schemas = reader(source, declared, case.surroundings).schemas()
    return facts | _columns(source, case.spec.sources[source], schemas)


def _dialect(declared: CsvSource, files: list[SourceFile]) -> tuple[CsvSource, dict[str, Any]]:
    """The source as its first file is written, and where that differs from what is declared."""
    with open_file(files[0].path) as file:
        encoding = encoding_of(file)
        delimiter = delimiter_of(file, encoding)
    # What has nothing but ASCII, or none of the signs that Windows-1252 has beside Latin-1, is as it is declared too.
    narrower = {"latin-1": ("utf-8",), "windows-1252": ("utf-8", "latin-1")}
    fits = encoding in narrower.get(declared.encoding, ())
    facts: dict[str, Any] = {"delimiter": {"declared": declared.delimiter, "found": delimiter}}
    facts["encoding"] = {"declared": declared.encoding, "found": declared.encoding if fits else encoding}
    return declared.model_copy(update={"delimiter": delimiter, "encoding": encoding}), facts


def _columns(source: str, declared: Source, schemas: list[Schema]) -> dict[str, Any]:
    found = dict.fromkeys(name for schema in schemas for name in schema)
    missing = [name for name in declared.columns if any(name not in schema for schema in schemas)]
    new = [name for name in found if name not in declared.columns]
    facts: dict[str, Any] = {f"{source}.missing": missing, f"{source}.new": new}
    if missing and new and len(schemas) == 1:
        facts[f"{source}.renamed"] = by_name(declared.columns, missing, new, schemas[0])
    elif missing and new:
        known = dict.fromkeys(declared.columns, SchemaColumn())
        # By their words alone, as the voters go who judge such a change.
        facts[f"{source}.renamed_in_some"] = {
            old: now for schema in schemas for old, now in renames(known, schema).items()
        }
    return facts


def _near(pattern: str, base_dir: str) -> list[str]:
    """Files beside those that are missing, of the same kind, by how alike their names are; as paths for the spec."""
    if "://" in pattern:
        return []
    full = pattern if Path(pattern).is_absolute() else str(Path(glob.escape(base_dir)) / pattern)
    ending = posixpath.splitext(full)[1]
    folder = Path(glob.glob(str(Path(full).parent))[0]) if glob.glob(str(Path(full).parent)) else None
    if folder is None:
        return []
    wanted = Path(full).stem.lower()
    rated = [
        (likeness(wanted, file.stem), file.name)
        for file in folder.iterdir()
        if file.is_file() and file.suffix == ending
    ]
    rated.sort(key=lambda one: (-one[0], one[1]))
    return [posixpath.join(posixpath.dirname(pattern), name) for alike, name in rated[:MOST_NEAR] if alike >= ALIKE]


def readable(case: Case, source: str, path: str) -> bool:
    """Whether the files at another path have the columns that the spec declares."""
    declared = case.spec.sources[source].model_copy(update={"path": path})
    try:
        reader(source, declared, case.surroundings).inspect()
    except SourceError:
        return False
    return True
