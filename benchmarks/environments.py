"""Other tools, each installed from PyPI into an environment of its own, and left out where that cannot be."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def environment(folder: Path, name: str, packages: Sequence[str]) -> str | None:
    """The Python of an environment with these packages; None, and a word about it, if it cannot be had."""
    place = folder / "environments" / name
    python = place / "bin" / "python"
    if not (place / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], capture_output=True, text=True)
        if done.returncode:
            print(f"{name} is left out: {(done.stderr.strip().splitlines() or ['it cannot be installed'])[-1]}")
            return None
        (place / "installed").touch()
    return str(python)


def measured(
    name: str, command: Sequence[str], surroundings: Mapping[str, str], limit_s: float = 1800
) -> dict[str, Any] | None:
    """The JSON object that a process prints last; None, and its last word, if it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=dict(surroundings), timeout=limit_s)
    except subprocess.TimeoutExpired:
        print(f"{name} is left out: it took longer than {limit_s:g} s")
        return None
    if done.returncode:
        print(f"{name} failed: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
        return None
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
