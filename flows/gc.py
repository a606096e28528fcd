"""Removing what no record refers to: files of attempts that never committed, versions that were replaced."""

import re
import shutil
from pathlib import Path

from pydantic import BaseModel

from core.lease import fence
from core.settings import Settings
from core.store.database import Connection, Database
from flows.closing import replaced
from tools.publication.target import remove, versions_dir


class Garbage(BaseModel):
    """What was removed: folders, and their bytes."""

    folders: int = 0
    bytes: int = 0


def collect(database: Database, settings: Settings) -> Garbage:
    """Remove garbage of runs that nobody works on, and return how much it was.

    Kept is what a committed step wrote, to which forks of the run may refer as well; of each target, the published
    version and the one before. Folders of runs that are not on record are left alone: they may belong to another
    database.
    """
    garbage = Garbage()
    targets: set[Path] = set()
    for row in database.query("SELECT run_id, base_dir, spec -> 'target' ->> 'path' AS path FROM runs ORDER BY run_id"):
        # A graph publishes nothing.
        target = Path(row["base_dir"]) / row["path"] if row["path"] else None
        targets |= {target} if target else set()
        run_id = row["run_id"]

        def work(connection: Connection, run_id: str = run_id, target: Path | None = target) -> tuple[int, int]:
            # Nobody can take the run up while its files are sorted.
            if not fence(connection, run_id, settings.lease_s):
                return 0, 0
            return _of_run(connection, run_id, settings.runs_dir / run_id, target)

        folders, size = database.transaction(work)
        garbage.folders += folders
        garbage.bytes += size
    for target in sorted(targets):
        garbage.bytes += remove(target, replaced(database, target))
    return garbage


def _of_run(connection: Connection, run_id: str, root: Path, target: Path | None) -> tuple[int, int]:
    rows = connection.execute(
        "SELECT step_key, attempt, token, outcome ->> 'version' AS version FROM steps"
        " WHERE run_id = %s AND status = 'done'",
        (run_id,),
    ).fetchall()
    kept = {root / row["step_key"] / f"attempt-{row['attempt']}-{row['token']}" for row in rows}
    folders = [folder for folder in sorted(root.rglob("attempt-*-*")) if folder.is_dir() and folder not in kept]
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    for folder in folders:
        shutil.rmtree(folder)
    if target is None:
        return len(folders), size
    published = {Path(row["version"]).name for row in rows if row["version"]}
    # Another run's id can begin with this one's.
    own = re.compile(rf"{re.escape(run_id)}-\d+-\d+")
    staged = {folder.name for folder in versions_dir(target).glob("*") if own.fullmatch(folder.name)} - published
    return len(folders), size + remove(target, staged)
