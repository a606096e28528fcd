"""Files by themselves: checked, profiled, cleaned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from core.spec import Check, Checklist
    from tools.quality.cleaning.cleaning import Cleaning
    from tools.quality.profile import Profile
    from tools.quality.report import QualityReport


def check(
    data: str | Path | pa.Table,
    checks: Checklist | Sequence[Check] | str | Path,
    *,
    references: Mapping[str, str | Path | pa.Table] | None = None,
) -> QualityReport:
    """Check a CSV, JSON lines or Parquet file, or an Arrow table, and change nothing.

    `checks` are checks of `core.spec`, a Checklist, or the path of a YAML document with them. `references` has the
    datasets that foreign keys refer to, besides those that the document names. Raises SpecError, SourceError,
    ExpressionError, CheckError. Data that fails is no error: its report says so.
    """
    from core.spec import load_checklist
    from tools.quality.report import check_dataset

    wanted = load_checklist(checks) if isinstance(checks, (str, Path)) else checks
    return check_dataset(data, wanted, references=references)


def profile(path: str | Path) -> Profile:
    """What a CSV, JSON lines or Parquet file holds, column by column. Raises SourceError."""
    from tools.engine.session import session
    from tools.quality.profile import profile as profile_table
    from tools.sources.opening import Files, open_files

    with session() as (engine, scratch):
        found = open_files(engine, Path(path).stem, Files(path=str(path)), scratch)
        of_records = profile_table(engine, found.cells(engine))
        return of_records.model_copy(update={"unreadable": len(found.unreadable), "notes": found.notes})


def suggest_checks(sample: Profile) -> list[Check]:
    """Checks that a profile of trusted data teaches: they hold on it, and should on what comes after it."""
    from tools.quality.suggestion import suggest_checks as suggest

    return suggest(sample)


def unusable(sample: Profile) -> dict[str, str]:
    """The columns of a profiled file that no pipeline can declare, each with the reason."""
    from tools.quality.suggestion import unusable as found

    return found(sample)


def clean(path: str | Path, out: str | Path) -> Cleaning:
    """Clean a CSV, JSON lines or Parquet file, by the evidence in it, into four files in the folder `out`.

    See tools.quality.cleaning.cleaning for the files. Raises SourceError, TargetError.
    """
    from tools.quality.cleaning.cleaning import clean as clean_file

    return clean_file(path, out)
