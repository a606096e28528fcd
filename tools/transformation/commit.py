"""Where a transformation writes: its scratch, its evidence, and the target, which changes at once or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ibis.expr.types import Table

from core.dataset import DatasetRef
from core.errors import TargetError
from tools.engine.engine import Engine
from tools.publication.delta import check_delta_target, commit_delta
from tools.publication.target import check_target, count_rows, exclusive, remove, stage, swap, versions_dir
from tools.transformation.request import TransformationRequest

# The version that is committed, and the one before it: a reader may still be in the middle of that.
_KEPT = 2

_PREFIX = "t-"


def evidence_dir(path: Path) -> Path:
    """The folder of what stays about the rows that did not get to a target."""
    return path.parent / f".{path.name}.evidence"


@dataclass(frozen=True)
class Target:
    """A target under way: `version` is what is being written now, in `scratch` and with `evidence`."""

    path: Path
    form: Literal["parquet", "json", "csv", "delta"]
    partition_by: tuple[str, ...]
    version: str

    @property
    def scratch(self) -> Path:
        """What is gone when the work is over."""
        return versions_dir(self.path) / f".work-{self.version}"

    @property
    def evidence(self) -> Path:
        """What stays about the rows that did not get to the target."""
        return evidence_dir(self.path) / self.version

    def stage(self, engine: Engine, rows: Table) -> tuple[Path, int]:
        """Write the rows, not yet visible; return the folder, and how many rows are in it. Raises TargetError."""
        visible = [name for name in rows.columns if not name.startswith("_")]
        if absent := [name for name in self.partition_by if name not in visible]:
            raise TargetError(
                f"The result has no column {', '.join(absent)} to partition by; it has {', '.join(visible)}.",
                remedy="Correct `partition_by`.",
            )
        if not set(visible) - set(self.partition_by):
            raise TargetError("At least one column must be left to stand in the files.", remedy="Partition by fewer.")
        rows = rows.select(visible)
        if self.form == "delta":
            folder = self.scratch / "staged"
            folder.mkdir()
            return folder, engine.write(rows, folder / "data_0.parquet").rows
        folder = stage(engine, rows, self.path, self.version, self.partition_by, self.form)
        return folder, count_rows(folder, self.form)

    def commit(self, engine: Engine, folder: Path) -> list[Path]:
        """Let readers see what was staged; return its files. Raises TargetError."""
        if self.form == "delta":
            staged = DatasetRef(paths=(str(folder / "data_0.parquet"),), rows=0, columns={})
            with engine.translating():
                batches = engine.in_process.batches(engine.read([staged]))
            commit_delta(batches, self.path, self.partition_by)
            files = [file for file in self.path.rglob("*.parquet") if "_delta_log" not in file.parts]
        else:
            swap(self.path, folder)
            files = [file for file in folder.rglob("*") if file.is_file()]
        self._forget()
        return sorted(files)

    def _forget(self) -> None:
        """Remove what transformations before the last ones have left; others' versions are not touched."""
        versions = sorted(name.name for name in versions_dir(self.path).glob(f"{_PREFIX}*"))
        remove(self.path, set(versions[:-_KEPT]))
        for folder in sorted(self.evidence.parent.glob(f"{_PREFIX}*"))[:-_KEPT]:
            shutil.rmtree(folder)


@contextmanager
def writing(path: Path, request: TransformationRequest) -> Iterator[Target]:
    """The target for the while that it is written. What failed leaves nothing behind. Raises TargetError."""
    now = datetime.now(UTC)
    version = f"{_PREFIX}{now:%Y%m%dT%H%M%S}{now.microsecond:06}-{uuid.uuid4().hex[:8]}"
    target = Target(path, request.output_format, request.partition_by, version)
    if target.form == "delta":
        check_delta_target(path)
        versions_dir(path).mkdir(parents=True, exist_ok=True)
    else:
        check_target(path)
    with exclusive(path):
        for left_behind in versions_dir(path).glob(".work-*"):
            shutil.rmtree(left_behind, ignore_errors=True)
        target.scratch.mkdir()
        target.evidence.mkdir(parents=True)
        try:
            yield target
        except BaseException:
            remove(path, {version})
            shutil.rmtree(target.evidence, ignore_errors=True)
            with suppress(OSError):
                # That of earlier ones stays.
                target.evidence.parent.rmdir()
            raise
        finally:
            shutil.rmtree(target.scratch, ignore_errors=True)
