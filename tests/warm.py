"""Python code and commands as in processes of their own, but without the seconds that they take to import.

Each is a fork of the server in `tests.child`, with its own folder, environment and output. That the packages and the
command start in a fresh process, and what that costs, is for `test_faces` and `test_cli`.
"""

import atexit
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType

from core.settings import settings
from tests.child import begun, context

PATIENCE_S = 120


def python(code: str, folder: Path, *arguments: str, **environment: str) -> CompletedProcess[str]:
    """What `python -c code` does in this folder, with more in its environment."""
    return _done(["-c", *arguments], code, folder, _around(environment))


def command(line: str, folder: Path) -> CompletedProcess[str]:
    """What a shell makes of a line, with the programs of this environment on its path."""
    program, *arguments = shlex.split(line)
    if program == "crewline":
        return _done([program, *arguments], "from crewline.cli import main\nmain()\n", folder, _around({}))
    return subprocess.run(line, shell=True, cwd=folder, env=_around({}), capture_output=True, text=True, check=False)


def _around(environment: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _done(argv: list[str], code: str, folder: Path, environment: dict[str, str]) -> CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as written:
        out, err = Path(written, "out"), Path(written, "err")
        # No daemon: those may not have children of their own.
        process = context.Process(target=_work, args=(argv, code, folder, environment, out, err))
        begun(process)
        process.join(PATIENCE_S)
        if process.exitcode is None:
            process.kill()
            raise AssertionError(f"it hangs: {argv}\n{out.read_text()}\n{err.read_text()}")
        return CompletedProcess(argv, process.exitcode, out.read_text(), err.read_text())


def _work(argv: list[str], code: str, folder: Path, environment: dict[str, str], out: Path, err: Path) -> None:
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    settings.cache_clear()
    sys.argv = argv
    sys.path.insert(0, "")
    main = sys.modules["__main__"] = ModuleType("__main__")
    try:
        exec(compile(code, "<string>", "exec"), main.__dict__)
    finally:
        # Those who fork do not expect that what they call ends as a program does.
        atexit._run_exitfuncs()
