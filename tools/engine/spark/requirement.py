"""What Spark needs of the machine, asked before anything is started."""

import importlib.util
import os
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from core.errors import InputError
from core.spec.engine import EngineSpec, PySparkEngine

# Spark 4 runs on no older one.
LEAST_JAVA = 17

_INSTALL = "Install it with: pip install 'crewline[spark]'"


def check_engine(spec: EngineSpec) -> None:
    """Raise InputError, with the way out, unless what the engine of a spec needs is installed here."""
    if isinstance(spec, PySparkEngine):
        pyspark_version()
        java_version()


def pyspark_version() -> str:
    """The version of PySpark that is installed. Raises InputError if none is."""
    if importlib.util.find_spec("pyspark") is None:
        raise InputError("The engine pyspark is not installed.", remedy=_INSTALL)
    return metadata.version("pyspark")


def java_version() -> int:
    """The major version of the Java that Spark would use. Raises InputError if there is none, or it is too old."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    remedy = f"Install Java {LEAST_JAVA} or newer, and set JAVA_HOME to its folder."
    if java is None or not Path(java).is_file():
        where = java or "any place of PATH"
        raise InputError(f"The engine pyspark needs Java; there is none at {where}.", remedy=remedy)
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=30).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(f"The engine pyspark needs Java, and {java} does not run: {error}.", remedy=remedy) from error
    # Before 9, the version began with 1: 1.8.0.
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    version = int(match[1]) if match else 0
    if version < LEAST_JAVA:
        raise InputError(f"The engine pyspark needs Java {LEAST_JAVA}; {java} is {version}.", remedy=remedy)
    return version
