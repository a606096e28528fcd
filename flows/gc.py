"""Removing what no record refers to: files of attempts that never committed, versions that were replaced."""

import shutil
from pathlib import Path

from pydantic import BaseModel

from core.settings import Settings
from core.store.database import Database
from tools.publication.target import remove_old


class Garbage(BaseModel):
    """What was removed: folders, and their bytes."""

    folders: int = 0
    bytes: int = 0


def collect(database: Database, settings: Settings) -> Garbage:
    """Remove garbage of runs that nobody works on, and return how much it was.

    Kept is what a committed step wrote. Of each target the published version and the one before stay.
    """
    garbage = Garbage()
    busy = {row["run_id"] for row in database.query("SELECT run_id FROM runs WHERE holder IS NOT NULL")}
    kept = {
        (row["run_id"], row["step_key"]): f"attempt-{row['attempt']}-{row['token']}"
        for row in database.query("SELECT run_id, step_key, attempt, token FROM steps WHERE status = 'done'")
    }
    for run in sorted(settings.runs_dir.iterdir()) if settings.runs_dir.is_dir() else []:
        if run.name in busy:
            continue
        for folder in sorted(run.rglob("attempt-*-*")):
            key = str(folder.parent.relative_to(run))
            if folder.is_dir() and kept.get((run.name, key)) != folder.name:
                garbage.folders += 1
                garbage.bytes += _size(folder)
                shutil.rmtree(folder)
    for target, versions in _targets(database).items():
        if not versions["busy"]:
            garbage.bytes += remove_old(Path(target), keep=versions["last"])
    return garbage


def _targets(database: Database) -> dict[str, dict[str, set[str]]]:
    """For each target that was published to: the folders of its last two versions, and the runs under way."""
    found: dict[str, dict[str, set[str]]] = {}
    for row in database.query(
        "SELECT r.run_id, r.base_dir, r.spec -> 'target' ->> 'path' AS path, r.holder IS NOT NULL AS busy,"
        " s.outcome ->> 'version' AS version FROM runs r LEFT JOIN steps s ON s.run_id = r.run_id"
        " AND s.step_key = 'publish' AND s.status = 'done' ORDER BY s.finished_at DESC NULLS LAST"
    ):
        of = found.setdefault(str(Path(row["base_dir"]) / row["path"]), {"last": set(), "busy": set()})
        if row["version"] and len(of["last"]) < 2:
            of["last"].add(Path(row["version"]).name)
        if row["busy"]:
            of["busy"].add(row["run_id"])
    return found


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
