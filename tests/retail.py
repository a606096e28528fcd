"""The retail example in a folder of a test's own."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

from core.store import Database

EXAMPLE = Path(__file__).parent.parent / "examples" / "retail"


def script(name: str) -> ModuleType:
    """A script of the example as a module."""
    spec = importlib.util.spec_from_file_location(f"retail_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def copy(folder: Path, database: Database) -> Path:
    """The example's committed data, with its table loaded; the path of its pipeline."""
    shutil.copytree(EXAMPLE / "data", folder / "data")
    for name in ("pipeline.yaml", "truth.csv"):
        shutil.copy(EXAMPLE / name, folder / name)
    script("load").load(database, folder / "data" / "customers.csv")
    return folder / "pipeline.yaml"
