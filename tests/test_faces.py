"""The faces of the packages: what they show, and that importing them costs and changes nothing."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PROBE = """
import importlib, json, signal, sys, threading, warnings

sockets = []
sys.addaudithook(lambda event, arguments: sockets.append(event) if event.startswith("socket.") else None)
before = {number: signal.getsignal(number) for number in signal.valid_signals()}
filters, environment = list(warnings.filters), dict(__import__("os").environ)

face = importlib.import_module(sys.argv[1])

print(json.dumps({
    "sockets": sockets,
    "signals": [number for number, handler in before.items() if signal.getsignal(number) != handler],
    "threads": threading.active_count() - 1,
    "warnings": len([entry for entry in warnings.filters if entry not in filters]),
    "environment": dict(__import__("os").environ) != environment,
    "heavy": [name for name in sys.argv[2:] if name in sys.modules],
    "shown": getattr(face, "__all__", []),
    "missing": [name for name in getattr(face, "__all__", []) if "lazy" not in sys.argv and not hasattr(face, name)],
}))
"""

PACKAGES = ("core", "tools", "delegation", "crews", "graphs", "flows", "crewline")
HEAVY = ("crewai", "ibis", "duckdb", "pandas")


def imported(name: str, *looked_for: str) -> dict[str, object]:
    """What importing the module did to a fresh process."""
    done = subprocess.run([sys.executable, "-c", PROBE, name, *looked_for], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("name", PACKAGES)
def test_importing_a_package_opens_no_socket_starts_no_thread_and_takes_no_signal(name: str) -> None:
    found = imported(name, "lazy")
    assert {key: found[key] for key in ("sockets", "signals", "threads", "environment")} == {
        "sockets": [],
        "signals": [],
        "threads": 0,
        "environment": False,
    }


@pytest.mark.parametrize(
    "name",
    [
        "core",
        "core.spec",
        "core.errors",
        "core.store",
        "delegation",
        "crews",
        "graphs",
        "flows",
        "crewline",
        "crewline.cli",
    ],
)
def test_importing_what_starts_every_command_loads_nothing_heavy_and_leaves_warnings_alone(name: str) -> None:
    found = imported(name, "lazy", *HEAVY)
    assert (found["heavy"], found["warnings"]) == ([], 0)


@pytest.mark.parametrize("name", [*PACKAGES, "core.spec", "core.store"])
def test_a_face_is_short_sorted_and_there(name: str) -> None:
    # CrewAI hides behind the faces of the flows, and takes seconds: that they are there, the tests of the flow show.
    found = imported(name, *(["lazy"] if name == "flows" else []))
    shown = found["shown"]
    assert isinstance(shown, list)
    assert shown == sorted(shown)
    # The spec shows every word of the document: each source, check and rule.
    assert len(shown) <= (60 if name == "core.spec" else 30)
    assert found["missing"] == []


def test_what_packages_read_beside_their_modules_is_installed_with_them() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    installed = {
        path
        for package, patterns in setup["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    code = (".py", ".pyc", ".pyi")
    beside = {p for package in PACKAGES for p in (ROOT / package).rglob("*") if p.is_file() and p.suffix not in code}
    assert beside <= installed
